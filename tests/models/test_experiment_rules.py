"""Experiments' documents: what is refused, by which field, and what may become of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import exact_json
from models.edge_experiments import read as read_running
from models.experiment_fields import FIELDS, STATUSES, read, whole
from models.experiment_rules import NEXT, faults, subjects
from tests.models.invented import QUICK

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PLAN: dict[str, Any] = {
    "name": "Ten or fifteen percent",
    "ruleId": "rule",
    "control": {"id": "ten"},
    "variants": [{"id": "fifteen", "offer": {"discountPercent": 15}}],
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["control", "a", "session", "2026-09-01", "conversion", "RUNNING", Decimal("1E-900"), 10**400, 1, 0.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "unit", "weight", "cap", "windowDays", "offer", "sections", "a"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def wrong(**fields: Any) -> list[str]:
    """Fields of PLAN, so changed, that are refused."""
    values, found = read({**PLAN, **fields})
    return [each["field"] for each in found or faults(whole(values), NOW)]


def test_a_plan() -> None:
    """What is left out or null has its default, and the document is one that runs."""
    values, found = read({**PLAN, "description": None, "confidenceLevel": None, "id": "x", "results": {"latest": 1}})
    assert found == []
    drafted = whole(values)
    assert faults(drafted, NOW) == []
    assert list(drafted) == list(FIELDS)
    assert (drafted["status"], drafted["trafficPercent"], drafted["confidenceLevel"]) == ("DRAFT", 100, Decimal("0.95"))
    assert (drafted["primaryMetric"], drafted["minimumSampleSize"], drafted["endedAt"]) == ("conversion", 0, None)
    (runs,) = read_running([{**drafted, "id": "x", "status": "RUNNING"}])
    assert runs.weights == {"ten": 1.0, "fifteen": 1.0}


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"description": 1}, "description"),
        ({"ruleId": ""}, "ruleId"),
        ({"status": "DONE"}, "status"),
        ({"colour": "red"}, "colour"),
        ({"control": []}, "control"),
        ({"control": {"id": ""}}, "control.id"),
        ({"control": {"unit": "visitor"}}, "control.unit"),
        ({"control": {"windowDays": 0}}, "control.windowDays"),
        ({"control": {"cap": -1}}, "control.cap"),
        ({"control": {"colour": "red"}}, "control.colour"),
        ({"control": {"weight": 1}}, "control.weight"),
        ({"variants": {}}, "variants"),
        ({"variants": ["fifteen"]}, "variants[0]"),
        ({"variants": [{"message": "Now"}]}, "variants[0].id"),
        ({"variants": [{"id": "a"}, {"id": "a"}]}, "variants[1].id"),
        ({"variants": [{"id": "a", "colour": "red"}]}, "variants[0].colour"),
        ({"variants": [{"id": "a", "weight": -1}]}, "variants[0].weight"),
        ({"variants": [{"id": "a", "sections": {"also-bought": {"title": "More"}}}]}, "variants[0].sections"),
        ({"ruleId": None}, "variants[0].offer"),
        ({"variants": []}, "variants"),
        ({"trafficPercent": 101}, "trafficPercent"),
        ({"trafficPercent": Decimal("0.001")}, "trafficPercent"),
        ({"variantWeights": []}, "variantWeights"),
        ({"variantWeights": {"ten": True, "fifteen": 1}}, "variantWeights.ten"),
        ({"variantWeights": {"ten": -1, "fifteen": 1}}, "variantWeights.ten"),
        ({"variantWeights": {"ten": 1}}, "variantWeights.fifteen"),
        ({"variantWeights": {"ten": 1, "fifteen": 1, "other": 1}}, "variantWeights.other"),
        ({"variantWeights": {"ten": 0, "fifteen": 1}}, "variantWeights"),
        ({"variantWeights": {"ten": 0, "fifteen": 0}}, "variantWeights"),
        ({"primaryMetric": "happiness"}, "primaryMetric"),
        ({"minimumSampleSize": -1}, "minimumSampleSize"),
        ({"minimumSampleSize": 1.5}, "minimumSampleSize"),
        ({"confidenceLevel": 1}, "confidenceLevel"),
        ({"confidenceLevel": 0}, "confidenceLevel"),
        ({"startedAt": "soon"}, "startedAt"),
        ({"endedAt": "2026-02-30"}, "endedAt"),
        ({"endedAt": "2026-05-01T12:00:00Z"}, "endedAt"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], at: str) -> None:
    """Each fault names its field."""
    assert wrong(**fields) == [at]


@pytest.mark.parametrize(
    "fields",
    [
        {"control": {"id": "ten", "unit": "customer", "windowDays": 14, "maxExposuresPerDay": 50, "cap": 99.5}},
        {"variants": [{"id": "ten"}, {"id": "fifteen"}]},
        {"variants": [{"id": "fifteen", "weight": 1}], "variantWeights": {"ten": 3}},
        {"variantWeights": {"ten": Decimal("0.5"), "fifteen": Decimal("0.5")}},
        {"variants": [{"id": "fifteen"}, {"id": "paused"}], "variantWeights": {"ten": 1, "fifteen": 1, "paused": 0}},
        {"ruleId": None, "variants": [{"id": "fifteen", "sections": {"also-bought": {"title": "More"}}}]},
        {"primaryMetric": "acceptanceRate", "trafficPercent": Decimal("12.50"), "endedAt": "2026-06-01", "minimumSampleSize": 9},
    ],
)
def test_what_is_not(fields: dict[str, Any]) -> None:
    """Each can be run and analysed."""
    assert wrong(**fields) == []


def test_the_status() -> None:
    """Nothing becomes a draft again, and what is completed stays so; the words are the table's."""
    assert {status for after in NEXT.values() for status in after} == {"RUNNING", "PAUSED", "COMPLETED"}
    assert "COMPLETED" not in NEXT and set(NEXT) < set(STATUSES)


def test_what_it_is_about() -> None:
    """Its rule, or the sections of any arm; of a stored document of any shape."""
    assert subjects(PLAN) == {("rule", "rule")}
    arms = {"control": {"sections": {"a": {}}}, "variants": ["plain", {"id": "x", "sections": {"b": {}, "a": {}}}]}
    assert subjects(arms) == {("section", "a"), ("section", "b")}
    assert subjects({"control": None, "variants": {}}) == subjects({}) == frozenset()


@QUICK
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(max_size=5), ANYTHING, max_size=6))
def test_anything_is_read(body: dict[str, Any]) -> None:
    """Nothing that a client sends raises; what has no fault is run by the edge and can be written as JSON."""
    values, found = read({**PLAN, **body}, "Europe/Berlin")
    found = found or faults(whole(values), NOW)
    assert all(isinstance(each["field"], str) and each["message"] for each in found)
    if not found:
        drafted = {**whole(values), "id": "x", "status": "RUNNING", "startedAt": None}
        assert len(read_running([drafted])) == 1
        assert exact_json.write({**drafted, "endedAt": None})


@QUICK
@given(ANYTHING)
def test_anything_is_about_something(value: Any) -> None:
    """What is stored may be older than these rules."""
    assert isinstance(subjects({"control": value, "variants": value, "ruleId": None}), frozenset)
