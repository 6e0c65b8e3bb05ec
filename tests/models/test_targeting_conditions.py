"""Conditions of rules: each alone at its limits, and all of them as a conjunction."""

from __future__ import annotations

import ast
import random
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import models
from models.targeting_conditions import Known, checks, counted_on
from models.targeting_facts import CartLine, Conditions, Counts, Customer, Rule, Visit
from tests.models.invented import QUICK
from tests.models.visits_to_carts import NOW, random_conditions, random_rules, random_visit, rule, visit

NEW, REGULAR = Customer(), Customer(n_orders=2, has_subscription=True, last_order_at=NOW - timedelta(days=10, hours=5))


def failing(given_rule: Rule, given_visit: Visit) -> list[str]:
    """The fields that keep the rule from applying."""
    known = Known(given_visit)
    return [check.field for check in checks(given_rule) if not check.holds(known)]


@pytest.mark.parametrize(
    ("conditions", "customer", "holds"),
    [
        ({"segments": {"LARGE_CART", "BROWSER"}}, None, True),
        ({"segments": {"LARGE_CART"}}, None, False),
        ({"segments": {"PREMIUM_BUYER"}}, replace(NEW, segments=frozenset({"PREMIUM_BUYER"})), True),
        ({"cart_value_min": Decimal("20.00")}, None, True),
        ({"cart_value_min": Decimal("20.01")}, None, False),
        ({"cart_value_max": Decimal("20.00")}, None, True),
        ({"cart_value_max": Decimal("19.99")}, None, False),
        ({"cart_value_max": Decimal(0)}, None, False),
        ({"product_categories": {"c-b", "c-z"}}, None, True),
        ({"product_categories": {"c-z"}}, None, False),
        ({"has_product": {"a", "z"}}, None, True),
        ({"has_product": {"z"}}, None, False),
        ({"exclude_product": {"b", "z"}}, None, False),
        ({"exclude_product": {"z"}}, None, True),
        ({"is_new_customer": True}, None, False),
        ({"is_new_customer": False}, None, False),
        ({"is_new_customer": True}, NEW, True),
        ({"is_new_customer": False}, NEW, False),
        ({"is_new_customer": True}, REGULAR, False),
        ({"is_new_customer": False}, REGULAR, True),
        ({"has_subscription": True}, None, False),
        ({"has_subscription": False}, None, True),
        ({"has_subscription": True}, REGULAR, True),
        ({"has_subscription": False}, REGULAR, False),
        ({"days_since_min": 10, "days_since_max": 10}, REGULAR, True),
        ({"days_since_min": 11}, REGULAR, False),
        ({"days_since_max": 9}, REGULAR, False),
        ({"days_since_min": 0}, NEW, False),
        ({"days_since_max": 0}, None, False),
        ({"days_since_max": 0}, replace(REGULAR, last_order_at=NOW + timedelta(hours=1)), True),
    ],
)
def test_each_condition(conditions: dict[str, Any], customer: Customer | None, holds: bool) -> None:
    """In a cart of "a" and "b" for 20.00, seen by a BROWSER: limits are inclusive, 0 is a value, a guest is neither new nor
    earlier, and whole days count since the last order."""
    given_conditions = Conditions(**{name: frozenset(v) if isinstance(v, set) else v for name, v in conditions.items()})
    seen = visit("ab", customer=customer, segments=frozenset({"BROWSER"}))
    assert (failing(rule(conditions=given_conditions), seen) == []) == holds


def test_quantities_count() -> None:
    """Three units at 9.99 are worth 29.97."""
    cart = visit(lines=[CartLine("a", 3, Decimal("9.99"))])
    assert Known(cart).value == Decimal("29.97")


@pytest.mark.parametrize(
    ("fields", "counts", "expected"),
    [
        ({"enabled": False}, Counts(), ["enabled"]),
        ({"valid_from": NOW}, Counts(), []),
        ({"valid_from": NOW + timedelta(milliseconds=1)}, Counts(), ["validFrom"]),
        ({"valid_until": NOW}, Counts(), ["validUntil"]),
        ({"valid_until": NOW + timedelta(milliseconds=1)}, Counts(), []),
        ({"placements": ("CHECKOUT", "CART_PAGE")}, Counts(), []),
        ({"placements": ("CHECKOUT",)}, Counts(), ["placements"]),
        ({"max_impressions": 3}, Counts(impressions_today=2), []),
        ({"max_impressions": 3}, Counts(impressions_today=3), ["maxImpressions"]),
        ({"max_impressions": 0}, Counts(), ["maxImpressions"]),
        ({"max_acceptances": 10}, Counts(acceptances=9), []),
        ({"max_acceptances": 10}, Counts(acceptances=10), ["maxAcceptances"]),
        ({}, Counts(9, 9, NOW - timedelta(days=7)), []),
        ({}, Counts(declined_at=NOW - timedelta(days=7) + timedelta(milliseconds=1)), ["declines"]),
    ],
)
def test_each_limit(fields: dict[str, Any], counts: Counts, expected: list[str]) -> None:
    """Asked for at the cart's page: a rule holds from its first instant to before its last, at one of its placements, until it
    was shown or accepted often enough, and seven days after a decline."""
    assert failing(rule(**fields), visit(placements=("CART_PAGE",), counts={"r": counts})) == expected


def test_a_cool_down_of_the_companys_own() -> None:
    """With a day to rest, a decline of yesterday is forgotten."""
    declined = visit(counts={"r": Counts(declined_at=NOW - timedelta(days=1))}, cool_down=timedelta(days=1))
    assert failing(rule(), declined) == []


def test_impressions_count_by_the_utc_day() -> None:
    """Half past midnight in Berlin is still the day before in UTC."""
    assert counted_on(datetime(2026, 5, 2, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == "2026-05-01"


@QUICK
@given(st.integers(0, 10_000))
def test_one_condition_more_never_matches_more(seed: int) -> None:
    """Whoever meets the longer list of conditions meets the shorter one."""
    rng = random.Random(seed)
    fewer, more = random_conditions(rng), random_conditions(rng)
    for _ in range(20):
        seen = random_visit(rng, [])
        if not failing(rule(conditions=Conditions(**{**more, **fewer})), seen):
            assert not failing(rule(conditions=Conditions(**fewer)), seen)


def test_every_reason_is_a_sentence() -> None:
    """Whatever fails is said in words that end with a full stop, and some of everything fails here."""
    rng = random.Random(1)
    rules, fields = random_rules(rng, 300), set()
    for row in rules:
        known = Known(random_visit(rng, rules))
        reasons = [check.reason(known) for check in checks(row) if not check.holds(known)]
        assert all(reason.message.endswith(".") and "None" not in reason.message for reason in reasons)
        fields |= {reason.field for reason in reasons}
    assert len(fields) == 17


def test_the_read_api_may_import_all_of_it() -> None:
    """The modules of targeting import the standard library, and of ours what does the same."""
    folder, seen, open_ones = Path(models.__file__).parent, set(), {"targeting", "targeting_rules", "cart_segments"}
    while open_ones:
        name = open_ones.pop()
        seen.add(name)
        tree = ast.parse((folder / f"{name}.py").read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        for node in (found for found in ast.walk(tree) if isinstance(found, ast.ImportFrom)):
            package, _, module = str(node.module).partition(".")
            if package == "models":
                open_ones |= ({module} if module else {alias.name for alias in node.names}) - seen
            else:
                imported.add(package)
        assert {module.split(".")[0] for module in imported} <= sys.stdlib_module_names, name
