"""Experiments as the API runs them: from their published documents to the variant of a visitor and what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from models.assignment import assigned
from models.experiment_plans import UNITS, plan_of

RUNNING = "RUNNING"
SESSION, CUSTOMER = UNITS
# fields of a rule that a variant may have its own of
VARIED = ("offer", "message", "urgency", "placements", "priority", "conditions")
BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
NOTHING: Mapping[str, Any] = MappingProxyType({})

Tell = Callable[[str], object]


@dataclass(frozen=True)
class EdgeExperiment:
    """A running experiment on a rule, or, without one, on the sections of pages.

    unit: what is randomised, "session" or "customer". weights: variant -> share in any scale, the control among them.
    changes: variant -> its object as it is stored, the control's too. It runs in [started_at, ended_at).
    """

    id: str
    rule_id: str | None
    unit: str
    weights: Mapping[str, float]
    control: str
    traffic_percent: float
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    started_at: datetime = BEGINNING
    ended_at: datetime = END

    def is_running(self, now: datetime) -> bool:
        """Whether `now` lies within its time."""
        return self.started_at <= now < self.ended_at

    def variant_for(self, customer: str, session: str) -> str | None:
        """The visitor's variant; None where they are outside the traffic, or without what is randomised ("" for none)."""
        unit = customer if self.unit == CUSTOMER else session
        return assigned(self.id, unit, self.weights, self.traffic_percent) if unit else None

    def changes_of(self, variant: str | None) -> Mapping[str, Any]:
        """What a variant changes, nothing for None."""
        return self.changes.get(variant, NOTHING) if variant is not None else NOTHING


def read(documents: Iterable[Mapping[str, Any]], tell: Tell = lambda _: None) -> tuple[EdgeExperiment, ...]:
    """The experiments of status RUNNING, whether or not their time has come, the one that began first foremost, then by id.

    documents: experiments as the API answers them. One that cannot be read or analysed (models/experiment_plans.py) is left out,
    and `tell` gets a sentence that says why.
    """
    found = []
    for document in documents:
        if not isinstance(document, Mapping) or document.get("status") != RUNNING:
            continue
        try:
            found.append(_experiment(document))
        except (ValueError, TypeError, AttributeError) as error:
            tell(f"The experiment {document.get('id')!r} is not run: {error}")
    return tuple(sorted(found, key=lambda row: (row.started_at, row.id)))


def running(documents: Sequence[Mapping[str, Any]], now: datetime, tell: Tell = lambda _: None) -> tuple[EdgeExperiment, ...]:
    """`read`, of which only those within their time at `now`. Where two are about one rule or section, the first one counts."""
    return tuple(row for row in read(documents, tell) if row.is_running(now))


def of_rules(experiments: Iterable[EdgeExperiment]) -> dict[str, EdgeExperiment]:
    """Rule -> the experiment on it that counts."""
    found: dict[str, EdgeExperiment] = {}
    for row in experiments:
        if row.rule_id is not None:
            found.setdefault(row.rule_id, row)
    return found


def varied_rule(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A rule's document with a variant's fields in the place of its own: each of VARIED whole, others of the variant are not
    looked at."""
    return {**document, **{name: changes[name] for name in VARIED if name in changes}}


def _experiment(document: Mapping[str, Any]) -> EdgeExperiment:
    plan = plan_of(_row(document))
    listed = document.get("variants")
    objects = [each for each in listed if isinstance(each, Mapping) and each.get("id")] if isinstance(listed, list | tuple) else []
    changes: dict[str, Mapping[str, Any]] = {str(each["id"]): each for each in objects}
    if isinstance(document.get("control"), Mapping):
        changes[plan.control] = {**changes.get(plan.control, {}), **document["control"]}
    traffic = _float(document.get("trafficPercent", 100))
    if isinstance(traffic, bool) or not isinstance(traffic, int | float) or not 0 <= traffic <= 100:
        raise ValueError(f"trafficPercent is {traffic!r}: give a number from 0 to 100.")
    return EdgeExperiment(
        id=plan.experiment_id,
        rule_id=document.get("ruleId") or None,
        unit=plan.unit,
        weights=plan.weights,
        control=plan.control,
        traffic_percent=float(traffic),
        changes=changes,
        started_at=plan.started_at or BEGINNING,
        ended_at=plan.ended_at or END,
    )


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as a row of sql/extract/experiments, so that what is run is what is analysed."""
    identity = document.get("id")
    if not isinstance(identity, str) or not identity:
        raise ValueError(f"its id is {identity!r}: give a text.")
    return {
        "experiment_id": identity,
        "name": document.get("name") or "",
        "status": document.get("status"),
        "control": _floats(document.get("control")),
        "variants": _floats(document.get("variants")),
        "variant_weights": _floats(document.get("variantWeights")),
        "primary_metric": document.get("primaryMetric") or "conversion",
        "minimum_sample_size": document.get("minimumSampleSize"),
        "confidence_level": _float(document.get("confidenceLevel", 0.95)),
        "started_at": _instant(document.get("startedAt")),
        "ended_at": _instant(document.get("endedAt")),
    }


def _instant(value: Any) -> datetime | None:
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    if read is None or isinstance(read, datetime):
        return read.replace(tzinfo=read.tzinfo or UTC) if read else None
    raise ValueError(f"an instant is {value!r}: give ISO 8601.")


def _floats(value: Any) -> Any:
    """The value with floats for Decimals, as Postgres' driver reads JSON."""
    if isinstance(value, Mapping):
        return {name: _floats(each) for name, each in value.items()}
    return [_floats(each) for each in value] if isinstance(value, list | tuple) else _float(value)


def _float(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
