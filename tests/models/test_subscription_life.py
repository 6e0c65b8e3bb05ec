"""How long subscriptions last, and who pauses and skips."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.reorder_gaps import NO_SUBSCRIPTIONS
from models.subscription_life import expected_life_days, strain
from models.subscriptions import PRIOR_LIFE_DAYS
from tests.models.invented import END
from tests.models.shops_of_customers import shop_of

Subscribed = tuple[str, str, str, float]


def subscribed(*rows: Subscribed) -> pl.DataFrame:
    """Monthly subscriptions as (customer, product, status, age in days)."""
    made = [(who, what, status, "MONTHLY", END - timedelta(days=age)) for who, what, status, age in rows]
    return pl.DataFrame(made, schema=NO_SUBSCRIPTIONS.schema, orient="row")


def test_without_subscriptions_the_prior_stands() -> None:
    """Nothing seen, nothing learnt."""
    assert expected_life_days(NO_SUBSCRIPTIONS, END) == pytest.approx(PRIOR_LIFE_DAYS)


def test_a_planted_life_is_found() -> None:
    """Subscriptions that last 120 days on average, seen once at ages up to 400 days, not when they ended."""
    rng = np.random.default_rng(1)
    ages, lives = rng.uniform(1, 400, 4000), rng.exponential(120, 4000)
    rows = [("c", "p", "CANCELED" if life < age else "ACTIVE", float(age)) for age, life in zip(ages, lives, strict=True)]
    assert expected_life_days(subscribed(*rows), END) == pytest.approx(120, rel=0.07)


def test_running_ones_lengthen_it_and_ended_ones_shorten_it() -> None:
    """A paused one lies between; many that still run after years are no endless life."""

    def life(status: str) -> float:
        return expected_life_days(subscribed(*[("c", "p", status, 300.0)] * 20), END)

    assert life("CANCELED") < life("PAUSED") < life("ACTIVE")
    assert life("CANCELED") < PRIOR_LIFE_DAYS < life("ACTIVE") < 10 * PRIOR_LIFE_DAYS


def test_worked_strain() -> None:
    """Three months on: one got all three orders, one a single one, one pauses: (0 + 2/3 + 1) / 3. Ended ones do not count."""
    orders = [("x", "a", 70.0), ("x", "a", 40.0), ("x", "a", 10.0), ("y", "a", 50.0)]
    rows = subscribed(("x", "a", "ACTIVE", 92), ("y", "a", "ACTIVE", 92), ("z", "a", "PAUSED", 92), ("w", "a", "CANCELED", 92))
    told = strain(rows, shop_of(orders).baskets, END)
    assert told.rows() == [("a", 3, pytest.approx(5 / 9, abs=1e-6))]
    assert_frame_equal(told, strain(rows.reverse(), shop_of(orders).baskets.reverse(), END))


def test_where_no_orders_of_subscribers_are_known_none_is_skipped() -> None:
    """A platform that keeps subscription orders elsewhere is no platform of skipping customers."""
    told = strain(subscribed(("x", "a", "ACTIVE", 92)), shop_of([("x", "b", 10)]).baskets, END)
    assert told.rows() == [("a", 1, 0.0)]
