"""Counts of arms against what was planned: by hand, against scipy, and read at every look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.sample_ratio import always_valid, chi_square, over_looks
from tests.models.invented import QUICK

COUNTS = st.lists(st.tuples(st.integers(0, 100_000), st.sampled_from([0.0, 1.0, 2.0, 99.0])), min_size=2, max_size=14)


def test_a_paused_arm_is_no_degree_of_freedom() -> None:
    """10 against 30 where halves were planned: (100 + 100) / 20 = 10 with one degree of freedom, paused arms or none beside."""
    statistic, df, p = chi_square([[10, 30, 0], [10, 30, 25]], [[1, 1, 0], [50, 50, 0]])
    assert statistic.tolist() == [10.0, 10.0]
    assert df.tolist() == [1.0, 1.0]
    assert p == pytest.approx(stats.chi2.sf(10, 1), rel=1e-12)


@QUICK
@given(arms=COUNTS)
def test_agrees_with_scipy(arms: list[tuple[int, float]]) -> None:
    """Statistic and p are those of scipy.stats.chisquare over the arms that have a weight, to 1e-9; NaN where there is no test."""
    counts, weights = map(np.array, zip(*arms, strict=True))
    statistic, df, p = chi_square(counts, weights)
    live = weights > 0
    if live.sum() < 2 or counts[live].sum() == 0:
        assert np.isnan(statistic) and np.isnan(p) and np.isnan(always_valid(counts, weights))
        return
    expected = weights[live] / weights[live].sum() * counts[live].sum()
    theirs = stats.chisquare(counts[live], expected)
    assert df == live.sum() - 1
    assert statistic == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-9)
    assert p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)


def test_many_experiments_at_once() -> None:
    """Experiments of 2, 3 and 14 arms in one padded table each get their own degrees of freedom and what they get alone."""
    table, weights = np.zeros((3, 14)), np.zeros((3, 14))
    for row, arms in enumerate((2, 3, 14)):
        table[row, :arms], weights[row, :arms] = np.arange(100, 100 + arms), 1
    statistic, df, _ = chi_square(table, weights)
    assert df.tolist() == [1, 2, 13]
    alone = [float(chi_square(table[row, :arms], np.ones(arms))[0]) for row, arms in enumerate((2, 3, 14))]
    assert statistic == pytest.approx(alone, rel=1e-12)
    assert always_valid(table, weights)[1] == pytest.approx(always_valid([100, 101, 102], [1, 1, 1]), rel=1e-12)


def test_the_bayes_factor_by_hand() -> None:
    """Two of two units in the first arm, prior Beta(1, 1): B(3, 1) / B(1, 1) = 1/3 over 1/4, a factor of 4/3, so p = 3/4."""
    assert always_valid([2, 0], [1, 1], concentration=2.0) == pytest.approx(0.75, rel=1e-12)
    assert always_valid([1, 1], [1, 1], concentration=2.0) == 1.0


def test_it_holds_at_every_look() -> None:
    """Fair splits of 90:10 looked at 50 times fall below .05 in at most 5 of 100 experiments, and broken ones almost always."""
    rng = np.random.default_rng(3)
    for broken, least, most in ((0.9, 0.0, 0.05), (0.88, 0.9, 1.0)):
        daily = rng.binomial(400, broken, (1000, 50))
        arms = np.stack([daily, 400 - daily], axis=-1).cumsum(axis=1)
        p = over_looks(arms, [0.9, 0.1])
        assert np.all(np.diff(p, axis=1) <= 0)
        assert least <= (p[:, -1] < 0.05).mean() <= most


def test_what_is_no_count() -> None:
    """A negative or unknown count or weight is refused, with its value."""
    with pytest.raises(ValueError, match=r"count of units per arm is -1\.0"):
        chi_square([-1, 3], [1, 1])
    with pytest.raises(ValueError, match="weight of units per arm is nan"):
        chi_square([1, 3], [1, np.nan])
