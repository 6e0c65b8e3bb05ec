"""Quantiles: ranks by hand, values of numpy, errors and coverage against the sampling distribution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.estimates import Moments, fixed_interval, p_value
from models.quantiles import Z, of_sorted, quantile, ranks
from tests.models.invented import QUICK


def test_ranks_by_hand() -> None:
    """The median of 100: 50 -+ 9.8, so from the 40th to the 60th; the p90 of 10 would need an 11th."""
    low, high = ranks([100, 10], [0.5, 0.9])
    assert low.tolist() == pytest.approx([40, np.nan], nan_ok=True)
    assert high.tolist() == pytest.approx([60, np.nan], nan_ok=True)
    with pytest.raises(ValueError, match=r"quantile is 1\.0"):
        ranks(10, 1.0)


@QUICK
@given(sizes=st.lists(st.integers(0, 60), max_size=6), q=st.floats(0.01, 0.99), seed=st.integers(0, 999))
def test_values_are_numpys(sizes: list[int], q: float, seed: int) -> None:
    """Each arm's quantile is numpy's, without units NaN; its error is that of the order statistics of its ranks."""
    rng = np.random.default_rng(seed)
    arms = [np.sort(rng.integers(0, 20, n)).astype(float) for n in sizes]
    value, spread = of_sorted(np.concatenate([*arms, []]), sizes, q)
    low, high = ranks(np.array(sizes), q)
    for number, arm in enumerate(arms):
        assert value[number] == pytest.approx(np.quantile(arm, q) if len(arm) else np.nan, rel=1e-12, nan_ok=True)
        error = np.nan
        if not np.isnan(low[number]):
            error = (arm[int(high[number]) - 1] - arm[int(low[number]) - 1]) / (2 * Z)
        assert spread[number] == pytest.approx(len(arm) * error**2, rel=1e-12, nan_ok=True)


def test_the_error_is_that_of_the_sampling_distribution() -> None:
    """Of 400 samples of 2,000 exponential units, the errors of the p90 average what the p90s scatter by, within a tenth."""
    rows = np.sort(np.random.default_rng(1).exponential(1, (400, 2000)), axis=1)
    value, spread = of_sorted(rows.ravel(), [2000] * 400, 0.9)
    assert np.sqrt(spread / 2000).mean() == pytest.approx(value.std(), rel=0.1)


def test_intervals_cover() -> None:
    """Of 1,000 pairs of arms whose p75s differ by 1, the 95 % interval holds that in 93 to 97.5 of 100."""
    rng = np.random.default_rng(2)
    arms = [np.sort(rng.lognormal(0, 1, (1000, 800)) + shift, axis=1) for shift in (0.0, 1.0)]
    found = quantile(*(Moments(800, *of_sorted(arm.ravel(), [800] * 1000, 0.75)) for arm in arms))
    low, high = fixed_interval(found, 0.05)
    assert 0.93 <= ((low <= 1) & (high >= 1)).mean() <= 0.975


def test_difference_by_hand() -> None:
    """Quantiles 3 and 5 with errors .3 and .4: 2, an error of .5, z = 4; too few units in an arm, no p."""
    found = quantile(Moments(100, 3.0, [9.0, np.nan]), Moments(100, 5.0, 16.0))
    assert found.difference.tolist() == [2.0, 2.0]
    assert found.standard_error[0] == pytest.approx(0.5, rel=1e-12)
    assert p_value(found) == pytest.approx([2 * stats.norm.sf(4), np.nan], rel=1e-12, nan_ok=True)


def test_lengths_must_fit() -> None:
    """Values that no arm owns are refused."""
    with pytest.raises(ValueError, match="add up to 3, and there are 2 values"):
        of_sorted([1, 2], [1, 2], 0.5)
