"""Stored bulk discounts as they are charged, and the totals of many lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models import bulk_tier_rules
from models.bulk_discounts import BulkDiscount, Line, Sum, Tier


def stored_discount(document: Mapping[str, Any]) -> BulkDiscount:
    """The discount of a stored document, whose numbers are int or Decimal and whose instants have an offset.

    Each tier is checked by itself: tiers that fitted each other when they were stored may not any more once the price has changed,
    and of several the deepest applies. Raises ValueError where a tier or a field cannot be followed.
    """
    fitting, _ = bulk_tier_rules.read(document, None)
    if fitting is not None:
        return fitting
    tiers = document.get("tiers")
    if not isinstance(tiers, list):
        raise ValueError("The tiers are no list.")
    read = [bulk_tier_rules.read({**document, "tiers": some}, None) for some in ([], *([tier] for tier in tiers))]
    faults = [fault for _, wrong in read for fault in wrong]
    found = [discount for discount, _ in read if discount is not None]
    if faults or len(found) < len(read):
        raise ValueError(" ".join(fault["message"] for fault in faults))
    return replace(found[0], tiers=tuple(tier for discount in found for tier in discount.tiers))


def line_document(line: Line) -> dict[str, Any]:
    """A priced line by the contract's names; appliedTier where the bulk discount takes something off."""
    document = {
        "quantity": line.quantity,
        "originalPrice": line.original_price,
        "originalTotal": line.original_total,
        "discountedUnitPrice": line.unit_price,
        "discountedTotal": line.total,
        "totalSavings": line.saving,
        "savingsPercent": line.saving_percent,
    }
    return document | ({"appliedTier": tier_document(line.tier)} if line.tier else {})


def tier_document(tier: Tier) -> dict[str, Any]:
    """A tier by the contract's names."""
    return {
        "minQuantity": tier.min_quantity,
        "maxQuantity": tier.max_quantity,
        "discountType": tier.discount_type,
        "discountValue": tier.discount_value,
        "label": tier.label,
    }


def totals(sums: Sum) -> dict[str, Any]:
    """The sums of the lines, by the names that a line has them under."""
    return {
        "originalTotal": sums.original_total,
        "discountedTotal": sums.total,
        "totalSavings": sums.saving,
        "savingsPercent": sums.saving_percent,
    }
