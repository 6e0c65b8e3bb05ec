"""How an experiment was planned, as its row in UpsellExperiment says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.experiment_plans import Plan, plan_of

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
ROW: dict[str, Any] = {
    "experiment_id": "exp",
    "name": "Wording",
    "status": "RUNNING",
    "control": {},
    "variants": [],
    "variant_weights": {},
    "primary_metric": "conversion",
    "minimum_sample_size": 0,
    "confidence_level": 0.95,
    "started_at": BEGAN,
    "ended_at": None,
}


def plan(**columns: Any) -> Plan:
    """The plan of a row with other columns."""
    return plan_of({**ROW, **columns})


def test_an_empty_row_has_the_defaults() -> None:
    """Sessions, seven days, a control by that name, 5 %, and no end."""
    found = plan()
    assert (found.unit, found.window_days, found.control, found.weights) == ("session", 7.0, "control", {"control": 1.0})
    assert (found.alpha, found.planned_units, found.cap_cents) == (0.05, None, None)


def test_what_control_states_is_taken() -> None:
    """Unit, window, bot limit, cap and the control's own name stand in the control."""
    stated = {"id": "old", "unit": "CUSTOMER", "windowDays": 0.5, "maxExposuresPerDay": 9, "cap": 19.99}
    found = plan(control=stated, variants=["new"])
    assert (found.control, found.unit, found.window_days, found.max_per_day, found.cap_cents) == ("old", "customer", 0.5, 9, 1999)
    assert found.weights == {"new": 1.0, "old": 1.0}


@pytest.mark.parametrize(
    ("weights", "variants", "expected"),
    [
        ({}, [{"id": "control"}, {"id": "a"}], {"control": 1.0, "a": 1.0}),
        ({"control": 50, "a": 50, "b": 0}, [{"id": "a"}], {"control": 50.0, "a": 50.0, "b": 0.0}),
        ({"control": 0.5}, [{"id": "a", "weight": 0.5}, {"id": "b"}], {"control": 0.5, "a": 0.5, "b": 0.0}),
        ({}, [{"name": "nobody"}, 7, None], {"control": 1.0}),
        (None, None, {"control": 1.0}),
    ],
)
def test_weights(weights: Any, variants: Any, expected: dict[str, float]) -> None:
    """Without any weight all variants are equal; where some have one, the others are paused; what is no variant is none."""
    assert plan(variant_weights=weights, variants=variants).weights == expected


def test_an_end_takes_a_date_and_a_size() -> None:
    """Units are planned per arm with a weight, where both an end and a least size are set."""
    ended = BEGAN + timedelta(days=14)
    weights = {"control": 1, "a": 1, "paused": 0}
    assert plan(minimum_sample_size=100, ended_at=ended, variant_weights=weights).planned_units == 200
    assert plan(minimum_sample_size=100, variant_weights=weights).planned_units is None
    assert plan(ended_at=ended).planned_units is None
    # an end that it came to, and was not planned with
    assert plan(minimum_sample_size=100, ended_at=ended, control={"plannedEnd": False}).planned_units is None


def test_planned_looks_are_at_midnight() -> None:
    """With a planned end a unit's window must be over at the last midnight, else at the watermark; an experiment is ended when the
    last unit's is."""
    noon, ended = BEGAN + timedelta(days=8.5), BEGAN + timedelta(days=1)
    planned = plan(minimum_sample_size=100, ended_at=ended)
    assert planned.mature_until(noon) == BEGAN + timedelta(days=8) and plan().mature_until(noon) == noon
    assert planned.is_ended(BEGAN + timedelta(days=8)) and not planned.is_ended(BEGAN + timedelta(days=7.9))
    assert plan(status="COMPLETED").is_ended(noon) and not plan().is_ended(noon)


@pytest.mark.parametrize("name", ["acceptanceRate", "ACCEPTANCE_RATE", " acceptance-rate ", "acceptance_rate"])
def test_a_metric_may_be_spelled_as_elsewhere(name: str) -> None:
    """Camel case, capitals and dashes name the same metric."""
    assert plan(primary_metric=name).primary_metric == "acceptance_rate"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"primary_metric": "happiness"}, "exp: primaryMetric is 'happiness': give one of acceptance_rate, "),
        (
            {"primary_metric": "claimedRevenuePerUnit"},
            "exp: primaryMetric is 'claimedRevenuePerUnit': give one of acceptance_rate, ",
        ),
        ({"confidence_level": 1.0}, "confidenceLevel is 1.0: give a number between 0 and 1"),
        ({"confidence_level": None}, "confidenceLevel is None"),
        ({"control": {"unit": "visit"}}, "control.unit is 'visit': give one of session, customer"),
        ({"control": {"windowDays": -1}}, "control.windowDays is -1: give a number above 0"),
        ({"control": {"cap": True}}, "control.cap is True"),
        ({"variant_weights": {"a": "half"}}, "variantWeights.a is 'half': give a number from 0 on"),
        ({"variant_weights": {"control": 0, "a": 0}}, "variantWeights are all 0"),
        ({"ended_at": BEGAN}, "endedAt is 2026-05-01T00:00:00"),
    ],
)
def test_what_cannot_be_read_is_named(columns: dict[str, Any], says: str) -> None:
    """The sentence names the experiment, the value and what to do."""
    with pytest.raises(ValueError, match=r"^exp: ") as refused:
        plan(**columns)
    assert says in str(refused.value)
