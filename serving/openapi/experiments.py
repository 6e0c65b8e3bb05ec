"""Experiments: how they are planned, run and read."""

from __future__ import annotations

from typing import Any

from models.edge_experiments import VARIED
from models.experiment_fields import (
    LARGEST_CAP,
    LARGEST_COUNT,
    LARGEST_WEIGHT,
    LONGEST_ID,
    LONGEST_NAME,
    LONGEST_TEXT,
    MOST_DAYS,
    MOST_PER_DAY,
    MOST_VARIANTS,
    SECTIONS,
    STATUSES,
)
from models.experiment_plans import UNITS
from models.experiment_rules import NEXT
from models.metrics import BY_NAME, CLAIM
from serving.auth import READ, WRITE
from serving.openapi import rules
from serving.openapi.problems import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED, operation
from serving.openapi.products import WHEN
from serving.openapi.rules import OF_THE_ROW
from serving.openapi.vocabulary import (
    BOOLEAN,
    INSTANT,
    OBJECT,
    Schema,
    answer,
    body,
    given,
    listed,
    nullable,
    number,
    one_of,
    path,
    ref,
    shape,
    text,
    whole,
)

TAG = "Experiments"
METRICS = [metric.name for metric in BY_NAME.values() if metric.role != CLAIM]
ID = text(1, LONGEST_ID)
WEIGHT = number(0, LARGEST_WEIGHT, multipleOf=1e-6)
CHANGES = {name: nullable(rules.FIELDS[name]) for name in VARIED} | {
    SECTIONS: nullable({**OBJECT, "additionalProperties": OBJECT, "description": "By kind, what of the section is another."}),
}
ARM = {"name": nullable(text(0, LONGEST_NAME)), "description": nullable(text(0, LONGEST_TEXT)), **CHANGES}


def _below(most: int, **more: Any) -> Schema:
    return nullable({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": most, **more})


CONTROL = given(
    {},
    {
        "id": nullable({**ID, "default": "control"}),
        "unit": nullable(one_of(*UNITS, default=UNITS[0], description="What is randomised.")),
        "windowDays": _below(MOST_DAYS, multipleOf=1e-4, description="Outcomes count for so long after the first exposure."),
        "maxExposuresPerDay": _below(MOST_PER_DAY, multipleOf=1, description="A unit with more is a bot."),
        "cap": _below(LARGEST_CAP, multipleOf=0.01, description="Of a unit's revenue."),
        "plannedEnd": nullable({**BOOLEAN, "description": "False where endedAt is no more than when it was completed."}),
        **ARM,
    },
)
FIELDS: dict[str, Schema] = {
    "description": text(0, LONGEST_TEXT),
    "ruleId": {**ID, "description": "The rule that is varied; none for an experiment on the sections of pages."},
    "control": CONTROL,
    "variants": listed(given({"id": ID}, {"weight": nullable(WEIGHT), **ARM}), MOST_VARIANTS),
    "trafficPercent": number(0, 100, multipleOf=0.01, default=100),
    "variantWeights": {**OBJECT, "additionalProperties": WEIGHT, "description": "Of all arms or of none; 0 pauses one."},
    "primaryMetric": text(1, LONGEST_NAME, examples=METRICS, default="conversion"),
    "minimumSampleSize": whole(0, LARGEST_COUNT, default=0, description="Units per arm."),
    "confidenceLevel": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "multipleOf": 1e-4, "default": 0.95},
    "endedAt": {**WHEN, "description": "The planned end, in the future; a date is that day's end."},
}
LENIENT = {name: nullable(each) for name, each in FIELDS.items()}
SENT_BACK = {**OF_THE_ROW, "startedAt": {"description": "As it was read; it is set when the experiment first runs."}, "results": {}}
NAME, STATUS = {"name": text(1, LONGEST_NAME)}, one_of(*STATUSES)
EXAMPLE = {
    "name": "Ten or fifteen percent",
    "ruleId": "rule-1",
    "variants": [{"id": "fifteen", "offer": {"discountPercent": 15}}],
    "variantWeights": {"control": 50, "fifteen": 50},
    "primaryMetric": "conversion",
    "minimumSampleSize": 1000,
}

# what was loaded from elsewhere has the columns' types, and no more
SCHEMAS: dict[str, Schema] = {
    "Experiment": shape(
        {**OF_THE_ROW, "name": text(), "status": STATUS}
        | {name: {"type": ["string", "null"]} for name in ("description", "ruleId")}
        | {"control": {}, "variants": {}, "trafficPercent": {"type": "number"}, "variantWeights": {}}
        | {"primaryMetric": text(), "minimumSampleSize": {"type": "integer"}, "confidenceLevel": {"type": "number"}}
        | {"startedAt": nullable(INSTANT), "endedAt": nullable(INSTANT)},
        {"results": nullable({**OBJECT, "description": "What the last analysis says, and each day's before it."})},
    ),
    "NewExperiment": given(NAME, {**LENIENT, "status": nullable({"const": STATUSES[0]}), **SENT_BACK}),
    "ExperimentChange": given({}, {**NAME, **LENIENT, "status": STATUS, **SENT_BACK}, description="Any subset of the fields."),
}
ONE = path("experimentId", "The experiment.")
IT = answer("The experiment.", ref("Experiment"), headers=["ETag"])
TURNS = "; ".join(f"{before} can become {' or '.join(after)}" for before, after in NEXT.items())

PATHS: dict[str, Schema] = {
    "/api/upsell/experiments": {
        "get": operation(
            "listExperiments", TAG, "The company's experiments",
            {200: answer("Every experiment, the youngest first, without results.", listed(ref("Experiment")))}, (), (), READ,
        ),
        "post": operation(
            "createExperiment", TAG, "A new experiment, as a draft",
            {201: answer("It is stored.", ref("Experiment"), headers=["ETag", "Location"])},
            (409,), (IDEMPOTENCY_KEY,), WRITE, body(ref("NewExperiment"), EXAMPLE),
        ),
    },
    "/api/upsell/experiments/{experimentId}": {
        "get": operation(
            "getExperiment", TAG, "One experiment with its results", {200: IT, 304: NOT_MODIFIED}, (), (ONE, IF_NONE_MATCH), READ
        ),
        "put": operation(
            "updateExperiment", TAG, "Change a draft, the status, or what it is called",
            {200: IT}, (409, 412), (ONE, IF_MATCH), WRITE, body(ref("ExperimentChange"), {"status": "RUNNING"}),
            f"{TURNS}; anything else is 409, as is another change than of name and description once it has run.",
        ),
    },
}  # fmt: skip
