"""The rivals of lists for customers, by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from models import rivals_of_customers as rivals
from models.rivals_of_customers import als_alone, item_knn_alone, last_bought, most_often_bought
from models.tasks import HeldOut, new_products, repeated_products
from tests.models.invented import END
from tests.models.shops_of_customers import seasons, shop_of

SPLIT = END - timedelta(days=5)


def answered(held_out: HeldOut, rival: str, customer: str, k: int = 10) -> list[str]:
    """Products that a rival lists for a customer, in order."""
    rows = getattr(rivals, rival)(held_out, k).join(held_out.queries.filter(anchor_id=customer), on="query_id")
    return rows.sort("rank")["product_id"].to_list()


def test_own_products_in_order() -> None:
    """Most often: b, then the later of a and c, which were bought once; last: c, b, a."""
    shop = shop_of([("x", "ab", 30.0), ("x", "b", 20.0), ("x", "c", 10.0), ("x", "abc", 0.0)])
    held_out = repeated_products(shop, SPLIT)
    assert answered(held_out, "most_often_bought", "x") == ["b", "c", "a"]
    assert answered(held_out, "last_bought", "x") == ["c", "b", "a"]
    assert most_often_bought(held_out, 1).height == last_bought(held_out, 1).height == 1


def test_best_sellers_that_are_new() -> None:
    """x has the two best sellers and is shown the third and the fourth, however many of the best x has; y, who has one, three."""
    shop = shop_of([("x", "ab", 30.0), ("y", "a", 30.0), ("z", "abc", 30.0), ("w", "abcd", 30.0), ("x", "c", 0.0), ("y", "d", 0.0)])
    held_out = new_products(shop, SPLIT)
    assert answered(held_out, "best_sellers_not_bought", "x", k=1) == ["c"]
    assert answered(held_out, "best_sellers_not_bought", "x") == ["c", "d"]
    assert answered(held_out, "best_sellers_not_bought", "y") == ["b", "c", "d"]
    everything = shop_of([("x", "abcdefgh", 30.0), ("y", "i", 30.0), ("x", "i", 0.0)])
    assert answered(new_products(everything, SPLIT), "best_sellers_not_bought", "x", k=1) == ["i"]


def test_nearest_products_that_are_new() -> None:
    """x has a; b shares two customers with a, c one: b, then c, and not a itself. d is nobody's neighbour."""
    shop = shop_of([("x", "a", 30.0), ("y", "abc", 30.0), ("z", "ab", 30.0), ("w", "d", 30.0), ("x", "c", 0.0)])
    assert answered(new_products(shop, SPLIT), "item_knn_alone", "x") == ["b", "c"]


@pytest.mark.parametrize("rival", [item_knn_alone, als_alone])
def test_hidden_and_owned_products_are_not_listed(rival: Callable[[HeldOut, int], pl.DataFrame]) -> None:
    """No rival lists what may not be shown or what the customer has, nor more than k."""
    shop = seasons()
    held_out = new_products(shop, SPLIT)
    answers = rival(held_out, 3).join(held_out.queries, on="query_id")
    bought = held_out.train.baskets.select("customer_id", "product_id")
    assert answers.height > 0
    assert answers["rank"].max() <= 3
    assert answers.join(bought, left_on=["anchor_id", "product_id"], right_on=["customer_id", "product_id"], how="semi").is_empty()


def test_nobody_to_answer() -> None:
    """No query, no answer, the same columns."""
    held_out = new_products(shop_of(), SPLIT)
    for rival in (item_knn_alone, als_alone, most_often_bought, last_bought):
        assert rival(held_out, 3).columns == ["query_id", "rank", "product_id"]
