"""Conversion lift by hand, its laws, and when there is none."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.conversion_lift import LIFT, conversion_lift
from tests.models.invented import QUICK

ARMS = ("n_with", "bought_with", "n_without", "bought_without")


def lift(*arms: int) -> tuple[float | None, ...]:
    """Lift, low and high of four counts."""
    table = pl.DataFrame([arms], schema=ARMS, orient="row").with_columns(*conversion_lift(*(pl.col(arm) for arm in ARMS)))
    return table.select(LIFT).row(0)


def test_by_hand() -> None:
    """20 of 40 against 10 of 60: 30 % of all, so (20 + 6) / 60 over (10 + 6) / 80 is 2.1667, a lift of 1.1667."""
    value, low, high = lift(40, 20, 60, 10)
    error = math.sqrt((1 - 26 / 60) / 26 + (1 - 0.2) / 16)
    assert value == pytest.approx(26 / 60 / 0.2 - 1, abs=1e-6)
    assert low == pytest.approx(26 / 60 / 0.2 * math.exp(-1.959964 * error) - 1, abs=1e-6)
    assert high == pytest.approx(26 / 60 / 0.2 * math.exp(1.959964 * error) - 1, abs=1e-6)


@pytest.mark.parametrize("arms", [(29, 20, 60, 10), (40, 20, 29, 10), (40, 5, 60, 4), (0, 0, 0, 0)])
def test_too_little_to_say(arms: tuple[int, ...]) -> None:
    """Below 30 visits on either side, or 10 purchases in all, there is no figure: null, never a constant."""
    assert lift(*arms) == (None, None, None)


@QUICK
@given(n=st.integers(30, 5000), m=st.integers(30, 5000), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_laws(n: int, m: int, shares: tuple[float, float]) -> None:
    """The lift lies in its interval, between none and the raw one, and is never below -1; equal rates have none."""
    bought = round(n * shares[0]), round(m * shares[1])
    value, low, high = lift(n, bought[0], m, bought[1])
    if sum(bought) < 10:
        assert value is None
        return
    assert value is not None and low is not None and high is not None
    assert -1 <= low <= value <= high
    if bought[1]:
        raw = bought[0] / n / (bought[1] / m) - 1
        assert min(raw, 0) - 1e-6 <= value <= max(raw, 0) + 1e-6
    if bought[0] * m == bought[1] * n:
        assert value == pytest.approx(0, abs=1e-6)
