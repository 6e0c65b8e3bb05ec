"""The choice by held-out days: what is asked, how it is judged, and when the default stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.also_bought import also_bought
from models.also_bought_choice import ENOUGH_ORDERS, GRID, Trial, choose
from models.features import Features
from models.own_evidence import Rule
from tests.models.invented import END, features, shuffled

LOOSE = {"minCoOccurrences": 1, "maxResults": 1}
SPLIT = END - timedelta(days=10)


def test_hits_are_the_chance_of_a_random_pair() -> None:
    """Lists of one: a -> b, b -> a, c -> a. Of the later order abc two of its six ordered pairs are hit by a and b, one by c; of
    the order ab both; orders of one product ask nothing."""
    trial = Trial(features([("ab", 20), ("ab", 20), ("ac", 20), "abc", "ab", "c"], alsoBought=LOOSE), SPLIT)
    assert trial.n_orders == 2
    assert trial.hits(Rule()).tolist() == pytest.approx([0.5, 1.0])


def test_nothing_of_the_later_days_is_learnt() -> None:
    """A pair that only later orders hold is in no list."""
    trial = Trial(features([("ab", 20), ("cd", 20), "ac", "ac"], alsoBought=LOOSE), SPLIT)
    assert trial.hits(Rule(nearby=False)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shop", [features(), features(["ab"] * (ENOUGH_ORDERS - 1) + [("ab", 20)]), features(["a", "b"])])
def test_too_few_orders_choose_nothing(shop: Features) -> None:
    """Without enough held-out orders the default stays."""
    assert choose(shop, SPLIT) == {}


def test_what_hits_more_is_chosen() -> None:
    """Where a category's best seller stands in the way of what is bought with everything, lists fill from the company alone."""
    catalogue = {"a": {"category_id": "x"}, "b": {"category_id": "x"}}
    old = [("z", 20), ("z", 20), ("b", 20)]
    shop = features(old + ["az"] * ENOUGH_ORDERS, catalogue=catalogue, alsoBought={"maxResults": 1})
    assert choose(shop, SPLIT) == choose(shuffled(shop, 3), SPLIT) == {"nearby": False}
    trial = Trial(shop, SPLIT)
    assert (trial.hits(Rule()).mean(), trial.hits(Rule(nearby=False)).mean()) == (0.0, 0.5)
    assert also_bought(replace(shop, choices={"also-bought": {"nearby": False}})).height


def test_what_hits_no_more_is_not_chosen() -> None:
    """Where every rule makes the same lists, the default stays."""
    assert choose(features([("ab", 20)] * 9 + ["ab"] * ENOUGH_ORDERS), SPLIT) == {}


def test_every_value_of_the_grid_is_a_rule() -> None:
    """Each value that is tried makes lists."""
    trial = Trial(features([("abc", 20)] * 6 + ["abc", "ab"], alsoBought=LOOSE), SPLIT)
    for name, values in GRID.items():
        for value in values:
            assert trial.hits(Rule(**{name: value})).shape == (2,)
