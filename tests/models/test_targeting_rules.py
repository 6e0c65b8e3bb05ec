"""A rule's JSON: what is read of it, and every way in which it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.targeting_facts import Conditions, Offer, Rule
from models.targeting_rules import FIELDS, products_named, read
from tests.models.invented import QUICK

LEAST = {"name": "Two for tea", "upsellType": "CROSS_SELL"}


def test_a_whole_rule() -> None:
    """Every field arrives; a date ends with its day in the company's zone; what an answer carries besides is no fault."""
    document = {
        **LEAST,
        "id": "r1",
        "companyId": "shop",
        "description": "Tea drinkers",
        "priority": 0,
        "enabled": False,
        "conditions": {
            "segments": ["LARGE_CART", "LARGE_CART"],
            "cartValueMin": 0,
            "cartValueMax": Decimal("49.99"),
            "productCategories": ["tea"],
            "hasProduct": ["a"],
            "excludeProduct": ["b"],
            "isNewCustomer": False,
            "hasSubscription": True,
            "daysSinceLastOrder": {"min": 0, "max": 30},
        },
        "offer": {"discountPercent": 12.5, "freeShipping": True, "freeGift": "g", "bonusProduct": "c"},
        "message": "{{firstName}}",
        "urgency": "HIGH",
        "placements": ["CHECKOUT", "CART_PAGE"],
        "maxImpressions": 0,
        "maxAcceptances": 10,
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2026-06-30",
    }
    given_conditions = Conditions(
        frozenset({"LARGE_CART"}), Decimal(0), Decimal("49.99"), frozenset({"tea"}), frozenset({"a"}), frozenset({"b"}),
        False, True, 0, 30,
    )  # fmt: skip
    rule, faults = read(document, "Europe/Berlin")
    assert faults == []
    assert rule == Rule(
        "r1", "Two for tea", "CROSS_SELL", 0, False, given_conditions, Offer(Decimal("12.5"), True, "g", "c"), "{{firstName}}",
        "HIGH", ("CHECKOUT", "CART_PAGE"), 0, 10, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC),
    )  # fmt: skip
    assert products_named(rule) == [
        ("conditions.hasProduct", "a"), ("conditions.excludeProduct", "b"), ("offer.freeGift", "g"), ("offer.bonusProduct", "c"),
    ]  # fmt: skip


def test_the_least_rule() -> None:
    """A name and a type are enough; null and empty lists are not given."""
    rule, faults = read({**LEAST, "conditions": {"segments": [], "cartValueMin": None}, "offer": None, "maxImpressions": None})
    assert faults == []
    assert rule == Rule("", "Two for tea", "CROSS_SELL")


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
        ({"upsellType": "GIFT"}, "upsellType"),
        ({"upsellType": None}, "upsellType"),
        ({"upsellType": ["CROSS_SELL"]}, "upsellType"),
        ({"urgency": "NOW"}, "urgency"),
        ({"priority": -1}, "priority"),
        ({"priority": 1.5}, "priority"),
        ({"priority": True}, "priority"),
        ({"priority": 10**400}, "priority"),
        ({"enabled": 1}, "enabled"),
        ({"message": "x" * 1001}, "message"),
        ({"placements": "CHECKOUT"}, "placements"),
        ({"placements": ["CHECKOUT", "HOME"]}, "placements[1]"),
        ({"placements": [["CHECKOUT"]]}, "placements[0]"),
        ({"maxImpressions": -1}, "maxImpressions"),
        ({"maxAcceptances": "3"}, "maxAcceptances"),
        ({"validFrom": "soon"}, "validFrom"),
        ({"validFrom": "2026-05-02", "validUntil": "2026-05-01"}, "validUntil"),
        ({"surprise": 1}, "surprise"),
        ({"conditions": []}, "conditions"),
        ({"conditions": {"segment": "LARGE_CART"}}, "conditions.segment"),
        ({"conditions": {"segments": ["GUEST"]}}, "conditions.segments[0]"),
        ({"conditions": {"cartValueMin": -0.01}}, "conditions.cartValueMin"),
        ({"conditions": {"cartValueMin": float("nan")}}, "conditions.cartValueMin"),
        ({"conditions": {"cartValueMin": 10, "cartValueMax": 9}}, "conditions.cartValueMax"),
        ({"conditions": {"hasProduct": [""]}}, "conditions.hasProduct[0]"),
        ({"conditions": {"hasProduct": ["a"], "excludeProduct": ["b", "a"]}}, "conditions.excludeProduct"),
        ({"conditions": {"isNewCustomer": "yes"}}, "conditions.isNewCustomer"),
        ({"conditions": {"daysSinceLastOrder": 30}}, "conditions.daysSinceLastOrder"),
        ({"conditions": {"daysSinceLastOrder": {"min": 3, "max": 2}}}, "conditions.daysSinceLastOrder.max"),
        ({"conditions": {"daysSinceLastOrder": {"days": 2}}}, "conditions.daysSinceLastOrder.days"),
        ({"conditions": {"isNewCustomer": True, "daysSinceLastOrder": {"min": 0}}}, "conditions.daysSinceLastOrder"),
        ({"offer": {"discountPercent": 100.01}}, "offer.discountPercent"),
        ({"offer": {"freeShipping": "yes"}}, "offer.freeShipping"),
        ({"offer": {"freeGift": 7}}, "offer.freeGift"),
    ],
)
def test_refused(part: dict[str, Any], field: str) -> None:
    """One fault, at its field, in a sentence, and no rule."""
    rule, faults = read({**LEAST, **part})
    assert rule is None
    assert [fault["field"] for fault in faults] == [field]
    assert faults[0]["message"].endswith(".")


def test_all_faults_are_told_at_once() -> None:
    """A form with three mistakes is sent back once."""
    _, faults = read({"upsellType": "X", "conditions": {"cartValueMax": "9"}})
    assert [fault["field"] for fault in faults] == ["name", "upsellType", "conditions.cartValueMax"]


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


@QUICK
@given(st.one_of(JSON, st.dictionaries(st.sampled_from(FIELDS), JSON)))
def test_whatever_is_sent_gets_an_answer(document: Any) -> None:
    """Any JSON is read or refused in words, never both, and never with an exception."""
    rule, faults = read(document)
    assert (rule is None) == bool(faults)
    assert all(set(fault) == {"field", "message"} for fault in faults)
