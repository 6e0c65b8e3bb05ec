"""Segments: their names, and those of a live cart and session from the thresholds that the night published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from models.targeting_facts import CartLine, Customer

SMALL_CART, MEDIUM_CART, LARGE_CART = "SMALL_CART", "MEDIUM_CART", "LARGE_CART"
FIRST_TIME_BUYER, REPEAT_CUSTOMER, LOYAL_SUBSCRIBER, LAPSED_CUSTOMER = (
    "FIRST_TIME_BUYER", "REPEAT_CUSTOMER", "LOYAL_SUBSCRIBER", "LAPSED_CUSTOMER",
)  # fmt: skip
BUDGET_CONSCIOUS, VALUE_SEEKER, PREMIUM_BUYER = "BUDGET_CONSCIOUS", "VALUE_SEEKER", "PREMIUM_BUYER"
BULK_BUYER, SUBSCRIPTION_READY = "BULK_BUYER", "SUBSCRIPTION_READY"
BROWSER, RESEARCHER, QUICK_BUYER = "BROWSER", "RESEARCHER", "QUICK_BUYER"
OF_CARTS = (SMALL_CART, MEDIUM_CART, LARGE_CART)
# the first of a customer's, in this order, is the one by which acceptance is told apart
OF_HISTORY = (LOYAL_SUBSCRIBER, LAPSED_CUSTOMER, REPEAT_CUSTOMER, FIRST_TIME_BUYER)
OF_CUSTOMERS = (*OF_HISTORY, BUDGET_CONSCIOUS, VALUE_SEEKER, PREMIUM_BUYER, BULK_BUYER, SUBSCRIPTION_READY)
OF_SESSIONS = (BROWSER, RESEARCHER, QUICK_BUYER)
SEGMENTS = (*OF_CARTS, *OF_CUSTOMERS, *OF_SESSIONS)

SMALL_BELOW, LARGE_FROM, SMALL_UNITS, LARGE_UNITS = "small cart below", "large cart from", "small cart units", "large cart units"
QUICK_PRODUCTS, QUICK_SECONDS = "quick buyer products", "quick buyer seconds"
RESEARCHER_PRODUCTS = "researcher products"
ACTIVE_DAYS, LAPSED_DAYS = "active days", "lapsed days"
THRESHOLDS = (
    SMALL_BELOW, LARGE_FROM, SMALL_UNITS, LARGE_UNITS, QUICK_PRODUCTS, QUICK_SECONDS, RESEARCHER_PRODUCTS, ACTIVE_DAYS, LAPSED_DAYS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveSession:
    """What a session has done: products looked at, seconds from the first to the last look, and whether its cart holds anything."""

    n_products: int
    seconds: float
    has_cart: bool


def thresholds(rows: Iterable[Mapping[str, Any]], own: Mapping[str, float] | None = None) -> dict[str, float]:
    """The company's thresholds by name (THRESHOLDS): the published rows at anchor "" (models/segments.py), and over them its own.

    Values in cents, units, products, seconds, days. A name that is missing was not learnt, for want of orders or views.
    """
    learnt = {row["source"]: row["score"] for row in rows if row["source"] in THRESHOLDS}
    return {**learnt, **{name: value for name, value in (own or {}).items() if name in THRESHOLDS}}


def of_cart(lines: Sequence[CartLine], limits: Mapping[str, float]) -> frozenset[str]:
    """The size of a cart, one of OF_CARTS; nothing for an empty cart, or where the company's thresholds are not known.

    Large: worth at least a quarter of the orders' most, or of more units than three quarters of the orders. Small: worth less
    than three quarters of the orders, and of no more units than half of them.
    """
    names = (SMALL_BELOW, LARGE_FROM, SMALL_UNITS, LARGE_UNITS)
    if not lines or any(name not in limits for name in names):
        return frozenset()
    small_below, large_from, small_units, large_units = (limits[name] for name in names)
    cents = 100 * sum([line.quantity * line.unit_price for line in lines], Decimal(0))
    units = sum([line.quantity for line in lines])
    if cents >= large_from > small_below or cents > large_from or units > large_units:
        return frozenset((LARGE_CART,))
    return frozenset((SMALL_CART if cents < small_below and units <= small_units else MEDIUM_CART,))


def of_session(session: LiveSession, limits: Mapping[str, float]) -> frozenset[str]:
    """What a session is like, one of OF_SESSIONS; nothing before its first look, or where the thresholds are not known.

    A quick buyer has filled a cart within the products and seconds of the median visit; a researcher has looked at as many
    products as the upper quarter of visits; anyone else is a browser.
    """
    names = (QUICK_PRODUCTS, QUICK_SECONDS, RESEARCHER_PRODUCTS)
    if session.n_products < 1 or any(name not in limits for name in names):
        return frozenset()
    products, seconds, many = (limits[name] for name in names)
    if session.has_cart and session.n_products <= products and session.seconds <= seconds:
        return frozenset((QUICK_BUYER,))
    return frozenset((RESEARCHER if session.n_products >= many else BROWSER,))


def customer(row: Mapping[str, Any] | None, first_name: str = "") -> Customer:
    """A known customer's facts from the published row of kind `segments`; without one they have never ordered.

    Raises ValueError for a row that is none of this kind.
    """
    if row is None:
        return Customer(frozenset((FIRST_TIME_BUYER,)), segment=FIRST_TIME_BUYER, first_name=first_name)
    try:
        last = row["lastOrderAt"]
        return Customer(
            segments=frozenset(row["segments"]),
            n_orders=row["nOrders"],
            has_subscription=row["hasSubscription"],
            last_order_at=datetime.fromisoformat(last) if last else None,
            segment=row["source"],
            first_name=first_name,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"Not a customer's row of kind segments ({error!r}); publish the kind again.") from error
