"""What is ordered of each product, and what is rising."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from models.demand import demand
from tests.models.shops_of_customers import shop_of


def test_worked_demand() -> None:
    """Two fresh orders are ln 3; one of 30 days ago is half of one and no more counted; nothing ordered is nothing."""
    shop = shop_of([("x", "a", 0), ("y", "a", 0), ("x", "b", 30)])
    found = demand(shop, pl.Series(["a", "b", "c"]))
    assert found.popularity == pytest.approx(np.log([3, 1.5, 1]))
    assert (found.n_recent.tolist(), found.unit) == ([2, 0, 0], "orders")


def test_what_rises() -> None:
    """What was ordered lately is above what its share of all orders lets expect, what was ordered long ago below."""
    trend = demand(shop_of([("x", "a", 0), ("y", "a", 0), ("x", "b", 60), ("y", "b", 60)]), pl.Series(["a", "b"])).trend
    assert trend == pytest.approx(np.log([3 / 2, 1 / 2]), abs=0.01)


def test_visits_count_where_nothing_was_ordered() -> None:
    """In a shop without orders a visit counts as one, however often it came back to the product."""
    found = demand(shop_of(visits=[("x", "aab", 0)]), pl.Series(["a", "b"]))
    assert (found.n_recent.tolist(), found.unit) == ([1, 1], "visits")
