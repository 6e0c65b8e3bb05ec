"""Subscriptions: who may be offered one and on what terms, from what is configured and what was learnt of reorder intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

YEAR_DAYS = Decimal("365.25")
FREQUENCY_DAYS = {
    "WEEKLY": Decimal(7),
    "BIWEEKLY": Decimal(14),
    "MONTHLY": Decimal("30.4"),
    "BIMONTHLY": Decimal("60.8"),
    "QUARTERLY": Decimal("91.3"),
    "BIANNUALLY": Decimal("182.6"),
    "ANNUALLY": YEAR_DAYS,
}
EVERY = {
    "WEEKLY": "every week",
    "BIWEEKLY": "every two weeks",
    "MONTHLY": "every month",
    "BIMONTHLY": "every two months",
    "QUARTERLY": "every three months",
    "BIANNUALLY": "every six months",
    "ANNUALLY": "every year",
}
DEFAULT_FREQUENCY = "MONTHLY"
PERSONAL, PRODUCT, CATEGORY, MERCHANT = "personal", "product", "category", "merchant"
MODEL, CONFIG = "model", "config"
# fewer than this share of a product's buyers come back: what is sent regularly would pile up
MIN_REPEAT_PROBABILITY = 0.1
# stands in where no Subscription row has ended yet; the estimate says which it is
PRIOR_LIFE_DAYS = 365.0


@dataclass(frozen=True, slots=True)
class SubscriptionTier:
    """What a frequency saves: `discount_percent` 0..100."""

    frequency: str
    discount_percent: Decimal
    label: str


DEFAULT_TIERS = tuple(
    SubscriptionTier(frequency, Decimal(percent), EVERY[frequency].capitalize())
    for frequency, percent in zip(FREQUENCY_DAYS, (25, 20, 15, 12, 10, 8, 5), strict=True)
)


@dataclass(frozen=True, slots=True)
class SubscriptionConfig:
    """A product's configured subscription; no tiers means the default ones. min_order_count: of the customer's orders of anything.
    product_categories: ids, empty for any."""

    enabled: bool = True
    tiers: tuple[SubscriptionTier, ...] = DEFAULT_TIERS
    default_frequency: str | None = None
    free_shipping: bool = False
    require_previous_purchase: bool = False
    min_order_count: int = 0
    product_categories: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> SubscriptionConfig:
        """Read a checked document of the contract's fields, as it is stored and published; numbers may be Decimal."""
        rules = document.get("eligibility") or {}
        tiers = tuple(
            SubscriptionTier(
                frequency=tier["frequency"],
                discount_percent=Decimal(str(tier["discountPercent"])),
                label=tier.get("label") or EVERY[tier["frequency"]].capitalize(),
            )
            for tier in document.get("discountTiers") or ()
        )
        return cls(
            enabled=bool(document.get("enabled", True)),
            tiers=tuple(sorted(tiers, key=lambda tier: FREQUENCY_DAYS[tier.frequency])) or DEFAULT_TIERS,
            default_frequency=document.get("defaultFrequency"),
            free_shipping=bool(document.get("freeShippingIncluded", False)),
            require_previous_purchase=bool(rules.get("requirePreviousPurchase", False)),
            min_order_count=int(rules.get("minOrderCount") or 0),
            product_categories=tuple(rules.get("productCategories") or ()),
        )


@dataclass(frozen=True, slots=True)
class Interval:
    """What was learnt: one row of the kind `subscription-intervals`, at one level. Days are None where there is not enough data.

    repeat_probability, confidence: 0..1. life_days: expected days that a subscription lasts. next_order_on: ISO date, or None.
    """

    level: str
    expected_interval_days: float | None
    low_days: float | None
    high_days: float | None
    n_gaps: int
    n_customers: int
    repeat_probability: float
    frequency: str | None
    next_order_on: str | None
    life_days: float
    confidence: float
    reason: str

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Interval:
        """Read a published row: its columns in camelCase."""
        return cls(
            level=row["level"],
            expected_interval_days=row["expectedIntervalDays"],
            low_days=row["lowDays"],
            high_days=row["highDays"],
            n_gaps=row["nGaps"],
            n_customers=row["nCustomers"],
            repeat_probability=row["repeatProbability"],
            frequency=row["recommendedFrequency"],
            next_order_on=row["nextOrderOn"],
            life_days=row["lifeDays"],
            confidence=row["score"],
            reason=row["reason"],
        )


@dataclass(frozen=True, slots=True)
class Buyer:
    """What is known of the customer who asks: orders in all, and whether one of them held the product; None is not known."""

    n_orders: int | None = None
    has_bought: bool | None = None


GUEST = Buyer()


@dataclass(frozen=True, slots=True)
class Asked:
    """All that the answers are made of. price: None where the product has none. config: None where none is stored. intervals:
    the learnt rows that hold, the customer's own before the product's; empty where nothing was learnt, or where the company has
    switched learnt subscriptions off. on: the company's date today. minor_units: decimals of the currency."""

    product_id: str
    price: Decimal | None
    category_id: str | None
    on: date
    config: SubscriptionConfig | None = None
    intervals: Sequence[Interval] = ()
    buyer: Buyer = GUEST
    minor_units: int = 2

    @property
    def terms(self) -> SubscriptionConfig:
        """The configured terms, or the contract's default ones."""
        return self.config or SubscriptionConfig()

    @property
    def learnt(self) -> Interval | None:
        """The first row that knows an interval."""
        return next((row for row in self.intervals if row.frequency), None)


def eligibility(asked: Asked) -> dict[str, Any]:
    """The document of GET subscription-eligibility; amounts and percentages are Decimal.

    confidence: 1 where a configured rule refuses, the learnt row's where evidence decides, .5 for configuration alone, 0 where
    nothing is known. estimatedLtv = price after discount * orders per year * expected life in years, of one unit per order.
    """
    refusals, learnt = _refusals(asked), asked.learnt
    tier = _tier(asked)
    life = Decimal(str(learnt.life_days if learnt else PRIOR_LIFE_DAYS))
    ltv = None if asked.price is None else _rounded(_final(asked, tier) * life / FREQUENCY_DAYS[tier.frequency], asked)
    return {
        "eligible": not refusals,
        "reasons": [reason for reason, _ in refusals] or _supports(asked, life),
        "confidence": refusals[0][1] if refusals else learnt.confidence if learnt else 0.5,
        "recommendedFrequency": tier.frequency,
        "expectedIntervalDays": learnt.expected_interval_days if learnt else None,
        "recommendedDiscount": tier.discount_percent,
        "estimatedLtv": ltv,
        "source": MODEL if learnt else CONFIG,
    }


def offer(asked: Asked) -> dict[str, Any]:
    """The document of GET subscription-offer, its options from the most to the least frequent; amounts are Decimal, each rounded
    half-up. savingsPerYear: what one unit per order saves at that frequency. Refused, it has no options and says why."""
    refusals, tier = _refusals(asked), _tier(asked)
    if refusals or asked.price is None:
        reason = refusals[0][0] if refusals else ""
        return {
            "eligible": False,
            "reason": reason,
            "productId": asked.product_id,
            "options": [],
            "recommendedFrequency": tier.frequency,
            "personalizedMessage": "",
        }
    return {
        "eligible": True,
        "productId": asked.product_id,
        "options": [_option(asked, each) for each in asked.terms.tiers],
        "recommendedFrequency": tier.frequency,
        "nextOrderDate": _next_order_on(asked, tier).isoformat(),
        "personalizedMessage": _message(asked, tier),
    }


def _refusals(asked: Asked) -> list[tuple[str, float]]:
    """Why there is no offer, each in words with the confidence of saying so; empty when there is one."""
    config, buyer = asked.terms, asked.buyer
    found: list[tuple[str, float]] = []
    if asked.price is None:
        found.append(("The product has no price.", 1.0))
    if not config.enabled:
        found.append(("Subscriptions to this product are switched off.", 1.0))
    if config.product_categories and asked.category_id not in config.product_categories:
        found.append(("The product's category is not one of those that are configured for subscriptions.", 1.0))
    if config.require_previous_purchase and not (buyer.has_bought or _is_personal(asked)):
        found.append(("Only customers who have bought the product before can subscribe to it.", 1.0))
    if config.min_order_count > (buyer.n_orders or 0):
        known = "not known" if buyer.n_orders is None else str(buyer.n_orders)
        found.append((f"Subscribing takes {config.min_order_count} orders; those of this customer: {known}.", 1.0))
    return found or _refusals_by_evidence(asked)


def _refusals_by_evidence(asked: Asked) -> list[tuple[str, float]]:
    if asked.config is None and asked.learnt is None:
        return [("Not enough data: no subscription is configured, and no evidence that customers buy it again.", 0.0)]
    of_product = next((row for row in asked.intervals if row.level != PERSONAL), None)
    # the customer's own habit outweighs that others do not come back
    if of_product and not _is_personal(asked) and of_product.repeat_probability < MIN_REPEAT_PROBABILITY:
        share = of_product.repeat_probability
        return [(f"Only {share:.0%} of its {of_product.n_customers} buyers are expected to buy it again.", 1 - share)]
    return []


def _is_personal(asked: Asked) -> bool:
    return any(row.level == PERSONAL for row in asked.intervals)


def _supports(asked: Asked, life: Decimal) -> list[str]:
    said = ["Subscriptions to this product are configured."] if asked.config else []
    if asked.learnt:
        said.append(f"{asked.learnt.reason}.")
        said.append(f"A subscription is expected to last {life:.0f} days.")
    return said


def _tier(asked: Asked) -> SubscriptionTier:
    """The tier to recommend: of those that are offered, the nearest in ratio to the frequency that was learnt, else configured."""
    wanted = asked.learnt.frequency if asked.learnt else asked.terms.default_frequency
    days = FREQUENCY_DAYS[wanted or DEFAULT_FREQUENCY]
    return min(asked.terms.tiers, key=lambda tier: abs(math.log(FREQUENCY_DAYS[tier.frequency] / days)))


def _final(asked: Asked, tier: SubscriptionTier) -> Decimal:
    return _rounded((asked.price or Decimal(0)) * (100 - tier.discount_percent) / 100, asked)


def _option(asked: Asked, tier: SubscriptionTier) -> dict[str, Any]:
    final = _final(asked, tier)
    savings = _rounded(asked.price or Decimal(0), asked) - final
    return {
        "frequency": tier.frequency,
        "label": tier.label,
        "discountPercent": tier.discount_percent,
        "finalPrice": final,
        "savings": savings,
        "savingsPerYear": _rounded(savings * YEAR_DAYS / FREQUENCY_DAYS[tier.frequency], asked),
        "freeShipping": asked.terms.free_shipping,
    }


def _rounded(amount: Decimal, asked: Asked) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-asked.minor_units), ROUND_HALF_UP)


def _next_order_on(asked: Asked, tier: SubscriptionTier) -> date:
    """When the customer's own supply is expected to end, today at the earliest; else one interval of the frequency from today."""
    if asked.learnt and asked.learnt.level == PERSONAL and asked.learnt.next_order_on:
        return max(asked.on, date.fromisoformat(asked.learnt.next_order_on))
    return asked.on + timedelta(days=round(FREQUENCY_DAYS[tier.frequency]))


def _message(asked: Asked, tier: SubscriptionTier) -> str:
    saves = f" and save {tier.discount_percent.normalize():f} %" if tier.discount_percent else ""
    subscribe = f"subscribe {EVERY[tier.frequency]}{saves}."
    if not asked.learnt or asked.learnt.expected_interval_days is None:
        return subscribe.capitalize()
    days = f"{asked.learnt.expected_interval_days:.0f} days"
    who = "You buy this about" if asked.learnt.level == PERSONAL else "Customers buy this again about"
    return f"{who} every {days}: {subscribe}"
