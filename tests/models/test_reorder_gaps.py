"""Reorder gaps: what is a purchase, what is a gap, and what is evidence."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.reorder_gaps import NO_SUBSCRIPTIONS, gaps, purchase_days, with_lapses
from tests.models.invented import END, QUICK
from tests.models.shops_of_customers import shop_of

Purchases = list[tuple[str, str, float]]


def rows_of(purchases: Purchases, subscriptions: pl.DataFrame = NO_SUBSCRIPTIONS) -> pl.DataFrame:
    """Gaps of a shop in which these customers bought these products these days ago."""
    return gaps(purchase_days(shop_of(purchases).baskets, subscriptions), END)


def test_worked_gaps() -> None:
    """Two orders of one day are one purchase of two units; the last purchase's gap is open and lasts until the window's end."""
    rows = rows_of([("x", "a", 40), ("x", "a", 40.1), ("x", "a", 10), ("y", "a", 3)])
    told = rows.select("customer_id", "units", "days", "is_open", "number", "n_gaps").rows()
    assert told == [("x", 2, 30, False, 0, 1), ("x", 1, 10, True, 1, 1), ("y", 1, 3, True, 0, 0)]


def test_guests_have_no_gaps() -> None:
    """An order without a customer belongs to no pair."""
    orders = shop_of([("x", "a", 5), ("x", "a", 1)]).baskets.with_columns(pl.lit(None, dtype=pl.String).alias("customer_id"))
    assert gaps(purchase_days(orders), END).is_empty()


def test_what_a_subscription_made_is_no_evidence() -> None:
    """From the first subscription to the product on, the pair's orders count no more; other products' do."""
    subscribed = pl.DataFrame(
        [("x", "a", "ACTIVE", "MONTHLY", END - timedelta(days=50))], schema=NO_SUBSCRIPTIONS.schema, orient="row"
    )
    rows = rows_of([("x", "a", 90), ("x", "a", 60), ("x", "a", 30), ("x", "b", 30)], subscribed)
    assert rows.filter(~pl.col("is_open")).select("product_id", "days").rows() == [("a", 30)]
    assert rows.filter("is_open")["product_id"].to_list() == ["a", "b"]


def test_lapses_are_censored_at_three_medians() -> None:
    """Ten gaps of 10 days and one of 200: the long one is known to be longer than 30, no more."""
    purchases = [(f"c{number}", "a", age) for number in range(10) for age in (300.0, 290.0)]
    evidence = with_lapses(rows_of([*purchases, ("late", "a", 300), ("late", "a", 100)]))
    assert evidence.filter("is_censored").select("customer_id", "days").rows() == [("late", 30.0)]


def test_an_open_gap_counts_of_those_who_came_back_twice() -> None:
    """With two closed gaps behind it, an open gap is evidence until it has lapsed; with one it is none."""
    regular = [("often", "a", age) for age in (25.0, 15.0, 5.0)]
    evidence = with_lapses(rows_of([*regular, ("once", "a", 15), ("once", "a", 5)]))
    assert evidence.filter("is_censored").select("customer_id", "days").rows() == [("often", 5.0)]
    gone = with_lapses(rows_of([(customer, product, age + 100) for customer, product, age in regular]))
    assert gone.filter("is_censored").is_empty()


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("ab"), st.integers(0, 300).map(float)), max_size=30),
    st.integers(0, 9),
)
@QUICK
def test_gaps_add_up(purchases: Purchases, seed: int) -> None:
    """A pair's days add up to the time since its first purchase, closed gaps are a day or more, one gap is open; in any order."""
    rows = rows_of(purchases)
    total = rows.group_by("customer_id", "product_id").agg(
        pl.col("days").sum(), pl.col("is_open").sum().alias("n_open"), pl.col("bought_on").min().alias("first")
    )
    assert (total["days"] == (END.date() - total["first"]).dt.total_days()).all()
    assert (total["n_open"] == 1).all()
    assert (rows.filter(~pl.col("is_open"))["days"] >= 1).all()
    baskets = shop_of(purchases).baskets
    assert_frame_equal(gaps(purchase_days(baskets.sample(fraction=1, shuffle=True, seed=seed)), END), rows)
