"""What a subscription configuration's JSON must satisfy before it is stored: each fault with its field and a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.bulk_fields import Fault, amount, fault
from models.subscriptions import DEFAULT_FREQUENCY, DEFAULT_TIERS, EVERY, FREQUENCY_DAYS

FIELDS = ("enabled", "discountTiers", "defaultFrequency", "freeShippingIncluded", "eligibility")
# what an answer of ours carries besides, so that a client may send back what it got
OF_THE_ROW = ("id", "productId", "companyId", "createdAt", "updatedAt")
TIER_FIELDS = ("frequency", "discountPercent", "label")
RULE_FIELDS = ("requirePreviousPurchase", "minOrderCount", "productCategories")
LONGEST_TEXT = 200
MOST_CATEGORIES = 500
MOST_ORDERS = 1_000_000
PERCENT_DECIMALS = 2


def read(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The configuration that a JSON object describes, every field of FIELDS given, and what is wrong with it.

    A field that is left out has the contract's default: enabled, the default tiers, MONTHLY, no free shipping, no conditions.
    discountPercent is 0..100 with at most PERCENT_DECIMALS decimals. A fault is {"field": "discountTiers[2].frequency", "message":
    a sentence}; tiers are counted from 0, as they were sent.
    """
    faults = _unknown(document, (*FIELDS, *OF_THE_ROW), "", "a subscription configuration")
    for name in ("enabled", "freeShippingIncluded"):
        if not isinstance(document.get(name, False), bool):
            faults.append(fault(name, f"{name} must be true or false", document[name]))
    frequency = document.get("defaultFrequency", DEFAULT_FREQUENCY)
    faults += _frequency(frequency, "defaultFrequency")
    tiers, wrong_tiers = _tiers(document.get("discountTiers", _default_tiers()))
    rules, wrong_rules = _rules(document.get("eligibility", {}))
    read_fields = {
        "enabled": document.get("enabled", True),
        "discountTiers": tiers,
        "defaultFrequency": frequency,
        "freeShippingIncluded": document.get("freeShippingIncluded", False),
        "eligibility": rules,
    }
    return read_fields, faults + wrong_tiers + wrong_rules


def _default_tiers() -> list[dict[str, Any]]:
    return [{"frequency": row.frequency, "discountPercent": row.discount_percent, "label": row.label} for row in DEFAULT_TIERS]


def _tiers(given: Any) -> tuple[list[dict[str, Any]], list[Fault]]:
    if not isinstance(given, list):
        return [], [fault("discountTiers", "discountTiers must be a list", given)]
    if not 1 <= len(given) <= len(FREQUENCY_DAYS):
        message = f"discountTiers holds {len(given)} tiers, give 1 to {len(FREQUENCY_DAYS)}, one per frequency."
        return [], [{"field": "discountTiers", "message": message}]
    tiers, faults, seen = [], list[Fault](), set[str]()
    for at, row in enumerate(given):
        tier, wrong = _tier(row, f"discountTiers[{at}]")
        if not wrong and tier["frequency"] in seen:
            wrong = [fault(f"discountTiers[{at}].frequency", "each frequency may have one tier", tier["frequency"])]
        seen |= {tier["frequency"]} if not wrong else set()
        tiers.append(tier)
        faults += wrong
    return tiers, faults


def _tier(given: Any, at: str) -> tuple[dict[str, Any], list[Fault]]:
    if not isinstance(given, Mapping):
        return {}, [fault(at, f"{at} must be an object", given)]
    frequency = given.get("frequency")
    faults = _unknown(given, TIER_FIELDS, f"{at}.", "a tier") + _frequency(frequency, f"{at}.frequency")
    percent, wrong = amount(given.get("discountPercent"), f"{at}.discountPercent", 100, PERCENT_DECIMALS)
    faults += wrong
    label = given.get("label")
    if label is None and isinstance(frequency, str):
        label = EVERY.get(frequency, "").capitalize()
    if not isinstance(label, str) or len(label) > LONGEST_TEXT:
        faults.append(fault(f"{at}.label", f"label must be a text of at most {LONGEST_TEXT} characters", label))
    return {"frequency": frequency, "discountPercent": percent, "label": label}, faults


def _rules(given: Any) -> tuple[dict[str, Any], list[Fault]]:
    if not isinstance(given, Mapping):
        return {}, [fault("eligibility", "eligibility must be an object", given)]
    faults = _unknown(given, RULE_FIELDS, "eligibility.", "the eligibility")
    before, count, categories = (given.get(name, default) for name, default in zip(RULE_FIELDS, (False, 0, []), strict=True))
    if not isinstance(before, bool):
        faults.append(fault("eligibility.requirePreviousPurchase", "requirePreviousPurchase must be true or false", before))
    if type(count) is not int or not 0 <= count <= MOST_ORDERS:
        faults.append(fault("eligibility.minOrderCount", f"minOrderCount must be a whole number from 0 to {MOST_ORDERS}", count))
    are_ids = isinstance(categories, list) and all(isinstance(each, str) and 0 < len(each) <= LONGEST_TEXT for each in categories)
    if not are_ids or len(categories) > MOST_CATEGORIES:
        sentence = f"productCategories must be a list of at most {MOST_CATEGORIES} ids of categories"
        faults.append(fault("eligibility.productCategories", sentence, categories))
    return {"requirePreviousPurchase": before, "minOrderCount": count, "productCategories": categories}, faults


def _frequency(given: Any, field: str) -> list[Fault]:
    if isinstance(given, str) and given in FREQUENCY_DAYS:
        return []
    return [fault(field, f"{field.rpartition('.')[2]} must be one of {', '.join(FREQUENCY_DAYS)}", given)]


def _unknown(given: Mapping[str, Any], known: tuple[str, ...], at: str, what: str) -> list[Fault]:
    extra = sorted(str(name) for name in given if name not in known)
    return [{"field": f"{at}{name:.40}", "message": f"{name!r:.40} is no field of {what}."} for name in extra]
