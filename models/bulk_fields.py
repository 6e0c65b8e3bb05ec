"""One field of a bulk discount's JSON, of any type that a client may send: its value, or a sentence on what it must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from models.bulk_discounts import MOST_UNITS

Fault = dict[str, str]
LARGEST_VALUE = 100_000_000
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})([T ]\d.*)?", re.ASCII)
_WHOLE = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


def quantity(value: Any, field: str = "quantity") -> tuple[int, list[Fault]]:
    """A quantity from a JSON body (a whole number) or a query (its digits), 1..MOST_UNITS; 0 and what is wrong with it."""
    # the digits of a longer number are not worth reading
    return whole_units(int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value, field)


def whole_units(value: Any, field: str) -> tuple[int, list[Fault]]:
    """An int of 1..MOST_UNITS, else 0 and what is wrong with it; a float or a truth value is no number of units."""
    if type(value) is int and 1 <= value <= MOST_UNITS:
        return value, []
    return 0, [fault(field, f"{_name(field)} must be a whole number from 1 to {MOST_UNITS}, in digits", value)]


def amount(value: Any, field: str, most: int, decimals: int) -> tuple[Decimal, list[Fault]]:
    """A number of 0..most with at most `decimals` decimals, as a Decimal; 0 and what is wrong with it."""
    exact = Decimal(repr(value)) if type(value) in (int, float) and -LARGEST_VALUE <= value <= LARGEST_VALUE else value
    if isinstance(exact, Decimal) and exact.is_finite() and 0 <= exact <= most:
        # an exponent is no way to write an amount, and a tiny one is nobody's discount
        exponent = exact.as_tuple().exponent
        if isinstance(exponent, int) and -decimals <= exponent <= 0:
            return exact, []
    return Decimal(0), [fault(field, f"{_name(field)} must be a number from 0 to {most} with at most {decimals} decimals", value)]


def window(document: Mapping[str, Any], zone: ZoneInfo) -> tuple[list[datetime | None], list[Fault]]:
    """validFrom and validUntil of the document as instants (UTC) or None, and what is wrong with them."""
    found: list[datetime | None] = []
    faults = []
    for name, ends in (("validFrom", False), ("validUntil", True)):
        given, at = document.get(name), None
        if given is not None:
            at = instant(given, zone, ends=ends)
            if at is None:
                faults.append(fault(name, f"{name} must be a date or an instant as in ISO 8601, or null", given))
        found.append(at)
    valid_from, valid_until = found
    if valid_from and valid_until and valid_from >= valid_until:
        faults.append(fault("validUntil", "validUntil must come after validFrom", document["validUntil"]))
    return found, faults


def instant(given: Any, zone: ZoneInfo, *, ends: bool = False) -> datetime | None:
    """The instant (UTC, to the millisecond) that a text or a datetime means, None where it means none.

    A date is its first instant in `zone`, or where something `ends` with it, the next day's. Without an offset a time is the
    zone's; of one that its clocks show twice the first, of one that they skip the one an hour on.
    """
    written = _ISO.fullmatch(given) if isinstance(given, str) else None
    try:
        if written and not written[2]:
            at = datetime.combine(date.fromisoformat(written[1]) + timedelta(days=1 if ends else 0), time(), zone)
        else:
            at = datetime.fromisoformat(written[0]) if written else given
            if not isinstance(at, datetime):
                return None
            at = at if at.tzinfo else at.replace(tzinfo=zone)
        return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)
    except (ValueError, OverflowError):
        return None


def time_zone(name: str) -> ZoneInfo:
    """The zone of an IANA name; ValueError where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"The time zone {name!r} is not known; give one of the IANA database, such as Europe/Berlin.") from error


def fault(field: str, sentence: str, seen: Any) -> Fault:
    """A fault of a field: a sentence without its full stop, and the value seen, briefly."""
    return {"field": field, "message": f"{sentence}; seen: {_brief(seen)}."}


def _name(field: str) -> str:
    return field.rpartition(".")[2]


def _brief(seen: Any) -> str:
    if isinstance(seen, int) and abs(seen) >= 10**40:
        return "a number of more than 40 digits"
    if isinstance(seen, Mapping | list):
        return "an object" if isinstance(seen, Mapping) else "a list"
    if seen is None or isinstance(seen, bool):
        return "null" if seen is None else str(seen).lower()
    text = str(seen) if isinstance(seen, Decimal) else repr(seen)
    return text if len(text) <= 60 else text[:60] + "…"
