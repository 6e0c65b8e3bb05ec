"""Quantiles of units: their value, its standard error from the order statistics around it, and the difference of two arms."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.estimates import Estimate, Moments, mean

Floats = NDArray[np.float64]
# the interval of order statistics that the standard error is read from: 95 %
Z = 1.959963984540054


def ranks(n: ArrayLike, quantile: ArrayLike) -> tuple[Floats, Floats]:
    """Ranks (1 is the least) of the order statistics that hold a quantile with confidence 95 %, rounded outwards.

    n q -+ 1.96 sqrt(n q (1 - q)) (Deng, Knoblich & Lu, KDD 2018). NaN where one of them is not among n units.
    quantile: 0 to 1, both excluded; ValueError elsewhere.
    """
    size, q = np.asarray(n, dtype=np.float64), np.asarray(quantile, dtype=np.float64)
    if not np.all((q > 0) & (q < 1)):
        raise ValueError(f"The quantile is {q[~((q > 0) & (q < 1))].flat[0]}; give a number between 0 and 1.")
    reach = Z * np.sqrt(size * q * (1 - q))
    low, high = np.floor(size * q - reach), np.ceil(size * q + reach)
    inside = (low >= 1) & (high <= size)
    return np.where(inside, low, np.nan), np.where(inside, high, np.nan)


def of_sorted(values: ArrayLike, lengths: ArrayLike, quantile: ArrayLike) -> tuple[Floats, Floats]:
    """Per arm, the quantile (linear between units, as numpy's) and n times the square of its standard error.

    values: all arms' units one after the other, rising within each. lengths: units per arm, 0 allowed. quantile: one, or one per
    arm. Half the interval of `ranks` over 1.96 is the standard error; NaN where there are too few units for it, and the quantile
    itself without units. These two stand for mean and variance in Moments.
    """
    flat, n = np.asarray(values, dtype=np.float64), np.asarray(lengths, dtype=np.int64)
    if n.sum() != flat.size:
        raise ValueError(f"The lengths of the arms add up to {n.sum()}, and there are {flat.size} values; give one length per arm.")
    q = np.broadcast_to(np.asarray(quantile, dtype=np.float64), n.shape)
    low, high = ranks(n, q)
    starts = np.cumsum(n) - n
    at = np.maximum(n - 1, 0) * q
    below, above = _picked(flat, starts, np.floor(at), n > 0), _picked(flat, starts, np.ceil(at), n > 0)
    known = ~np.isnan(low)
    width = _picked(flat, starts, high - 1, known) - _picked(flat, starts, low - 1, known)
    return below + (above - below) * (at - np.floor(at)), n * (width / (2 * Z)) ** 2


def quantile(control: Moments, treatment: Moments) -> Estimate:
    """Difference of the quantiles of two arms whose `mean_num` and `var_num` are those of `of_sorted`; tested by z, since the
    standard error is one of large samples."""
    estimate = mean(control, treatment)
    return Estimate(**{**vars(estimate), "df": np.where(np.isnan(estimate.df), np.nan, np.inf)})


def _picked(values: Floats, starts: NDArray[np.int64], offsets: Floats, known: NDArray[np.bool_]) -> Floats:
    picked = np.full(starts.shape, np.nan)
    picked[known] = values[starts[known] + offsets[known].astype(np.int64)]
    return picked
