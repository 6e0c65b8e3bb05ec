"""Who may be offered a subscription, and on what terms."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.subscriptions import (
    DEFAULT_TIERS,
    FREQUENCY_DAYS,
    MIN_REPEAT_PROBABILITY,
    Asked,
    Buyer,
    Interval,
    SubscriptionConfig,
    SubscriptionTier,
    eligibility,
    offer,
)
from tests.models.invented import QUICK

TODAY = date(2026, 5, 1)
ROW = {
    "level": "product",
    "expectedIntervalDays": 29.4,
    "lowDays": 20.0,
    "highDays": 44.0,
    "nGaps": 120,
    "nCustomers": 80,
    "repeatProbability": 0.6,
    "recommendedFrequency": "MONTHLY",
    "nextOrderOn": None,
    "lifeDays": 300.0,
    "score": 0.35,
    "reason": "Bought again about every 29 days (80 %: 20 to 44), after 120 gaps of its 80 customers",
}


def learnt(**columns: Any) -> Interval:
    """A published row that differs from ROW in what is given."""
    return Interval.of({**ROW, **columns})


def asked(**given: Any) -> Asked:
    """A product of 20.00 with the default terms that nothing was learnt of."""
    return Asked(
        **{"product_id": "p", "price": Decimal("20.00"), "category_id": "k", "on": TODAY, "config": SubscriptionConfig(), **given}
    )


PERSONAL = learnt(level="personal", expectedIntervalDays=14.0, recommendedFrequency="BIWEEKLY", nextOrderOn="2026-05-09", score=0.7)


def test_worked_offer() -> None:
    """20.00 monthly at 15 %: 17.00, saves 3.00, 36.04 a year (3 * 365.25 / 30.4); seven options, the most frequent first."""
    told = offer(asked(intervals=(learnt(),)))
    assert told["eligible"]
    assert [option["frequency"] for option in told["options"]] == list(FREQUENCY_DAYS)
    assert [option["discountPercent"] for option in told["options"]] == [25, 20, 15, 12, 10, 8, 5]
    assert told["options"][2] == {
        "frequency": "MONTHLY",
        "label": "Every month",
        "discountPercent": Decimal(15),
        "finalPrice": Decimal("17.00"),
        "savings": Decimal("3.00"),
        "savingsPerYear": Decimal("36.04"),
        "freeShipping": False,
    }
    assert told["recommendedFrequency"] == "MONTHLY"
    assert told["nextOrderDate"] == "2026-05-31"
    assert told["personalizedMessage"] == "Customers buy this again about every 29 days: subscribe every month and save 15 %."


def test_the_customers_own_habit_comes_first() -> None:
    """Their interval, frequency and next order; a day that has passed is today."""
    told = offer(asked(intervals=(PERSONAL, learnt())))
    assert (told["recommendedFrequency"], told["nextOrderDate"]) == ("BIWEEKLY", "2026-05-09")
    assert told["personalizedMessage"].startswith("You buy this about every 14 days")
    late = learnt(level="personal", nextOrderOn="2026-04-01")
    assert offer(asked(intervals=(late,)))["nextOrderDate"] == "2026-05-01"


def test_worked_eligibility() -> None:
    """17.00 for 300 days at every 30.4 is 167.76; the learnt row says how sure we are and why."""
    told = eligibility(asked(intervals=(learnt(),)))
    assert told == {
        "eligible": True,
        "reasons": [
            "Subscriptions to this product are configured.",
            f"{ROW['reason']}.",
            "A subscription is expected to last 300 days.",
        ],
        "confidence": 0.35,
        "recommendedFrequency": "MONTHLY",
        "expectedIntervalDays": 29.4,
        "recommendedDiscount": Decimal(15),
        "estimatedLtv": Decimal("167.76"),
        "source": "model",
    }


def test_configuration_alone() -> None:
    """Nothing learnt: the configured frequency, half sure, and no interval."""
    told = eligibility(asked(config=SubscriptionConfig(default_frequency="QUARTERLY")))
    assert (told["eligible"], told["source"], told["confidence"]) == (True, "config", 0.5)
    assert (told["recommendedFrequency"], told["expectedIntervalDays"]) == ("QUARTERLY", None)
    assert offer(asked())["personalizedMessage"] == "Subscribe every month and save 15 %."


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("The product has no price.", {"price": None}),
        ("Subscriptions to this product are switched off.", {"config": SubscriptionConfig(enabled=False)}),
        ("The product's category is not one", {"config": SubscriptionConfig(product_categories=("other",))}),
        ("Only customers who have bought", {"config": SubscriptionConfig(require_previous_purchase=True)}),
        ("Subscribing takes 3 orders; those of this customer: not known.", {"config": SubscriptionConfig(min_order_count=3)}),
        ("Subscribing takes 3 orders; those of this customer: 2.",
         {"config": SubscriptionConfig(min_order_count=3), "buyer": Buyer(n_orders=2)}),
        ("Not enough data", {"config": None}),
        ("Only 4% of its 80 buyers", {"intervals": (learnt(repeatProbability=0.04),)}),
    ],
)  # fmt: skip
def test_refusals(words: str, given: dict[str, Any]) -> None:
    """Each rule refuses in words of its own, in both documents, and no option is shown."""
    told, terms = eligibility(asked(**given)), offer(asked(**given))
    assert not told["eligible"]
    assert told["reasons"][0].startswith(words)
    assert (terms["eligible"], terms["options"], terms["reason"]) == (False, [], told["reasons"][0])


def test_what_rules_let_pass() -> None:
    """Who has bought, in orders or by their own interval, may subscribe; zero orders are asked of nobody."""
    config = SubscriptionConfig(require_previous_purchase=True, min_order_count=0, product_categories=("k",))
    assert eligibility(asked(config=config, buyer=Buyer(has_bought=True)))["eligible"]
    assert eligibility(asked(config=config, intervals=(PERSONAL,)))["eligible"]


def test_evidence_alone_and_evidence_against() -> None:
    """Without a configuration what was learnt decides, with the default terms; a regular customer outweighs that few come back."""
    assert eligibility(asked(config=None, intervals=(learnt(),)))["recommendedDiscount"] == 15
    rare = learnt(repeatProbability=MIN_REPEAT_PROBABILITY / 2)
    assert eligibility(asked(intervals=(PERSONAL, rare)))["eligible"]
    assert not eligibility(asked(config=None, intervals=(learnt(recommendedFrequency=None, expectedIntervalDays=None),)))[
        "eligible"
    ]


def test_the_nearest_offered_frequency() -> None:
    """Of two configured frequencies the nearer one in ratio is recommended."""
    tiers = tuple(tier for tier in DEFAULT_TIERS if tier.frequency in ("WEEKLY", "QUARTERLY"))
    told = eligibility(asked(config=SubscriptionConfig(tiers=tiers), intervals=(learnt(),)))
    assert (told["recommendedFrequency"], told["recommendedDiscount"]) == ("QUARTERLY", 10)


def test_reading_a_configuration() -> None:
    """The stored document's fields, tiers from the most frequent on; an empty document has the defaults."""
    told = SubscriptionConfig.of({
        "enabled": True, "defaultFrequency": "WEEKLY", "freeShippingIncluded": True,
        "discountTiers": [{"frequency": "MONTHLY", "discountPercent": 9.5, "label": "Monthly box"},
                          {"frequency": "WEEKLY", "discountPercent": Decimal(12), "label": None}],
        "eligibility": {"requirePreviousPurchase": True, "minOrderCount": 2, "productCategories": ["k"]},
    })  # fmt: skip
    tiers = (SubscriptionTier("WEEKLY", Decimal(12), "Every week"), SubscriptionTier("MONTHLY", Decimal("9.5"), "Monthly box"))
    assert told == SubscriptionConfig(True, tiers, "WEEKLY", True, True, 2, ("k",))
    assert SubscriptionConfig.of({}) == SubscriptionConfig()


@given(
    st.decimals(0, 10**10, places=3), st.lists(st.decimals(0, 100, places=2), min_size=7, max_size=7), st.sampled_from([0, 2, 3])
)
@QUICK
def test_money_adds_up(price: Decimal, percents: list[Decimal], minor_units: int) -> None:
    """No price is below 0 or above the base, price and saving are the base, and nothing has more decimals than the currency."""
    tiers = tuple(SubscriptionTier(name, percent, name) for name, percent in zip(FREQUENCY_DAYS, percents, strict=True))
    told = offer(asked(price=price, config=SubscriptionConfig(tiers=tiers), minor_units=minor_units))
    step = Decimal(1).scaleb(-minor_units)
    for option in told["options"]:
        assert 0 <= option["finalPrice"] <= option["finalPrice"] + option["savings"]
        assert abs(option["finalPrice"] + option["savings"] - price) <= step / 2
        assert option["savingsPerYear"] >= 0
        assert all(option[name] == option[name].quantize(step) for name in ("finalPrice", "savings", "savingsPerYear"))
