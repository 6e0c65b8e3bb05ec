"""What an experiment must satisfy before it is stored and run, and what may become of it after that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from models import edge_experiments
from models.bulk_fields import Fault, fault
from models.edge_experiments import RUNNING, VARIED
from models.experiment_fields import DRAFT, ENDED_AT, FIELDS, ID, PAUSED, SECTIONS, STARTED_AT
from models.experiment_plans import COMPLETED, CONTROL

NEXT: Mapping[str, tuple[str, ...]] = {DRAFT: (RUNNING,), RUNNING: (PAUSED, COMPLETED), PAUSED: (RUNNING, COMPLETED)}
# what may change at any time: nobody is assigned and nothing is measured by it
DESCRIPTIVE = ("name", "description")
_PLANNED = re.compile(r"\b(control|variantWeights|primaryMetric|confidenceLevel|endedAt|trafficPercent)\b[^: ]*")
Row = Mapping[str, Any]


def faults(values: Row, now: datetime) -> list[Fault]:
    """Why an experiment whose fields have no fault of their own can be neither run nor analysed from `now` on.

    values: whole. What it changes is held against its rule or its sections elsewhere. Whatever models/experiment_plans.py and
    models/edge_experiments.py refuse is refused here.
    """
    found = [*_due(values, now), *_arms_faults(values), *_weights_faults(values)]
    return found or list(_unrunnable(values))


def arms(values: Row) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(where it stands in the document, its object) of the control and of each variant."""
    if isinstance(values.get("control"), Mapping):
        yield "control", values["control"]
    variants = values.get("variants")
    for number, arm in enumerate(variants if isinstance(variants, list) else ()):
        if isinstance(arm, Mapping):
            yield f"variants[{number}]", arm


def subjects(values: Row) -> frozenset[tuple[str, str]]:
    """What the experiment is about: its rule, or the sections that an arm changes. Of two on one of these the first counts."""
    if values.get("ruleId"):
        return frozenset({("rule", str(values["ruleId"]))})
    changes = (arm.get(SECTIONS) for _, arm in arms(values))
    return frozenset(("section", str(kind)) for change in changes if isinstance(change, Mapping) for kind in change)


def _due(values: Row, now: datetime) -> Iterator[Fault]:
    if values["name"] is None:
        yield fault("name", f"name must be {FIELDS['name'][1].due}", None)
    if values[ENDED_AT] is not None and values[ENDED_AT] <= now:
        yield fault(ENDED_AT, "endedAt is the planned end, which must lie in the future", values[ENDED_AT].isoformat())


def _arms_faults(values: Row) -> Iterator[Fault]:
    due, other = (VARIED, (SECTIONS,)) if values["ruleId"] else ((SECTIONS,), VARIED)
    about = "the experiment is about a rule" if values["ruleId"] else "the experiment is about no rule"
    seen: set[str] = set()
    for at, arm in arms(values):
        for name in other:
            if arm.get(name) is not None:
                message = f"{name} cannot be varied: {about}. There may be {', '.join(due)}."
                yield {"field": f"{at}.{name}", "message": message}
        if at == "control":
            continue
        if arm.get("id") is None:
            yield fault(f"{at}.id", f"id must be {ID.due}", None)
        elif arm["id"] in seen:
            yield fault(f"{at}.id", "id must be another one than those of the variants before", arm["id"])
        seen.add(str(arm.get("id")))


def _weights_faults(values: Row) -> Iterator[Fault]:
    """Weights of nobody, and arms without a weight where others have one: they would never be shown."""
    given = values["variantWeights"]
    variants = {str(arm["id"]): arm.get("weight") for at, arm in arms(values) if at != "control" and arm.get("id")}
    names = {str(values["control"].get("id") or CONTROL): None} | variants
    for name in given:
        if name not in names:
            known = ", ".join(names)
            yield {
                "field": f"variantWeights.{name:.40}",
                "message": f"{name!r:.40} is no arm of the experiment; there are {known}.",
            }
    if given or any(weight is not None for weight in variants.values()):
        for name, weight in names.items():
            if name not in given and weight is None:
                yield fault(f"variantWeights.{name:.40}", "Where one arm has a weight all must have one, 0 to pause it", None)


def _unrunnable(values: Row) -> Iterator[Fault]:
    told: list[str] = []
    runs = edge_experiments.read([{**values, "id": "it", "status": RUNNING, STARTED_AT: None}], told.append)
    for sentence in told:
        named = _PLANNED.search(sentence)
        yield {"field": named[0] if named else "", "message": sentence.partition("is not run: ")[2].removeprefix("it: ")}
    for row in runs:
        if sum(weight > 0 for weight in row.weights.values()) < 2 or not row.weights[row.control]:
            message = f"There must be two arms with a weight above 0, the control {row.control!r:.40} among them."
            yield {"field": "variants" if len(row.weights) < 2 else "variantWeights", "message": message}
