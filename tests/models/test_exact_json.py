"""JSON with exact numbers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import exact_json
from tests.models.invented import QUICK

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | st.decimals(allow_nan=False, allow_infinity=False, places=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@QUICK
@given(value=VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    """Every value comes back, numbers with all of their digits; a standard parser reads the same document."""
    written = exact_json.write(value)
    assert exact_json.read(written) == value
    assert exact_json.write(exact_json.read(written)) == written
    assert json.loads(written, parse_float=Decimal) == value


def test_amounts_keep_their_decimals() -> None:
    """20.00 is written 20.00, a large or small number without an exponent."""
    row = {"a": Decimal("20.00"), "b": [Decimal("1E+3"), Decimal("1E-7"), True, None, 0.5], "ç": "é\n"}
    assert exact_json.write(row) == '{"a":20.00,"b":[1000,0.0000001,true,null,0.5],"ç":"é\\n"}'.encode()
    assert exact_json.read(b"0.10").as_tuple().exponent == -2


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"{}{}", b"\xff", b"\xef\xbb\xbf{}", b"NaN", b"-Infinity", b'{"a":1,"a":1}', b'[{"b":{"a":1,"a":1}}]',
     b"[" * 60_000, b'"\\u0000"', b'{"\\ud800":1}', b'"\\udfff"', b"1" * 1_001, b"0." + b"1" * 1_001, b"1e1000",
     b"1e-1001", b"1e999999999999",
     "{}".encode("utf-16"), b"{'a':1}", b"[1,]", b"01", b"\x00"],
)  # fmt: skip
def test_what_is_refused(document: bytes) -> None:
    """Anything ambiguous or out of bounds is a ValueError of one sentence."""
    with pytest.raises(ValueError, match=r"^(is|has) .*\.$"):
        exact_json.read(document)


def test_the_bounds_themselves() -> None:
    """A thousand digits, a far exponent and a whole surrogate pair are read."""
    assert exact_json.read(b"1" * 1_000) == int("1" * 1_000)
    assert exact_json.read(b"1e400") == Decimal("1e400")
    assert exact_json.read(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("value", [float("nan"), Decimal("NaN"), Decimal("Infinity"), {1, 2}, b"x"])
def test_what_cannot_be_written(value: Any) -> None:
    """What JSON has no form for is an error, never a document that nobody can read."""
    with pytest.raises((TypeError, ValueError)):
        exact_json.write(value)
