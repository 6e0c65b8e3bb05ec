"""Blending: several scores of one customer made comparable, summed by weight, and spread over categories."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DECIMALS = 6
# deviations that a category which fills the list costs at a diversityFactor of 1
REACH = 2.0
# less than this is no spread, but what rounding leaves
LEAST = 1e-9


def standardised(scores: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Scores less the mean of their group, in its standard deviations; 0 in a group whose scores are all equal.

    group: the number (0 to n_groups - 1) of each score's group.
    """
    values = scores.astype(np.float64)
    sizes = np.maximum(np.bincount(group, minlength=n_groups), 1)
    apart = values - (np.bincount(group, values, n_groups) / sizes)[group]
    deviations = np.sqrt(np.bincount(group, apart**2, n_groups) / sizes)
    standard: np.ndarray = apart / np.where(deviations > LEAST, deviations, np.inf)[group]
    return standard


def blended(parts: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Weighted sum of standardised parts as a share of all weights, rounded so that sums in another order rank the same."""
    total = sum(weights.values()) or 1.0
    return np.round(sum((weights.get(name, 0.0) / total * part for name, part in sorted(parts.items())), np.float64(0)), DECIMALS)


def padded(values: np.ndarray, group: np.ndarray, n_groups: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The `width` largest of each group, largest first, as n_groups x width: their values (-inf where there are fewer) and
    where they stand in `values` (-1). Of equal ones the earlier. `group` rises."""
    entry = np.flatnonzero(largest(values, group, n_groups, width))
    at = np.full((n_groups, width), -1)
    at[group[entry], _places(group[entry], n_groups)] = entry
    best = np.where(at >= 0, np.append(values, 0)[at], -np.inf)
    order = np.argsort(-best, axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(at, order, axis=1)


def largest(values: np.ndarray, group: np.ndarray, n_groups: int, n: int) -> np.ndarray:
    """Which values are among the `n` largest of their group, of equal ones the earlier; `group` rises."""
    ends = np.searchsorted(group, np.arange(n_groups + 1))
    least = np.full(n_groups, -np.inf)
    # one selection per group: rows padded to the widest take ten times as long
    for number in np.flatnonzero(np.diff(ends) > n):
        own = values[ends[number] : ends[number + 1]]
        least[number] = np.partition(own, len(own) - n)[len(own) - n]
    above, equal = values > least[group], values == least[group]
    room = n - np.bincount(group[above], minlength=n_groups)
    before = np.cumsum(equal) - equal
    chosen: np.ndarray = above | (equal & (before - before[ends[group]] < room[group]))
    return chosen


def _places(group: np.ndarray, n_groups: int) -> np.ndarray:
    """The number of each value within its group; `group` rises."""
    sizes = np.bincount(group, minlength=n_groups)
    places: np.ndarray = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return places


def diversified(values: np.ndarray, categories: np.ndarray, factor: float, deviation: np.ndarray, n: int) -> np.ndarray:
    """Columns of n products of each row in the order of maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998), then -1.

    values: customers x candidates, best first, -inf where there is none. categories: the same shape, -1 for none, which is like
    no other. deviation: per customer, the unit of the values. factor: 0 (the order of the values) to 1. A product loses REACH *
    `factor` deviations times the share of the products already chosen that are of its category: at .5, one whose category fills
    the list so far must be a deviation better than one of a fresh category.
    """
    rows, left, alike = np.arange(len(values)), values.copy(), np.zeros(values.shape)
    loss = REACH * factor * deviation[:, None]
    chosen = np.full((len(values), n), -1)
    for place in range(min(n, values.shape[1])):
        column = np.argmax(left - loss * alike / max(1, place), axis=1)
        chosen[:, place] = np.where(np.isfinite(left[rows, column]), column, -1)
        category = categories[rows, column][:, None]
        alike += (categories == category) & (category >= 0)
        left[rows, column] = -np.inf
    return chosen
