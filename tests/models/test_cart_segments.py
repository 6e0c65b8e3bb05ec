"""Segments of live carts and sessions, and a customer's facts from what is published."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from models import cart_segments as segments
from models.cart_segments import LiveSession, customer, of_cart, of_session, thresholds
from models.targeting_facts import CartLine, Customer

LIMITS = {
    "small cart below": 2000.0,
    "large cart from": 8000.0,
    "small cart units": 2.0,
    "large cart units": 6.0,
    "quick buyer products": 3.0,
    "quick buyer seconds": 60.0,
    "researcher products": 5.0,
}


def cart(units: int, price: str) -> list[CartLine]:
    """One line of so many units."""
    return [CartLine("a", units, Decimal(price))]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], set()),
        (cart(1, "19.99"), {"SMALL_CART"}),
        (cart(1, "20.00"), {"MEDIUM_CART"}),
        (cart(3, "1.00"), {"MEDIUM_CART"}),
        (cart(1, "79.99"), {"MEDIUM_CART"}),
        (cart(1, "80.00"), {"LARGE_CART"}),
        (cart(6, "4.00"), {"MEDIUM_CART"}),
        (cart(7, "1.00"), {"LARGE_CART"}),
    ],
)
def test_sizes_of_carts(lines: list[CartLine], expected: set[str]) -> None:
    """By what a cart is worth and how many units it holds; every cart but an empty one has one size."""
    assert of_cart(lines, LIMITS) == expected


def test_where_all_orders_are_alike_a_cart_like_them_is_medium() -> None:
    """Quartiles that coincide make no cart of that worth large or small."""
    alike = {**LIMITS, "small cart below": 2000.0, "large cart from": 2000.0}
    assert [of_cart(cart(1, price), alike) for price in ("19", "20", "21")] == [{"SMALL_CART"}, {"MEDIUM_CART"}, {"LARGE_CART"}]


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        (LiveSession(0, 0, False), set()),
        (LiveSession(1, 0, False), {"BROWSER"}),
        (LiveSession(3, 60, True), {"QUICK_BUYER"}),
        (LiveSession(3, 61, True), {"BROWSER"}),
        (LiveSession(4, 30, True), {"BROWSER"}),
        (LiveSession(5, 30, True), {"RESEARCHER"}),
        (LiveSession(20, 900, False), {"RESEARCHER"}),
    ],
)
def test_sessions(session: LiveSession, expected: set[str]) -> None:
    """Who fills a cart at once buys quickly, who looks at much researches, anyone else browses."""
    assert of_session(session, LIMITS) == expected


def test_without_thresholds_there_are_no_segments() -> None:
    """A company with few orders or no views has not enough to tell by."""
    assert of_cart(cart(1, "1"), {}) == of_session(LiveSession(9, 9, True), {}) == frozenset()


def test_a_companys_own_thresholds_stand_over_the_learnt_ones() -> None:
    """Rows of anything else, and names that nobody knows, are no thresholds."""
    rows = [{"source": "large cart from", "score": 8000.0}, {"source": "REPEAT_CUSTOMER", "score": 0.5}]
    assert thresholds(rows, {"large cart from": 5000.0, "x": 1.0}) == {"large cart from": 5000.0}
    assert thresholds(rows) == {"large cart from": 8000.0}


def test_a_customer() -> None:
    """Of a published row, and of a customer for whom the night found nothing: one who has never ordered."""
    row: dict[str, Any] = {
        "source": "REPEAT_CUSTOMER", "segments": ["REPEAT_CUSTOMER", "BULK_BUYER"], "nOrders": 3, "hasSubscription": True,
        "lastOrderAt": "2026-04-30T12:00:00.000000+00:00",
    }  # fmt: skip
    at = datetime(2026, 4, 30, 12, tzinfo=UTC)
    assert customer(row, "Ann") == Customer(frozenset({"REPEAT_CUSTOMER", "BULK_BUYER"}), 3, True, at, "REPEAT_CUSTOMER", "Ann")
    assert customer(None) == Customer(frozenset({"FIRST_TIME_BUYER"}), segment="FIRST_TIME_BUYER")
    with pytest.raises(ValueError, match="publish the kind again"):
        customer({"source": "x"})


def test_names_of_the_contract() -> None:
    """Fifteen segments, each once."""
    assert len(set(segments.SEGMENTS)) == len(segments.SEGMENTS) == 15
