"""Trending: what rises beyond the shop's own rhythm, and nothing else."""

from __future__ import annotations

import polars as pl
import pytest

from models.trending import trending, trends
from tests.models.invented import features

# the shop sells evenly over three days; "a" sells on the last one only
QUIET = [("bc", age) for age in (0.2, 1.2, 2.2)] * 20
RUSH = [("a", 0.1)] * 12


def test_a_rush_is_found_with_its_evidence() -> None:
    """A product sold on the last day alone leads, with both counts, and its interval lies above 1 and around its trend."""
    first = trending(features(QUIET + RUSH)).row(0, named=True)
    assert (first["product_id"], first["n_day"], first["n_window"]) == ("a", 12, 12)
    assert 1 < first["trend_low"] < first["trend"] < first["trend_high"]
    assert first["reason"] == "Rising: 12 of its 12 orders of three days in the last one"


def test_the_trend_is_shrunk_by_hand() -> None:
    """Events by hand: the shop has 52 of 132 events on the last day; 12 of 12 with ten prior events at that share."""
    share = 52 / 132
    row = trends(features(QUIET + RUSH)).filter(product_id="a").row(0, named=True)
    assert row["trend"] == pytest.approx((12 + 10 * share) / (12 + 10) / share, abs=1e-6)


def test_one_order_is_no_trend() -> None:
    """A product with a single order, made today, is not published."""
    assert "d" not in trending(features([*QUIET, ("d", 0.1)]))["product_id"]


def test_a_busy_day_of_the_whole_shop_is_nobodys_trend() -> None:
    """When every product sells three times as much on the last day, nothing trends."""
    assert trending(features([("abc", 0.2)] * 60 + [("abc", 1.2)] * 20 + [("abc", 2.2)] * 20)).is_empty()


def test_all_events_on_one_day() -> None:
    """A shop whose first day was yesterday has nothing to compare with, and a shop without events has nothing at all."""
    assert trends(features([("ab", 0.1)] * 30)).is_empty()
    assert trends(features()).is_empty()


def test_visits_where_nothing_was_ordered() -> None:
    """Without orders in the window the visits are counted, each once per product, and the words say so."""
    views = [(f"s{day}{n}", "b", day + 0.2) for day in range(3) for n in range(20)]
    rush = [(f"r{n}", "a", 0.1) for n in range(12)]
    rows = trending(features((), [*views, *rush, *rush]))
    assert rows["product_id"].to_list() == ["a"] and rows["n_day"].to_list() == [12]
    assert "visits" in rows["reason"][0]


def test_categories_have_their_own_list() -> None:
    """A rising product is listed for the shop and for its category, never when it may not be shown."""
    catalogue = {"a": {"category_id": "k"}}
    assert set(trending(features(QUIET + RUSH, catalogue=catalogue))["anchor_id"]) == {"", "k"}
    hidden = trending(features(QUIET + RUSH, catalogue={"a": {"is_shown": False}}))
    assert hidden.filter(pl.col("product_id") == "a").is_empty()
