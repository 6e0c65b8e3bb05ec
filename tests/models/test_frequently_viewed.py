"""Frequently viewed together: what counts, what is shown, what stands behind it, and what it says."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.features import Features
from models.frequently_viewed import MAX_RESULTS, VIEWED_TOGETHER, frequently_viewed
from models.recommenders import faults
from tests.models.invented import QUICK, features, shuffled
from tests.models.visits import Visit, random_visits, shop


def page(made: Features, anchor: str) -> list[tuple[str, str]]:
    """Product and source of a page's list."""
    return frequently_viewed(made).filter(pl.col("anchor_id") == anchor).sort("rank").select("product_id", "source").rows()


def test_evidence_by_hand() -> None:
    """Three visits with a and b of four with a, of five with b, of eight: chance would be 20 / 8, so 1.2 times that."""
    made = shop(["ab", "ab", "ba", "a", "b", "b", "c", "c"])
    row = frequently_viewed(made).row(by_predicate=(pl.col("anchor_id") == "a") & (pl.col("product_id") == "b"), named=True)
    assert (row["n_xy"], row["n_x"], row["n_y"], row["n_visits"], row["window_days"]) == (3, 4, 5, 8, 60)
    assert row["lift"] == pytest.approx(3 * 8 / 20)
    assert row["reason"] == "3 of 4 visits; 1.2 times as often as by chance"
    assert row["source"] == VIEWED_TOGETHER
    assert row["conversion_lift"] is None


def test_closer_steps_count_more() -> None:
    """Of two products viewed with a in one visit each, the one viewed next to it stands first."""
    assert [product for product, _ in page(shop(["axyz", "abcx"]), "a")][:2] == ["x", "b"]


def test_the_minimum_and_the_window_hold() -> None:
    """Fewer visits than minSessionCoViews, or visits before lookbackDays, make no co-view."""
    for made in (
        shop(["ab"] * 3, frequentlyViewed={"minSessionCoViews": 4}),
        shop([Visit("ab", age_days=9)] * 9, frequentlyViewed={"minSessionCoViews": 1, "lookbackDays": 7}),
    ):
        assert VIEWED_TOGETHER not in frequently_viewed(made)["source"]


def test_what_may_not_be_shown_is_not() -> None:
    """Hidden and sold-out products are on no list; a sold-out product still has a page."""
    made = shop(["abcd"] * 3, catalogue={"b": {"is_shown": False}, "c": {"in_stock": False}})
    frame = frequently_viewed(made)
    assert {*frame["product_id"]} == {"a", "d"}
    assert {*frame["anchor_id"]} == {"a", "c", "d"}


def test_a_page_without_co_views_is_filled() -> None:
    """What nobody viewed has a list too: what was ordered with it, then best sellers."""
    found = page(shop([Visit("ab", "c1", bought="ab")] * 3, catalogue={"z": {}}), "z")
    assert {product for product, _ in found} == {"a", "b"}
    assert VIEWED_TOGETHER not in {source for _, source in found}


def test_excluded_categories_of_also_bought_are_its_own() -> None:
    """A category that also bought leaves out may stand here, also behind the co-views."""
    catalogue = {letter: {"category_id": "c", "category": "Named"} for letter in "abz"}
    made = shop([Visit("ab", "c1", bought="ab")] * 3, catalogue, alsoBought={"excludeCategories": ["c"], "maxResults": 1})
    assert {product for product, _ in page(made, "z")} == {"a", "b"}


def test_conversion_lift_is_of_the_pages_product() -> None:
    """Of visits with a and b half order a, of visits with a only a tenth do: the page of a says so, that of b has no sales."""
    both = [Visit("ab", f"c{n}", bought="a" if n % 2 else "") for n in range(40)]
    alone = [Visit("a", f"d{n}", bought="" if n % 10 else "a") for n in range(60)]
    frame = frequently_viewed(shop(both + alone)).filter(pl.col("source") == VIEWED_TOGETHER)
    lifts = {row["anchor_id"]: row for row in frame.iter_rows(named=True)}
    rates = (20 + 20 * 0.26) / 60, (6 + 20 * 0.26) / 80
    assert lifts["a"]["conversion_lift"] == pytest.approx(rates[0] / rates[1] - 1, abs=1e-6)
    assert lifts["a"]["conversion_lift_low"] < lifts["a"]["conversion_lift"] < lifts["a"]["conversion_lift_high"]
    assert lifts["b"]["conversion_lift"] is None


def test_visits_of_nobody_known_carry_no_lift() -> None:
    """Without customers no visit can be told from a purchase: no figure."""
    assert frequently_viewed(shop(["ab"] * 50 + ["a"] * 50))["conversion_lift"].null_count() == 2


@QUICK
@given(seed=st.integers(0, 10_000))
def test_random_visits(seed: int) -> None:
    """Whatever the visits: publishable, short enough, scores in 0..1, no word of a lift without its interval, the same bits for
    rows in another order."""
    made = random_visits(seed)
    frame = frequently_viewed(made)
    assert faults(frame, made.eligible()["product_id"]) == []
    assert frame.filter((pl.col("rank") > MAX_RESULTS) | ~pl.col("score").is_between(0, 1)).is_empty()
    assert_frame_equal(frame, frequently_viewed(shuffled(made, seed)))


def test_nothing_in_nothing_out() -> None:
    """An empty shop has no lists."""
    assert frequently_viewed(features()).is_empty()
