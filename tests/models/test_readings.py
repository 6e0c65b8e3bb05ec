"""What is called significant: at most alpha of experiments without any effect, and what the figures say otherwise."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from models.estimates import Estimate
from models.inference import infer
from models.metrics import Metric
from models.readings import adjusted, normal_deviate
from tests.models.experiments import designs, moments, shares

N_EXPERIMENTS = 1_500
METRICS = [Metric(name, "proportion", name) for name in ("one", "two", "three")]


def test_the_normal_deviate_has_the_tail_of_t() -> None:
    """t = 2.5 with 10 degrees of freedom has p = .0314, and so has its deviate; far out it stays finite."""
    t, df = np.array([2.5, -2.5, 2.5, 1e6]), np.array([10, 10, np.inf, 300.0])
    ones = np.ones(4)
    z = normal_deviate(Estimate(t, ones, ones, df, ones, ones, ones, ones))
    np.testing.assert_allclose(z[:3], [stats.norm.isf(stats.t.sf(2.5, 10))] * 2 + [2.5])
    assert np.isfinite(z[3])


def test_adjusted_by_family_and_role() -> None:
    """Holm within each family's primaries, Benjamini-Hochberg within its secondaries, nothing for a guardrail."""
    p = np.array([0.01, 0.02, 0.01, 0.02, 0.04, 0.03])
    primary, goal = np.array([1, 1, 0, 0, 1, 0], bool), np.array([1, 1, 1, 1, 1, 0], bool)
    family = np.array([0, 0, 0, 0, 1, 0])
    np.testing.assert_allclose(adjusted(p, family, primary, goal), [0.02, 0.02, 0.02, 0.02, 0.04, 0.03])


def test_the_ends_for_all_arms_agree_with_holm() -> None:
    """c wins only at Holm's second step, with p = .035 against .05: its interval at .025 holds 0, and is cut there."""
    seen = shares({"a": (5000, 500), "b": (5000, 900), "c": (5000, 565)})
    planned = designs("a", "b", "c", planned_units=15_000, looks=[1.0])
    found = infer(seen, planned, [Metric("conversion", "proportion", "is_buyer")])
    ends = {row["variant"]: (row["is_significant"], row["low_reading"], row["high_reading"]) for row in found.iter_rows(named=True)}
    assert ends["b"][0] is ends["c"][0] is True
    assert ends["b"][1] > 0
    assert ends["c"][1] == 0.0 < ends["c"][2]


@pytest.mark.parametrize("planned", [True, False], ids=["group sequential", "always valid"])
def test_family_wise_error_of_four_arms_and_three_metrics(planned: bool) -> None:
    """Without any effect something is called in at most 5 % of experiments (a bound of three standard errors above), at the worst
    case of the group-sequential reading, a single look at the planned end, which alone would call 12 tests in 35 % of them."""
    rng = np.random.default_rng(11)
    n, variants = 2_000, list("abcde")
    counts = rng.binomial(n, 0.1, (N_EXPERIMENTS, len(METRICS), len(variants)))
    grid = np.indices(counts.shape).reshape(3, -1)
    share = counts.ravel() / n
    seen = pl.DataFrame(
        {
            "experiment_id": [f"e{number:05}" for number in grid[0]],
            "segment": "",
            "segment_value": "",
            "metric": [METRICS[number].name for number in grid[1]],
            "variant": [variants[number] for number in grid[2]],
            "n": n,
            "n_positive": counts.ravel(),
            "mean_num": share,
            "var_num": share * (1 - share) * n / (n - 1),
        }
    )
    ends = {"planned_units": 10_000, "looks": [1.0]} if planned else {}
    plan = designs(*variants, primary="one", **ends)
    ids = seen.select("experiment_id").unique()
    found = infer(
        pl.concat([moments([]), seen], how="diagonal_relaxed"), ids.join(plan.drop("experiment_id"), how="cross"), METRICS
    )
    called = found.group_by("experiment_id").agg(pl.col("is_significant").any())["is_significant"].mean()
    naive = found.group_by("experiment_id").agg((pl.col("p") < 0.05).any())["p"].mean()
    assert called <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / N_EXPERIMENTS)
    assert naive > 0.25
    assert not planned or called > 0.02
