"""The contract of every metric: what a row of METRICS must hold, whatever it measures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.inference import infer
from models.metrics import BY_NAME, CLAIM, GOAL, GUARDRAIL, MEAN, METRICS, PROPORTION, QUANTILE, RATIO, Metric
from tests.models.experiments import designs, drawn, moments, moments_of, units
from tests.models.invented import QUICK

every = pytest.mark.parametrize(
    "metric", [*METRICS, Metric("p90", QUANTILE, "seconds", quantile=0.9)], ids=lambda metric: metric.name
)
FIGURES = (
    "difference",
    "standard_error",
    "p",
    "p_always_valid",
    "low",
    "high",
    "low_always_valid",
    "chance_to_win",
    "expected_loss",
)


def compared(metric: Metric, arms: dict[str, dict[str, np.ndarray]], primary: str | None = None) -> dict[str, Any]:
    """The results of the second arm against the first."""
    rows = [moments_of(metric, values, variant) for variant, values in arms.items()]
    found = infer(moments(rows), designs(*arms, primary=primary or metric.name), [metric])
    return found.filter(~pl.col("is_control")).row(0, named=True)


@every
def test_a_row_is_whole(metric: Metric) -> None:
    """Names are unique, a ratio has its denominator and nothing else has one, covariates go together, guardrails have margins."""
    assert BY_NAME.get(metric.name, metric) == metric
    assert len(BY_NAME) == len(METRICS)
    assert metric.kind in (PROPORTION, MEAN, RATIO, QUANTILE)
    assert (metric.denominator is not None) == (metric.kind == RATIO)
    assert metric.covariate_denominator is None or metric.covariate is not None
    assert metric.role in (GOAL, GUARDRAIL, CLAIM)
    assert (metric.margin is not None and metric.margin > 0) == (metric.role == GUARDRAIL)
    assert metric.better in (1, -1)
    assert metric.scale > 0
    assert metric.unit in ("rate", "currency", "items")
    assert (metric.scale == 0.01) == (metric.unit == "currency")
    assert next(metric.columns()) == ("num", metric.numerator)


@every
@QUICK
@given(seed=st.integers(0, 10_000), sizes=st.tuples(st.integers(0, 200), st.integers(0, 200)))
def test_a_figure_is_finite_or_null_with_a_reason(metric: Metric, seed: int, sizes: tuple[int, int]) -> None:
    """Arms of any size give figures that JSON has, probabilities within 0 and 1, and intervals around the difference."""
    found = compared(metric, {"a": units(metric, sizes[0], seed), "b": units(metric, sizes[1], seed + 1)})
    values = [found[name] for name in FIGURES if found[name] is not None]
    assert np.isfinite(values).all()
    if found["p"] is None:
        assert found["reason"]
    else:
        assert 0 <= found["p"] <= found["p_always_valid"] <= 1
        assert found["low_always_valid"] <= found["low"] <= found["difference"] <= found["high"] <= found["high_always_valid"]
        assert (found["low"] > 0 or found["high"] < 0) == (found["p"] < 0.05)
        assert 0 <= found["chance_to_win"] <= 1
        assert found["expected_loss"] >= 0


@every
def test_swapped_arms_flip_the_sign(metric: Metric) -> None:
    """Who is called the control changes the sign of the difference and nothing else of the test."""
    a, b = units(metric, 300, 1), units(metric, 200, 2)
    one, other = compared(metric, {"a": a, "b": b}), compared(metric, {"b": b, "a": a})
    assert one["difference"] == pytest.approx(-other["difference"], rel=1e-9)
    assert (one["low"], one["high"]) == (pytest.approx(-other["high"], rel=1e-9), pytest.approx(-other["low"], rel=1e-9))
    for name in ("p", "p_always_valid", "standard_error"):
        assert one[name] == pytest.approx(other[name], rel=1e-9)


@every
@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e6])
def test_scaled_values_scale_the_difference(metric: Metric, factor: float) -> None:
    """Other units of the numerator are other units of every figure, and change no p-value."""
    if metric.kind == PROPORTION:
        pytest.skip("a proportion's numerator holds 0 and 1")
    arms = {"a": units(metric, 300, 1), "b": units(metric, 200, 2)}
    larger = {variant: {**values, "num": values["num"] * factor} for variant, values in arms.items()}
    one, other = compared(metric, arms), compared(metric, larger)
    shown = compared(replace(metric, scale=metric.scale * factor), arms)
    for name in ("difference", "standard_error", "low", "high", "low_always_valid", "mean", "standard_deviation", "expected_loss"):
        assert other[name] == pytest.approx(one[name] * factor, rel=1e-9)
        assert shown[name] == pytest.approx(other[name], rel=1e-9)
    for name in ("p", "p_always_valid", "lift", "chance_to_win"):
        assert other[name] == pytest.approx(one[name], rel=1e-9)


@every
def test_a_constant_added_leaves_the_difference(metric: Metric) -> None:
    """Means and quantiles move together: the difference and its error stay, at an offset of a million too."""
    if metric.kind in (PROPORTION, RATIO):
        pytest.skip("neither a proportion nor a ratio has a constant to add")
    arms = {"a": units(metric, 300, 1), "b": units(metric, 200, 2)}
    moved = {variant: {**values, "num": values["num"] + 1e6} for variant, values in arms.items()}
    one, other = compared(metric, arms), compared(metric, moved)
    for name in ("difference", "standard_error", "p", "low", "high"):
        assert other[name] == pytest.approx(one[name], rel=1e-6)


@every
def test_more_is_better_only_where_it_is(metric: Metric) -> None:
    """Twice the control's numerator is better for a goal and worse for a guardrail, which it harms."""
    low = units(metric, 4000, 1)
    high = {**low, "num": np.maximum(low["num"], units(metric, 4000, 2)["num"]) if metric.kind == PROPORTION else low["num"] * 2}
    found = compared(metric, {"a": low, "b": high})
    assert found["difference"] > 0
    assert found["is_better"] is (metric.better == 1)
    assert (found["chance_to_win"] > 0.5) is (metric.better == 1)
    assert found["is_harmed"] is (True if metric.role == GUARDRAIL else None)
    assert found["role"] == metric.role


def test_a_claim_is_never_significant() -> None:
    """What a client sent is shown beside what orders say, however large the difference, and calls nothing."""
    claim = BY_NAME["claimed_revenue_per_unit"]
    low = units(claim, 4000, 1)
    found = compared(claim, {"a": low, "b": {**low, "num": low["num"] * 10 + 5}})
    assert (claim.role, found["role"]) == (CLAIM, CLAIM)
    assert found["p"] < 1e-9
    assert not found["is_significant"]


def test_metrics_do_not_disturb_each_other() -> None:
    """All metrics in one call give what each gives alone."""
    seen = drawn({"a": 200, "b": 150, "c": 100}, 3)
    together = infer(seen, designs("a", "b", "c", primary="none"), METRICS)
    alone = [
        infer(seen.filter(pl.col("metric") == metric.name), designs("a", "b", "c", primary="none"), [metric]) for metric in METRICS
    ]
    every_row = pl.concat(alone).sort("metric", maintain_order=True)
    # only what is adjusted for the number of metrics may differ
    assert together.drop("p_adjusted").equals(every_row.drop("p_adjusted"))
