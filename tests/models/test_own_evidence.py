"""Own evidence: what is counted from which source, and in which order it stands."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from models import own_evidence, scores
from models.also_bought import shop_of
from models.features import Features
from models.own_evidence import CO_PURCHASE, CO_VIEW, EARLIER, LIST, SCORES, Rule
from tests.models.invented import features

LOOSE = {"minCoOccurrences": 1}


def counted(shop: Features, rule: Rule | None = None) -> pl.DataFrame:
    """Pairs of all that may stand in a list."""
    of = shop_of(shop)
    return own_evidence.counted(shop, of.candidates["product_id"], rule or Rule(), of.titles)


def test_each_source_counts_for_itself() -> None:
    """Orders of the window, of all time, and visits: each has its own baskets, its own days and its own number of pairs."""
    shop = features(["ab", "ab", ("ab", 200)], [("s", "a", 0), ("s", "b", 0)], alsoBought=LOOSE)
    rows = counted(shop).filter(anchor_id="a").select("link", "product_id", "n_xy", "n_baskets", "window_days").rows()
    assert sorted(rows) == [(CO_PURCHASE, "b", 2, 2, 90), (EARLIER, "b", 3, 3, 201), (CO_VIEW, "b", 1, 1, 90)]


def test_without_older_orders_nothing_is_counted_twice() -> None:
    """Where all orders lie in the window there is no link of earlier ones."""
    assert counted(features(["ab", "ab"], alsoBought=LOOSE))["link"].unique().to_list() == [CO_PURCHASE]


def test_old_orders_weigh_and_are_no_evidence() -> None:
    """A pair of the window keeps its count, and has the weights of all orders, the old one at a quarter (two half-lives)."""
    shop = features(["ab", ("ac", 200)], alsoBought=LOOSE)
    pair = counted(shop, Rule(half_life_days=100.0)).filter(anchor_id="a", product_id="b", link=CO_PURCHASE)
    assert pair.select("n_xy", "n_x").row(0) == (1, 1)
    assert pair["w_xy"][0] == pytest.approx(1.0)
    assert pair["w_x"][0] == pytest.approx(1.25, abs=1e-5)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_is_a_share(score: str) -> None:
    """Whatever the rule, a score is 0..1, lists have their columns, and ranks are dense within anchor and link."""
    shop = features(["ab", "abc", "bcd", "ad", "a", "d"], alsoBought=LOOSE)
    rule = Rule(score=score, gate=-100.0)
    listed = own_evidence.ranked(counted(shop, rule), rule, shop)
    assert tuple(listed.columns) == LIST
    assert listed["score"].is_between(0, 1).all()
    ranks = listed.group_by("anchor_id", "link").agg(pl.col("link_rank").sort())["link_rank"]
    assert all(each.to_list() == list(range(len(each))) for each in ranks)


def test_the_gate_leaves_out_what_chance_explains() -> None:
    """At significance only pairs that are more frequent than by chance stay."""
    shop = features(["ab"] * 6 + ["c"] * 6 + ["ac"], alsoBought=LOOSE)
    rule = Rule(gate=scores.SIGNIFICANT_LLR)
    listed = own_evidence.ranked(counted(shop, rule), rule, shop).filter(anchor_id="a")
    assert listed["product_id"].to_list() == ["b"]


def test_margin_and_stock_lift() -> None:
    """Of two equal partners the one with the higher margin stands first, unless only the other is in stock and that counts."""
    catalogue = {"b": {"cost_cents": 1000}, "c": {"cost_cents": 0, "in_stock": False}}
    for in_stock, first in ((False, "c"), (True, "b")):
        rules = {**LOOSE, "boostHighMargin": True, "boostInStock": in_stock}
        config: dict[str, dict[str, Any]] = {"alsoBought": rules, "global": {"respectInventory": False}}
        shop = features(["ab", "ac"], (), catalogue, **config)
        listed = own_evidence.ranked(counted(shop), Rule(), shop).filter(anchor_id="a")
        assert listed["product_id"][0] == first
        assert dict(listed.select("product_id", "score").rows())["c"] == pytest.approx(
            1.5 * dict(listed.select("product_id", "score").rows())["b"], abs=2e-6
        )
