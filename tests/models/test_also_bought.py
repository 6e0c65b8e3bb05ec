"""The fill chain: co-purchases, earlier ones, co-views, similar titles, then best sellers of the category and of the company."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from models.also_bought import SCHEMA, also_bought
from models.features import Features
from models.popularity import MAX_RANK
from tests.models.invented import END, features

LOOSE = {"minCoOccurrences": 1}


def page(shop: Features, anchor: str) -> list[tuple[str, str]]:
    """product and source of one page's list, in the order of rank."""
    return also_bought(shop).filter(anchor_id=anchor).sort("rank").select("product_id", "source").rows()


def test_worked_example() -> None:
    """Ten orders: a in 4, b in 5, both in 3. Three where two are expected, 1.5 times as often, 3 of 4 orders. All partners of a
    are b, 3 of 3, and of all pairs half; 20 orders more that hold what all hold make (3 + 10) / 23, and no common title halves it.
    """
    shop = features(["ab", "ab", "ab", "a", "b", "b", "c", "c", "c", "c"], alsoBought=LOOSE)
    row = also_bought(shop).row(by_predicate=(pl.col("anchor_id") == "a") & (pl.col("product_id") == "b"), named=True)
    assert row == {
        "anchor_id": "a",
        "rank": 1,
        "product_id": "b",
        "score": 0.282609,
        "source": "co-purchase",
        "reason": "3 of 4 orders; 1.5 times as often as by chance",
        "n_xy": 3,
        "n_x": 4,
        "n_y": 5,
        "n_baskets": 10,
        "expected": 2.0,
        "lift": 1.5,
        "llr": 1.726092,
        "similarity": 0.0,
        "n_events": None,
        "window_days": 90,
    }


def test_fill_chain_order_and_sources() -> None:
    """Co-purchases first, then the category's best sellers, then the company's; nothing twice."""
    catalogue = {letter: {"category_id": "x", "category": "X"} for letter in "abc"}
    shop = features(["ab", "c", "c", "d", "d", "d", "b", "b", "b", "b"], catalogue=catalogue, alsoBought=LOOSE)
    assert page(shop, "a") == [("b", "co-purchase"), ("c", "best seller of the category"), ("d", "best seller of the shop")]
    frame = also_bought(shop)
    filled = frame.filter(pl.col("source") != "co-purchase")
    assert filled["n_xy"].null_count() == filled.height
    assert filled["n_events"].null_count() == 0
    assert frame.schema == pl.Schema(SCHEMA)


def test_a_product_without_category_fills_from_the_shop() -> None:
    """A page whose product is in no category goes on with the company's best sellers."""
    assert page(features(["a", "b", "b", "c"]), "a") == [("b", "best seller of the shop"), ("c", "best seller of the shop")]


def test_co_purchases_stand_before_best_sellers_whatever_the_scores() -> None:
    """A weak pair outranks a strong best seller."""
    shop = features(["ab", "a", "a", "a", "c", "c", "c", "c", "c"], alsoBought=LOOSE)
    frame = also_bought(shop).filter(anchor_id="a").sort("rank")
    assert frame["product_id"].to_list() == ["b", "c"]
    assert frame["score"].to_list() == [0.261905, 1.0]
    assert frame["source"].to_list() == ["co-purchase", "best seller of the shop"]


def test_too_few_co_occurrences_are_no_evidence() -> None:
    """minCoOccurrences is the least that counts: five are enough for the default, four are not."""
    assert page(features(["ab"] * 5), "a") == [("b", "co-purchase")]
    assert page(features(["ab"] * 4), "a") == [("b", "best seller of the shop")]


def test_lookback_boundary() -> None:
    """A basket lookbackDays old is outside, one a moment younger is inside."""
    rules = {"minCoOccurrences": 1, "lookbackDays": 30}
    assert page(features([("ab", 30), "c"], alsoBought=rules), "a")[0] == ("b", "co-purchase before the window")
    assert page(features([("ab", 29.999), "c"], alsoBought=rules), "a")[0] == ("b", "co-purchase")


def test_earlier_orders_stand_behind_those_in_the_window() -> None:
    """What was bought together before the window fills up after what was bought in it, and says so with counts of all time."""
    shop = features([("ab", 300)] * 8 + ["ac"] * 5, alsoBought={"minCoOccurrences": 5})
    assert page(shop, "a") == [("c", "co-purchase"), ("b", "co-purchase before the window")]
    row = also_bought(shop).filter(anchor_id="a", product_id="b").row(0, named=True)
    assert (row["n_xy"], row["n_x"], row["n_baskets"], row["window_days"]) == (8, 13, 13, 301)
    assert row["reason"] == "8 of 13 orders of all time; 1.0 times as often as by chance"


def test_the_minimum_holds_for_earlier_orders_and_views() -> None:
    """minCoOccurrences is asked of every link that counts something."""
    views = [(f"s{visit}", product, 0) for visit in range(4) for product in "ab"]
    shop = features([("ab", 300)] * 4 + ["c"], views)
    assert page(shop, "a") == [("c", "best seller of the shop")]


def test_co_views_stand_in_for_orders() -> None:
    """Without orders what is viewed in one visit is evidence; what we suggested ourselves is not."""
    views = [(f"s{visit}", product, 0) for visit in range(5) for product in "ab"] + [("t", "c", 0), ("t", "d", 0)]
    shop = features(views=views)
    row = also_bought(shop).filter(anchor_id="a", rank=1).row(0, named=True)
    assert (row["product_id"], row["source"], row["n_xy"], row["n_baskets"]) == ("b", "co-view", 5, 6)
    assert row["reason"] == "5 of 5 visits; 1.2 times as often as by chance"
    ours = replace(shop, views=shop.views.with_columns(pl.lit("RECOMMENDATION").alias("source")))
    assert page(ours, "a")[0] == ("b", "most viewed of the shop")


def test_similar_titles_stand_before_best_sellers() -> None:
    """A product without evidence is first shown with those that are named alike, and which words they share."""
    catalogue = {"a": {"name": "Jumbo Bag Red"}, "b": {"name": "JUMBO BAG pink"}, "c": {"name": "Candle"}, "d": {"name": "Pen"}}
    shop = features(["c", "c", "d"], catalogue=catalogue)
    assert page(shop, "a") == [
        ("b", "similar title"),
        ("c", "best seller of the shop"),
        ("d", "best seller of the shop"),
    ]
    row = also_bought(shop).filter(anchor_id="a", rank=1).row(0, named=True)
    assert row["reason"] == "its name shares bag, jumbo"
    assert row["score"] == row["similarity"] > 0


def test_a_choice_changes_the_rule() -> None:
    """What held-out days chose is what counts: other parameters, other scores; and no titles where they did not help."""
    catalogue = {"a": {"name": "Jumbo Bag Red"}, "b": {"name": "Jumbo Bag Pink"}}
    shop = features(["ac", "ac", "c", "b"], catalogue=catalogue, alsoBought=LOOSE)
    chosen = replace(shop, choices={"also-bought": {"prior": 0.0, "title": 0.0, "nearby": False}})
    assert also_bought(chosen).filter(anchor_id="a").select("product_id", "source", "score").rows() == [
        ("c", "co-purchase", 1.0),
        ("b", "best seller of the shop", 0.333333),
    ]


def test_significantly_rare_pairs_are_left_out() -> None:
    """Two products that far fewer orders hold together than chance would, p = .001, are no evidence, though five do."""
    shop = features(["ab"] * 5 + ["ac"] * 60 + ["bd"] * 60)
    assert page(shop, "a") == [("c", "co-purchase"), ("b", "best seller of the shop"), ("d", "best seller of the shop")]


def test_boost_of_margins() -> None:
    """boostHighMargin puts the better margin of two equals first, a known one before an unknown, and changes nothing else."""
    catalogue = {"b": {}, "c": {"cost_cents": 900}, "d": {"cost_cents": 100}, "e": {"cost_cents": 2000}}
    plain = features(["abcde"], catalogue=catalogue, alsoBought=LOOSE)
    boosted = features(["abcde"], catalogue=catalogue, alsoBought={**LOOSE, "boostHighMargin": True})
    assert [product for product, _ in page(plain, "a")] == ["b", "c", "d", "e"]
    assert [product for product, _ in page(boosted, "a")] == ["d", "c", "b", "e"]
    by_product = dict(also_bought(boosted).filter(anchor_id="a").select("product_id", "score").rows())
    assert by_product["d"] / by_product["b"] == pytest.approx(1.45, abs=1e-4)


def test_boost_of_stock() -> None:
    """boostInStock puts what is in stock ahead within a link; where inventory is respected there is nothing to move."""
    sold_out = {"b": {"in_stock": False}}
    for boost, first in ((False, "b"), (True, "c")):
        rules = {**LOOSE, "boostInStock": boost}
        shop = features(["abc", "ab"], catalogue=sold_out, alsoBought=rules, **{"global": {"respectInventory": False}})
        assert page(shop, "a")[0] == (first, "co-purchase")
        assert [product for product, _ in page(features(["abc", "ab"], catalogue=sold_out, alsoBought=rules), "a")] == ["c"]


def test_max_results() -> None:
    """No list is longer than maxResults, and ranks are dense from 1."""
    frame = also_bought(features(["abcdefgh"], alsoBought={**LOOSE, "maxResults": 3}))
    assert frame.group_by("anchor_id").agg(pl.col("rank").sort())["rank"].to_list() == [[1, 2, 3]] * 8


@pytest.mark.parametrize("excluded", ["c1", "Garden"])
def test_excluded_categories_on_every_link(excluded: str) -> None:
    """excludeCategories names a category by id or by name; its products are on no page, but keep their own."""
    catalogue = {"b": {"category_id": "c1", "category": "Garden"}, "c": {"category_id": "c1", "category": "Garden"}}
    shop = features(["ab", "abd", "c", "c"], catalogue=catalogue, alsoBought={**LOOSE, "excludeCategories": [excluded]})
    assert set(also_bought(shop)["product_id"]) == {"a", "d"}
    assert page(shop, "b") == [("a", "co-purchase"), ("d", "co-purchase")]


def test_excluded_best_sellers_leave_room_for_the_others() -> None:
    """Where an excluded category fills the whole list of best sellers, the next ones stand in."""
    crowd = [chr(0x4E00 + number) for number in range(MAX_RANK)]
    catalogue = {letter: {"category_id": "gifts"} for letter in crowd}
    shop = features(["".join(crowd)] * 2 + ["a", "b"], catalogue=catalogue, alsoBought={"excludeCategories": ["gifts"]})
    assert page(shop, "a") == [("b", "best seller of the shop")]


def test_inventory_is_respected_unless_told_not_to() -> None:
    """A sold-out product is on no page by default; with respectInventory off it is. Its own page has a list either way."""
    shop = features(["ab"] * 5, catalogue={"b": {"in_stock": False}})
    assert page(shop, "a") == []
    assert page(shop, "b") == [("a", "co-purchase")]
    heedless = features(["ab"] * 5, catalogue={"b": {"in_stock": False}}, **{"global": {"respectInventory": False}})
    assert page(heedless, "a") == [("b", "co-purchase")]


def test_products_without_a_page_are_neither_anchor_nor_item() -> None:
    """Deleted, hidden, draft and archived products (is_shown false) have no page and are on none, on every link."""
    shop = features(["abc"] * 5 + ["b"] * 9, catalogue={"b": {"is_shown": False, "category_id": "x"}, "a": {"category_id": "x"}})
    frame = also_bought(shop)
    assert "b" not in {*frame["anchor_id"], *frame["product_id"]}
    assert page(shop, "a") == [("c", "co-purchase")]


def test_badly_rated_products_are_left_out() -> None:
    """minRatingToShow drops what is rated below it, not what nobody rated."""
    catalogue = {"b": {"average_rating": 2.9}, "c": {"average_rating": 3.0}, "d": {}}
    shop = features(["abcd"] * 5, catalogue=catalogue, **{"global": {"minRatingToShow": 3}})
    assert [row[0] for row in page(shop, "a")] == ["c", "d"]


def test_every_shown_product_has_a_list() -> None:
    """Also a product that nobody ever bought, viewed or has in stock."""
    catalogue = {"new": {}, "sold-out": {"in_stock": False}, "hidden": {"is_shown": False}}
    shop = features(["ab", "bc"], catalogue=catalogue)
    assert set(also_bought(shop)["anchor_id"]) == {"a", "b", "c", "new", "sold-out"}


def test_one_product_and_no_orders() -> None:
    """A shop of one product, one without orders and an empty one have nothing to show, and say so with the same columns."""
    for shop in (features(["a", "a"]), features(catalogue={"a": {}, "b": {}}), features()):
        frame = also_bought(shop)
        assert frame.is_empty()
        assert frame.schema == pl.Schema(SCHEMA)


def test_a_shop_with_views_only_fills_from_views() -> None:
    """Without a single order the lists are those of the most viewed."""
    shop = features(views=[("s1", "a", 0), ("s2", "a", 0), ("s1", "b", 0)])
    assert page(shop, "a") == [("b", "most viewed of the shop")]
    assert page(shop, "b") == [("a", "most viewed of the shop")]


def test_a_lookback_beyond_the_calendar_is_all_of_history() -> None:
    """A lookbackDays larger than time itself reads everything."""
    shop = features([("ab", 700)], alsoBought={"minCoOccurrences": 1, "lookbackDays": 2**31 - 1})
    assert shop.window_end == END
    assert page(shop, "a") == [("b", "co-purchase")]
