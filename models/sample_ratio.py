"""Sample ratio mismatch: do the arms' counts of units fit the shares that were planned?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
# of the Dirichlet prior, in units: tightest near 16 times as many units at p = .001, about the N* of experiments
CONCENTRATION = 300.0


@np.errstate(all="ignore")
def chi_square(counts: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Statistic, degrees of freedom and p of Pearson's chi-square, for one look.

    counts, weights: (..., arms), weights in any scale. Only arms with a weight above 0 take part: neither a paused arm nor the
    padding of a ragged table is a degree of freedom. Statistic and p are NaN without units or with fewer than two such arms.
    ValueError for a negative or unknown count or weight.
    """
    observed, shares, total = _planned(counts, weights)
    expected = shares * total[..., None]
    df = (shares > 0).sum(axis=-1) - 1.0
    statistic = np.where(shares > 0, (observed - expected) ** 2 / expected, 0.0).sum(axis=-1)
    statistic = np.where((total > 0) & (df > 0), statistic, np.nan)
    return statistic, df, special.gammaincc(df / 2, statistic / 2)


@np.errstate(all="ignore")
def always_valid(counts: ArrayLike, weights: ArrayLike, concentration: float = CONCENTRATION) -> Floats:
    """p that holds at every look at once: the inverse Bayes factor of a Dirichlet prior around the planned shares, at most 1.

    counts, weights: as of `chi_square`. With a = concentration * shares: the factor is B(a + counts) / B(a) over the product of
    shares^counts, B the multivariate beta function (Lindon & Malek, Anytime-valid inference for multinomial count data, NeurIPS
    2022). NaN as there.
    """
    observed, shares, total = _planned(counts, weights)
    prior = concentration * shares
    gained = special.gammaln(prior + observed) - special.gammaln(prior) - observed * np.log(shares)
    log_factor = np.where(shares > 0, gained, 0.0).sum(axis=-1)
    log_factor += special.gammaln(concentration) - special.gammaln(concentration + total)
    tested = (total > 0) & ((shares > 0).sum(axis=-1) > 1)
    return np.where(tested, np.exp(np.minimum(-log_factor, 0.0)), np.nan)


def over_looks(counts: ArrayLike, weights: ArrayLike, concentration: float = CONCENTRATION) -> Floats:
    """The least `always_valid` p of all looks so far, per look: counts (..., looks, arms) up to each; once small, it stays."""
    planned = np.asarray(weights, dtype=np.float64)[..., None, :]
    return np.asarray(np.fmin.accumulate(always_valid(counts, planned, concentration), axis=-1))


def _planned(counts: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats, Floats]:
    observed, scale = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64))
    for name, values in (("count", observed), ("weight", scale)):
        wrong = values[~(values >= 0) | np.isinf(values)]
        if wrong.size:
            raise ValueError(f"A {name} of units per arm is {wrong[0]}; give a number from 0 up, 0 for an arm that is not there.")
    shares = scale / scale.sum(axis=-1, keepdims=True)
    observed = np.where(shares > 0, observed, 0.0)
    return observed, np.nan_to_num(shares), np.asarray(observed.sum(axis=-1))
