"""How often experiments without an effect are called, and how often those with one, by simulation with seeds.

python -m bench.peeking [--simulations N] [--families N] [--json]

The rivals are what one would do otherwise: a t test at every look, sessions counted as if they were units, every arm and metric
tested by itself. Shares come with their 95 % interval (Wilson). Families are run through models.inference.infer as a night would.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import polars as pl

from bench.experiments_drawn import Run, called, visits
from bench.measure import show
from models import estimates
from models.estimates import Moments
from models.experiment_frames import MOMENTS
from models.inference import infer
from models.metrics import PROPORTION, Metric
from models.replay import wilson

ARMS, FAMILY_METRICS = ("control", "a", "b", "c", "d"), ("m1", "m2", "m3")


def main() -> None:
    """Every row of the table of what must hold."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--simulations", type=int, default=20_000)
    arguments.add_argument("--families", type=int, default=2_000)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    n = given.simulations
    rows = _by_reading("A/A, 5 % convert, 28 daily looks, 500 units per arm and day", Run(), n, 1)
    for per_day in (20, 100, 500, 2_000):
        words = f"A/A, lognormal(3.0, 1.2) revenue of 5 % buyers, {per_day} units per arm and day"
        rows += _by_reading(words, Run(per_day=per_day, log_mean=3.0, log_sd=1.2), n, 2)
    rows += _by_reading("+15 % on 5 %, 500 units per arm and day", Run(rise=0.15), n, 3)
    rows += _of_sessions(n, 4)
    rows += _of_families(given.families, 5)
    show(f"called significant, {n:,} simulations", rows)


def _by_reading(words: str, run: Run, n: int, seed: int) -> list[dict[str, Any]]:
    return [_row(words, name, share, n) for name, share in called(run, n, seed).items()]


def _of_sessions(n: int, seed: int) -> list[dict[str, Any]]:
    """Users are randomised, sessions are counted: the ratio of a user's sums against sessions taken for units."""
    random = np.random.default_rng(seed)
    ours = naive = 0
    for first in range(0, n, 1_000):
        control, treatment = visits(min(1_000, n - first), 500, random)
        ours += _n_significant(estimates.ratio(control, treatment))
        naive += _n_significant(estimates.proportion(_as_units(control), _as_units(treatment)))
    words = "A/A, users randomised, conversion per session, one look"
    return [_row(words, "ratio by the delta method", ours / n, n), _row(words, "sessions as units", naive / n, n)]


def _n_significant(estimate: estimates.Estimate) -> int:
    return int((estimates.p_value(estimate) <= 0.05).sum())


def _as_units(arm: Moments) -> Moments:
    sessions = arm.get("n") * arm.mean("den")
    return Moments(sessions, arm.get("n") * arm.mean("num") / sessions)


def _of_families(n: int, seed: int) -> list[dict[str, Any]]:
    """Four arms against one control by three metrics without any effect, read at 28 looks, with and without a planned end."""
    run = Run(per_day=200)
    random = np.random.default_rng(seed)
    # conversions of each arm and metric up to each look
    drawn = random.binomial(run.per_day, run.share, (n, len(ARMS), len(FAMILY_METRICS), run.days)).cumsum(axis=3)
    metrics = [Metric(name, PROPORTION, name) for name in FAMILY_METRICS]
    rows = []
    for words, planned in (("always valid", None), ("group sequential", len(ARMS) * run.per_day * run.days)):
        adjusted, alone = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        for look in range(run.days):
            looks = [(k + 1) / run.days for k in range(look + 1)] if planned else None
            results = infer(_moments(drawn[..., look], run.per_day * (look + 1)), _designs(n, planned, looks), metrics)
            for found, column in ((adjusted, pl.col("is_significant")), (alone, pl.col("p") <= 0.05)):
                hit = results.filter(column)["experiment_id"].unique().cast(pl.Int64).to_numpy()
                found[hit] = True
        family = f"12 null tests (4 arms, 3 metrics), {words}"
        rows.append(_row(family, "as we call it", float(adjusted.mean()), n))
        rows.append(_row(family, "each test by itself, every look", float(alone.mean()), n))
    return rows


def _moments(conversions: np.ndarray[Any, Any], n: int) -> pl.DataFrame:
    experiment, arm, metric = (axis.ravel() for axis in np.indices(conversions.shape))
    share = conversions.ravel() / n
    frame = pl.DataFrame(
        {
            "experiment_id": pl.Series(experiment).cast(pl.String),
            "segment": "",
            "segment_value": "",
            "metric": np.array(FAMILY_METRICS)[metric],
            "variant": np.array(ARMS)[arm],
            "n": n,
            "n_positive": conversions.ravel(),
            "mean_num": share,
            "var_num": share * (1 - share) * n / (n - 1),
        }
    )
    return pl.concat([pl.DataFrame(schema=pl.Schema(MOMENTS)), frame], how="diagonal_relaxed")


def _designs(n: int, planned: int | None, looks: list[float] | None) -> pl.DataFrame:
    arms = pl.DataFrame({"variant": ARMS, "weight": 1.0, "is_control": [name == ARMS[0] for name in ARMS]})
    frame = pl.DataFrame({"experiment_id": [str(number) for number in range(n)]}).join(arms, how="cross")
    planned_units = pl.lit(planned, dtype=pl.Int64)
    return frame.with_columns(
        alpha=0.05, primary_metric=pl.lit(FAMILY_METRICS[0]), planned_units=planned_units,
        looks=pl.lit(looks, dtype=pl.List(pl.Float64)), days=28.0, is_ended=False,
    )  # fmt: skip


def _row(setting: str, method: str, share: float, n: int) -> dict[str, Any]:
    _, low, high = wilson(round(share * n), n)
    return {"setting": setting, "method": method, "share": share, "low": low, "high": high}


if __name__ == "__main__":
    main()
