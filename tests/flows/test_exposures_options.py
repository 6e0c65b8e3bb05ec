"""The words of `upsell analyze --exposures`: lists, pairs, shares, caps."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flows.errors import SettingsError
from flows.exposures_options import AMOUNT, QUANTILE, caps, margins, named_numbers, number, rising_shares, words


def test_lists_are_comma_separated_or_repeated() -> None:
    """Commas part words but for those inside parentheses; empty words and spaces go; the order stays."""
    assert words(["b, a", "p90(x,y),c", ""]) == ["b", "a", "p90(x,y)", "c"] and words(None) == []


def test_numbers_and_shares() -> None:
    """A % is a hundredth; a pair's last = parts its name from its value; shares of looks rise."""
    assert number("12.5%", "--x") == 0.125 and number("1e3", "--x") == 1000
    assert named_numbers(["control=0.5,b=50%"], "--weights") == {"control": 0.5, "b": 0.5}
    assert margins(["refund_rate:0.1", "a:b:2%"]) == {"refund_rate": 0.1, "a:b": 0.02}
    assert rising_shares(["0.25,0.5", "100%"]) == [0.25, 0.5, 1.0]


def test_caps() -> None:
    """p99.9 and 99.9% are quantiles, a number is an amount, none is no cap; a name keeps it to one metric."""
    assert caps(["p99.9"]) == {"": (QUANTILE, pytest.approx(0.999))}
    assert caps(["99%", "revenue=500"]) == {"": (QUANTILE, 0.99), "revenue": (AMOUNT, 500.0)}
    assert caps(["none"]) == {} and caps(None) == {}


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda text: named_numbers([text], "--weights"), "control"),
        (lambda text: named_numbers([text], "--weights"), "a=1,a=2"),
        (lambda text: named_numbers([text], "--weights"), "a=-1"),
        (lambda text: named_numbers([text], "--weights"), "a=nan"),
        (lambda text: margins([text]), "refund_rate"),
        (lambda text: margins([text]), "refund_rate:much"),
        (lambda text: caps([text]), "101%"),
        (lambda text: caps([text]), "high"),
        (lambda text: caps([text]), "a=1,a=2"),
        (lambda text: rising_shares([text]), "0.5,0.5"),
        (lambda text: rising_shares([text]), "0,1"),
        (lambda text: rising_shares([text]), "0.5,1.1"),
    ],
)
def test_what_cannot_be_is_named(read: Any, text: str) -> None:
    """A word that is no pair, no share or no number is refused and shown."""
    with pytest.raises(SettingsError, match=re.split("[,=:]", text)[-1]):
        read(text)
