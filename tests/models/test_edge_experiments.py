"""Experiments as the API runs them: which run, for whom, and what a variant changes."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from models.edge_experiments import of_rules, read, running, varied_rule

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def document(id: str = "exp", **fields: Any) -> dict[str, Any]:
    """An experiment as the API answers it: two arms on one rule."""
    return {
        "id": id,
        "ruleId": "rule",
        "name": "Test",
        "status": "RUNNING",
        "control": {"id": "control"},
        "variants": [{"id": "control"}, {"id": "bold", "message": "Now!"}],
        "trafficPercent": Decimal("100.00"),
        "variantWeights": {"control": Decimal("0.5"), "bold": Decimal("0.5")},
        "primaryMetric": "acceptance_rate",
        "minimumSampleSize": 0,
        "confidenceLevel": Decimal("0.9500"),
        "startedAt": "2026-04-01T00:00:00.000Z",
        "endedAt": None,
        **fields,
    }


def test_a_document_is_read() -> None:
    """Numbers from Decimals, the unit and the arms as the analysis reads them, the control's own changes too."""
    control = {"id": "control", "unit": "customer", "offer": {"discountPercent": 5}}
    (found,) = running([document(control=control)], NOW)
    assert (found.id, found.rule_id, found.unit, found.control, found.traffic_percent) == (
        "exp",
        "rule",
        "customer",
        "control",
        100,
    )
    assert found.weights == {"control": 0.5, "bold": 0.5}
    assert found.changes_of("bold") == {"id": "bold", "message": "Now!"}
    assert found.changes_of("control")["offer"] == {"discountPercent": 5}
    assert found.changes_of(None) == found.changes_of("unheard of") == {}


@pytest.mark.parametrize(
    ("fields", "runs"),
    [
        ({}, True),
        ({"status": "PAUSED"}, False),
        ({"status": "DRAFT"}, False),
        ({"status": "COMPLETED"}, False),
        ({"startedAt": None}, True),
        ({"startedAt": NOW.isoformat()}, True),
        ({"startedAt": (NOW + timedelta(milliseconds=1)).isoformat()}, False),
        ({"endedAt": NOW.isoformat()}, False),
        ({"endedAt": (NOW + timedelta(milliseconds=1)).isoformat()}, True),
        ({"startedAt": datetime(2026, 4, 1, tzinfo=UTC)}, True),
    ],
)
def test_which_run(fields: dict[str, Any], runs: bool) -> None:
    """Those of status RUNNING, from startedAt on, before endedAt; without a start they have begun."""
    assert bool(running([document(**fields)], NOW)) == runs


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ({"trafficPercent": 101}, "trafficPercent is 101"),
        ({"trafficPercent": "all"}, "trafficPercent is 'all'"),
        ({"variantWeights": {"bold": -1}}, "variantWeights.bold is -1"),
        ({"variantWeights": {"control": 0, "bold": 0}}, "variantWeights are all 0"),
        ({"primaryMetric": "luck"}, "primaryMetric is 'luck'"),
        ({"control": {"unit": "cart"}}, "control.unit is 'cart'"),
        ({"startedAt": "soon"}, "soon"),
        ({"startedAt": 5}, "an instant is 5"),
        ({"id": ""}, "its id is ''"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_told(fields: dict[str, Any], seen: str) -> None:
    """What could not be analysed is not run, and a sentence names the value; the others go on."""
    told: list[str] = []
    assert [row.id for row in running([document(**fields), document("other")], NOW, told.append)] == ["other"]
    assert len(told) == 1 and seen in told[0]


def test_order_and_which_counts() -> None:
    """The one that began first stands first, then the lower id, in whatever order they come; of a rule the first one counts."""
    documents = [
        document("b"),
        document("a"),
        document("old", startedAt="2026-01-01T00:00:00Z"),
        document("page", ruleId=None, startedAt="2025-01-01T00:00:00Z"),
    ]
    for seed in range(5):
        random.Random(seed).shuffle(documents)
        found = read(documents)
        assert [row.id for row in found] == ["page", "old", "a", "b"]
        assert {rule: row.id for rule, row in of_rules(found).items()} == {"rule": "old"}


def test_who_has_a_variant() -> None:
    """By the session, or by the customer; without what is randomised nobody is in."""
    (by_session,), (by_customer,) = read([document()]), read([document(control={"unit": "customer"})])
    assert by_session.variant_for("", "") is None and by_session.variant_for("ann", "") is None
    assert by_customer.variant_for("", "s") is None
    assert by_session.variant_for("ann", "s") == by_session.variant_for("bob", "s") is not None
    assert by_customer.variant_for("ann", "s") == by_customer.variant_for("ann", "t") is not None


def test_a_rule_varied() -> None:
    """Fields of the variant whole in the place of the rule's; nothing else of it, and the rule stays what it was."""
    rule = {"id": "rule", "offer": {"discountPercent": 5, "freeShipping": True}, "message": "Save", "maxImpressions": 3}
    changes = {"id": "bold", "offer": {"discountPercent": 10}, "priority": 1, "maxImpressions": 100}
    assert varied_rule(rule, changes) == {**rule, "offer": {"discountPercent": 10}, "priority": 1}
    assert rule["offer"] == {"discountPercent": 5, "freeShipping": True}
    assert varied_rule(rule, {}) == rule
