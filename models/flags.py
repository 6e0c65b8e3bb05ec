"""Feature flags: their names and defaults, and what a company's own say over the global ones (contract, 2.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from models.bulk_fields import Fault, fault

FLAGS_KEY = "upsell:flags"
SMART_UPSELL, BULK_DISCOUNTS, RECOMMENDATIONS, MI_RECOMMENDATIONS, SUBSCRIPTION_INTELLIGENCE = (
    "smart_upsell_enabled",
    "bulk_discounts_enabled",
    "recommendations_enabled",
    "mi_recommendations_enabled",
    "subscription_intelligence_enabled",
)
DEFAULTS: Mapping[str, bool] = MappingProxyType(
    {
        SMART_UPSELL: False,
        BULK_DISCOUNTS: True,
        RECOMMENDATIONS: True,
        MI_RECOMMENDATIONS: False,
        SUBSCRIPTION_INTELLIGENCE: False,
    }
)


def company_flags_key(company: str) -> str:
    """Key of a company's own flags."""
    return f"upsell:{quote(company, safe='')}:flags"


def flags_key(company: str) -> str:
    """Key of a company's own flags, or with "" of those for all."""
    return company_flags_key(company) if company else FLAGS_KEY


def flags(*documents: bytes | None) -> Mapping[str, bool]:
    """Every flag after the global document, then the company's; each is a JSON object or absent.

    What is no object, no known flag or no boolean counts as absent: a slip in one flag must not switch another.
    """
    merged = DEFAULTS
    for document in documents:
        if document:
            merged = {**merged, **_known(document)}
    return merged


def faults(given: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with a change of flags; null gives up the own value of one."""
    unknown = [name for name in given if name not in DEFAULTS]
    named = [{"field": f"{name:.40}", "message": f"{name!r:.40} is no flag; there are {', '.join(DEFAULTS)}."} for name in unknown]
    wrong = [name for name in DEFAULTS if given.get(name) is not None and not isinstance(given[name], bool)]
    return named + [fault(name, f"{name} must be true, false or null", given[name]) for name in wrong]


def own(stored: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, bool]:
    """What is stored after a change that has no faults, in the order of DEFAULTS; what equals a default stands all the same."""
    merged = {**stored, **given}
    return {name: merged[name] for name in DEFAULTS if isinstance(merged.get(name), bool)}


def _known(document: bytes) -> dict[str, bool]:
    try:
        given = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    return {name: value for name, value in given.items() if name in DEFAULTS and isinstance(value, bool)}
