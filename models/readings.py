"""By what an experiment is read: group-sequential bounds where an end was planned, always-valid intervals where none was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models import multiplicity, sequential
from models.estimates import Estimate

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
READINGS = ALWAYS_VALID, GROUP_SEQUENTIAL = ("always valid", "group sequential")
Looks = tuple[float, ...]


@dataclass(frozen=True)
class Reading:
    """Low, high and p of every row: `low`, `high` at the row's own alpha, `low_safe`, `high_safe` at alpha over its arms."""

    low: Floats
    high: Floats
    p: Floats
    low_safe: Floats
    high_safe: Floats

    def ends(self) -> tuple[Floats, ...]:
        """The fields in their order."""
        return self.low, self.high, self.p, self.low_safe, self.high_safe


def always_valid(estimate: Estimate, n: Floats, alpha: Floats, n_star: Floats, n_arms: Floats) -> Reading:
    """The reading without an end. n: units of both arms; n_arms: treatments that are compared with the same control."""
    of = (estimate.difference, estimate.null_standard_error, n)
    low, high, p = sequential.always_valid(*of, alpha, n_star)
    if not len(n_arms) or n_arms.max() <= 1:
        return Reading(low, high, p, low, high)
    return Reading(low, high, p, *sequential.always_valid(*of, alpha / n_arms, n_star)[:2])


def group_sequential(estimate: Estimate, plans: Sequence[Looks], plan: Integers, alpha: Floats, n_arms: Floats) -> Reading:
    """The reading with a planned end; NaN where there is none (`plan` -1).

    plans: the distinct schedules of looks, this one last; plan: each row's place among them. The p-value is the repeated one of
    the normal deviate that has the same tail as the row's t statistic.
    """
    low, high, p, low_safe, high_safe = (np.full(len(plan), np.nan) for _ in range(5))
    if not plans:
        return Reading(low, high, p, low_safe, high_safe)
    z = normal_deviate(estimate)
    for number, looks in enumerate(plans):
        of_plan = plan == number
        p[of_plan] = sequential.group_sequential_p(z[of_plan], looks)
        for level, arms in set(zip(alpha[of_plan].tolist(), n_arms[of_plan].tolist(), strict=True)):
            rows = np.flatnonzero(of_plan & (alpha == level) & (n_arms == arms))
            for ends, at in (((low, high), level), ((low_safe, high_safe), level / arms)):
                bound = sequential.group_sequential_bounds(looks, at)[-1]
                own = (estimate.difference[rows], estimate.null_standard_error[rows], bound, estimate.df[rows])
                ends[0][rows], ends[1][rows] = sequential.group_sequential(*own)
    return Reading(low, high, p, low_safe, high_safe)


@np.errstate(all="ignore")
def normal_deviate(estimate: Estimate) -> Floats:
    """|z| whose normal tail is that of the estimate's t statistic; NaN where there is no standard error above 0."""
    error = np.where(estimate.null_standard_error > 0, estimate.null_standard_error, np.nan)
    t = np.abs(estimate.difference / error)
    # far out the tail of t is 0 in floating point, and z would be infinite
    z = -special.ndtri(special.stdtr(estimate.df, -t))
    return np.where(np.isinf(estimate.df) | np.isinf(z), t, z)


def adjusted(p: Floats, family: Integers, is_primary: Booleans, is_goal: Booleans) -> Floats:
    """p-values for as many tests as there are, by family (experiment and segment column): Holm over the arms of the primary
    metric; Benjamini-Hochberg over all arms of the secondary goals; guardrails as they are, since to correct them for their
    number would hide harm."""
    found = p.copy()
    for rows, correct in ((is_primary, multiplicity.holm), (is_goal & ~is_primary, multiplicity.benjamini_hochberg)):
        found[rows] = correct(p[rows], family[rows])
    return found


def agreeing(reading: Reading, is_called: Booleans) -> tuple[Floats, Floats]:
    """The ends that hold for all arms together, at 0 where a later step of Holm's calls what alpha over the arms would not
    (Strassburger & Bretz, Statistics in Medicine 27, 2008)."""
    is_open = is_called & (reading.low_safe < 0) & (reading.high_safe > 0)
    rises = reading.low + reading.high > 0
    return np.where(is_open & rises, 0.0, reading.low_safe), np.where(is_open & ~rises, 0.0, reading.high_safe)
