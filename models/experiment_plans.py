"""How an experiment was planned, from its row in UpsellExperiment: units, arms, weights, window, end."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.metrics import BY_NAME, CLAIM

UNITS = ("session", "customer")
WINDOW_DAYS, COVARIATE_DAYS = 7.0, 28.0
MAX_PER_DAY = 500.0
CAP_QUANTILE = 0.999
CONTROL = "control"
COMPLETED = "COMPLETED"


@dataclass(frozen=True)
class Plan:
    """One experiment as it was planned.

    unit: what was randomised, one of UNITS. weights: variant -> share of the traffic in any scale, 0 for a paused arm. alpha: one
    minus the confidence level. planned_units: of all arms, where both an end and a least size are set, else None: the reading is
    then always valid. window_days: outcomes count in [first exposure, + window). max_per_day: a unit with more exposures a day is a
    bot. cap_cents: stated cap of a unit's revenue; without one it is the pooled quantile CAP_QUANTILE.
    """

    experiment_id: str
    name: str
    status: str
    unit: str
    control: str
    weights: dict[str, float]
    primary_metric: str
    alpha: float
    started_at: datetime | None
    ended_at: datetime | None
    planned_units: int | None
    window_days: float
    max_per_day: float
    cap_cents: int | None

    def is_ended(self, mature_until: datetime) -> bool:
        """Whether the end lies so far back that every unit's window is over."""
        if self.ended_at is None:
            return self.status == COMPLETED
        return self.ended_at + timedelta(days=self.window_days) <= mature_until

    def mature_until(self, watermark: datetime) -> datetime:
        """The instant at which a unit's window must be over. With a planned end the last UTC midnight, so that however often a day
        is analysed, it is one look."""
        return watermark.replace(hour=0, minute=0, second=0, microsecond=0) if self.planned_units else watermark


def plan_of(row: Mapping[str, Any]) -> Plan:
    """The plan in a row of sql/extract/experiments.

    Beside `id`, the row's `control` may hold `unit`, `windowDays`, `maxExposuresPerDay`, `cap` (in the currency's unit), and
    `plannedEnd`, false where endedAt is no more than when it was completed. Least sizes are per arm. Raises ValueError, naming
    the experiment and the value, for what cannot be analysed.
    """
    control = row["control"] if isinstance(row["control"], dict) else {}
    named = str(control.get("id") or CONTROL)
    weights = _weights(row, named)
    least, ended_at = row["minimum_sample_size"] or 0, row["ended_at"]
    n_arms = sum(weight > 0 for weight in weights.values())
    unit = str(control.get("unit") or UNITS[0]).lower()
    if unit not in UNITS:
        raise _wrong(row, f"control.unit is {unit!r}", f"give one of {', '.join(UNITS)}")
    level = row["confidence_level"]
    if level is None or not 0 < level < 1:
        raise _wrong(row, f"confidenceLevel is {level}", "give a number between 0 and 1")
    started_at = row["started_at"]
    if started_at and ended_at and ended_at <= started_at:
        raise _wrong(row, f"endedAt is {ended_at.isoformat()}, not after startedAt", "correct one of them")
    cap = _number(row, control, "cap", None)
    return Plan(
        experiment_id=row["experiment_id"],
        name=row["name"],
        status=row["status"],
        unit=unit,
        control=named,
        weights=weights,
        primary_metric=_metric(row),
        alpha=round(1 - level, 6),
        started_at=started_at,
        ended_at=ended_at,
        # an end that nobody had planned bounds nothing: the reading stays valid at all times
        planned_units=least * n_arms if least > 0 and ended_at and control.get("plannedEnd") is not False else None,
        window_days=_number(row, control, "windowDays", WINDOW_DAYS) or WINDOW_DAYS,
        max_per_day=_number(row, control, "maxExposuresPerDay", MAX_PER_DAY) or MAX_PER_DAY,
        cap_cents=None if cap is None else round(cap * 100),
    )


def _weights(row: Mapping[str, Any], control: str) -> dict[str, float]:
    given = row["variant_weights"] if isinstance(row["variant_weights"], dict) else {}
    listed = row["variants"] if isinstance(row["variants"], list) else []
    # a variant is an object with an id, or the id alone
    own = {str(each.get("id")): each.get("weight") for each in listed if isinstance(each, dict) and each.get("id")}
    own |= {each: None for each in listed if isinstance(each, str) and each}
    names = sorted({control, *own, *given})
    found = {name: given.get(name, own.get(name)) for name in names}
    if all(weight is None for weight in found.values()):
        return dict.fromkeys(names, 1.0)
    weights = {name: 0.0 if weight is None else weight for name, weight in found.items()}
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise _wrong(row, f"variantWeights.{name} is {weight!r}", "give a number from 0 on")
    if not any(weights.values()):
        raise _wrong(row, "variantWeights are all 0", "give at least one variant a weight")
    return {name: float(weight) for name, weight in weights.items()}


def _metric(row: Mapping[str, Any]) -> str:
    # acceptanceRate and ACCEPTANCE_RATE are acceptance_rate
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", row["primary_metric"].strip()).replace("-", "_").lower()
    decisive = [metric.name for metric in BY_NAME.values() if metric.role != CLAIM]
    if name not in decisive:
        raise _wrong(row, f"primaryMetric is {row['primary_metric']!r}", f"give one of {', '.join(decisive)}")
    return name


def _number(row: Mapping[str, Any], control: Mapping[str, Any], key: str, default: float | None) -> float | None:
    value = control.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(row, f"control.{key} is {value!r}", "give a number above 0")
    return float(value)


def _wrong(row: Mapping[str, Any], seen: str, advice: str) -> ValueError:
    return ValueError(f"{row['experiment_id']}: {seen}: {advice}.")
