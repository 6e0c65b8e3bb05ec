"""A company's settings: their defaults and ranges, what a document of them must satisfy, and what holds where one is stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from models import cart_segments as named
from models.bulk_fields import Fault, amount, fault

MOST_DAYS, MOST_REQUESTS, MOST_UPSELLS, MOST_ORIGINS = 365, 10_000_000, 20, 50
LARGEST_AMOUNT = 1_000_000
# as a browser writes it in Origin: nothing behind the port, in lower case
_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]{1,253}", re.ASCII)
# JSON name -> the published threshold (models/segments.py) that it stands above, and what a unit of it is in the published one
SEGMENT_THRESHOLDS: Mapping[str, tuple[str, int]] = MappingProxyType(
    {
        "smallCartBelow": (named.SMALL_BELOW, 100),
        "largeCartFrom": (named.LARGE_FROM, 100),
        "smallCartUnits": (named.SMALL_UNITS, 1),
        "largeCartUnits": (named.LARGE_UNITS, 1),
        "quickBuyerProducts": (named.QUICK_PRODUCTS, 1),
        "quickBuyerSeconds": (named.QUICK_SECONDS, 1),
        "researcherProducts": (named.RESEARCHER_PRODUCTS, 1),
    }
)
_NOTHING: Mapping[str, float] = MappingProxyType({})
Reader = Callable[[Any, str], tuple[Any, list[Fault]]]


@dataclass(frozen=True)
class CompanySettings:
    """What a company decides beside its rules and lists; amounts in the currency's main unit.

    holdout_percent: 0..50, the share of sessions that see no offer. free_shipping_from: the cart's value from which shipping is
    free, None where it never is; shipping_cost: what shipping costs the company then. decline_cool_down_days: 0..MOST_DAYS.
    assumed_margin_percent: 0..100 of the price, where a cost is not known. segment_thresholds: cart_segments.THRESHOLDS, in their
    units (cents), over those that the night learnt. cors_origins: empty for any. requests_per_minute: of the company's callers
    together, address_requests_per_minute: of one address; 0 for no limit. max_upsells: where a request names none.
    """

    holdout_percent: float = 5.0
    free_shipping_from: Decimal | None = None
    shipping_cost: Decimal = Decimal(0)
    decline_cool_down_days: int = 7
    assumed_margin_percent: float = 30.0
    segment_thresholds: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    cors_origins: tuple[str, ...] = ()
    requests_per_minute: int = 0
    address_requests_per_minute: int = 6_000
    max_upsells: int = 3


class Read(NamedTuple):
    """The settings, with the default wherever a value has a fault."""

    settings: CompanySettings
    faults: list[Fault]


def read(document: Mapping[str, Any]) -> Read:
    """The settings of a JSON object; what is absent or null has its default. A fault names its field and says what is due."""
    unknown = [_unknown(name) for name in sorted(str(name) for name in document if name not in FIELDS)]
    found: dict[str, Any] = {}
    faults = []
    for name, (attribute, reader) in FIELDS.items():
        given = document.get(name)
        if given is not None:
            value, wrong = reader(given, name)
            faults += wrong
            if not wrong:
                found[attribute] = value
    return Read(CompanySettings(**found), unknown + faults)


def shown(document: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting as the API answers it: the document's own, the defaults for what it leaves out."""
    return {name: document.get(name) if document.get(name) is not None else DEFAULTS[name] for name in FIELDS}


def own(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored after a change: the known fields of both that are neither null nor the default, in the order of FIELDS."""
    merged = {**stored, **given}
    kept = ((name, merged.get(name)) for name in FIELDS)
    return {name: value for name, value in kept if value is not None and value != DEFAULTS[name]}


def _unknown(name: str) -> Fault:
    return {"field": f"{name:.40}", "message": f"{name!r:.40} is no setting; there are {', '.join(FIELDS)}."}


def _percent(most: int) -> Reader:
    def percent(value: Any, at: str) -> tuple[Any, list[Fault]]:
        exact, wrong = amount(value, at, most, 2)
        return float(exact), wrong

    return percent


def _amount(value: Any, at: str) -> tuple[Any, list[Fault]]:
    return amount(value, at, LARGEST_AMOUNT, 2)


def _whole(least: int, most: int) -> Reader:
    def whole(value: Any, at: str) -> tuple[Any, list[Fault]]:
        if type(value) is int and least <= value <= most:
            return value, []
        return least, [fault(at, f"{at} must be a whole number from {least} to {most}", value)]

    return whole


def _thresholds(value: Any, at: str) -> tuple[Any, list[Fault]]:
    if not isinstance(value, Mapping):
        return {}, [fault(at, f"{at} must be an object", value)]
    limits, faults = {}, []
    for name, given in value.items():
        if name not in SEGMENT_THRESHOLDS:
            message = f"{name!r:.40} is no threshold; there are {', '.join(SEGMENT_THRESHOLDS)}."
            faults.append({"field": f"{at}.{name:.40}", "message": message})
            continue
        threshold, unit = SEGMENT_THRESHOLDS[name]
        exact, wrong = amount(given, f"{at}.{name}", LARGEST_AMOUNT, 2)
        faults += wrong
        limits[threshold] = float(exact * unit)
    return limits, faults


def _origins(value: Any, at: str) -> tuple[Any, list[Fault]]:
    if not isinstance(value, list) or len(value) > MOST_ORIGINS:
        return (), [fault(at, f"{at} must be a list of at most {MOST_ORIGINS} origins", value)]
    faults = [
        fault(f"{at}[{number}]", f"{at} must hold origins such as https://shop.example, in lower case", given)
        for number, given in enumerate(value)
        if not isinstance(given, str) or not _ORIGIN.fullmatch(given)
    ]
    return tuple(dict.fromkeys(value)) if not faults else (), faults


# JSON name -> attribute, reader
FIELDS: Mapping[str, tuple[str, Reader]] = MappingProxyType(
    {
        "holdoutPercent": ("holdout_percent", _percent(50)),
        "freeShippingFrom": ("free_shipping_from", _amount),
        "shippingCost": ("shipping_cost", _amount),
        "declineCoolDownDays": ("decline_cool_down_days", _whole(0, MOST_DAYS)),
        "assumedMarginPercent": ("assumed_margin_percent", _percent(100)),
        "segmentThresholds": ("segment_thresholds", _thresholds),
        "corsOrigins": ("cors_origins", _origins),
        "requestsPerMinute": ("requests_per_minute", _whole(0, MOST_REQUESTS)),
        "addressRequestsPerMinute": ("address_requests_per_minute", _whole(0, MOST_REQUESTS)),
        "maxUpsells": ("max_upsells", _whole(1, MOST_UPSELLS)),
    }
)
# as they stand in JSON
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "holdoutPercent": 5,
        "freeShippingFrom": None,
        "shippingCost": 0,
        "declineCoolDownDays": 7,
        "assumedMarginPercent": 30,
        "segmentThresholds": {},
        "corsOrigins": [],
        "requestsPerMinute": 0,
        "addressRequestsPerMinute": 6_000,
        "maxUpsells": 3,
    }
)
