"""What a bulk discount's JSON must satisfy before it is stored or charged: each fault with its field and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from models.bulk_discounts import (
    CAP_DECIMALS,
    DISCOUNT_TYPES,
    FIXED_AMOUNT,
    PERCENTAGE,
    UNIT_PRICE,
    VALUE_DECIMALS,
    BulkDiscount,
    Ladder,
    Tier,
)
from models.bulk_fields import LARGEST_VALUE, Fault, amount, fault, time_zone, whole_units, window

FIELDS = ("enabled", "tiers", "stackWithOtherDiscounts", "maxDiscountPercent", "validFrom", "validUntil")
# what an answer of ours carries besides, so that a client may send back what it got
OF_THE_ROW = ("id", "productId", "companyId", "createdAt", "updatedAt", "warnings")
TIER_FIELDS = ("minQuantity", "maxQuantity", "discountType", "discountValue", "label")
DEFAULT_CAP = Decimal(30)
MOST_TIERS = 20
LONGEST_LABEL = 100


def read(document: Any, price: Decimal | None, zone: str = "UTC") -> tuple[BulkDiscount | None, list[Fault]]:
    """The discount that a JSON object (FIELDS; all but `tiers` have a default) describes, or None and what is wrong with it.

    price: the product's, to compare tiers of different types by; None where it has none. zone: the company's time zone (IANA),
    which dates and instants without an offset are in; ValueError where there is no such zone. A date as validUntil is that day's
    end. A fault is {"field": "tiers[2].maxQuantity", "message": a sentence}; tiers are counted from 0, as they were sent.
    """
    if not isinstance(document, Mapping):
        return None, [fault("", "The discount must be an object", document)]
    faults = _unknown(document, (*FIELDS, *OF_THE_ROW), "", "a bulk discount")
    for name in ("enabled", "stackWithOtherDiscounts"):
        if not isinstance(document.get(name, False), bool):
            faults.append(fault(name, f"{name} must be true or false", document[name]))
    cap, wrong = amount(document.get("maxDiscountPercent", DEFAULT_CAP), "maxDiscountPercent", 100, CAP_DECIMALS)
    dates, wrong_dates = window(document, time_zone(zone))
    tiers, wrong_tiers = _tiers(document.get("tiers"), price)
    faults += wrong + wrong_dates + wrong_tiers
    if faults:
        return None, faults
    flags = {"enabled": document.get("enabled", True), "stacks": document.get("stackWithOtherDiscounts", False)}
    return BulkDiscount(tuple(tiers), max_discount_percent=cap, valid_from=dates[0], valid_until=dates[1], **flags), []


def warnings(discount: BulkDiscount, price: Decimal, currency: str) -> list[Fault]:
    """What may be stored but a merchant should know: thresholds where the total falls, tiers that the cap or the price cuts."""
    always = BulkDiscount(discount.tiers, max_discount_percent=discount.max_discount_percent)
    ladder = Ladder(price, currency, always, datetime.min.replace(tzinfo=UTC))
    numbers = {tier.min_quantity: number for number, tier in enumerate(discount.tiers)}
    said = [
        _told(numbers[more], "minQuantity", f"{more} cost less than {fewer}; shoppers are told so")
        for fewer, more in ladder.inversions()
    ]
    for number, tier in enumerate(discount.tiers):
        if _unit_price(tier, price) < price * (100 - discount.max_discount_percent) / 100:
            cap = f"the cap of {discount.max_discount_percent} percent"
            said.append(_told(number, "discountValue", f"the tier asks for more than {cap}, which holds"))
        if tier.discount_type == UNIT_PRICE and tier.discount_value > price:
            said.append(
                _told(number, "discountValue", f"{tier.discount_value} is above the price {price}, which is charged instead")
            )
    return said


def _tiers(given: Any, price: Decimal | None) -> tuple[list[Tier], list[Fault]]:
    if not isinstance(given, list):
        return [], [fault("tiers", "tiers must be a list", given)]
    if len(given) > MOST_TIERS:
        return [], [{"field": "tiers", "message": f"tiers holds {len(given)} tiers, give at most {MOST_TIERS}."}]
    read_tiers = [_tier(tier, f"tiers[{number}]") for number, tier in enumerate(given)]
    faults = [each for _, wrong in read_tiers for each in wrong]
    tiers = [tier for tier, _ in read_tiers if tier]
    return tiers, faults or list(_clashes(tiers, price))


def _tier(given: Any, at: str) -> tuple[Tier | None, list[Fault]]:
    if not isinstance(given, Mapping):
        return None, [fault(at, f"{at} must be an object", given)]
    faults = _unknown(given, TIER_FIELDS, f"{at}.", "a tier")
    least, wrong = whole_units(given.get("minQuantity"), f"{at}.minQuantity")
    most: int | None = None
    if given.get("maxQuantity") is not None:
        most, wrong_most = whole_units(given["maxQuantity"], f"{at}.maxQuantity")
        if not wrong + wrong_most and most < least:
            wrong_most = [fault(f"{at}.maxQuantity", f"maxQuantity must not be below minQuantity {least}", most)]
        wrong += wrong_most
    if given.get("discountType") not in DISCOUNT_TYPES:
        wrong.append(
            fault(f"{at}.discountType", f"discountType must be one of {', '.join(DISCOUNT_TYPES)}", given.get("discountType"))
        )
    limit = 100 if given.get("discountType") == PERCENTAGE else LARGEST_VALUE
    value, wrong_value = amount(given.get("discountValue"), f"{at}.discountValue", limit, VALUE_DECIMALS)
    label = "" if given.get("label") is None else given["label"]
    if not isinstance(label, str) or len(label) > LONGEST_LABEL:
        wrong.append(fault(f"{at}.label", f"label must be a text of at most {LONGEST_LABEL} characters", label))
    faults += wrong + wrong_value
    return (None, faults) if faults else (Tier(least, most, given["discountType"], value, label), [])


def _clashes(tiers: list[Tier], price: Decimal | None) -> Iterator[Fault]:
    """Faults of one tier beside the one before it by quantity."""
    ordered = sorted(enumerate(tiers), key=lambda item: item[1].min_quantity)
    for (before, lower), (number, upper) in pairwise(ordered):
        if lower.max_quantity is None or lower.max_quantity >= upper.min_quantity:
            until = "has no end" if lower.max_quantity is None else f"ends at {lower.max_quantity}"
            yield _told(number, "minQuantity", f"{upper.min_quantity} overlaps tiers[{before}], which {until}")
        elif price is None and lower.discount_type != upper.discount_type:
            yield _told(number, "discountType", f"it cannot be compared with tiers[{before}] while the product has no price")
        elif _dearer(lower, upper, price):
            yield _told(
                number, "discountValue", f"{upper.discount_value} makes a larger quantity dearer per unit than tiers[{before}]"
            )


def _dearer(lower: Tier, upper: Tier, price: Decimal | None) -> bool:
    if lower.discount_type == upper.discount_type:
        rises = upper.discount_value > lower.discount_value
        falls = upper.discount_value < lower.discount_value
        return rises if upper.discount_type == UNIT_PRICE else falls
    return price is not None and _unit_price(upper, price) > _unit_price(lower, price)


def _unit_price(tier: Tier, price: Decimal) -> Decimal:
    """What the tier asks for one, before the cap."""
    if tier.discount_type == PERCENTAGE:
        return price * (100 - tier.discount_value) / 100
    asked = price - tier.discount_value if tier.discount_type == FIXED_AMOUNT else tier.discount_value
    return min(price, max(Decimal(0), asked))


def _unknown(given: Mapping[str, Any], known: tuple[str, ...], at: str, what: str) -> list[Fault]:
    extra = sorted(str(name) for name in given if name not in known)
    return [{"field": f"{at}{name:.40}", "message": f"{name!r:.40} is no field of {what}."} for name in extra]


def _told(number: int, name: str, sentence: str) -> Fault:
    return {"field": f"tiers[{number}].{name}", "message": f"{sentence}."}
