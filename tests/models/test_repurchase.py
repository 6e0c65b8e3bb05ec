"""How often customers come back, and what is due."""

from __future__ import annotations

import polars as pl
import pytest

from models.repurchase import MIN_GAPS, due, intervals, purchase_days, purchases
from tests.models.shops_of_customers import shop_of


def regulars(age: float, n: int = MIN_GAPS) -> list[tuple[str, str, float]]:
    """`n` customers who bought "a" `age` days ago and 30 days before."""
    return [(f"r{number:02}", "a", age + gap) for number in range(n) for gap in (0, 30)]


def test_worked_purchases() -> None:
    """Orders of one day are one day, but two orders; gaps are between days; an order of 180 days ago weighs half."""
    shop = shop_of([("x", "a", 0), ("x", "a", 0.1), ("x", "a", 180)])
    row = purchases(purchase_days(shop)).row(0, named=True)
    assert row["n_orders"] == 3
    assert row["last_days_ago"] == 0
    assert row["n_gaps"] == 1
    assert row["own_interval_days"] == 180
    assert row["weight"] == pytest.approx(2.5)


def test_worked_intervals() -> None:
    """MIN_GAPS gaps make an interval, one fewer does not; one customer of eleven who never came back lowers the share."""
    table = intervals(purchase_days(shop_of([*regulars(0), ("once", "a", 3)])))
    assert table.row(0) == ("a", 30.0, MIN_GAPS + 1, pytest.approx(10 / 11))
    few = intervals(purchase_days(shop_of(regulars(0, MIN_GAPS - 1))))
    assert few["interval_days"].to_list() == [None]


@pytest.mark.parametrize(("age", "expected"), [(29, 0), (30, 10), (90, 10), (91, 0)])
def test_due_from_one_interval_to_three(age: float, expected: int) -> None:
    """Before its interval has passed a product is not due, and after three the customer has moved on."""
    assert due(shop_of([*regulars(age), ("now", "z", 0)])).height == expected


def test_what_few_come_back_for_is_never_due() -> None:
    """Ten who come back among thirty customers make no replenishable product."""
    once = [(f"once-{number}", "a", 1.0) for number in range(20)]
    assert due(shop_of([*regulars(40), *once])).is_empty()


def test_nothing() -> None:
    """No order, nothing due, the same columns."""
    empty = due(shop_of())
    assert empty.is_empty()
    assert empty.schema == {"customer_id": pl.String, "product_id": pl.String}
