"""JSON whose numbers are exact: decimals are read and written digit by digit, and what is ambiguous is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, NoReturn

MOST_DIGITS = 1_000


def read(document: bytes | str) -> Any:
    """The value of a JSON document; numbers with a point or an exponent are Decimal.

    Raises ValueError for what is no JSON in UTF-8, for a name that an object has twice, NaN and the infinities, nesting that
    is deeper than the interpreter goes, numbers beyond MOST_DIGITS digits, and text that neither UTF-8 nor Postgres can hold.
    """
    try:
        text = document.decode() if isinstance(document, bytes) else document
        value = json.loads(text, parse_float=_decimal, parse_int=_whole, parse_constant=_constant, object_pairs_hook=_object)
        # raw, strict JSON in UTF-8 holds neither: they come by escapes alone
        if "\\u" in text or isinstance(document, str):
            _check_text(value)
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8.") from None
    except RecursionError:
        raise ValueError("is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error.msg} at character {error.pos}.") from None
    return value


def write(value: Any) -> bytes:
    """Compact JSON in UTF-8; a Decimal stands with the decimals that it has, without an exponent.

    Raises TypeError for what JSON has no form for, ValueError for NaN and the infinities.
    """
    return _text(value).encode()


def _text(value: Any) -> str:
    if isinstance(value, dict):
        parts = [f"{encode_basestring(name)}:{_WRITERS.get(type(part), _text)(part)}" for name, part in value.items()]
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_WRITERS.get(type(part), _text)(part) for part in value]) + "]"
    if isinstance(value, Decimal):
        return _digits(value)
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _digits(value: Decimal) -> str:
    digits = str(value)
    if digits[-1].isdecimal() and "E" not in digits:
        return digits
    if not value.is_finite():
        raise ValueError(f"JSON has no form for {value}; give a finite amount.")
    return format(value, "f")


# by exact type first: hundreds of amounts are written per answer
_WRITERS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    Decimal: _digits,
    int: str,
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): {None: "null"}.__getitem__,
}


def _decimal(digits: str) -> Decimal:
    value = Decimal(digits) if len(digits) <= MOST_DIGITS and len(digits.lower().partition("e")[2]) <= 5 else Decimal("Infinity")
    if abs(value.adjusted() if value.is_finite() else MOST_DIGITS) >= MOST_DIGITS:
        raise ValueError(f"has a number of more than {MOST_DIGITS} digits.")
    return value


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"has a number of more than {MOST_DIGITS} digits.")
    return int(digits)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"is no JSON: {name} is no number.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("has an object with the same name twice.")
    return value


def _check_text(value: Any) -> None:
    parts: Iterable[Any] = ()
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)):
            raise ValueError("has text with a NUL or half of a surrogate pair.")
    elif isinstance(value, dict):
        parts = (*value, *value.values())
    elif isinstance(value, list):
        parts = value
    for part in parts:
        _check_text(part)
