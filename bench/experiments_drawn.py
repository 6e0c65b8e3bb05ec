"""Experiments that never were, thousands at once: moments of both arms at every daily look, and what each reading calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import estimates, sequential
from models.estimates import Estimate, Moments
from models.readings import normal_deviate

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
# what one day adds to an arm of every simulation: units, sum and sum of squares of the metric, arrays (simulations, days)
Drawn = tuple[Floats, Floats, Floats]


@dataclass(frozen=True)
class Run:
    """One setting: `days` looks, `per_day` units per arm and day, `share` of them buyers in the control, `rise` the relative
    effect on that share; the money of a buyer is lognormal where `log_mean` and `log_sd` are given, else each counts 1."""

    days: int = 28
    per_day: int = 500
    share: float = 0.05
    rise: float = 0.0
    log_mean: float | None = None
    log_sd: float = 0.0

    @property
    def planned(self) -> int:
        """Units of both arms at the end."""
        return 2 * self.days * self.per_day

    def draw(self, n: int, random: np.random.Generator, share: float) -> Moments:
        """Moments (n, days) of an arm up to each look."""
        buyers = random.binomial(self.per_day, share, (n, self.days))
        sums, squares = buyers.astype(np.float64), buyers.astype(np.float64)
        if self.log_mean is not None:
            money = random.lognormal(self.log_mean, self.log_sd, int(buyers.sum()))
            starts = np.concatenate([[0], buyers.ravel().cumsum()])
            totals, powers = (np.concatenate([[0.0], values.cumsum()]) for values in (money, money**2))
            sums, squares = (np.diff(values[starts]).reshape(buyers.shape) for values in (totals, powers))
        units = self.per_day * np.arange(1.0, self.days + 1)
        means = sums.cumsum(axis=1) / units
        spread = np.maximum(squares.cumsum(axis=1) - units * means**2, 0.0) / (units - 1)
        return Moments(np.broadcast_to(units, means.shape), means, spread)

    def arms(self, n: int, random: np.random.Generator) -> tuple[Moments, Moments]:
        """Control and treatment."""
        return self.draw(n, random, self.share), self.draw(n, random, self.share * (1 + self.rise))

    def estimate(self, control: Moments, treatment: Moments) -> Estimate:
        """By the test that the kind of metric has."""
        return (estimates.proportion if self.log_mean is None else estimates.mean)(control, treatment)


def called(run: Run, n: int, seed: int, alpha: float = 0.05, batch: int = 500) -> dict[str, float]:
    """The share of `n` simulations in which any look was significant, by reading; of the last look alone for `one look`."""
    counts = dict.fromkeys(READINGS, 0)
    for number, first in enumerate(range(0, n, batch)):
        random = np.random.default_rng([seed, number])
        estimate = run.estimate(*run.arms(min(batch, n - first), random))
        for name, reading in READINGS.items():
            counts[name] += int(reading(run, estimate, alpha).any(axis=1).sum())
    return {name: count / n for name, count in counts.items()}


def _always_valid(n_star: Callable[[Run], float]) -> Callable[[Run, Estimate, float], Booleans]:
    def reading(run: Run, estimate: Estimate, alpha: float) -> Booleans:
        seen = 2.0 * run.per_day * np.arange(1, run.days + 1)
        error = estimate.null_standard_error
        p = sequential.always_valid(estimate.difference, error, seen, alpha, n_star(run))[2]
        return np.asarray(p <= alpha)

    return reading


def _group_sequential(run: Run, estimate: Estimate, alpha: float) -> Booleans:
    bounds = sequential.group_sequential_bounds(np.arange(1, run.days + 1) / run.days, alpha)
    return np.asarray(normal_deviate(estimate) >= bounds)


def _peeked(run: Run, estimate: Estimate, alpha: float) -> Booleans:
    return np.asarray(estimates.p_value(estimate) <= alpha)


def _one_look(run: Run, estimate: Estimate, alpha: float) -> Booleans:
    return _peeked(run, estimate, alpha)[:, -1:]


READINGS: dict[str, Callable[[Run, Estimate, float], Booleans]] = {
    "always valid": _always_valid(lambda _: sequential.N_STAR),
    "always valid, planned": _always_valid(lambda run: run.planned),
    "group sequential": _group_sequential,
    "t test at every look": _peeked,
    "one look": _one_look,
}


def visits(n: int, n_users: int, random: np.random.Generator) -> Iterator[Moments]:
    """Two arms of `n_users` users each in `n` A/A tests: sessions and conversions of sessions per user; users differ in both."""
    for _ in range(2):
        sessions = 1.0 + random.negative_binomial(1, 0.09, (n, n_users))
        rates = random.beta(0.6, 5.4, (n, n_users))
        bought = random.binomial(sessions.astype(np.int64), rates).astype(np.float64)
        cov = ((bought - bought.mean(axis=1)[:, None]) * (sessions - sessions.mean(axis=1)[:, None])).sum(axis=1) / (n_users - 1)
        yield Moments(
            np.full(n, float(n_users)),
            bought.mean(axis=1),
            bought.var(axis=1, ddof=1),
            sessions.mean(axis=1),
            var_den=sessions.var(axis=1, ddof=1),
            cov_num_den=cov,
        )
