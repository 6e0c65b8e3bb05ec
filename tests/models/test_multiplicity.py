"""Adjusted p-values against statsmodels, by families, and with tests that did not take place."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from models.multiplicity import benjamini_hochberg, holm
from tests.models.invented import QUICK

P = st.one_of(st.floats(0, 1), st.just(float("nan")), st.sampled_from([0.01, 0.02, 1.0, 2.9e-98, 0.0]))


def test_by_hand() -> None:
    """Holm: 3 x .01, 2 x .02 and 1 x .5; BH: .03 of 1st, .03 of 2nd (3/2 x .02), .5."""
    assert holm([0.5, 0.01, 0.02]) == pytest.approx([0.5, 0.03, 0.04])
    assert benjamini_hochberg([0.5, 0.01, 0.02]) == pytest.approx([0.5, 0.03, 0.03])


@pytest.fixture
def quick_collections() -> Iterator[None]:
    """statsmodels collects garbage at each call, and the heap of the whole suite is large."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("quick_collections")
@QUICK
@given(tests=st.lists(st.tuples(P, st.integers(-2, 2)), max_size=30))
def test_agrees_with_statsmodels(tests: list[tuple[float, int]]) -> None:
    """Each family is adjusted as statsmodels adjusts it alone, without the tests that did not take place: those stay NaN."""
    p = np.array([value for value, _ in tests], dtype=float)
    families = np.array([family for _, family in tests], dtype=int)
    for ours, theirs in ((holm(p, families), "holm"), (benjamini_hochberg(p, families), "fdr_bh")):
        for family in set(families.tolist()):
            tested = (families == family) & ~np.isnan(p)
            if tested.any():
                assert ours[tested] == pytest.approx(multipletests(p[tested], method=theirs)[1], rel=1e-9, abs=0)
        assert np.array_equal(np.isnan(ours), np.isnan(p))
        assert np.all((ours[~np.isnan(p)] >= p[~np.isnan(p)]) & (ours[~np.isnan(p)] <= 1))


@QUICK
@given(p=st.lists(P, max_size=12), seed=st.integers(0, 99))
def test_order_says_nothing(p: list[float], seed: int) -> None:
    """The same tests in another order are adjusted alike, to the last digit."""
    order = np.random.default_rng(seed).permutation(len(p))
    for adjust in (holm, benjamini_hochberg):
        assert np.array_equal(adjust(np.array(p)[order]), adjust(p)[order], equal_nan=True)


def test_what_is_no_p_value() -> None:
    """A number outside 0..1 is refused, and so are groups of another length."""
    with pytest.raises(ValueError, match=r"p-value is 1\.5"):
        holm([0.1, 1.5])
    with pytest.raises(ValueError, match="one length"):
        holm([0.1, 0.5], [1])
