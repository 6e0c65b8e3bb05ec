"""Results and decisions of experiments as strict JSON: a value, or null with a reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from models.metrics import CLAIM, GUARDRAIL, Metric
from models.readings import GROUP_SEQUENTIAL

Record = dict[str, Any]
# key of a record -> the columns of RESULTS that it holds: one is a value, two are the ends of an interval
INTERVALS = {
    "fixed": ("low", "high"),
    "alwaysValid": ("low_always_valid", "high_always_valid"),
    "groupSequential": ("low_group_sequential", "high_group_sequential"),
    "reading": ("low_reading", "high_reading"),
}
PROBABILITIES = {
    "fixed": "p",
    "alwaysValid": "p_always_valid",
    "groupSequential": "p_group_sequential",
    "adjusted": "p_adjusted",
}
OF_ARM = ("is_control", "role", "is_primary", "scale", "alpha", "n", "n_positive", "mean", "standard_deviation")
OF_COMPARISON = (
    "method",
    "reading",
    "control_mean",
    "difference",
    "standard_error",
    "n_star",
    "lift",
    "chance_to_win",
    "expected_loss",
    "expected_loss_of_control",
    "prior",
    "is_significant",
    "is_better",
)
OF_GUARDRAIL = ("margin", "p_non_inferior", "is_non_inferior", "is_harmed")
NO_END, FLAT, NO_GUARDRAIL = "no end is planned", "the prior is flat", "it is no guardrail"
ONLY_CLAIMED = "what a client claims decides nothing"
NOT_MEASURED, NO_DECISION = "the arm has too few units", "the experiment has no design"


def documents(
    results: pl.DataFrame,
    decisions: pl.DataFrame,
    splits: pl.DataFrame,
    metrics: Sequence[Metric],
    context: Mapping[str, Any] | None = None,
) -> Record:
    """{"experiments": one object per decision, "results": one per row of RESULTS}, of values that JSON has: no NaN, no Infinity.

    context: what holds for all results and is stated in each (cap, windowDays); null with a reason where it is not given. Each
    null of a result stands in its `nulls` under its own key, with why.
    """
    stated = {"cap": None, "windowDays": None, **(context or {})}
    units = {metric.name: metric.unit for metric in metrics}
    decided = {row["experiment_id"]: row for row in decisions.iter_rows(named=True)}
    split: dict[str, list[Record]] = {}
    for row in splits.iter_rows(named=True):
        split.setdefault(row["experiment_id"], []).append(row)
    return {
        "experiments": [_experiment(row, split.get(row["experiment_id"], [])) for row in decided.values()],
        "results": [
            _result(row, decided.get(row["experiment_id"]), split.get(row["experiment_id"], []), units, stated)
            for row in results.iter_rows(named=True)
        ],
    }


def camel(name: str) -> str:
    """is_control -> isControl."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _experiment(decided: Record, split: list[Record]) -> Record:
    named = {camel(name): strict(value) for name, value in decided.items() if name != "experiment_id"}
    first = split[0] if split else {}
    mismatch = {
        "arms": [{"variant": row["variant"], "n": row["n"], "expected": strict(row["expected"])} for row in split],
        **{key: strict(first.get(name)) for key, name in _MISMATCH.items()},
        "reason": first.get("reason") if split else NO_DECISION,
    }
    return {"experiment": decided["experiment_id"], **named, "srm": mismatch}


_MISMATCH = {"statistic": "statistic", "df": "df", "p": "p", "pAlwaysValid": "p_always_valid"}


def _result(
    row: Record, decided: Record | None, split: list[Record], units: Mapping[str, str], stated: Mapping[str, Any]
) -> Record:
    segment = {"segment": row["segment"], "segmentValue": row["segment_value"]} if row["segment"] else {}
    first = split[0] if split else {}
    record: Record = {
        "experiment": row["experiment_id"],
        "variant": row["variant"],
        "metric": row["metric"],
        **segment,
        **{camel(name): strict(row[name]) for name in OF_ARM},
        "unit": units.get(row["metric"]),
        **{camel(name): strict(row[name]) for name in OF_COMPARISON},
        "interval": {key: _ends(row, *columns) for key, columns in INTERVALS.items()},
        "p": {key: strict(row[name]) for key, name in PROBABILITIES.items()},
        **{camel(name): strict(row[name]) for name in OF_GUARDRAIL},
        "srmP": strict(first.get("p")),
        "decision": decided["decision"] if decided else None,
        "reasons": decided["reasons"] if decided else [],
        **{key: strict(value) for key, value in stated.items()},
    }
    return {**record, "nulls": dict(_nulls(record, row, first.get("reason")))}


def strict(value: Any) -> Any:
    """The value, or None where JSON has none for it."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _ends(row: Record, low: str, high: str) -> list[float] | None:
    ends = [strict(row[low]), strict(row[high])]
    return None if None in ends else ends


def _nulls(record: Record, row: Record, split_reason: str | None) -> list[tuple[str, str]]:
    flat = {**record, **{f"{key}.{inner}": value for key in ("interval", "p") for inner, value in record[key].items()}}
    return [(key, _why(key, row, split_reason)) for key, value in flat.items() if value is None]


def _why(key: str, row: Record, split_reason: str | None) -> str:
    compared = row["reason"]
    if key in _GUARDRAIL_KEYS and row["role"] != GUARDRAIL:
        return NO_GUARDRAIL
    if key.endswith(".groupSequential") and row["reading"] != GROUP_SEQUENTIAL:
        return compared or NO_END
    if key == "isSignificant" and row["role"] == CLAIM:
        return compared or ONLY_CLAIMED
    if key == "lift":
        return row["lift_reason"] or compared or NOT_MEASURED
    known = {"prior": compared or FLAT, "srmP": split_reason or NO_DECISION, "decision": NO_DECISION, "margin": "it has no margin"}
    known |= {"cap": "no cap was applied", "windowDays": "no window was applied"}
    return known.get(key) or compared or NOT_MEASURED


_GUARDRAIL_KEYS = {camel(name) for name in OF_GUARDRAIL}
