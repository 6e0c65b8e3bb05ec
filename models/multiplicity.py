"""Several tests at once: p-values adjusted within groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def holm(p: ArrayLike, group: ArrayLike | None = None) -> Floats:
    """p-values adjusted for the family-wise error rate, step-down (Holm, Scandinavian Journal of Statistics 6, 1979).

    p: one dimension, 0..1, NaN where nothing is tested: that counts as no test and stays NaN. group: integers of the same
    length; tests of one number are a family; all are one without it. Any dependence between the tests is allowed.
    """
    return _adjusted(p, group, step_down=True)


def benjamini_hochberg(p: ArrayLike, group: ArrayLike | None = None) -> Floats:
    """p-values adjusted for the false discovery rate, step-up (Benjamini & Hochberg, JRSS B 57, 1995); arguments as of `holm`."""
    return _adjusted(p, group, step_down=False)


def _adjusted(p: ArrayLike, group: ArrayLike | None, step_down: bool) -> Floats:
    values = np.asarray(p, dtype=np.float64)
    groups = np.zeros(values.shape, dtype=np.int64) if group is None else np.asarray(group, dtype=np.int64)
    if values.ndim != 1 or groups.shape != values.shape:
        raise ValueError(f"p has the shape {values.shape} and group {groups.shape}; give two of one dimension and one length.")
    wrong = values[(values < 0) | (values > 1)]
    if wrong.size:
        raise ValueError(f"A p-value is {wrong[0]}; give numbers from 0 to 1, or NaN.")
    adjusted = np.full(values.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(values))
    order = tested[np.lexsort((values[tested], groups[tested]))]
    _, starts, inverse, sizes = np.unique(groups[order], return_index=True, return_inverse=True, return_counts=True)
    rank, size = np.arange(order.size) - starts[inverse], sizes[inverse]
    factor = size - rank if step_down else size / (rank + 1)
    adjusted[order] = np.minimum(_monotone(values[order] * factor, inverse, step_down), 1.0)
    return adjusted


def _monotone(values: Floats, group: NDArray[np.intp], rising: bool) -> Floats:
    # a running maximum from the left, or minimum from the right, within ascending groups: on ranks, so that no digit is lost
    order = np.argsort(values, kind="stable")
    rank = np.empty(values.size, dtype=np.int64)
    rank[order] = np.arange(values.size)
    keys = group * values.size + rank
    run = np.maximum.accumulate(keys) if rising else np.minimum.accumulate(keys[::-1])[::-1]
    return np.asarray(values[order[run - group * values.size]])
