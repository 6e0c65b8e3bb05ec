"""A/A replay: what is measured is the rate at which nothing is called something."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from statsmodels.stats.proportion import proportion_confint

from models.metrics import BY_NAME, QUANTILE, Metric
from models.replay import replay, wilson
from tests.models.invented import END

CONVERSION, ORDER_VALUE = BY_NAME["conversion"], BY_NAME["average_order_value"]


def past_units(n: int = 8_000, days: int = 14, start: datetime = END) -> pl.DataFrame:
    """Units of `days` days: 10 % buyers, heavy-tailed revenue."""
    rng = np.random.default_rng(4)
    orders = (rng.random(n) < 0.1) * rng.integers(1, 4, n)
    made = {
        "is_buyer": (orders > 0).astype(int),
        "n_orders": orders,
        "revenue_cents": (orders * rng.lognormal(8, 1, n)).round(),
        "pre_n_orders": rng.poisson(0.2, n) + (orders > 0),
        "pre_revenue_cents": rng.poisson(100.0, n),
    }
    at = [start + timedelta(days=days * number / n) for number in range(n)]
    return pl.DataFrame({"exposed_at": at, **made})


@pytest.mark.parametrize("name", ["conversion", "average_order_value", "revenue_per_unit"])
@pytest.mark.parametrize("planned", [True, False], ids=["group sequential", "always valid"])
def test_the_reading_holds_alpha_and_a_peeked_t_test_does_not(name: str, planned: bool) -> None:
    """Of a proportion, a ratio and a mean: our rate is compatible with 5 % or less, the daily t test's is not."""
    found = replay(past_units(), BY_NAME[name], n_permutations=600, planned=planned)
    assert (found.n_units, found.n_permutations, found.metric) == (8_000, 600, name)
    assert found.n_looks in (14, 15)
    assert found.low <= 0.05
    assert found.peeked_low > 0.05
    assert found.low <= found.rate <= found.high


def test_one_planned_look_is_called_as_often_as_alpha_says() -> None:
    """With a single look the reading and the t test are the same, and 5 % lies in the interval."""
    found = replay(past_units(), ORDER_VALUE, n_permutations=2_000, n_looks=1, planned=True)
    assert found.n_looks == 1
    assert found.rate == found.peeked_rate
    assert found.low <= 0.05 <= found.high


def test_the_same_seed_gives_the_same_rates() -> None:
    """The order of the rows says nothing, another seed is another draw."""
    units = past_units(2_000)
    one = replay(units, CONVERSION, n_permutations=300)
    assert replay(units.sample(fraction=1, shuffle=True, seed=2), CONVERSION, n_permutations=300) == one
    assert replay(units, CONVERSION, n_permutations=300, seed=1) != one


def test_an_effect_of_the_day_is_no_effect_of_the_arm() -> None:
    """Everybody buys on the last day alone: both arms see the same days, and nothing is called more often for it."""
    units = past_units().with_columns((pl.col("exposed_at") >= END + timedelta(days=13)).cast(pl.Int64).alias("is_buyer"))
    assert replay(units, Metric("m", "proportion", "is_buyer"), n_permutations=600).low <= 0.05


def test_units_that_never_vary_are_never_called() -> None:
    """Nobody bought: no look has a standard error."""
    found = replay(past_units(500).with_columns(is_buyer=0), CONVERSION, n_permutations=50)
    assert (found.rate, found.low, found.peeked_rate) == (0.0, 0.0, 0.0)


def test_what_cannot_be_replayed_is_refused() -> None:
    """A quantile is no sum, and three units are no experiment."""
    with pytest.raises(ValueError, match="p90 is a quantile"):
        replay(past_units(100), Metric("p90", QUANTILE, "revenue_cents", quantile=0.9))
    with pytest.raises(ValueError, match="3 units to replay"):
        replay(past_units(3), CONVERSION)


@pytest.mark.parametrize(("n_called", "n"), [(0, 10), (3, 10), (10, 10), (50, 1_000)])
def test_the_interval_is_wilsons(n_called: int, n: int) -> None:
    """As statsmodels has it."""
    share, low, high = wilson(n_called, n)
    assert share == n_called / n
    assert (low, high) == pytest.approx(proportion_confint(n_called, n, 0.05, "wilson"), abs=1e-6)


def test_the_document_has_every_figure() -> None:
    """As it stands beside a result."""
    shown = replay(past_units(400), CONVERSION, n_permutations=20).to_json()
    assert shown["reading"] == "always valid"
    assert {
        "alpha",
        "nUnits",
        "nLooks",
        "nPermutations",
        "rate",
        "low",
        "high",
        "peekedRate",
        "peekedLow",
        "peekedHigh",
    } < shown.keys()
