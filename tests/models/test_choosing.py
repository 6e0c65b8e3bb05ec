"""What held-out days choose for you-might-like."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from models import choosing
from models.candidates import PARTS
from models.choosing import Candidates, choose
from tests.models.invented import END, shuffled
from tests.models.shops_of_customers import seasons, shop_of

SPLIT = END - timedelta(days=30)


def test_a_choice_is_what_the_kind_takes() -> None:
    """JSON, settings of the grid, a weight for every part, a recall that is no worse than that of the defaults; and the same
    whatever the order of rows."""
    shop = seasons()
    chosen = choose(shop, SPLIT)
    assert json.loads(json.dumps(chosen)) == chosen
    assert (chosen["regularization"], chosen["alpha"]) in choosing.GRID
    assert set(chosen["weights"]) == set(PARTS)
    assert chosen["recall"] >= chosen["recall_of_defaults"] > 0
    assert chosen["n_queries"] >= choosing.MIN_QUERIES
    assert choose(shuffled(shop, 3), SPLIT) == chosen


def test_the_future_is_not_learnt_from() -> None:
    """Orders after the split only say what was wanted: a product first sold then changes neither settings nor weights."""
    assert choose(shop_of([("x", "a", 50.0), ("x", "b", 1.0)]), SPLIT) == {}


@pytest.mark.parametrize("n_customers", [0, 1, 10])
def test_too_few_to_choose_by(n_customers: int) -> None:
    """Fewer than MIN_QUERIES customers with something new say nothing."""
    assert choose(seasons(n_customers), SPLIT) == {}


def test_worked_recall() -> None:
    """Of three customers one finds the one product they wanted at the first place, the next neither of two, the third had no
    wanted candidate at all: a third on average. Where all are equal each counts by its chance, 10 of 12."""
    values = np.zeros((len(PARTS) + 1, 2, 12), np.float32)
    values[PARTS.index("als")] = -np.arange(12)
    hit = np.zeros((2, 12), dtype=bool)
    hit[0, 0] = hit[1, 10] = hit[1, 11] = True
    found = Candidates(values, hit, np.array([1, 2]), 3)
    assert found.recall({"als": 1.0}) == pytest.approx(1 / 3)
    assert found.recall({"trend": 1.0}) == pytest.approx(2 / 3 * 10 / 12)


def test_a_place_without_a_candidate_is_behind_all() -> None:
    """The one candidate of a customer is found, however little is thought of it."""
    values = np.zeros((len(PARTS) + 1, 1, 12), np.float32)
    values[0, 0, 0] = -5
    values[-1, 0, 1:] = choosing.ABSENT
    found = Candidates(values, np.arange(12)[None, :] == 0, np.array([1]), 1)
    assert found.recall({"als": 1.0}) == 1


def test_a_cap_on_events_keeps_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more events than may be learnt from, the oldest go."""
    monkeypatch.setattr(choosing, "MAX_EVENTS", 2)
    kept = choosing._latest(shop_of([("x", "a", 3.0), ("x", "b", 2.0)], visits=[("x", "c", 1.0)]))
    assert kept.baskets["product_id"].to_list() == ["b"]
    assert kept.views["product_id"].to_list() == ["c"]
