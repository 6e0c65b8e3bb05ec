"""Values of files: what each kind of column makes of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import load_columns
from flows.load_columns import FLAG, ID, INSTANT, JSON, PRICE, QUANTITY, Kind, cents, parsed


def values(kind: Kind, given_values: list[Any], dtype: Any = None) -> list[Any]:
    """Parsed values, with "bad" where one was given but cannot be."""
    found, bad = parsed(kind, pl.Series("x", given_values, dtype=dtype, strict=False))
    return ["bad" if wrong else value for value, wrong in zip(found.to_list(), bad.to_list(), strict=True)]


def test_ids_of_any_scalar_type() -> None:
    """Whole numbers become their decimal text, also in a float column; white space goes, inner characters stay."""
    assert values(ID, [17, None]) == ["17", None]
    assert values(ID, [17850.0, float("nan"), None, 1.5]) == ["17850", None, None, "bad"]
    assert values(ID, ["  a b ", "", " ", "00Ü7"]) == ["a b", None, None, "00Ü7"]
    assert values(ID, ["x" * 200, "x" * 201, "a\0b"]) == ["x" * 200, "bad", "bad"]
    assert values(ID, ["p", "q"], pl.Categorical) == ["p", "q"]


def test_instants_are_utc() -> None:
    """Naive is UTC, a zone is converted, a date is its midnight; what is no instant, or no likely one, is bad."""
    noon = datetime(2024, 7, 1, 12)
    assert values(INSTANT, ["2024-07-01T12:00:00", "2024-07-01T14:00:00+02:00", "2024-07-01T12:00:00Z"]) == [noon] * 3
    assert values(INSTANT, ["2024-07-01 12:00", "2024-07-01", "20240701T120000"]) == [noon, datetime(2024, 7, 1), noon]
    assert values(INSTANT, ["2024-02-30", "yesterday", "0001-01-01", "9999-12-31T23:59:59-23:00", None]) == ["bad"] * 4 + [None]
    assert values(INSTANT, [date(2024, 7, 1)]) == [datetime(2024, 7, 1)]
    assert values(INSTANT, [datetime(1899, 12, 31), datetime(2200, 1, 1)]) == ["bad", "bad"]
    zoned = pl.Series([datetime(2024, 7, 1, 14, tzinfo=timezone(timedelta(hours=2)))]).dt.convert_time_zone("Europe/Berlin")
    assert parsed(INSTANT, zoned)[0].to_list() == [noon]


def test_quantities_are_whole() -> None:
    """Fractions, texts that are no numbers and numbers beyond a thousand million are bad; 2.0 is 2."""
    assert values(QUANTITY, [2, -3, None, 10**9, 10**9 + 1]) == [2, -3, None, 10**9, "bad"]
    assert values(QUANTITY, [2.0, 2.5, float("nan"), float("inf")]) == [2, "bad", "bad", "bad"]
    assert values(QUANTITY, ["7", "7.0", "7,5", "1_0", "many"]) == [7, 7, "bad", "bad", "bad"]


def test_prices_are_exact() -> None:
    """A float counts as the digits that it shows, rounded half-up: 2.675 is 2.68, although it lies below in binary."""
    assert values(PRICE, [2.675, 1.005, 0.1, 1e-3]) == [268, 101, 10, 0]
    assert values(PRICE, [2.675], pl.Float32) == [268]
    assert values(PRICE, ["2.675", "2.5", "1e2"]) == [268, 250, 10_000]
    assert values(PRICE, [Decimal("99999999.99"), Decimal("100000000.00")]) == [9_999_999_999, "bad"]
    assert values(PRICE, [0.0, -1.0, float("nan"), float("inf"), None]) == ["bad"] * 4 + [None]


def test_flags_and_json() -> None:
    """The usual words for yes and no; JSON that Postgres would refuse is bad here already."""
    assert values(FLAG, ["true", "No", "1", "maybe"]) == [True, False, True, "bad"]
    assert values(JSON, ['{"b": 1, "a": "é"}', '{"a": NaN}', '"\\u0000"', '"\\ud800"', "{"]) == ['{"a": "é", "b": 1}'] + ["bad"] * 4


@given(st.integers(0, 10**10 - 1))
def test_every_amount_survives_a_float(amount: int) -> None:
    """Whole cents written as a float, a text or a decimal come back as the same cents."""
    assert cents(amount / 100) == cents(str(amount / 100)) == cents(Decimal(amount) / 100) == amount


@given(st.decimals(0, 1_000, places=4))
def test_rounding_is_half_up(amount: Decimal) -> None:
    """Rounding agrees with the decimal module's half-up on any four places."""
    assert cents(amount) == int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize("name", ["QUANTITY", "PRICE", "INSTANT", "FLAG"])
def test_impossible_types_are_refused(name: str) -> None:
    """No kind takes nested or binary columns; none but flags and texts takes true and false as its value."""
    kind: Kind = getattr(load_columns, name)
    assert not kind.accepts(pl.List(pl.Int64)) and not kind.accepts(pl.Binary())
    assert kind.accepts(pl.Boolean()) == (name == "FLAG")
