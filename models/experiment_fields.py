"""The fields of an experiment's JSON, each by itself: defaults, ranges, and what a body or a stored row has of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from models.bulk_fields import Fault, amount, fault, instant, time_zone
from models.configuration import Check
from models.edge_experiments import RUNNING, VARIED
from models.experiment_plans import COMPLETED, UNITS

DRAFT, PAUSED = "DRAFT", "PAUSED"
STATUSES = (DRAFT, RUNNING, PAUSED, COMPLETED)
STARTED_AT, ENDED_AT, SECTIONS = "startedAt", "endedAt", "sections"
# what an answer of ours carries besides, so that a client may send back what it got
OF_THE_ROW = ("id", "companyId", "results", "createdAt", "updatedAt")
LONGEST_NAME, LONGEST_TEXT, LONGEST_ID = 200, 1_000, 200
MOST_VARIANTS = 20
LARGEST_COUNT = 2**31 - 1
LARGEST_WEIGHT, LARGEST_CAP, MOST_DAYS, MOST_PER_DAY = 1_000_000, 1_000_000, 365, 1_000_000
Row = Mapping[str, Any]


def _text(least: int, most: int) -> Check:
    def holds(value: Any) -> bool:
        return isinstance(value, str) and least <= len(value.strip()) and len(value) <= most

    return Check(holds, f"a text of {least} to {most} characters")


def _number(most: int, decimals: int, *, is_open: bool = False) -> Check:
    """From 0, or where it is open between 0 and the largest, neither included."""

    def holds(value: Any) -> bool:
        exact, wrong = amount(value, "", most, decimals)
        return not wrong and (not is_open or 0 < exact < most)

    span = f"between 0 and {most}" if is_open else f"from 0 to {most}"
    return Check(holds, f"a number {span} with at most {decimals} decimals")


def _one_of(values: tuple[str, ...]) -> Check:
    return Check(lambda value: isinstance(value, str) and value in values, f"one of {', '.join(values)}")


def _listed(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_VARIANTS


_OBJECT = Check(lambda value: isinstance(value, Mapping), "an object")
_ANYTHING = Check(lambda _: True, "")
_INSTANT = Check(lambda _: True, "a date or an instant as in ISO 8601, or null")
ID = _text(1, LONGEST_ID)

# field -> its default, and what a value must satisfy; the name alone has to be given
FIELDS: Mapping[str, tuple[Any, Check]] = {
    "name": (None, _text(1, LONGEST_NAME)),
    "description": (None, _text(0, LONGEST_TEXT)),
    "ruleId": (None, ID),
    "status": (DRAFT, _one_of(STATUSES)),
    "control": ({}, _OBJECT),
    "variants": (
        [],
        Check(lambda value: isinstance(value, list) and len(value) <= MOST_VARIANTS, f"a list of at most {MOST_VARIANTS}"),
    ),
    "trafficPercent": (Decimal("100.00"), _number(100, 2)),
    "variantWeights": ({}, _OBJECT),
    "primaryMetric": ("conversion", _text(1, LONGEST_NAME)),
    "minimumSampleSize": (
        0,
        Check(lambda value: type(value) is int and 0 <= value <= LARGEST_COUNT, f"a whole number from 0 to {LARGEST_COUNT}"),
    ),
    "confidenceLevel": (Decimal("0.9500"), _number(1, 4, is_open=True)),
    STARTED_AT: (None, _INSTANT),
    ENDED_AT: (None, _INSTANT),
}
# an arm: who it is, and what it changes of a rule (models/targeting_rules.py) or of sections (serving/section_changes.py)
_CHANGES: Mapping[str, Check] = {**dict.fromkeys(VARIED, _ANYTHING), SECTIONS: _OBJECT}
_ARM: Mapping[str, Check] = {"id": ID, "name": _text(0, LONGEST_NAME), "description": _text(0, LONGEST_TEXT), **_CHANGES}
_VARIANT: Mapping[str, Check] = {**_ARM, "weight": _number(LARGEST_WEIGHT, 6)}
_CONTROL: Mapping[str, Check] = {
    **_ARM,
    "unit": _one_of(UNITS),
    "windowDays": _number(MOST_DAYS, 4, is_open=True),
    "maxExposuresPerDay": _number(MOST_PER_DAY, 0, is_open=True),
    "cap": _number(LARGEST_CAP, 2, is_open=True),
    "plannedEnd": Check(lambda value: isinstance(value, bool), "true or false"),
}


class Read(NamedTuple):
    """Fields of FIELDS, as far as they were given, the default for null and instants as datetimes; and what is wrong with them."""

    values: dict[str, Any]
    faults: list[Fault]


def read(given: Row, zone: str = "UTC") -> Read:
    """The fields of a body or of a stored experiment, each by itself.

    zone: the company's (IANA), which dates and instants without an offset are in; a date as endedAt is that day's end. ValueError
    where there is no such zone. A value with a fault stays as it is.
    """
    values, faults = {}, []
    for name, value in given.items():
        if name in OF_THE_ROW:
            continue
        if name not in FIELDS:
            faults.append(_unknown("", name, "an experiment"))
            continue
        default, check = FIELDS[name]
        values[name] = default if value is None else value
        if value is not None and check is _INSTANT:
            values[name] = instant(value, time_zone(zone), ends=name == ENDED_AT)
        if (check is _INSTANT and value is not None and values[name] is None) or not (value is None or check(value)):
            values[name] = value
            faults.append(fault(name, f"{name} must be {check.due}", value))
        elif value is not None:
            faults += _parts(name, value)
    return Read(values, faults)


def whole(values: Row) -> dict[str, Any]:
    """Every field, by its default where it is not given."""
    return {name: values.get(name, default) for name, (default, _) in FIELDS.items()}


def changed(stored: Row, values: Row) -> list[str]:
    """Fields that get another value than is stored, in the order of FIELDS; both as `read` has them."""
    before = whole(stored)
    return [name for name in FIELDS if name in values and values[name] != before[name]]


def _parts(name: str, value: Any) -> Iterator[Fault]:
    """What is wrong within a field that is what it should be as a whole."""
    if name == "control":
        yield from _object_faults("control", value, _CONTROL, "the control")
    elif name == "variants":
        for number, arm in enumerate(value):
            at = f"variants[{number}]"
            if not isinstance(arm, Mapping):
                yield fault(at, "A variant must be an object with an id", arm)
            else:
                yield from _object_faults(at, arm, _VARIANT, "a variant")
    elif name == "variantWeights":
        weight = _VARIANT["weight"]
        for variant, given in value.items():
            if not weight(given):
                yield fault(f"variantWeights.{variant:.40}", f"A weight must be {weight.due}", given)


def _object_faults(at: str, given: Row, checks: Mapping[str, Check], what: str) -> Iterator[Fault]:
    for name, value in given.items():
        if name not in checks:
            yield _unknown(f"{at}.", name, what)
        elif value is not None and not checks[name](value):
            yield fault(f"{at}.{name}", f"{name} must be {checks[name].due}", value)


def _unknown(at: str, name: Any, what: str) -> Fault:
    return {"field": f"{at}{name!s:.40}", "message": f"{name!r:.40} is no field of {what}."}
