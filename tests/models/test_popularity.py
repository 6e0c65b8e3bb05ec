"""Best sellers by hand."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.popularity import MAX_RANK, SCHEMA, of_pages, popular
from tests.models.invented import features, shuffled


def listed(frame: pl.DataFrame, anchor: str = "") -> list[tuple[str, float, int]]:
    """product, score and events of one list, in the order of rank."""
    rows = frame.filter(anchor_id=anchor).sort("rank")
    return rows.select("product_id", "score", "n_events").rows()


def test_worked_example() -> None:
    """An order of 30 days ago weighs half: a has 1 + 1/2, b has 1, c has 1/2; scores are shares of the first."""
    frame = popular(features([("ab", 0), ("ac", 30)]))
    assert listed(frame) == [("a", 1.0, 2), ("b", 0.666667, 1), ("c", 0.333333, 1)]
    assert frame["rank"].to_list() == [1, 2, 3]
    assert frame["reason"][0] == "Best seller: 2 orders in 90 days"
    assert frame.select("source", "window_days").unique().rows() == [("best seller", 90)]
    assert frame.schema == pl.Schema(SCHEMA)


def test_each_category_has_its_list() -> None:
    """A category's list holds its own products, its first with score 1; a product without category is in the company's only."""
    catalogue = {"a": {"category_id": "x"}, "b": {"category_id": "x"}, "c": {"category_id": "y"}}
    frame = popular(features(["abd", "ac", "ad", "c"], catalogue=catalogue))
    assert [row[0] for row in listed(frame)] == ["a", "c", "d", "b"]
    assert listed(frame, "x") == [("a", 1.0, 3), ("b", 0.333333, 1)]
    assert listed(frame, "y") == [("c", 1.0, 2)]


def test_equal_sellers_are_ranked_by_id() -> None:
    """Same weight, same number of orders: the lower id first, whatever the order of rows."""
    shop = features(["dcba"])
    assert [row[0] for row in listed(popular(shop))] == list("abcd")
    assert_frame_equal(popular(shop), popular(shuffled(shop, 3)))


def test_list_ends_at_max_rank() -> None:
    """A list has MAX_RANK products at most."""
    many = "".join(chr(0x4E00 + number) for number in range(MAX_RANK + 5))
    assert popular(features([many])).height == MAX_RANK


@pytest.mark.parametrize("state", [{"is_shown": False}, {"in_stock": False}, {"average_rating": 1.0}])
def test_only_eligible_products_are_listed(state: dict[str, object]) -> None:
    """What may not be recommended is in no list, however well it sells."""
    rules = {"global": {"minRatingToShow": 2}}
    frame = popular(features(["ab", "a", "a"], catalogue={"a": {**state, "category_id": "x"}}, **rules))
    assert [row[0] for row in listed(frame)] == ["b"]
    assert listed(frame, "x") == []


def test_window_is_the_lookback() -> None:
    """An order on the edge of lookbackDays is outside, one a moment later inside."""
    outside = popular(features([("a", 7)], alsoBought={"lookbackDays": 7}))
    assert outside.select("source", "n_events").rows() == [("assortment", 0)]
    frame = popular(features([("a", 6.999)], alsoBought={"lookbackDays": 7}))
    assert frame.select("n_events", "window_days").rows() == [(1, 7)]


def test_a_shop_without_orders_ranks_by_sessions() -> None:
    """Views only: a product viewed twice in a session counts once, and the words say so."""
    frame = popular(features(views=[("s1", "a", 0), ("s1", "a", 0.1), ("s2", "b", 0), ("s3", "b", 0)]))
    assert listed(frame) == [("b", 1.0, 2), ("a", 0.5, 1)]
    assert frame["reason"][0] == "Most viewed: 2 sessions in 90 days"
    assert frame["source"].unique().to_list() == ["most viewed"]


def test_orders_of_hidden_products_alone_do_not_hide_the_views() -> None:
    """Where only what may not be shown was ordered, the list is that of views rather than empty."""
    frame = popular(features(["a"], views=[("s1", "b", 0)], catalogue={"a": {"is_shown": False}}))
    assert frame.select("product_id", "source").rows() == [("b", "most viewed")]


def test_nothing_in_nothing_out() -> None:
    """No event at all: no row, the same columns."""
    assert popular(features(catalogue={"a": {}})).schema == pl.Schema(SCHEMA)
    assert popular(features()).is_empty()


def test_very_old_sales_still_have_finite_scores() -> None:
    """A list whose weights are all next to nothing is still ranked, with scores from 0 to 1."""
    catalogue = {"a": {"category_id": "old"}, "b": {"category_id": "old"}}
    frame = popular(features(["c", ("a", 3000), ("b", 30_000)], catalogue=catalogue, alsoBought={"lookbackDays": 35_000}))
    assert [(row[0], row[1]) for row in listed(frame, "old")] == [("a", 1.0), ("b", 0.0)]
    alone = popular(features(["c", ("b", 34_999)], catalogue=catalogue, alsoBought={"lookbackDays": 35_000}))
    assert alone.filter(anchor_id="old")["score"].is_finite().all()


def test_a_lookback_beyond_the_calendar_is_all_of_history() -> None:
    """lookbackDays has no upper bound in the contract: a huge one reads everything."""
    frame = popular(features([("a", 0), ("b", 400)], alsoBought={"lookbackDays": 2**31 - 1}))
    assert [row[0] for row in listed(frame)] == ["a", "b"]
    assert frame["window_days"][0] == 2**31 - 1


def test_the_rest_of_the_assortment_stands_behind_the_best_sellers() -> None:
    """Nobody asked for c, b and d in the window: b, ordered before it, comes first of them; a category's list holds no such."""
    shop = features([("a", 1), ("b", 300)], catalogue={name: {"category_id": "x"} for name in "abcd"})
    frame = popular(shop)
    assert listed(frame) == [("a", 1.0, 1), ("b", 0.0, 0), ("c", 0.0, 0), ("d", 0.0, 0)]
    assert frame.filter(anchor_id="")["rank"].to_list() == [1, 2, 3, 4]
    assert frame.filter(product_id="b")["reason"].to_list() == ["In the assortment; not asked for in 90 days"]
    assert listed(frame, "x") == [("a", 1.0, 1)]
    assert_frame_equal(frame, popular(shuffled(shop, 3)))


def test_a_new_shop_shows_its_assortment() -> None:
    """Before its first event a shop has products to show, none of them one that may not be shown, and MAX_RANK at most."""
    catalogue = {f"p{number:02}": {"is_shown": number > 0} for number in range(MAX_RANK + 5)}
    assert listed(popular(features(catalogue=catalogue))) == [(f"p{n:02}", 0.0, 0) for n in range(1, MAX_RANK + 1)]


def test_every_page_has_best_sellers_of_its_category_then_of_the_shop() -> None:
    """a and b are of one category: each shows the other first, then the shop's best; no page shows itself, sold-out pages too."""
    catalogue = {"a": {"category_id": "k"}, "b": {"category_id": "k"}, "d": {"in_stock": False}}
    shop = features(["a", "b", "c", "c", "c", "d"], catalogue=catalogue)
    rows = of_pages(shop, shop.eligible(), 2)
    lists = {anchor[0]: list(zip(part["product_id"], part["source"], strict=True)) for anchor, part in rows.group_by("anchor_id")}
    assert lists["a"] == [("b", "best seller of the category"), ("c", "best seller of the shop")]
    assert [product for product, _ in lists["c"]] == ["a", "b"]
    assert [product for product, _ in lists["d"]] == ["c", "a"]
    assert rows["rank"].to_list() == [1, 2] * 4
