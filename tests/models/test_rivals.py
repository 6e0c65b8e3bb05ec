"""Rivals are what they say: plain counts, checked by counting by hand."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations

import polars as pl
import pytest

from models import rivals, tasks
from models.rivals import best_sellers, cosine, raw_counts
from tests.models.invented import END, features, random_features, shuffled

SPLIT = END - timedelta(days=5)
ALL = [best_sellers, raw_counts, cosine]


@pytest.mark.parametrize("rival", ALL, ids=lambda rival: rival.__name__)
@pytest.mark.parametrize("seed", range(10))
def test_answers_are_lists_of_eligible_products(rival: rivals.Answer, seed: int) -> None:
    """Dense ranks, no anchor among its own answers, nothing twice, nothing that may not be shown; shuffled rows change nothing."""
    shop = random_features(seed)
    held_out = tasks.partners_of_share(shop, 0.5)
    rows = rival(held_out, 3)
    joined = rows.join(held_out.queries, on="query_id")
    assert joined.filter(pl.col("anchor_id") == pl.col("product_id")).is_empty()
    assert set(rows["product_id"]) <= set(shop.eligible()["product_id"])
    assert not rows.select("query_id", "product_id").is_duplicated().any()
    for _, lists in rows.group_by("query_id"):
        assert sorted(lists["rank"]) == list(range(1, lists.height + 1)) and lists.height <= 3
    assert rival(tasks.partners_of_share(shuffled(shop, seed), 0.5), 3).equals(rows)


@pytest.mark.parametrize("seed", range(10))
def test_raw_counts_against_counting_in_plain_python(seed: int) -> None:
    """The first partner of every anchor is the one that most training orders have with it, the smaller id of equal ones."""
    held_out = tasks.partners_of_share(random_features(seed), 0.5)
    orders = held_out.train.baskets.group_by("order_id").agg("product_id")["product_id"].to_list()
    counts: dict[tuple[str, str], int] = {}
    for order in orders:
        for one, other in combinations(sorted(order), 2):
            counts[one, other] = counts[other, one] = counts.get((one, other), 0) + 1
    eligible = set(held_out.train.eligible()["product_id"])
    expected = {}
    for anchor in set(held_out.queries["anchor_id"]):
        partners = sorted((-count, y) for (x, y), count in counts.items() if x == anchor and y in eligible)
        if partners:
            expected[anchor] = partners[0][1]
    rows = raw_counts(held_out, 3).filter(pl.col("rank") == 1).join(held_out.queries, on="query_id")
    assert dict(zip(rows["anchor_id"], rows["product_id"], strict=True)) == expected


def test_cosine_discounts_what_everyone_buys() -> None:
    """b shares two orders with a and is in every order; c shares one and is in no other: counts say b, cosine says c."""
    shop = features(["ab", "ab", "ac"] + ["b"] * 20 + [("ad", 1.0)])
    held_out = tasks.HeldOut(shop, pl.DataFrame({"query_id": [0], "anchor_id": ["a"]}), pl.DataFrame())
    assert raw_counts(held_out, 1)["product_id"].to_list() == ["b"]
    assert cosine(held_out, 1)["product_id"].to_list() != ["b"]


def test_best_sellers_by_visits_where_nothing_was_ordered() -> None:
    """A shop of views alone is ranked by its visits."""
    shop = features((), [("s1", "a", 1), ("s2", "a", 1), ("s1", "b", 1), ("s3", "c", 1)])
    held_out = tasks.HeldOut(shop, pl.DataFrame({"query_id": [0], "anchor_id": ["b"]}), pl.DataFrame())
    assert best_sellers(held_out, 2)["product_id"].to_list() == ["a", "c"]
