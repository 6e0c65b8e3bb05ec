"""Filling: own evidence first, every page a list, nothing twice."""

from __future__ import annotations

import polars as pl

from models.filling import filled
from models.popularity import LIST_SCHEMA
from tests.models.invented import features

OWN = pl.DataFrame(
    [("a", "c", 0, 0.1, "own", "why"), ("a", "a", 1, 0.1, "own", "why"), ("gone", "c", 0, 0.9, "own", "why")],
    schema=["anchor_id", "product_id", "link_rank", "score", "source", "reason"],
    orient="row",
)
VIEWS = [("s", "a", 0.0)]


def test_own_evidence_stands_first_and_once() -> None:
    """a's own c, then what fills it, without a itself and without c again; a page that is gone has no list."""
    shop = features([*["ab"] * 6, *["c"] * 3], VIEWS)
    frame = filled(shop, OWN, 5, LIST_SCHEMA)
    of_a = frame.filter(pl.col("anchor_id") == "a").sort("rank")
    assert of_a.select("rank", "product_id").rows() == [(1, "c"), (2, "b")]
    assert of_a["source"][0] == "own"
    assert {*frame["anchor_id"]} == {"a", "b", "c"}


def test_no_more_than_asked_for() -> None:
    """max_results holds, whatever also bought would show."""
    shop = features(["abcdef"] * 6, VIEWS, alsoBought={"maxResults": 2})
    assert filled(shop, OWN.clear(), 4, LIST_SCHEMA).group_by("anchor_id").len()["len"].to_list() == [4] * 6


def test_a_shop_without_views_has_nothing_to_fill() -> None:
    """Its pages would repeat what also bought says."""
    assert filled(features(["abcdef"] * 6), OWN, 4, LIST_SCHEMA).is_empty()
