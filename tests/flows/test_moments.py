"""Moments of units: one DuckDB aggregation against numpy, arm by arm."""

from __future__ import annotations

from itertools import combinations

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.moments import moments
from models.experiment_frames import MOMENTS
from models.metrics import MEAN, PROPORTION, QUANTILE, RATIO, Metric
from tests.models.invented import QUICK

FOUR = Metric("rate", RATIO, "clicks", "views", "pre_clicks", "pre_views")
ROLES = {"num": "clicks", "den": "views", "pre_num": "pre_clicks", "pre_den": "pre_views"}


def units(n: int, offset: float = 0.0, seed: int = 1) -> pl.DataFrame:
    """Units of two experiments and three arms, with four columns that correlate."""
    rng = np.random.default_rng(seed)
    base = rng.lognormal(0.0, 1.0, n)
    columns = {name: offset + base * (place + 1) + rng.normal(size=n) for place, name in enumerate(ROLES.values())}
    keys = {"experiment_id": rng.choice(["e1", "e2"], n), "variant": rng.choice(["a", "b", "c"], n)}
    return pl.DataFrame({**keys, "country": rng.choice(["de", "fr"], n), **columns})


def of(frame: pl.DataFrame, *metrics: Metric, segments: tuple[str, ...] = ()) -> pl.DataFrame:
    """Moments of a frame."""
    with duckdb.connect() as duck:
        return moments(duck.from_arrow(frame.to_arrow()), metrics, segments)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_all_fourteen_agree_with_numpy(offset: float) -> None:
    """Means, sample variances and covariances of every arm are numpy's, at an offset of 1e8 as well as at none."""
    frame = units(3000, offset)
    found = of(frame, FOUR)
    assert dict(found.schema) == MOMENTS and found.height == 6
    for row in found.iter_rows(named=True):
        arm = frame.filter(pl.col("experiment_id") == row["experiment_id"], pl.col("variant") == row["variant"])
        values = {role: arm[name].to_numpy() for role, name in ROLES.items()}
        assert (row["n"], row["n_positive"]) == (arm.height, int((values["num"] > 0).sum()))
        for role, column in values.items():
            assert row[f"mean_{role}"] - offset == pytest.approx(column.mean() - offset, abs=1e-14 * offset + 1e-12)
            assert row[f"var_{role}"] == pytest.approx(np.var(column, ddof=1), rel=1e-7 if offset else 1e-12)
        for one, other in combinations(ROLES, 2):
            expected = np.cov(values[one], values[other])[0, 1]
            assert row[f"cov_{one}_{other}"] == pytest.approx(expected, rel=1e-7 if offset else 1e-11)


def test_segments_are_the_same_moments_of_a_part() -> None:
    """A segment's rows are the moments of its units alone, and stand beside those of all units."""
    frame = units(500)
    found = of(frame, FOUR, segments=("country",))
    assert set(found["segment"]) == {"", "country"} and found.height == 6 + 12
    plain = ["segment", "segment_value"]
    for country in ("de", "fr"):
        part = found.filter(pl.col("segment_value") == country).drop(plain)
        alone = of(frame.filter(pl.col("country") == country), FOUR).drop(plain)
        for name in part.columns:
            if part.schema[name] == pl.Float64:
                np.testing.assert_allclose(part[name], alone[name], rtol=1e-12)
            else:
                assert part[name].to_list() == alone[name].to_list()
    assert found.filter(pl.col("segment") == "").drop(plain).select("n").equals(of(frame, FOUR).select("n"))


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_a_quantile_is_numpys(quantile: float) -> None:
    """The quantile of an arm is numpy's linear one; its variance is n times the square of half the interval of order statistics
    that holds it with 95 % confidence, over 1.96; null where the interval reaches beyond the units."""
    frame = units(900)
    found = of(frame, Metric("p", QUANTILE, "clicks", quantile=quantile))
    for row in found.iter_rows(named=True):
        arm = frame.filter(pl.col("experiment_id") == row["experiment_id"], pl.col("variant") == row["variant"])
        values = np.sort(arm["clicks"].to_numpy())
        n = len(values)
        reach = 1.959963984540054 * np.sqrt(n * quantile * (1 - quantile))
        low, high = int(np.floor(n * quantile - reach)), int(np.ceil(n * quantile + reach))
        error = (values[high - 1] - values[low - 1]) / (2 * 1.959963984540054)
        assert row["mean_num"] == pytest.approx(np.quantile(values, quantile), rel=1e-12)
        assert row["var_num"] == pytest.approx(n * error**2, rel=1e-12)
    assert of(frame.head(6), Metric("p", QUANTILE, "clicks", quantile=0.99))["var_num"].null_count() > 0


def test_a_unit_without_values_does_not_count() -> None:
    """A unit whose columns of one metric are null counts for the other metrics and not for that one."""
    frame = pl.DataFrame(
        {"experiment_id": ["e"] * 4, "variant": ["a"] * 4, "x": [1.0, None, 3.0, 8.0], "bought": [1.0, 0.0, 0.0, 1.0]}
    )
    wanted = (Metric("m", MEAN, "x"), Metric("q", QUANTILE, "x", quantile=0.5), Metric("b", PROPORTION, "bought"))
    found = of(frame, *wanted).sort("metric")
    assert found["n"].to_list() == [4, 3, 3] and found["mean_num"].to_list() == [0.5, 4.0, 3.0]


def test_no_units_have_no_moments() -> None:
    """Without units there are no rows, and their columns are those of MOMENTS all the same."""
    found = of(units(0), FOUR, Metric("p", QUANTILE, "clicks", quantile=0.5), segments=("country",))
    assert found.is_empty() and dict(found.schema) == MOMENTS


@QUICK
@given(n=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_the_order_of_units_changes_nothing(n: int, seed: int) -> None:
    """Shuffled units have the same moments but for the last digits of sums; variances are null for one unit."""
    frame = units(n, seed=seed)
    one, other = of(frame, FOUR), of(frame.sample(fraction=1.0, shuffle=True, seed=seed), FOUR)
    assert one.select(pl.col(pl.String), "n").equals(other.select(pl.col(pl.String), "n"))
    for name in (name for name, dtype in MOMENTS.items() if dtype == pl.Float64):
        np.testing.assert_allclose(one[name].fill_null(0).to_numpy(), other[name].fill_null(0).to_numpy(), rtol=1e-9, atol=1e-12)
    assert one.filter(pl.col("n") == 1)["var_num"].null_count() == one.filter(pl.col("n") == 1).height
