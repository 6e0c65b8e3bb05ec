"""Amounts in whole minor units: decimals of each currency, halves, shares of nothing."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import money
from tests.models.invented import QUICK


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("EUR", 2), ("USD", 2), ("JPY", 0), ("krw", 0), ("KWD", 3), ("TND", 3), ("CLF", 4), ("", 2)],
)
def test_decimals_of_a_currency(currency: str, decimals: int) -> None:
    """ISO 4217 says how many decimals an amount has, in any case of letters; two where it says nothing."""
    assert money.minor_units(currency) == decimals


@pytest.mark.parametrize(
    ("amount", "decimals", "whole"),
    [("24.99", 2, 2499), ("0.005", 2, 1), ("0.0049", 2, 0), ("99.5", 0, 100), ("100.5", 0, 101), ("1.2345", 3, 1235), ("0", 2, 0)],
)
def test_a_half_is_rounded_up(amount: str, decimals: int, whole: int) -> None:
    """Half up, never to even: half a cent is a cent, and 100.5 yen are 101."""
    assert money.in_minor_units(Decimal(amount), decimals) == whole


@QUICK
@given(st.integers(0, 10**24), st.integers(1, 10**9))
def test_division_is_exact(numerator: int, denominator: int) -> None:
    """Rounded to the nearest, the result is at most a half away; rounded up, it is the least that is not below."""
    exact = Fraction(numerator, denominator)
    assert -Fraction(1, 2) <= exact - money.divided(numerator, denominator) < Fraction(1, 2)
    assert 0 <= money.rounded_up(numerator, denominator) - exact < 1


def test_a_share_of_nothing_is_nothing() -> None:
    """A percentage has two decimals; of nothing it is 0."""
    assert [money.percent(500, 4998), money.percent(1, 3), money.percent(0, 0)] == [Decimal("10.00"), Decimal("33.33"), 0]


@pytest.mark.parametrize("value", ["0.00001", "-1", "1e-400"])
def test_what_cannot_be_charged_exactly_is_refused(value: str) -> None:
    """More decimals than asked for, or less than nothing, is an error that names the value."""
    with pytest.raises(ValueError, match=r"at most 4 decimals"):
        money.scaled(Decimal(value), 4)


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-0.01", "1e13", "1e400"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    """An amount is finite, not negative, and at most LARGEST_PRICE."""
    with pytest.raises(ValueError, match=r"The price .* is no amount"):
        money.require_amount("price", Decimal(amount))
