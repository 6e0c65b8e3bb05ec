"""The kind subscription-intervals: planted intervals found, evidence gates, and what every kind promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.features import Features
from models.generation import ROWS
from models.recommenders import COLUMNS, faults
from models.reorder_estimates import coded, estimate
from models.reorder_gaps import NO_SUBSCRIPTIONS, gaps, purchase_days
from models.scores import share
from models.subscription_frequency import FREQUENCIES
from models.subscription_intervals import EVIDENCE, MIN_GAPS, SCHEMA, repeat_probability, subscription_intervals
from tests.models.invented import END, features, random_features, shuffled
from tests.models.shops_of_customers import shop_of


def planted(n_customers: int = 60, seed: int = 1, *, has_units: bool = True) -> tuple[Features, dict[str, float]]:
    """Customers who buy "a" at an interval of their own, twice as late after two units if these count; and the intervals."""
    rng, orders, true = np.random.default_rng(seed), [], {}
    for number in range(n_customers):
        name, age = f"c{number:03}", float(rng.uniform(300, 400))
        true[name] = float(np.exp(rng.normal(np.log(25), 0.3)))
        while age > 0:
            units = int(rng.integers(1, 3))
            orders.append((name, "a", units, age))
            age -= true[name] * (units if has_units else 1) * float(np.exp(rng.normal(0, 0.12)))
    shop = shop_of([(name, product, age) for name, product, _, age in orders])
    bought = shop.baskets.with_columns(pl.Series("quantity", [units for _, _, units, _ in orders]))
    return replace(shop, baskets=bought), true


@pytest.mark.parametrize("has_units", [True, False])
def test_planted_intervals_are_found(has_units: bool) -> None:
    """The median error is below 10 %, whether days count per unit or not, and four of five gaps to come lie in the range."""
    shop, true = planted(has_units=has_units)
    lists = subscription_intervals(shop).filter((pl.col("level") == "personal") & (pl.col("n_gaps") >= 5))
    per_unit = pl.col("expected_interval_days") / (pl.col("units") if has_units else 1)
    errors = [abs(days / true[name] - 1) for name, days in lists.select("anchor_id", per_unit).iter_rows()]
    assert len(errors) > 50
    assert np.median(errors) < 0.1
    rows = coded(gaps(purchase_days(shop.baskets), END), shop.products.select("product_id", "category_id"))
    learnt = estimate(rows)
    assert learnt is not None
    assert learnt.per_unit[0] == has_units


def test_ranges_hold_what_they_say() -> None:
    """Of gaps that nothing was fitted to, the range of the customer's own expects four of five."""
    shop, _ = planted(400, has_units=False)
    rows = coded(gaps(purchase_days(shop.baskets), END), shop.products.select("product_id", "category_id"))
    closed = rows.filter(~pl.col("is_open"))
    is_last = pl.col("number") == pl.col("n_gaps") - 1
    learnt = estimate(closed.filter(~is_last).with_columns(pl.col("n_gaps") - 1))
    asked = closed.filter(is_last)
    assert learnt is not None
    low, high = learnt.range_of(*learnt.predict(asked), asked["number"].to_numpy())
    assert asked["days"].is_between(pl.Series(low), pl.Series(high)).mean() == pytest.approx(0.8, abs=0.05)


def regulars(product: str, n: int, interval: float) -> list[tuple[str, str, float]]:
    """`n` customers with one gap each."""
    return [(f"{product}{number:02}", product, age) for number in range(n) for age in (5.0, 5.0 + interval + number % 3)]


def test_evidence_gates() -> None:
    """MIN_GAPS gaps speak for a product, fewer leave the word to its category, and no category to the whole shop."""
    orders = [
        *regulars("a", MIN_GAPS, 20),
        *regulars("b", 2, 20),
        *regulars("c", 1, 20),
        ("p", "a", 1),
        ("p", "a", 20),
        ("p", "a", 41),
    ]
    shop = shop_of(orders, catalogue={"a": {"category_id": "k"}, "b": {"category_id": "k"}})
    lists = subscription_intervals(shop)
    told = {(row["anchor_id"], row["product_id"]): row for row in lists.iter_rows(named=True)}
    assert {key: (row["level"], row["n_gaps"]) for key, row in told.items()} == {
        ("a", "a"): ("product", 32),
        ("b", "b"): ("category", 34),
        ("c", "c"): ("merchant", 35),
        ("p", "a"): ("personal", 2),
    }
    assert all(15 < row["expected_interval_days"] < 27 for row in told.values())
    assert all(row["low_days"] < row["expected_interval_days"] < row["high_days"] for row in told.values())
    assert told["p", "a"]["reason"].startswith("Bought about every")
    assert told["p", "a"]["next_order_on"] > END.date().isoformat()


def test_not_enough_data_is_an_answer() -> None:
    """One gap in the whole shop: products are listed without days, and the reason says how little there is."""
    row = subscription_intervals(shop_of([("x", "a", 30), ("x", "a", 1)])).row(0, named=True)
    assert (row["source"], row["reason"]) == ("not enough data", "Not enough data: 1 gaps")
    assert row["expected_interval_days"] is None
    assert row["recommended_frequency"] is None
    assert row["score"] == 0


def test_who_has_lapsed_is_due_on_no_day() -> None:
    """Three intervals after the last purchase there is no next order to announce."""
    gone = [("gone", "a", age) for age in (100.0, 120.0, 140.0)]
    lists = subscription_intervals(shop_of([*regulars("a", MIN_GAPS, 20), *gone]))
    assert lists.filter(pl.col("anchor_id") == "gone")["next_order_on"].to_list() == [None]


def test_subscribers_who_pause_make_it_rarer() -> None:
    """Ten paused subscriptions move a product one frequency on, and the reason says so."""
    shop = shop_of(regulars("a", MIN_GAPS, 28))
    paused = pl.DataFrame(
        [(f"s{number}", "a", "PAUSED", "MONTHLY", END - timedelta(days=1)) for number in range(10)],
        schema=NO_SUBSCRIPTIONS.schema, orient="row",
    )  # fmt: skip
    before, after = subscription_intervals(shop), subscription_intervals(replace(shop, subscriptions=paused))
    step = [FREQUENCIES.index(frame["recommended_frequency"][0]) for frame in (before, after)]
    assert step[1] == step[0] + 1
    assert after["reason"][0].endswith("subscribers pause or skip, so rarer")
    assert after["strained_share"][0] == 1


def test_worked_repeat_probability() -> None:
    """Of 30 customers 12 came back, where half of the category's do: (12 + 10 * .5) / (30 + 10)."""
    frame = pl.DataFrame({"n_back": [12], "n": [30]})
    assert frame.select(repeat_probability(pl.col("n_back"), pl.col("n"), 0.5)).item() == pytest.approx(0.425)
    assert frame.select(share(pl.col("n_back"), pl.col("n"), pl.lit(0.5), 10.0)).item() == pytest.approx(0.425)


@pytest.mark.parametrize("seed", range(15))
def test_random_shops(seed: int) -> None:
    """Columns and types never change, rows in another order change nothing, scores lie in 0..1, and the guard finds no fault."""
    shop = random_features(seed)
    lists = subscription_intervals(shop)
    assert tuple(lists.columns) == (*COLUMNS, *EVIDENCE)
    assert lists.schema == SCHEMA
    assert lists["score"].is_between(0, 1).all()
    assert_frame_equal(lists, subscription_intervals(shuffled(shop, seed)))
    assert faults(lists, shop.eligible()["product_id"], ROWS) == []


def test_nothing_in_nothing_out() -> None:
    """No product, no row."""
    empty = subscription_intervals(features())
    assert empty.is_empty()
    assert empty.schema == SCHEMA
