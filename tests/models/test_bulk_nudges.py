"""Nudges to the next tier: what they cost and save, and when there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bulk_discounts import FIXED_AMOUNT, PERCENTAGE, UNIT_PRICE, BulkDiscount, Ladder, Tier
from models.bulk_nudges import Reach, recommendation
from tests.models.invented import QUICK

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def ladder(base: str, *steps: tuple[int, str], currency: str = "EUR", kind: str = PERCENTAGE) -> Ladder:
    """Prices with tiers of one type, without a cap."""
    tiers = tuple(Tier(least, None, kind, Decimal(value), f"{least}+") for least, value in steps)
    return Ladder(Decimal(base), currency, BulkDiscount(tiers, max_discount_percent=Decimal(100)), NOW)


def nudge(prices: Ladder, quantity: int, **reach: Any) -> dict[str, Any] | None:
    """The recommendation, or None."""
    return recommendation("p", prices, quantity, Reach(**reach)).get("recommendation")


def test_the_worked_example() -> None:
    """24.99, from 1 to 2 at 10 %: 19.99 more, 5.00 saved, which is 10 percent; prices are totals."""
    assert recommendation("p", ladder("24.99", (2, "10")), 1, Reach()) == {
        "productId": "p",
        "currentQuantity": 1,
        "currentPrice": Decimal("24.99"),
        "recommendation": {
            "targetQuantity": 2,
            "quantityToAdd": 1,
            "targetPrice": Decimal("44.98"),
            "additionalCost": Decimal("19.99"),
            "savings": Decimal("5.00"),
            "savingsPercent": Decimal("10.00"),
            "tier": {
                "minQuantity": 2,
                "maxQuantity": None,
                "discountType": "PERCENTAGE",
                "discountValue": Decimal(10),
                "label": "2+",
            },
            "message": "Add 1 more for 19.99 EUR and save 5.00 EUR (10%) on 2.",
            "basis": "tier",
        },
    }


def test_none_at_the_top() -> None:
    """At the last tier, and without a tier, there is nothing to recommend: the field is absent."""
    assert nudge(ladder("10", (2, "10"), (5, "20")), 5) is None
    assert recommendation("p", ladder("10"), 3, Reach()) == {
        "productId": "p",
        "currentQuantity": 3,
        "currentPrice": Decimal("30.00"),
    }


@pytest.mark.parametrize(
    ("reach", "basis"),
    [
        ({}, "tier"),
        ({"customer": 6}, "customer"),
        ({"customer": 12, "product": 1}, "customer"),
        ({"customer": 2, "product": 6}, "product"),
        ({"product": 7.5}, "product"),
        ({"customer": 5}, None),
        ({"product": 5.9}, None),
        ({"customer": 5, "product": 5}, None),
        ({"stock": 6}, "tier"),
        ({"stock": 5}, None),
        ({"stock": 0, "customer": 100}, None),
        ({"stock": 5, "product": 100}, None),
    ],
)
def test_within_reach(reach: dict[str, Any], basis: str | None) -> None:
    """Six units are asked for only where they are in stock and no more than the customer or the product's customers usually take;
    the basis tells whose habit it was."""
    found = nudge(ladder("10", (6, "10")), 3, **reach)
    assert (found["basis"] if found else None) == basis


def test_what_costs_less_is_told_to_everybody() -> None:
    """Ten that cost less than nine are told beyond any habit, not beyond the stock; of several the cheapest."""
    prices = ladder("10", (7, "1"), (10, "40"), (11, "50"))
    told = nudge(prices, 9, customer=1, product=1)
    assert told is not None
    assert (told["targetQuantity"], told["additionalCost"], told["basis"]) == (11, Decimal("-34.10"), "tier")
    assert told["message"] == "11 cost less than 9: 55.00 EUR instead of 89.10 EUR."
    assert nudge(prices, 9, stock=9) is None
    in_stock = nudge(prices, 9, stock=10)
    assert in_stock is not None and in_stock["targetQuantity"] == 10


def test_cents_that_save_nothing_are_no_offer() -> None:
    """A tier whose saving is less than half a cent is passed over for the next one that saves."""
    found = nudge(ladder("0.01", (2, "10"), (10, "15")), 1)
    assert found is not None and found["targetQuantity"] == 10
    assert nudge(ladder("0.01", (2, "10")), 1) is None


@pytest.mark.parametrize(
    ("currency", "message"),
    [
        ("JPY", "Add 1 more for 120 JPY and save 30 JPY (10%) on 2."),
        ("KWD", "Add 1 more for 120.000 KWD and save 30.000 KWD (10%) on 2."),
        ("", "Add 1 more for 120.00 and save 30.00 (10%) on 2."),
    ],
)
def test_messages_have_the_currency_s_decimals(currency: str, message: str) -> None:
    """Yen have no decimals, dinars three, in words as in amounts; a shop whose currency is not known says amounts alone."""
    found = nudge(ladder("150", (2, "10"), currency=currency), 1)
    assert found is not None and found["message"] == message


@QUICK
@given(
    st.integers(1, 10**5),
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 100)), max_size=4),
    st.sampled_from([PERCENTAGE, FIXED_AMOUNT, UNIT_PRICE]),
    st.integers(1, 50),
)
def test_laws_of_a_nudge(cents: int, steps: list[tuple[int, int]], kind: str, quantity: int) -> None:
    """A nudge leads upwards to a lower unit price and a saving; both prices are what the shopper will be charged."""
    prices = ladder(str(Decimal(cents) / 100), *((least, str(value)) for least, value in steps), kind=kind)
    answer = recommendation("p", prices, quantity, Reach())
    assert answer["currentPrice"] == prices.line(quantity).total
    found = answer.get("recommendation")
    assert found is not None or all(prices.line(step.min_quantity).saving == 0 for step in prices.later(quantity))
    if found is not None:
        target = found["targetQuantity"]
        assert target == quantity + found["quantityToAdd"] > quantity
        assert found["targetPrice"] == prices.line(target).total == answer["currentPrice"] + found["additionalCost"]
        assert 0 < found["savings"] == target * prices.base - found["targetPrice"]
        assert prices.step(target).parts < prices.step(quantity).parts
