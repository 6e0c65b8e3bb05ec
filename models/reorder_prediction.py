"""Reorder predictions: quantiles of a gap that is log-normal, also when it is known to end within, or last beyond, some days."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

CELLS = 128
TILE = 16_384


def quantile(mean: np.ndarray, sd: np.ndarray, level: float | np.ndarray, open_days: float | np.ndarray = 0.0) -> np.ndarray:
    """Days below which a gap ends with probability `level` (0..1), given that it lasts longer than `open_days` (>= 0); mean, sd:
    of ln days."""
    passed = ndtr((np.log(np.maximum(open_days, 1e-12)) - mean) / sd)
    reached = np.clip(passed + (1 - passed) * level, None, 1 - 1e-12)
    return np.asarray(np.maximum(np.exp(mean + sd * ndtri(reached)), open_days))


def within(mean: np.ndarray, sd: np.ndarray, days_left: np.ndarray, levels: np.ndarray, is_last: bool = False) -> np.ndarray:
    """Days (n, levels) below which a gap ends with probabilities `levels`, given that it ends within `days_left` (n, > 0).

    Density f(g) on (0, days_left]; where `is_last`, f(g) * (1 - F(days_left - g)): the pair is known not to have come a third
    time before the window ended, as in a renewal process seen to its window's end (Cox, Renewal Theory, 1962). In CELLS equal
    cells.
    """
    edges = (np.arange(CELLS) + 0.5) / CELLS
    found = np.empty((len(mean), len(levels)))
    for begin in range(0, len(mean), TILE):
        tile = slice(begin, begin + TILE)
        m, s, left = mean[tile, None], sd[tile, None], days_left[tile, None]
        gap = left * edges
        weight = -0.5 * ((np.log(gap) - m) / s) ** 2 - np.log(gap)
        if is_last:
            # half a day: the window's last day belongs to it
            weight += log_ndtr((m - np.log(left - gap + 0.5)) / s)
        # far from the model all weights would be 0
        total = np.cumsum(np.exp(weight - weight.max(axis=1, keepdims=True)), axis=1)
        reached = total / total[:, -1:]
        for column, level in enumerate(levels):
            found[tile, column] = left[:, 0] * np.minimum((reached < level).sum(axis=1) + 0.5, CELLS) / CELLS
    return found


def reached(mean: np.ndarray, sd: np.ndarray, days_left: np.ndarray, days: np.ndarray, is_last: bool = False) -> np.ndarray:
    """Probability (n,) of a gap of at most `days` under what `within` takes to be known: uniform where the model is right."""
    edges = (np.arange(CELLS) + 0.5) / CELLS
    found = np.empty(len(mean))
    for begin in range(0, len(mean), TILE):
        tile = slice(begin, begin + TILE)
        found[tile] = (within(mean[tile], sd[tile], days_left[tile], edges, is_last) <= days[tile, None]).mean(axis=1)
    return found


def ranges(residuals: np.ndarray, n_gaps: np.ndarray, coverage: float = 0.8, enough: int = 50) -> np.ndarray:
    """Quantiles (classes, 2) of standardised held-out residuals by own gaps (CLASSES), between which `coverage` of them lie.

    Split conformal prediction (Lei et al., JASA 113, 2018), by class; a class with fewer than `enough` takes all, and all fewer
    than that the normal quantiles.
    """
    tails = np.array([(1 - coverage) / 2, (1 + coverage) / 2])
    every = np.quantile(residuals, tails) if len(residuals) >= enough else ndtri(tails)
    by_class = class_of(n_gaps)
    own = [residuals[by_class == number] for number in range(len(CLASSES))]
    return np.array([np.quantile(each, tails) if len(each) >= enough else every for each in own])


CLASSES = (0, 1, 2, 3, 5)


def class_of(n_gaps: np.ndarray) -> np.ndarray:
    """Position in CLASSES of the largest that is at most `n_gaps`."""
    return np.searchsorted(CLASSES, n_gaps, side="right") - 1


def probability_within(factor: float, sd: np.ndarray) -> np.ndarray:
    """Probability of a gap between its median / `factor` (> 1) and its median * `factor`; sd: of ln days."""
    return np.asarray(2 * ndtr(np.log(factor) / sd) - 1)
