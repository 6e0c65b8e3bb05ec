"""Lists for customers: new to them, spread, explained, and the same for shuffled rows."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.candidates import PARTS
from models.configuration import merge
from models.features import Features
from models.recommenders import COLUMNS, faults
from models.you_might_like import EVIDENCE, KIND, PUBLISHED, SCHEMA, best_sellers, default_weights, you_might_like
from tests.models.invented import shuffled
from tests.models.shops_of_customers import random_shop, seasons, shop_of
from tests.models.test_repurchase import regulars


def listed(shop: Features, customer: str) -> list[str]:
    """Products of one customer's list in the order of rank."""
    return you_might_like(shop).filter(anchor_id=customer).sort("rank")["product_id"].to_list()


@pytest.mark.parametrize("seed", range(12))
def test_random_shops(seed: int) -> None:
    """Whatever the shop: nothing that may not be shown, scores in 0..1, all evidence there, the same for shuffled rows."""
    shop = random_shop(seed)
    lists = you_might_like(shop)
    assert faults(lists, shop.eligible()["product_id"]) == []
    assert lists.filter(~pl.col("score").is_between(0, 1)).is_empty()
    assert lists.null_count().sum_horizontal().to_list() == [0]
    assert lists.filter(pl.col("reason").str.contains(r"\b0 ")).is_empty()
    assert_frame_equal(lists, you_might_like(shuffled(shop, seed)))


@pytest.mark.parametrize("seed", range(12))
def test_nothing_that_the_customer_has(seed: int) -> None:
    """With excludePurchased no list has what its customer bought (nothing comes back often enough in these shops)."""
    shop = random_shop(seed)
    config = replace(shop.config, parts={**shop.config.parts, "youMightLike": merge({}).you_might_like})
    lists = you_might_like(replace(shop, config=config))
    bought = shop.baskets.select(pl.col("customer_id").alias("anchor_id"), "product_id")
    assert lists.join(bought, on=["anchor_id", "product_id"], how="semi").is_empty()


def test_own_taste_first() -> None:
    """In a shop of two tastes the first product of nearly every list is of the customer's own."""
    first = you_might_like(seasons()).filter(rank=1)
    even = first["anchor_id"].str.slice(-3).cast(pl.Int64) % 2 == 0
    assert ((first["product_id"] < "m") == even).mean() > 0.9


def test_parts_add_up_to_the_score() -> None:
    """What the components add is the value behind the score, and the largest of them is the source."""
    lists = you_might_like(seasons()).with_columns(pl.sum_horizontal(f"{part}_part" for part in PARTS).alias("value"))
    assert (lists["score"] - 1 / (1 + (-lists["value"]).exp())).abs().max() < 1e-5
    largest = lists.filter(pl.col("als_part") > pl.max_horizontal(f"{part}_part" for part in PARTS[1:]))
    assert largest["source"].unique().to_list() == ["customers with the same taste"]


def test_what_is_due_again_is_spared() -> None:
    """Bought again and again, and its interval has passed: it may be listed, though the customer has it; one day earlier not."""
    others = [(f"o{number}", "abc", 200.0) for number in range(3)]
    assert "a" in listed(shop_of([*regulars(30), *others, ("now", "c", 0)]), "r00")
    assert "a" not in listed(shop_of([*regulars(29), *others, ("now", "c", 0)]), "r00")


@pytest.mark.parametrize("exclude", [True, False])
def test_recently_viewed(exclude: bool) -> None:
    """The products of the last visit are left out if the company says so; those of the visit before never are."""
    shop = shop_of(
        [("y", "abcd", 1.0)], visits=[("x", "ab", 2.0), ("x", "cd", 1.0)], youMightLike={"excludeRecentlyViewed": exclude}
    )
    assert sorted(listed(shop, "x")) == (["a", "b"] if exclude else ["a", "b", "c", "d"])


def test_purchased_may_be_listed_if_the_company_says_so() -> None:
    """Without excludePurchased what the customer has is a candidate like any other."""
    shop = shop_of([("x", "ab", 1.0), ("y", "abc", 1.0)], youMightLike={"excludePurchased": False})
    assert sorted(listed(shop, "x")) == ["a", "b", "c"]


def test_a_product_that_nobody_has_bought() -> None:
    """It is found by its description: the spade for who bought a spade, before a lamp."""
    spades = {"a": {"name": "Garden spade, red"}, "b": {"name": "Garden spade, blue"}, "c": {"name": "Lamp"}}
    lists = you_might_like(shop_of([("x", "a", 1.0)], catalogue=spades))
    row = lists.row(0, named=True)
    assert (row["product_id"], row["source"], row["reason"]) == (
        "b",
        "similar products",
        "Similar to 1 of the 1 products that you chose",
    )


def test_what_nobody_has_chosen_says_so() -> None:
    """A product without an event, a word or a category in common is no neighbour of 0 products: nobody has chosen it."""
    row = you_might_like(shop_of([("x", "a", 1.0)], catalogue={"b": {"name": "Lamp", "price_cents": None}})).row(0, named=True)
    assert (row["source"], row["reason"]) == ("not yet chosen", "No known customer has chosen it yet")


def test_categories_are_spread() -> None:
    """Best sellers of one category, then of another: with diversity the other one comes up, and the first stays first."""
    catalogue = {letter: {"category_id": "one" if letter < "i" else "other"} for letter in "abcdeijkl"}
    orders = [(f"{letter}{number}", letter, 0.0) for sold, letter in enumerate("lkjiedcb") for number in range(10 + sold)]
    firsts = []
    for factor in (0, 1):
        shop = shop_of([*orders, ("x", "a", 1.0)], catalogue=catalogue, youMightLike={"diversityFactor": factor})
        firsts.append(listed(replace(shop, choices={KIND: {"weights": {"popularity": 1.0}}}), "x"))
    assert firsts == [list("bcdeijkl"), list("bicdjekl")]


def test_chosen_weights_replace_the_merchants() -> None:
    """A choice of popularity alone gives everybody the best sellers, said to be that."""
    shop = replace(seasons(), choices={KIND: {"weights": {"popularity": 1.0}, "factors": 8}})
    lists = you_might_like(shop).filter(rank=1)
    assert lists["source"].unique().to_list() == ["best seller"]
    assert lists["product_id"].n_unique() < 8


def test_default_weights() -> None:
    """The merchant's numbers reach the components; a shop that gives content nothing has none of it."""
    weights = default_weights(merge({"youMightLike": {"contentWeight": 0, "purchaseWeight": 0.8}}))
    assert set(weights) == set(PARTS)
    assert weights["content"] == 0
    assert weights["orders"] == pytest.approx(0.2)


def test_all_at_one_instant_and_one_purchase() -> None:
    """Events of one instant, no price, no category, one purchase each: still a full list of what there is."""
    catalogue = {letter: {"price_cents": None} for letter in "abcd"}
    shop = shop_of([(name, letter, 0.0) for name, letter in zip("uvwx", "abcd", strict=True)], catalogue=catalogue)
    assert sorted(listed(shop, "u")) == ["b", "c", "d"]


def test_columns_and_length() -> None:
    """The columns of every list, then the promised evidence; PUBLISHED at most; nobody known, an empty frame of that kind."""
    wide = shop_of([("x", "a", 1.0), ("y", "".join(chr(0x100 + number) for number in range(40)), 1.0)])
    lists = you_might_like(wide)
    assert tuple(lists.columns) == (*COLUMNS, *EVIDENCE)
    assert lists.filter(anchor_id="x").height == PUBLISHED
    assert you_might_like(shop_of()).schema == lists.schema == pl.Schema(SCHEMA)


def test_best_sellers_stand_in_less_what_was_bought() -> None:
    """A shop whose customers' taste is not known well enough: each is shown what sells and they have not bought, best first."""
    shop = shop_of([("x", "a", 5), ("y", "a", 5), ("y", "b", 5), ("z", "c", 5)])
    lists = best_sellers(shop).group_by("anchor_id", maintain_order=True).agg("product_id")
    assert dict(lists.iter_rows()) == {"x": ["b", "c"], "y": ["c"], "z": ["a", "b"]}
    assert set(best_sellers(shop)["source"]) == {"best seller"}
