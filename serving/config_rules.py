"""What is stored of a configuration that a client sends: the earlier one or the defaults below it, checked by the core's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models import bulk_tier_rules, exact_json, subscription_rules
from models.offers_documents import tier_document
from serving.catalogue import zone_of
from serving.errors import refused


def bulk_columns(given: Mapping[str, Any], earlier: Mapping[str, Any] | None, product: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of bulk_discounts/store. product: id, companyId, price, currency, timezone. Raises ApiError 400."""
    merged = {"tiers": [], **(earlier or {}), **given}
    discount, faults = bulk_tier_rules.read(merged, product["price"], zone_of(product["companyId"], product["timezone"]).key)
    if discount is None:
        raise refused(400, "Invalid parameter", faults)
    return {
        "enabled": discount.enabled,
        "tiers": exact_json.write([tier_document(tier) for tier in discount.tiers]).decode(),
        "stack_with_other_discounts": discount.stacks,
        "max_discount_percent": discount.max_discount_percent,
        "valid_from": discount.valid_from,
        "valid_until": discount.valid_until,
    }


def subscription_columns(given: Mapping[str, Any], earlier: Mapping[str, Any] | None, _: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of subscription_configs/store. Raises ApiError 400."""
    config, faults = subscription_rules.read({**(earlier or {}), **given})
    if faults:
        raise refused(400, "Invalid parameter", faults)
    return {
        "enabled": config["enabled"],
        "discount_tiers": exact_json.write(config["discountTiers"]).decode(),
        "default_frequency": config["defaultFrequency"],
        "free_shipping_included": config["freeShippingIncluded"],
        "eligibility": exact_json.write(config["eligibility"]).decode(),
    }
