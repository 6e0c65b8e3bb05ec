"""Feature flags: their names and defaults, and what a company's own say over the global ones (contract, 2.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

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


def _known(document: bytes) -> dict[str, bool]:
    try:
        given = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    return {name: value for name, value in given.items() if name in DEFAULTS and isinstance(value, bool)}
