"""Planning: units for an effect, the effect that units can show, the chance to see it, and days left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from models.sequential import N_STAR, PHI, group_sequential_power, tuning

Floats = NDArray[np.float64]
ALPHA, POWER = 0.05, 0.8
STEPS = 200


class Plan(NamedTuple):
    """The control's share of the units, the treatment's, and the variance of one unit's value in each."""

    control_share: ArrayLike
    treatment_share: ArrayLike
    control_variance: ArrayLike
    treatment_variance: ArrayLike

    def spread(self) -> Floats:
        """Variance of the difference times the units of all arms; unpooled."""
        arms = ((self.control_share, self.control_variance), (self.treatment_share, self.treatment_variance))
        one, other = (np.asarray(variance, dtype=np.float64) / np.asarray(share, dtype=np.float64) for share, variance in arms)
        return np.asarray(one + other)


def proportions(rate: ArrayLike, effect: ArrayLike, control_share: ArrayLike = 0.5, treatment_share: ArrayLike = 0.5) -> Plan:
    """The plan for a share of units that is `rate` in the control and `rate + effect` in the treatment, both 0..1."""
    before = np.asarray(rate, dtype=np.float64)
    after = before + np.asarray(effect, dtype=np.float64)
    for value in (before, after):
        if not np.all((value >= 0) & (value <= 1)):
            raise ValueError(f"A rate is {value[~((value >= 0) & (value <= 1))].flat[0]}; give rates from 0 to 1.")
    return Plan(control_share, treatment_share, before * (1 - before), after * (1 - after))


def means(sd: ArrayLike, control_share: ArrayLike = 0.5, treatment_share: ArrayLike = 0.5) -> Plan:
    """The plan for a mean of units whose standard deviation is `sd` in both arms; for a ratio, that of the linearised units."""
    variance = np.asarray(sd, dtype=np.float64) ** 2
    return Plan(control_share, treatment_share, variance, variance)


def per_treatment(alpha: float, n_treatments: int) -> float:
    """alpha of each comparison where `n_treatments` are compared with one control: Bonferroni's, as in Holm's first step."""
    if n_treatments < 1:
        raise ValueError(f"There are {n_treatments} treatments; give at least 1.")
    return alpha / n_treatments


@np.errstate(all="ignore")
def drift(alpha: ArrayLike = ALPHA, power: ArrayLike = POWER) -> Floats:
    """How many standard errors an effect must be so that a two-sided z test sees it with probability `power`.

    The root of Phi(x - z) + Phi(-x - z) = power, both tails counted; z_(1 - alpha/2) + z_power but for the far one. 0 where power
    is not above alpha.
    """
    a, wanted = (np.asarray(value, dtype=np.float64) for value in (alpha, power))
    z = -special.ndtri(a / 2)
    x = np.maximum(z + special.ndtri(wanted), 1e-3)
    for _ in range(50):
        seen = special.ndtr(x - z) + special.ndtr(-x - z)
        slope = (np.exp(-((x - z) ** 2) / 2) - np.exp(-((x + z) ** 2) / 2)) / np.sqrt(2 * np.pi)
        x = np.clip(x - (seen - wanted) / slope, x / 2, x + 1)
    return np.where(wanted > a, x, 0.0)


@np.errstate(all="ignore")
def units(effect: ArrayLike, plan: Plan, alpha: ArrayLike = ALPHA, power: ArrayLike = POWER) -> Floats:
    """Units of all arms that one look needs to see `effect` (absolute): drift^2 spread / effect^2; inf for no effect.

    The unpooled formula (Fleiss, Levin & Paik 2003, chapter 4, without its correction). `per_arm` makes whole numbers of it.
    """
    return np.asarray(drift(alpha, power) ** 2 * plan.spread() / np.asarray(effect, dtype=np.float64) ** 2)


def per_arm(total: ArrayLike, share: ArrayLike) -> Floats:
    """Whole units of an arm with `share` of `total`, rounded up."""
    return np.ceil(np.asarray(total, dtype=np.float64) * np.asarray(share, dtype=np.float64) * (1 - 1e-12))


@np.errstate(all="ignore")
def power_of(effect: ArrayLike, plan: Plan, total: ArrayLike, alpha: ArrayLike = ALPHA) -> Floats:
    """Probability, 0..1, that one look at `total` units of all arms finds `effect` significant, on either side."""
    x = np.abs(np.asarray(effect, dtype=np.float64)) / np.sqrt(plan.spread() / np.asarray(total, dtype=np.float64))
    z = -special.ndtri(np.asarray(alpha, dtype=np.float64) / 2)
    return np.asarray(special.ndtr(x - z) + special.ndtr(-x - z))


@np.errstate(all="ignore")
def detectable(plan: Plan, total: ArrayLike, alpha: ArrayLike = ALPHA, power: ArrayLike = POWER) -> Floats:
    """The least effect (absolute, >= 0) that one look at `total` units sees with `power`, at the plan's variances."""
    return np.asarray(drift(alpha, power) * np.sqrt(plan.spread() / np.asarray(total, dtype=np.float64)))


@np.errstate(all="ignore")
def detectable_rise(
    rate: ArrayLike,
    total: ArrayLike,
    alpha: ArrayLike = ALPHA,
    power: ArrayLike = POWER,
    control_share: ArrayLike = 0.5,
    treatment_share: ArrayLike = 0.5,
) -> Floats:
    """The least rise of a share of units from `rate` that `total` units see, with the variance at the risen rate; so `units` of
    `proportions(rate, rise)` are `total` again. NaN where not even a rise to 1 is seen.

    The positive root of rise^2 (n + d^2/w1) - rise d^2 (1 - 2 rate) / w1 = d^2 rate (1 - rate) (1/w0 + 1/w1), where d = `drift`.
    """
    p, n, w0, w1 = (np.asarray(value, dtype=np.float64) for value in (rate, total, control_share, treatment_share))
    square = drift(alpha, power) ** 2
    lead, middle = n + square / w1, square * (1 - 2 * p) / w1
    rest = square * p * (1 - p) * (1 / w0 + 1 / w1)
    rise = (middle + np.sqrt(middle**2 + 4 * lead * rest)) / (2 * lead)
    return np.where(rise <= 1 - p, rise, np.nan)


def group_sequential_inflation(looks: Floats, alpha: float = ALPHA, power: float = POWER, phi: float = PHI) -> float:
    """By what the units of one look are multiplied so that a group-sequential reading at `looks`, the last at 1, keeps `power`
    (Jennison & Turnbull, Group Sequential Methods, 1999, chapter 2)."""
    one_look = float(drift(alpha, power))
    low, high = 0.0, 2 * one_look + 5
    for _ in range(60):
        middle = (low + high) / 2
        seen = float(group_sequential_power(looks, alpha, middle, phi))
        low, high = (middle, high) if seen < power else (low, middle)
    return (high / one_look) ** 2


@np.errstate(all="ignore")
def always_valid_units(
    effect: ArrayLike, plan: Plan, alpha: ArrayLike = ALPHA, power: ArrayLike = POWER, n_star: float | None = N_STAR
) -> Floats:
    """Units of all arms at which the confidence sequence excludes 0 with `power`, counting that look alone, so rather too many.

    n_star: as of models.sequential.always_valid; None: tightest at the answer itself.
    """
    size = np.abs(np.asarray(effect, dtype=np.float64)) / np.sqrt(plan.spread())
    # in logarithms of units, from 1 to 5e34
    low, high = np.broadcast_arrays(np.zeros_like(size), 0 * np.asarray(power, dtype=np.float64) + 80.0)
    for _ in range(STEPS):
        middle = (low + high) / 2
        n = np.exp(middle)
        enough = size * np.sqrt(n) >= _always_valid_deviations(n, alpha, power, n_star)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(size > 0, np.exp(high), np.where(size == 0, np.inf, np.nan))


@np.errstate(all="ignore")
def always_valid_detectable(
    plan: Plan, total: ArrayLike, alpha: ArrayLike = ALPHA, power: ArrayLike = POWER, n_star: float | None = N_STAR
) -> Floats:
    """The least effect (absolute) that `total` units of all arms show by the confidence sequence with `power`."""
    n = np.asarray(total, dtype=np.float64)
    return np.asarray(_always_valid_deviations(n, alpha, power, n_star) * np.sqrt(plan.spread() / n))


@np.errstate(all="ignore")
def days_left(needed: ArrayLike, so_far: ArrayLike, per_day: ArrayLike) -> Floats:
    """Whole days until `needed` units are there, at `per_day` of them; 0 where they are, inf where none come."""
    missing = np.asarray(needed, dtype=np.float64) - np.asarray(so_far, dtype=np.float64)
    return np.where(missing <= 0, 0.0, np.ceil(missing / np.maximum(np.asarray(per_day, dtype=np.float64), 0.0)))


def _always_valid_deviations(n: Floats, alpha: ArrayLike, power: ArrayLike, n_star: float | None) -> Floats:
    a = np.asarray(alpha, dtype=np.float64)
    spread = n * tuning(a, n if n_star is None else n_star)
    half = np.sqrt(2 * (spread + 1) / spread * (0.5 * np.log1p(spread) - np.log(a)))
    return np.asarray(half + special.ndtri(np.asarray(power, dtype=np.float64)))
