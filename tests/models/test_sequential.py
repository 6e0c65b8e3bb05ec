"""Always-valid intervals by formula and by peeking; group-sequential bounds against published and independent ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.sequential import (
    always_valid,
    group_sequential,
    group_sequential_bounds,
    group_sequential_p,
    group_sequential_power,
    tuning,
)
from tests.models.invented import QUICK

DAILY = np.arange(1, 29) / 28
SCHEDULES = st.lists(st.integers(1, 1000), min_size=1, max_size=6, unique=True).map(
    lambda shares: [n / 1000 for n in sorted(shares)]
)


def peeked(n_runs: int, seed: int, drift: float = 0.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """z at 28 daily looks of `n_runs` experiments; its mean at the end is `drift`."""
    steps = np.random.default_rng(seed).normal(drift / 28, np.sqrt(1 / 28), (n_runs, 28))
    return steps.cumsum(axis=1) / np.sqrt(DAILY)


def test_always_valid_by_the_formula() -> None:
    """5 % of 10,000 against 6 % of 10,000, term by term as it is published."""
    n, alpha, n_star = 20_000, 0.05, 5_000
    difference, error = 0.01, np.sqrt((0.05 * 0.95 + 0.06 * 0.94) / 10_000)
    square = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / n_star
    half = error * np.sqrt(n) * np.sqrt(2 * (n * square + 1) / (n**2 * square) * np.log(np.sqrt(n * square + 1) / alpha))
    p = np.sqrt(n * square + 1) * np.exp(-square * n * (difference / error) ** 2 / (2 * (n * square + 1)))
    found = always_valid(difference, error, n)
    assert found == pytest.approx((difference - half, difference + half, min(1, p)), rel=1e-12)


def test_tightest_near_n_star() -> None:
    """In standard errors, no other number of units has a narrower interval by more than a thousandth than N*."""
    n = np.geomspace(10, 1e7, 400)
    half = always_valid(0.0, 1.0, n, 0.05, 5_000)[1]
    assert always_valid(0.0, 1.0, 5_000, 0.05, 5_000)[1] <= half.min() * 1.001
    assert tuning(0.05, 5_000) == pytest.approx(tuning(0.05, 1) / 5_000)


@QUICK
@given(z=st.floats(-60, 60), n=st.integers(1, 10**9), alpha=st.floats(1e-6, 0.5), n_star=st.integers(10, 10**7))
def test_always_valid_interval_and_p_agree(z: float, n: int, alpha: float, n_star: int) -> None:
    """p is 0..1 and below alpha where the interval excludes 0; opposite effects have opposite intervals and one p."""
    low, high, p = always_valid(3 * z, 3.0, n, alpha, n_star)
    assert 0 <= p <= 1
    if abs(p / alpha - 1) > 1e-9:
        assert (low > 0 or high < 0) == (p < alpha)
    assert always_valid(-3 * z, 3.0, n, alpha, n_star) == (-high, -low, p)


def test_no_error_no_interval() -> None:
    """Without a standard error above 0, or without units, all three are NaN; so is a group-sequential interval."""
    found = always_valid([1.0, 1.0, 1.0], [0.0, np.nan, 1.0], [10, 10, 0])
    assert np.isnan(found).all()
    assert np.isnan(group_sequential([1.0, 1.0], [0.0, np.nan], 2.0)).all()


def test_peeking_daily() -> None:
    """Of 4,000 null experiments read on 28 days, at most 2.5 % are ever called by the confidence sequence, 4 to 6 % by the
    group-sequential bounds, and 25 to 30 % by a z test read daily."""
    z = peeked(4_000, seed=11)
    n = DAILY * 28_000
    assert (always_valid(z, 1.0, n)[2] < 0.05).any(axis=1).mean() <= 0.025
    assert 0.04 <= (np.abs(z) >= group_sequential_bounds(DAILY, 0.05)).any(axis=1).mean() <= 0.06
    assert 0.25 <= (np.abs(z) >= stats.norm.isf(0.025)).any(axis=1).mean() <= 0.30


def test_bounds_of_rpact() -> None:
    """Critical values that rpact 3 states for Kim & DeMets spending with exponent 2.8, one-sided .025, at .2, .4, .8 and 1."""
    published = [3.4542176, 2.9219298, 2.2448554, 2.0471908]
    assert group_sequential_bounds([0.2, 0.4, 0.8, 1.0], 0.05, 2.8) == pytest.approx(published, abs=2e-5)


@pytest.mark.parametrize("looks", [[1.0], [0.5, 1.0], [0.1, 0.3, 1.0], [0.25, 0.5, 0.75, 1.0], [0.3, 0.32, 0.9]])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_bounds_spend_what_was_planned(looks: list[float], alpha: float) -> None:
    """The probability to be within all bounds so far, by the multivariate normal distribution, is 1 - alpha t^2."""
    bounds = group_sequential_bounds(looks, alpha)
    for k, share in enumerate(looks, start=1):
        correlation = np.array([[np.sqrt(min(one, other) / max(one, other)) for one in looks[:k]] for other in looks[:k]])
        walk = stats.multivariate_normal(np.zeros(k), correlation, abseps=1e-7, releps=1e-7, maxpts=500_000, seed=1)
        assert 1 - walk.cdf(bounds[:k], lower_limit=-bounds[:k]) == pytest.approx(alpha * share**2, abs=1e-5)


@QUICK
@given(looks=SCHEDULES, alpha=st.sampled_from([1e-6, 0.01, 0.05, 0.3]))
def test_laws_of_bounds(looks: list[float], alpha: float) -> None:
    """Earlier bounds do not depend on later looks; each is above its one look's and below that of its own increment alone."""
    bounds = group_sequential_bounds(looks, alpha)
    assert group_sequential_bounds(looks[:-1] or looks, alpha) == pytest.approx(bounds[: max(len(looks) - 1, 1)], abs=1e-8)
    shares = np.array(looks)
    spent = np.diff(alpha * shares**2, prepend=0.0)
    assert np.all(bounds >= stats.norm.isf(alpha * shares**2 / 2) - 1e-9)
    assert np.all(bounds <= stats.norm.isf(spent / 2) + 1e-9)


def test_looks_that_are_one() -> None:
    """A look with the units of the one before has its bound; hourly looks and far ones are found too."""
    once, twice = group_sequential_bounds([0.5, 1.0], 0.05), group_sequential_bounds([0.5, 0.5, 1.0, 1.0], 0.05)
    assert twice.tolist() == [once[0], once[0], once[1], once[1]]
    near = group_sequential_bounds([1e-4, 0.5, 0.501, 1.0], 0.05)
    assert np.isfinite(near).all()
    assert near[-1] == pytest.approx(once[-1], abs=0.01)


@pytest.mark.parametrize("looks", [[], [0.5, 0.4], [0.0, 1.0], [0.5, 1.2], [float("nan")]])
def test_what_is_no_schedule(looks: list[float]) -> None:
    """Looks that do not rise within (0, 1] are refused, and so is an alpha outside (0, 1)."""
    with pytest.raises(ValueError, match="rising shares"):
        group_sequential_bounds(looks, 0.05)
    with pytest.raises(ValueError, match="alpha is 0"):
        group_sequential_bounds([1.0], 0)


def test_group_sequential_interval() -> None:
    """A bound of 2.5 and an error of 2: 5 on either side of 7; with 10 degrees of freedom as wide as t of the same tail."""
    assert group_sequential(7.0, 2.0, 2.5) == (2.0, 12.0)
    low, high = group_sequential(7.0, 2.0, [2.5], df=[10.0])
    critical = stats.t.isf(stats.norm.sf(2.5), 10)
    assert (low[0], high[0]) == pytest.approx((7 - 2 * critical, 7 + 2 * critical), rel=1e-12)


@pytest.mark.parametrize("looks", [[1.0], [0.2, 0.9], DAILY.tolist()])
def test_repeated_p(looks: list[float]) -> None:
    """p at a bound is its alpha, falls as |z| grows, down to 1e-300 and up to 1, and is NaN for NaN."""
    for alpha in (0.6, 0.2, 0.05, 0.01, 1e-4, 1e-9):
        bound = group_sequential_bounds(looks, alpha)[-1]
        assert group_sequential_p([bound, -bound], looks) == pytest.approx([alpha] * 2, rel=1e-5)
    p = group_sequential_p(np.linspace(0, 37, 800), looks)
    assert p[0] == 1.0
    assert np.all(np.diff(p) < 0) and p[-1] > 0
    assert np.isnan(group_sequential_p(np.nan, looks))
    if len(looks) == 1:
        assert group_sequential_p(21.0, looks) == pytest.approx(6.558556e-98, rel=1e-5)
        assert group_sequential_p([0.1, 1.0, 3.0], looks)[1:] == pytest.approx(2 * stats.norm.sf([1.0, 3.0]), rel=1e-5)


def test_power_against_simulation() -> None:
    """With an effect of 3 standard errors at the end, 4,000 simulated experiments cross as often as is computed, within 2.5
    points; without an effect, alpha; at one look, as a z test."""
    simulated = (np.abs(peeked(4_000, 12, drift=3.0)) >= group_sequential_bounds(DAILY, 0.05)).any(axis=1).mean()
    powers = group_sequential_power(DAILY, 0.05, [0.0, 3.0, 40.0])
    assert powers == pytest.approx([0.05, simulated, 1.0], abs=0.025)
    assert powers[0] == pytest.approx(0.05, abs=1e-9)
    one = stats.norm.sf(stats.norm.isf(0.025) - 3) + stats.norm.cdf(-stats.norm.isf(0.025) - 3)
    assert group_sequential_power([1.0], 0.05, 3.0) == pytest.approx(one, rel=1e-9)
