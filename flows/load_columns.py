"""How one column of a file becomes values of the database: a table of kinds, each a pure function over a Polars series.

A parsed series is null where nothing was given and where the value cannot be; the mask tells the two apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

import polars as pl

MAX_ID_CHARACTERS = 200
MAX_QUANTITY = 10**9
MAX_INTEGER = 2**31 - 1
MAX_PRICE_CENTS = 10**10 - 1  # numeric(10,2)
MAX_TOTAL_CENTS = 10**12 - 1  # numeric(12,2)
FIRST_INSTANT, LAST_INSTANT = datetime(1900, 1, 1), datetime(2200, 1, 1)

Parse = Callable[[pl.Series], pl.Series]
Accepts = Callable[[pl.DataType], bool]


@dataclass(frozen=True)
class Kind:
    """One kind of column: the types that it takes, its parse function, its type then, what is wrong with other values."""

    expected: str
    accepts: Accepts
    parse: Parse
    dtype: pl.DataType
    complaint: str


def parsed(kind: Kind, raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The values of `raw` (null where there is none), and a mask of those that were given but cannot be."""
    if raw.dtype == pl.Null:
        return pl.Series(raw.name, [None] * len(raw), dtype=kind.dtype), pl.Series([False] * len(raw), dtype=pl.Boolean)
    if raw.dtype in (pl.Categorical, pl.Enum):
        raw = raw.cast(pl.String)
    if raw.dtype == pl.String:
        # a CSV cannot tell an empty text from a missing one, so neither does a Parquet file
        raw = raw.str.strip_chars()
        raw = _where(raw != "", raw)
    if raw.dtype.is_float() and kind.dtype == pl.String:
        raw = raw.fill_nan(None)
    values = kind.parse(raw).rename(raw.name)
    return values, values.is_null() & raw.is_not_null()


def by_value(raw: pl.Series, function: Callable[[Any], Any], dtype: pl.DataType) -> pl.Series:
    """Apply a function of one Python value once per distinct value, not once per row."""
    known = raw.drop_nulls().unique()
    # the shortest text of a 32-bit float, not the digits of its 64-bit neighbour
    given = known.cast(pl.String) if known.dtype == pl.Float32 else known
    values = pl.Series([function(value) for value in given.to_list()], dtype=dtype)
    return raw.replace_strict(known, values, default=None, return_dtype=dtype)


def exact(value: Any) -> Decimal | None:
    """The decimal number that a value shows: a float counts as its shortest text. None for what is no finite number."""
    text = repr(value) if isinstance(value, float) else str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if "_" in text:
        return None
    return number if number.is_finite() else None


def cents(value: Any) -> int | None:
    """Whole cents, rounded half-up; None for what is no number or lies far beyond any amount."""
    number = exact(value)
    if number is None or abs(number) > MAX_TOTAL_CENTS:
        return None
    return int((number * 100).quantize(Decimal(1), ROUND_HALF_UP))


def _where(mask: pl.Series, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(mask).then(values)).to_series()


def _id(raw: pl.Series) -> pl.Series:
    if raw.dtype.is_float():
        # a column of whole numbers becomes a float column where some are missing
        whole = raw.is_finite() & (raw == raw.floor()) & (raw.abs() < 2**53)
        text = _where(whole, raw).cast(pl.Int64).cast(pl.String)
    else:
        text = raw.cast(pl.String)
    return _where((text.str.len_chars() <= MAX_ID_CHARACTERS) & ~text.str.contains("\0", literal=True), text)


def _text(raw: pl.Series) -> pl.Series:
    text = raw.cast(pl.String)
    return _where(~text.str.contains("\0", literal=True), text)


def _instant(raw: pl.Series) -> pl.Series:
    if raw.dtype == pl.String:
        at = raw.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
        if at.null_count() > raw.null_count():
            at = by_value(raw, _iso_instant, pl.Datetime("us"))
    elif isinstance(raw.dtype, pl.Datetime) and raw.dtype.time_zone:
        at = raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    else:
        at = raw.cast(pl.Datetime("us")) if raw.dtype == pl.Date else raw
    at = at.cast(pl.Datetime("ms"))
    return _where((at >= FIRST_INSTANT) & (at < LAST_INSTANT), at)


def _iso_instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    except (ValueError, OverflowError):
        return None


def _whole(low: int, high: int, dtype: pl.DataType) -> Parse:
    def whole(value: Any) -> int | None:
        number = exact(value)
        return int(number) if number is not None and low <= number <= high and number == int(number) else None

    def parse(raw: pl.Series) -> pl.Series:
        if raw.dtype.is_integer():
            return _where(raw.is_between(low, high), raw).cast(dtype)
        return by_value(raw, whole, dtype)

    return parse


def _money(high: int, *, positive: bool) -> Parse:
    def amount(value: Any) -> int | None:
        number = exact(value)
        found = cents(value)
        if number is None or found is None or number < 0 or (positive and number == 0):
            return None
        return found if found <= high else None

    return lambda raw: by_value(raw, amount, pl.Int64())


def _flag(raw: pl.Series) -> pl.Series:
    if raw.dtype == pl.Boolean:
        return raw
    words = {"true": True, "t": True, "yes": True, "1": True, "false": False, "f": False, "no": False, "0": False}
    return by_value(raw, lambda value: words.get(str(value).lower()), pl.Boolean())


def _json(raw: pl.Series) -> pl.Series:
    return by_value(raw, _strict_json, pl.String())


def _strict_json(text: str) -> str | None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        strict = json.dumps(json.loads(text, parse_constant=refuse), sort_keys=True, ensure_ascii=False, allow_nan=False)
        strict.encode()
    except (ValueError, RecursionError):
        return None
    return None if "\\u0000" in strict else strict


def choice(*values: str) -> Kind:
    """The kind of a column that holds one of `values`, exactly."""
    one_of = f"one of {', '.join(values)}"
    allowed = dict.fromkeys(values, True)
    return Kind(
        one_of, _scalar, lambda raw: by_value(raw, lambda value: value if value in allowed else None, pl.String()),
        pl.String(), f"not {one_of}",
    )  # fmt: skip


def choices(*values: str) -> Kind:
    """The kind of a column that holds a list of `values`, separated by commas; parsed as a Postgres array's text."""

    def array(text: str) -> str | None:
        parts = [part.strip() for part in text.split(",")]
        return "{" + ",".join(parts) + "}" if set(parts) <= set(values) else None

    return Kind("text", _is_text, lambda raw: by_value(raw, array, pl.String()), pl.String(), f"not of {', '.join(values)}")


def _scalar(dtype: pl.DataType) -> bool:
    return not dtype.is_nested() and dtype not in (pl.Binary, pl.Object)


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or _is_text(dtype)


def _is_text(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Categorical, pl.Enum)


def _is_flag(dtype: pl.DataType) -> bool:
    return dtype == pl.Boolean or dtype.is_integer() or _is_text(dtype)


def _is_instant(dtype: pl.DataType) -> bool:
    return dtype in (pl.Datetime, pl.Date) or _is_text(dtype)


def _number(expected: str, parse: Parse, dtype: pl.DataType, complaint: str) -> Kind:
    return Kind(expected, _is_number, parse, dtype, complaint)


ID = Kind(
    "text or whole numbers", _scalar, _id, pl.String(), f"longer than {MAX_ID_CHARACTERS} characters, a fraction or with a NUL"
)
TEXT = Kind("text", _scalar, _text, pl.String(), "a text with a NUL")
INSTANT = Kind("timestamps, dates or ISO 8601 text", _is_instant, _instant, pl.Datetime("ms"), "not an instant from 1900 to 2199")
QUANTITY = _number(
    "whole numbers", _whole(-MAX_QUANTITY, MAX_QUANTITY, pl.Int64()), pl.Int64(), "not a whole number up to 1,000,000,000"
)
COUNT = _number("whole numbers", _whole(1, MAX_QUANTITY, pl.Int64()), pl.Int64(), "not a whole number from 1 to 1,000,000,000")
INTEGER = _number("whole numbers", _whole(0, MAX_INTEGER, pl.Int64()), pl.Int64(), "not a whole number from 0 to 2,147,483,647")
PRICE = _number("numbers", _money(MAX_PRICE_CENTS, positive=True), pl.Int64(), "not above 0 and up to 99,999,999.99")
AMOUNT = _number("numbers", _money(MAX_PRICE_CENTS, positive=False), pl.Int64(), "not from 0 to 99,999,999.99")
REVENUE = _number("numbers", _money(MAX_TOTAL_CENTS, positive=False), pl.Int64(), "not from 0 to 9,999,999,999.99")
FLAG = Kind("true or false", _is_flag, _flag, pl.Boolean(), "neither true nor false")
JSON = Kind("JSON text", _is_text, _json, pl.String(), "not JSON")
