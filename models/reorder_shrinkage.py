"""Shrinkage: crossed normal effects of customer, product, category and pair, each pulled towards nothing as far as it is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

MOST_SWEEPS = 60
TOLERANCE = 1e-4
SMALLEST_VARIANCE = 1e-6
# a group's own noise counts against the company's as if that were known from so many gaps
PRIOR_GAPS = 20.0


@dataclass(frozen=True)
class Effect:
    """One level's effects: by code the posterior mean and variance, and the variance of the level itself."""

    mean: np.ndarray
    variance: np.ndarray
    spread: float


@dataclass(frozen=True)
class Effects:
    """y = mean + one effect of each level + noise, whose variance is `noises` by code of the first level, `noise` over all."""

    mean: float
    levels: tuple[Effect, ...]
    noise: float
    noises: np.ndarray


def fit(y: np.ndarray, is_censored: np.ndarray, codes: Sequence[np.ndarray], sizes: Sequence[int]) -> Effects:
    """Empirical Bayes of y, (n,): effects by `codes` (one int array (n,) per level, -1 for none, below the level's size).

    Coordinate-wise posterior of a linear mixed model with crossed random effects: each sweep sets every level to its posterior
    given the others, sum(residual / noise) / (sum(1 / noise) + 1 / spread), then the variances to their expectations, as EM does
    (Laird & Ware, Biometrics 38, 1982); the noise of each code of the first level is shrunk to that of all. Where y is censored,
    the true value is larger and stands at its conditional expectation m + s h, h = phi / (1 - Phi) at (y - m) / s (Tobin,
    Econometrica 26, 1958). Raises ValueError where no row is known exactly.
    """
    known = ~is_censored
    if not known.any():
        raise ValueError(f"All of {len(y)} gaps are censored: at least one must be known exactly.")
    start = max(SMALLEST_VARIANCE, float(np.var(y[known])))
    placed = [np.where(code < 0, size, code) for code, size in zip(codes, sizes, strict=True)]
    levels = [Effect(np.zeros(size), np.zeros(size), start / (2 * len(codes)) if size else 0.0) for size in sizes]
    noises, mean = np.full(sizes[0] + 1, start / 2), float(y[known].mean())
    fitted, hidden, n_seen = np.full(len(y), mean), np.nonzero(is_censored)[0], np.bincount(placed[0], minlength=sizes[0] + 1)
    noise = start / 2
    for _ in range(MOST_SWEEPS):
        before = (noise, *(level.spread for level in levels))
        precision = 1 / noises[placed[0]]
        full, unsure = _filled(y, hidden, fitted, noises[placed[0]])
        for number, code in enumerate(placed):
            old = np.append(levels[number].mean, 0.0)[code]
            levels[number] = _posterior(full - fitted + old, code, precision, levels[number])
            fitted += np.append(levels[number].mean, 0.0)[code] - old
            unsure += np.append(levels[number].variance, 0.0)[code]
        shift = float((full - fitted) @ precision / precision.sum())
        mean, fitted = mean + shift, fitted + shift
        squares = np.bincount(placed[0], (full - fitted) ** 2 + unsure, sizes[0] + 1)
        noise = max(SMALLEST_VARIANCE, float(squares.sum()) / len(y))
        noises = (squares + PRIOR_GAPS * noise) / (n_seen + PRIOR_GAPS)
        after = (noise, *(level.spread for level in levels))
        if all(abs(new - old) <= TOLERANCE * start for new, old in zip(after, before, strict=True)):
            break
    return Effects(mean, tuple(levels), noise, noises[:-1])


def _posterior(residual: np.ndarray, code: np.ndarray, precision: np.ndarray, prior: Effect) -> Effect:
    n = len(prior.mean)
    if not n:
        return prior
    known = np.bincount(code, precision, n + 1)[:n]
    variance = 1 / (known + 1 / prior.spread)
    mean = variance * np.bincount(code, residual * precision, n + 1)[:n]
    seen = known > 0
    # of levels that nothing was seen of, the prior says nothing about the spread
    spread = float((mean[seen] ** 2 + variance[seen]).mean()) if seen.any() else prior.spread
    return Effect(mean, variance, max(SMALLEST_VARIANCE, spread))


def _filled(y: np.ndarray, hidden: np.ndarray, fitted: np.ndarray, noises: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y with censored values replaced by their expectations, and the variance that each value then still has."""
    unsure = np.zeros(len(y))
    if not len(hidden):
        return y, unsure
    sd = np.sqrt(noises[hidden])
    bound = (y[hidden] - fitted[hidden]) / sd
    hazard = np.exp(-0.5 * bound**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-bound))
    full = y.copy()
    full[hidden] = fitted[hidden] + sd * hazard
    unsure[hidden] = sd**2 * (1 + bound * hazard - hazard**2).clip(0)
    return full, unsure
