"""Intervals that survive peeking: always valid without a planned end, group-sequential bounds with one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
N_STAR = 5000
PHI = 2.0
# looks whose shares of the plan differ by less are one look, and have one bound
SAME_LOOK = 1e-4
MAX_STEPS = 50
# Gauss-Legendre nodes per step's standard deviation: more change no bound by 1e-8
NODES_PER_DEVIATION = 2


@np.errstate(all="ignore")
def always_valid(
    difference: ArrayLike, standard_error: ArrayLike, n: ArrayLike, alpha: ArrayLike = 0.05, n_star: ArrayLike = N_STAR
) -> tuple[Floats, Floats, Floats]:
    """Low, high and p that hold at every look at once: an asymptotic confidence sequence.

    n: units of both arms. n_star: the number of units at which it is tightest. With rho^2 = (-2 ln a + ln(-2 ln a + 1)) / n_star
    the half-width is se sqrt(2 (n rho^2 + 1) / (n rho^2) ln(sqrt(n rho^2 + 1) / a)) (Waudby-Smith, Arbour, Sinha, Kennedy &
    Ramdas, Annals of Statistics 52(6), 2024, theorem 2.2); p is the a at which 0 leaves it, rho kept, at most 1.
    NaN where the standard error is not above 0 or n is 0.
    """
    d, error, units = (np.asarray(value, dtype=np.float64) for value in (difference, standard_error, n))
    error = np.where((error > 0) & (units > 0), error, np.nan)
    a = np.asarray(alpha, dtype=np.float64)
    spread = units * tuning(a, n_star)
    half = error * np.sqrt(2 * (spread + 1) / spread * (0.5 * np.log1p(spread) - np.log(a)))
    log_p = 0.5 * np.log1p(spread) - spread * (d / error) ** 2 / (2 * (spread + 1))
    return d - half, d + half, np.exp(np.minimum(log_p, 0.0))


def tuning(alpha: ArrayLike, n_star: ArrayLike) -> Floats:
    """rho^2 of the confidence sequence that is tightest at `n_star` units."""
    deviance = -2 * np.log(np.asarray(alpha, dtype=np.float64))
    return np.asarray((deviance + np.log1p(deviance)) / np.asarray(n_star, dtype=np.float64))


def group_sequential(
    difference: ArrayLike, standard_error: ArrayLike, bound: ArrayLike, df: ArrayLike = np.inf
) -> tuple[Floats, Floats]:
    """Low and high at a look whose bound is `bound`: the repeated confidence interval (Jennison & Turnbull, Group Sequential
    Methods, 1999, chapter 9). With finite `df` the bound is that of a t statistic of the same tail (there, chapter 3)."""
    z = np.asarray(bound, dtype=np.float64)
    critical = -special.stdtrit(np.asarray(df, dtype=np.float64), special.ndtr(-z))
    d, error = (np.asarray(value, dtype=np.float64) for value in (difference, standard_error))
    half = np.where(np.isfinite(df), critical, z) * np.where(error > 0, error, np.nan)
    return d - half, d + half


def group_sequential_bounds(looks: Sequence[float] | Floats, alpha: float, phi: float = PHI) -> Floats:
    """Two-sided critical values of |z|, one per look: crossing any of them has probability alpha t^phi by look t without effect.

    looks: shares of the planned units, rising, in (0, 1]; a look less than SAME_LOOK after another has its bound. Bounds of
    earlier looks do not depend on later ones. Lan & DeMets, Biometrika 70, 1983, with the power family of Kim & DeMets,
    Biometrika 74, 1987; by recursive integration (Armitage, McPherson & Rowe, JRSS A 132, 1969). Cached. ValueError where looks
    do not rise within (0, 1] or alpha is not in (0, 1).
    """
    return _walk(_checked(looks), (_level(alpha),), float(phi))[0][:, 0].copy()


@np.errstate(all="ignore")
def group_sequential_p(z: ArrayLike, looks: Sequence[float] | Floats, phi: float = PHI) -> Floats:
    """The repeated p-value at the last of `looks`: the least alpha whose bound there |z| reaches (Jennison & Turnbull 1999,
    chapter 9), so p <= alpha where `group_sequential` at alpha excludes 0. NaN where z is."""
    levels, bounds = _bounds_by_level(_checked(looks), float(phi))
    size = np.abs(np.asarray(z, dtype=np.float64))
    # levels are half-tails as normal deviates, in which a bound is almost linear
    inside = 2 * special.ndtr(-np.interp(size, np.r_[0.0, bounds], np.r_[0.0, levels]))
    beyond = 2 * special.ndtr(-levels[-1]) * special.ndtr(-size) / special.ndtr(-bounds[-1])
    p = np.where(size > bounds[-1], beyond, inside)
    return np.where(np.isnan(size), np.nan, p)


def group_sequential_power(looks: Sequence[float] | Floats, alpha: float, drift: ArrayLike, phi: float = PHI) -> Floats:
    """Probability that |z| reaches a bound at any look, where z has mean `drift` at the planned end (t = 1).

    Paths with drift weigh exp(drift x - drift^2 t / 2) times those without (Girsanov), so one integration serves every drift.
    """
    shares = _checked(looks)
    _, nodes, mass = _walk(shares, (_level(alpha),), float(phi))
    x = np.asarray(drift, dtype=np.float64)[..., None]
    end = shares[-1]
    weight = (np.exp(x * nodes[0] - x**2 * end / 2) + np.exp(-x * nodes[0] - x**2 * end / 2)) / 2
    return np.asarray(np.clip(1 - (weight * mass[0]).sum(axis=-1), 0.0, 1.0))


def _level(alpha: float) -> float:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; give a number between 0 and 1.")
    return float(alpha)


def _checked(looks: Sequence[float] | Floats) -> tuple[float, ...]:
    shares = tuple(float(look) for look in looks)
    rising = all(one <= other for one, other in pairwise(shares))
    if not shares or not rising or not shares[0] > 0 or not shares[-1] <= 1:
        raise ValueError(f"The looks are {shares}; give rising shares of the planned units, above 0 and at most 1.")
    return shares


@lru_cache(maxsize=256)
def _bounds_by_level(looks: tuple[float, ...], phi: float) -> tuple[Floats, Floats]:
    # half-tail deviates from p = .75 to 1e-10, and the last look's bound at each: a polynomial through Chebyshev's points
    low, high = -special.ndtri(0.75 / 2), -special.ndtri(0.5e-10)
    points = np.polynomial.chebyshev.chebpts2(25) * (high - low) / 2 + (high + low) / 2
    alphas = tuple(float(tail) for tail in 2 * special.ndtr(-points))
    last = _walk(looks, alphas, phi)[0][-1]
    curve = np.polynomial.Chebyshev.fit(points, last, 24, domain=[low, high])
    levels = np.linspace(low, high, 4001)
    return levels, np.maximum.accumulate(curve(levels))


@lru_cache(maxsize=1024)
def _walk(looks: tuple[float, ...], alphas: tuple[float, ...], phi: float) -> tuple[Floats, Floats, Floats]:
    """Bounds (looks, alphas); nodes (alphas, m) of |B(t)| at the last look; their masses, of paths that crossed no bound."""
    shares = np.array(looks)
    kept = [0]
    for number in range(1, len(shares)):
        if shares[number] - shares[kept[-1]] >= SAME_LOOK:
            kept.append(number)
    times = shares[kept]
    steps = np.sqrt(np.diff(times, prepend=0.0))
    spending = np.array(alphas)[:, None] * np.diff(times**phi, prepend=0.0)
    bounds = np.empty((len(times), len(alphas)))
    nodes, mass = np.zeros((len(alphas), 1)), np.ones((len(alphas), 1))
    for k, step in enumerate(steps):
        edge = _edge(nodes, mass, step, spending[:, k], np.sqrt(times[k]))
        bounds[k] = edge / np.sqrt(times[k])
        finest = min(step, steps[k + 1] if k + 1 < len(steps) else step)
        nodes, mass = _moved(nodes, mass, step, edge, finest)
    return bounds[np.searchsorted(kept, np.arange(len(shares)), side="right") - 1], nodes, mass


def _edge(nodes: Floats, mass: Floats, step: float, spending: Floats, scale: float) -> Floats:
    # Newton on ln P(edge), which is concave: from above it falls to the root and stays. Above lie the edge of a single look,
    # and that of a walk which starts at the outmost node
    deviate = -special.ndtri(spending / 2)
    edge = np.minimum(deviate * scale, nodes.max(axis=1) + deviate * step)
    for _ in range(MAX_STEPS):
        # nodes are of |B|, and the walk is symmetric: both ends are reached from +x and from -x alike
        near, far = (nodes - edge[:, None]) / step, (-nodes - edge[:, None]) / step
        crossing = (mass * (special.ndtr(near) + special.ndtr(far))).sum(axis=1)
        slope = (mass * (np.exp(-(near**2) / 2) + np.exp(-(far**2) / 2))).sum(axis=1) / (step * np.sqrt(2 * np.pi))
        move = np.log(crossing / spending) * crossing / slope
        edge = edge + move
        if np.all(np.abs(move) < 1e-13 * scale):
            break
    return np.asarray(edge)


def _moved(nodes: Floats, mass: Floats, step: float, edge: Floats, finest: float) -> tuple[Floats, Floats]:
    size = 16 + int(np.ceil(NODES_PER_DEVIATION * edge.max() / finest))
    points, weights = _gauss(size)
    moved = edge[:, None] * points
    density = np.empty_like(moved)
    # one level at a time: the kernels of all would not fit into memory
    for level, (y, x) in enumerate(zip(moved / step, nodes / step, strict=True)):
        kernel = np.exp(-((y[:, None] - x) ** 2) / 2) + np.exp(-((y[:, None] + x) ** 2) / 2)
        density[level] = kernel @ mass[level]
    return moved, density * weights * edge[:, None] / (step * np.sqrt(2 * np.pi))


@lru_cache(maxsize=512)
def _gauss(size: int) -> tuple[Floats, Floats]:
    points, weights = legendre.leggauss(size)
    return (points + 1) / 2, weights / 2
