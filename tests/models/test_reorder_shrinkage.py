"""Shrinkage: what little evidence is pulled to, and what planted effects are found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reorder_shrinkage import fit
from tests.models.invented import QUICK

NONE = np.zeros(0, dtype=np.int64)


def known(n: int) -> np.ndarray:
    """Nothing censored."""
    return np.zeros(n, dtype=bool)


def test_planted_effects_are_found() -> None:
    """Forty products and fifty customers with effects of sd .5 and .3 and noise .2: variances and effects come back."""
    rng = np.random.default_rng(1)
    product, customer = rng.integers(0, 40, 6000), rng.integers(0, 50, 6000)
    of_product, of_customer = rng.normal(0, 0.5, 40), rng.normal(0, 0.3, 50)
    y = 3 + of_product[product] + of_customer[customer] + rng.normal(0, 0.2, 6000)
    found = fit(y, known(6000), [product, customer], [40, 50])
    assert found.noise == pytest.approx(0.04, rel=0.1)
    assert found.levels[0].spread == pytest.approx(of_product.var(), rel=0.3)
    assert np.corrcoef(found.levels[0].mean, of_product)[0, 1] > 0.99
    assert np.corrcoef(found.levels[1].mean, of_customer)[0, 1] > 0.99


def test_few_gaps_are_pulled_further() -> None:
    """A product with one gap and another with a hundred, both 1 above the rest: the first keeps less of it, and is less sure."""
    rng = np.random.default_rng(2)
    product = np.concatenate([np.repeat(np.arange(30), 20), [30], np.full(100, 31)])
    y = np.where(product < 30, 0.0, 1.0) + rng.normal(0, 0.5, len(product)) * (product != 30)
    effect = fit(y, known(len(y)), [product], [32]).levels[0]
    assert 0 < effect.mean[30] < effect.mean[31]
    assert effect.variance[30] > effect.variance[31]


def test_censored_values_stand_above_their_bound() -> None:
    """Half of a normal sample is only known to exceed its own cut: the mean is found as if all were known."""
    rng = np.random.default_rng(3)
    true, bound = rng.normal(2, 1, 4000), rng.normal(2, 1, 4000)
    found = fit(np.minimum(true, bound), true > bound, [np.arange(4000) % 4], [4])
    assert found.mean + found.levels[0].mean.mean() == pytest.approx(2, abs=0.06)
    assert np.minimum(true, bound).mean() < 1.6


def test_a_noisy_product_does_not_blur_a_steady_one() -> None:
    """Noise is the product's own, as far as it has gaps."""
    rng = np.random.default_rng(4)
    product = np.repeat([0, 1], 400)
    found = fit(rng.normal(0, np.where(product == 0, 0.1, 1.0)), known(800), [product], [2])
    assert found.noises[0] < 0.05
    assert found.noises[1] > 0.8


def test_nothing_known() -> None:
    """Where no gap has ended there is nothing to fit, and the error says how many were given."""
    with pytest.raises(ValueError, match="All of 2 gaps are censored"):
        fit(np.ones(2), np.ones(2, dtype=bool), [np.zeros(2, dtype=np.int64)], [1])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 2), st.floats(-3, 6), st.booleans()), min_size=1, max_size=30))
@QUICK
def test_anything_is_finite(rows: list[tuple[int, int, float, bool]]) -> None:
    """Whatever the gaps, equal or single ones too, means are finite and variances above 0 and at most the level's."""
    product, category, y = (np.array([row[number] for row in rows]) for number in range(3))
    hidden = np.array([row[3] for row in rows])
    hidden[0] = False
    found = fit(y.astype(float), hidden, [product, category], [4, 3])
    assert np.isfinite([found.mean, found.noise]).all()
    assert (found.noises > 0).all()
    for level in found.levels:
        assert np.isfinite(level.mean).all()
        assert (level.variance > 0).all()
    assert fit(y.astype(float), hidden, [product, np.full(len(y), -1)], [4, 0]).levels[1].spread == 0
