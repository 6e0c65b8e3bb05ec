"""Stored discounts as they are charged."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from models.bulk_discounts import Ladder, summed
from models.offers_documents import line_document, stored_discount, totals

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def tier(at: int, kind: str, value: str) -> dict[str, Any]:
    """An open-ended tier."""
    return {"minQuantity": at, "maxQuantity": None, "discountType": kind, "discountValue": Decimal(value), "label": str(at)}


def test_tiers_that_a_new_price_has_set_at_odds_still_hold() -> None:
    """Ten percent off from five, 8.00 from ten: at a price of 8.50 the first is the deeper one, and is what is charged."""
    stored = {"tiers": [tier(5, "PERCENTAGE", "10") | {"maxQuantity": 9}, tier(10, "UNIT_PRICE", "8")], "validFrom": None}
    discount = stored_discount(stored)
    assert [Ladder(Decimal("10.00"), "EUR", discount, NOW).line(n).total for n in (5, 10)] == [Decimal("45.00"), Decimal("80.00")]
    assert Ladder(Decimal("8.50"), "EUR", discount, NOW).line(10).total == Decimal("76.50")


@pytest.mark.parametrize(
    "broken",
    [{}, {"tiers": None}, {"tiers": [7]}, {"tiers": [tier(0, "PERCENTAGE", "1")]}, {"tiers": [], "maxDiscountPercent": 101}],
)
def test_what_cannot_be_followed(broken: dict[str, Any]) -> None:
    """A document that breaks the rules is a ValueError."""
    with pytest.raises(ValueError, match=r"\.$"):
        stored_discount(broken)


def test_documents_of_lines() -> None:
    """The contract's names, appliedTier only where something is taken off, and sums of what the lines show."""
    ladder = Ladder(Decimal("9.995"), "EUR", stored_discount({"tiers": [tier(10, "PERCENTAGE", "10")]}), NOW)
    lines = [ladder.line(9), ladder.line(10)]
    few, many = map(line_document, lines)
    names = [
        "quantity",
        "originalPrice",
        "originalTotal",
        "discountedUnitPrice",
        "discountedTotal",
        "totalSavings",
        "savingsPercent",
    ]
    assert (list(few), list(many)) == (names, [*names, "appliedTier"])
    assert many["appliedTier"]["discountValue"] == 10
    assert totals(summed(lines))["discountedTotal"] == few["discountedTotal"] + many["discountedTotal"]
