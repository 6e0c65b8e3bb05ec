"""Reorder predictions: quantiles, with what is known of the window and of the days that have passed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reorder_prediction import CLASSES, class_of, probability_within, quantile, ranges, reached, within
from tests.models.invented import QUICK

ONE = np.ones(1)


def test_worked_median() -> None:
    """The median of a log-normal gap is exp(mean); once 100 days have passed it is more than that."""
    mean = np.log(30) * ONE
    assert quantile(mean, 0.5 * ONE, 0.5)[0] == pytest.approx(30)
    assert quantile(mean, 0.5 * ONE, 0.5, 100.0 * ONE)[0] > 100


def test_conditional_quantile_agrees_with_draws() -> None:
    """Given that 40 days have passed, the median is that of the drawn gaps that are longer."""
    gaps = np.exp(np.random.default_rng(1).normal(np.log(30), 0.6, 400_000))
    expected = np.median(gaps[gaps > 40])
    assert quantile(np.log(30) * ONE, 0.6 * ONE, 0.5, 40.0 * ONE)[0] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("is_last", [False, True])
def test_within_agrees_with_draws(is_last: bool) -> None:
    """Of renewals drawn one after another, those that the window admits have the quantiles that are said."""
    rng = np.random.default_rng(2)
    first, second = np.exp(rng.normal(3.5, 0.7, (2, 400_000)))
    admitted = first < 60
    if is_last:
        admitted &= first + second > 60
    levels = np.array([0.1, 0.5, 0.9])
    told = within(3.5 * ONE, 0.7 * ONE, 60 * ONE, levels, is_last)[0]
    assert told == pytest.approx(np.quantile(first[admitted], levels), rel=0.03)


def test_reached_is_uniform_where_the_model_is_right() -> None:
    """What is drawn from the model lies below its own quantiles as often as they say."""
    rng = np.random.default_rng(3)
    gaps = np.exp(rng.normal(3.5, 0.7, 20_000))
    gaps = gaps[gaps < 60]
    n = len(gaps)
    told = reached(np.full(n, 3.5), np.full(n, 0.7), np.full(n, 60.0), gaps)
    assert np.quantile(told, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.02)


def test_ranges_cover_what_they_say() -> None:
    """A class with residuals enough has its own quantiles, one with few those of all; without any, the normal ones."""
    rng = np.random.default_rng(4)
    n_gaps = np.repeat([1, 2], [1000, 10])
    residuals = np.where(n_gaps == 1, rng.normal(0, 2, 1010), 50.0)
    told = ranges(residuals, n_gaps)
    inside = (residuals >= told[1, 0]) & (residuals <= told[1, 1])
    assert inside[n_gaps == 1].mean() == pytest.approx(0.8, abs=0.01)
    assert told[2] == pytest.approx(np.quantile(residuals, [0.1, 0.9]))
    assert ranges(np.empty(0), np.empty(0))[0] == pytest.approx([-1.2816, 1.2816], abs=1e-4)


def test_classes() -> None:
    """Each number of gaps belongs to the largest class that it reaches."""
    assert [CLASSES[number] for number in class_of(np.array([0, 1, 2, 3, 4, 5, 99]))] == [0, 1, 2, 3, 3, 5, 5]


def test_worked_probability_within() -> None:
    """With sd ln 2, two of three gaps lie within a factor of 2."""
    assert probability_within(2.0, np.log(2) * ONE)[0] == pytest.approx(0.6827, abs=1e-4)


def test_far_from_the_model() -> None:
    """A gap that the model takes for much shorter than the window lies at its begin, a much longer one at its end."""
    told = within(np.array([0.0, 12.0]), np.full(2, 0.05), np.full(2, 400.0), np.array([0.5]))[:, 0]
    assert told[0] < 5
    assert told[1] > 395


@given(st.floats(0, 6), st.floats(0.05, 3), st.floats(1, 400), st.floats(0, 1000), st.booleans())
@QUICK
def test_quantiles_rise_and_keep_their_bounds(mean: float, sd: float, left: float, waited: float, is_last: bool) -> None:
    """A higher level is a longer gap, within (0, days left], and never shorter than what has passed; far from the model too."""
    levels = np.array([0.1, 0.5, 0.9])
    told = within(mean * ONE, sd * ONE, left * ONE, levels, is_last)[0]
    assert (np.diff(told) >= 0).all()
    assert told[0] > 0
    assert told[-1] <= left
    longer = np.array([quantile(mean * ONE, sd * ONE, level, waited * ONE)[0] for level in levels])
    assert np.isfinite(longer).all()
    assert (np.diff(longer) >= 0).all()
    assert (longer >= waited).all()
