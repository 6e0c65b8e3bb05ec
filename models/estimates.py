"""Moments of two arms -> an estimate: the difference of treatment and control, its standard error, p-values and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
TWO_SIDED, GREATER, LESS = "two-sided", "greater", "less"
# a variance that is left after terms this much larger cancel is rounding: moments carry about 13 digits
ROUNDING = 1e-12
# a lift is shown where the control's mean lies at least so many of its standard errors above 0
LIFT_DEVIATIONS = 1.5
NO_UNITS = "an arm has no units"
FEW_UNITS = "an arm has too few units for a standard error"
NO_DENOMINATOR = "the denominator is 0 in an arm"
NO_VARIANCE = "the metric does not vary in either arm"
NO_VALUE = "an arm has no value of the metric"
NO_POSITIVE_CONTROL = "the control's mean is not above 0"
NEAR_ZERO_CONTROL = "the control's mean is within 1.5 standard errors of 0"


@dataclass(frozen=True)
class Moments:
    """Moments of one arm per element: the numbers of models.inference.MOMENTS under the same names, arrays that broadcast.

    NaN where an arm has too few units. What a metric lacks stays at its default, a constant 1: then a ratio is a mean, and
    CUPED changes nothing.
    """

    n: ArrayLike
    mean_num: ArrayLike
    var_num: ArrayLike = 0.0
    mean_den: ArrayLike = 1.0
    mean_pre_num: ArrayLike = 1.0
    mean_pre_den: ArrayLike = 1.0
    var_den: ArrayLike = 0.0
    var_pre_num: ArrayLike = 0.0
    var_pre_den: ArrayLike = 0.0
    cov_num_den: ArrayLike = 0.0
    cov_num_pre_num: ArrayLike = 0.0
    cov_num_pre_den: ArrayLike = 0.0
    cov_den_pre_num: ArrayLike = 0.0
    cov_den_pre_den: ArrayLike = 0.0
    cov_pre_num_pre_den: ArrayLike = 0.0

    def get(self, name: str) -> Floats:
        """The field as an array of floats."""
        return np.asarray(getattr(self, name), dtype=np.float64)

    def mean(self, name: str) -> Floats:
        """The mean of the column `num`, `den`, `pre_num` or `pre_den`."""
        return self.get(f"mean_{name}")

    def cov(self, one: str, other: str) -> Floats:
        """The covariance of two columns, or the variance of one."""
        if one == other:
            return self.get(f"var_{one}")
        return self.get(f"cov_{one}_{other}" if hasattr(self, f"cov_{one}_{other}") else f"cov_{other}_{one}")


@dataclass(frozen=True)
class Estimate:
    """Treatment minus control per element, all arrays of one shape; NaN where the moments do not give it (`reasons` says why).

    standard_error: of the difference, each arm with its own variance: for margins and posteriors. null_standard_error: the one
    under no difference, pooled for proportions and the same otherwise: for every test of no difference and its interval, so
    that the two agree. df: degrees of freedom, inf for z. Means are those of the arms, never adjusted; theta: what CUPED
    multiplied the difference of covariates by, 0 where it adjusted nothing.
    """

    difference: Floats
    standard_error: Floats
    null_standard_error: Floats
    df: Floats
    control_mean: Floats
    treatment_mean: Floats
    control_standard_error: Floats
    theta: Floats


class NonInferiority(NamedTuple):
    """Against a margin: how much worse is allowed (`limit`, absolute, >= 0), p that the treatment is worse by the margin or
    more (`p`: small where non-inferiority is shown), and p that it is not (`p_harm`: small where harm beyond the margin is)."""

    limit: Floats
    p: Floats
    p_harm: Floats


@np.errstate(all="ignore")
def proportion(control: Moments, treatment: Moments) -> Estimate:
    """Difference of two shares of units, `mean_num` in 0..1, with df inf.

    null_standard_error: pooled, sqrt(p (1 - p) (1/n0 + 1/n1)), without continuity correction (Fleiss, Levin & Paik, Statistical
    Methods for Rates and Proportions, 3rd edition, 2003, chapter 3); standard_error: sqrt(p0 (1 - p0)/n0 + p1 (1 - p1)/n1).
    """
    n0, n1, p0, p1 = control.get("n"), treatment.get("n"), control.mean("num"), treatment.mean("num")
    pooled = (n0 * p0 + n1 * p1) / (n0 + n1)
    null = np.sqrt(np.maximum(pooled * (1 - pooled), 0) * (1 / n0 + 1 / n1))
    own = [np.maximum(p * (1 - p), 0) / n for n, p in ((n0, p0), (n1, p1))]
    return _estimate(p1 - p0, np.sqrt(own[0] + own[1]), null, np.inf, p0, p1, np.sqrt(own[0]), 0.0)


@np.errstate(all="ignore")
def mean(control: Moments, treatment: Moments) -> Estimate:
    """Difference of means of units, each arm with its own variance; df of Welch (Biometrika 34, 1947)."""
    arms = (control, treatment)
    return _welch(arms, [arm.mean("num") for arm in arms], [arm.cov("num", "num") for arm in arms])


@np.errstate(all="ignore")
def ratio(control: Moments, treatment: Moments) -> Estimate:
    """Difference of ratios of means, num over den, with variances by the delta method and Welch's df.

    A unit's variance is var(num - R den) / den^2, linearised at the ratio R (Deng, Knoblich & Lu, KDD 2018).
    """
    arms = (control, treatment)
    return _welch(arms, [_ratio(arm, "") for arm in arms], [_ratio_cov(arm, "", "") for arm in arms])


@np.errstate(all="ignore")
def cuped(control: Moments, treatment: Moments) -> Estimate:
    """As `ratio`, the difference adjusted by theta times the difference of the pre-exposure ratios.

    theta = cov / var of the linearised quantities over the units of both arms together, their means' difference included (Deng,
    Xu, Kohavi & Walker, WSDM 2013, section 3; for ratios Deng, Knoblich & Lu 2018). Nothing is adjusted where the covariate does
    not vary or has no value in an arm. A mean is a ratio whose denominator is 1.
    """
    arms = (control, treatment)
    both = _together(control, treatment)
    spread = _ratio_cov(both, "pre_", "pre_")
    shift = _ratio(treatment, "pre_") - _ratio(control, "pre_")
    theta = _ratio_cov(both, "", "pre_") / spread
    theta = np.where((spread > 0) & np.isfinite(theta) & np.isfinite(shift), theta, 0.0)
    parts = [[_ratio_cov(arm, *pair) for pair in (("", ""), ("pre_", "pre_"), ("", "pre_"))] for arm in arms]
    used = theta != 0
    variances = [
        np.where(used, _above_rounding(own + theta**2 * pre - 2 * theta * cov, own + theta**2 * pre), own)
        for own, pre, cov in parts
    ]
    plain = _welch(arms, [_ratio(arm, "") for arm in arms], variances)
    difference = plain.difference - np.where(used, theta * shift, 0.0)
    raw = np.sqrt(parts[0][0] / control.get("n"))
    return _estimate(
        difference, plain.standard_error, plain.standard_error, plain.df, plain.control_mean, plain.treatment_mean, raw, theta
    )


@np.errstate(all="ignore")
def p_value(estimate: Estimate, alternative: str = TWO_SIDED) -> Floats:
    """p of no difference, 0..1, by survival functions: exact where 1 minus a distribution function is 0. NaN where there is no
    standard error above 0. alternative: TWO_SIDED, GREATER (the treatment has more) or LESS."""
    t = estimate.difference / _usable(estimate.null_standard_error)
    sides = {TWO_SIDED: -np.abs(t), GREATER: -t, LESS: t}
    tail: Floats = special.stdtr(estimate.df, _known(sides, alternative))
    return 2 * tail if alternative == TWO_SIDED else tail


@np.errstate(all="ignore")
def fixed_interval(estimate: Estimate, alpha: ArrayLike, alternative: str = TWO_SIDED) -> tuple[Floats, Floats]:
    """Low and high ends at confidence 1 - alpha for one look that was set beforehand; they exclude 0 where p < alpha.

    GREATER has a low end alone (the high one is inf), LESS a high end alone.
    """
    level = np.asarray(alpha, dtype=np.float64)
    tail = _known({TWO_SIDED: level / 2, GREATER: level, LESS: level}, alternative)
    half = -special.stdtrit(estimate.df, tail) * _usable(estimate.null_standard_error)
    low, high = estimate.difference - half, estimate.difference + half
    open_end = np.where(np.isnan(half), np.nan, np.inf)
    return (-open_end if alternative == LESS else low), (open_end if alternative == GREATER else high)


@np.errstate(all="ignore")
def non_inferiority(estimate: Estimate, margin: ArrayLike, better: ArrayLike = 1) -> NonInferiority:
    """Is the treatment worse by more than `margin`, a share of the control's mean?

    One-sided tests against the limit margin * |control mean|, with the arms' own variances (Committee for Proprietary Medicinal
    Products, Points to consider on switching between superiority and non-inferiority, 2000). better: 1 where more is better, -1
    where less is.
    """
    limit = np.asarray(margin, dtype=np.float64) * np.abs(estimate.control_mean)
    gain = np.asarray(better, dtype=np.float64) * estimate.difference
    t = (gain + limit) / _usable(estimate.standard_error)
    return NonInferiority(limit, special.stdtr(estimate.df, -t), special.stdtr(estimate.df, t))


@np.errstate(all="ignore")
def lift(estimate: Estimate) -> tuple[Floats, NDArray[np.object_]]:
    """Difference over the unadjusted control mean (.05 is +5 %), for reading only, and why there is none (None, or a sentence).

    NaN where the control's mean is not above 0, or is within LIFT_DEVIATIONS of its standard errors of 0.
    """
    base, spread = estimate.control_mean, LIFT_DEVIATIONS * estimate.control_standard_error
    why = np.full(base.shape, None, dtype=object)
    why[np.isnan(spread)] = FEW_UNITS
    why[base <= spread] = NEAR_ZERO_CONTROL
    why[base <= 0] = NO_POSITIVE_CONTROL
    why[np.isnan(estimate.difference)] = NO_VALUE
    return np.where((base > 0) & (base > spread), estimate.difference / base, np.nan), why


def reasons(control: Moments, treatment: Moments, estimate: Estimate) -> NDArray[np.object_]:
    """Why an estimate has no p-value and no interval, as a sentence, or None where it has."""
    arms = (control, treatment)
    none = np.any(np.broadcast_arrays(*(~(arm.get("n") >= 1) for arm in arms)), axis=0)
    undivided = np.any(np.broadcast_arrays(*(arm.mean("den") == 0 for arm in arms)), axis=0)
    error = estimate.null_standard_error
    why = np.full(error.shape, None, dtype=object)
    why[~(error > 0)] = NO_VARIANCE
    why[np.isnan(error)] = FEW_UNITS
    why[np.broadcast_to(undivided, error.shape)] = NO_DENOMINATOR
    why[np.broadcast_to(none, error.shape)] = NO_UNITS
    return why


def _known(sides: dict[str, Floats], alternative: str) -> Floats:
    if alternative not in sides:
        raise ValueError(f"The alternative is {alternative!r}; say one of {', '.join(sides)}.")
    return sides[alternative]


def _usable(standard_error: Floats) -> Floats:
    return np.where(standard_error > 0, standard_error, np.nan)


def _estimate(*fields: ArrayLike) -> Estimate:
    return Estimate(*np.broadcast_arrays(*(np.asarray(field, dtype=np.float64) for field in fields)))


def _welch(arms: tuple[Moments, Moments], means: list[Floats], variances: list[Floats]) -> Estimate:
    n = [arm.get("n") for arm in arms]
    own = [np.where(size >= 2, variance, np.nan) / size for size, variance in zip(n, variances, strict=True)]
    total = own[0] + own[1]
    # shares of the total instead of its squares: those of tiny variances underflow
    df = 1 / sum((part / total) ** 2 / (size - 1) for part, size in zip(own, n, strict=True))
    error = np.sqrt(total)
    return _estimate(means[1] - means[0], error, error, df, means[0], means[1], np.sqrt(own[0]), 0.0)


def _ratio(arm: Moments, pre: str) -> Floats:
    value = arm.mean(f"{pre}num") / arm.mean(f"{pre}den")
    return np.where(np.isfinite(value), value, np.nan)


def _ratio_cov(arm: Moments, one: str, other: str) -> Floats:
    # the covariance of num - R den, linearised, of two ratios; the variance of one where they are the same
    left, right = _ratio(arm, one), _ratio(arm, other)
    terms = [
        arm.cov(f"{one}num", f"{other}num"),
        -right * arm.cov(f"{one}num", f"{other}den"),
        -left * arm.cov(f"{one}den", f"{other}num"),
        left * right * arm.cov(f"{one}den", f"{other}den"),
    ]
    total = terms[0] + terms[1] + terms[2] + terms[3]
    if one == other:
        total = _above_rounding(total, terms[0] + terms[3])
    return total / arm.mean(f"{one}den") / arm.mean(f"{other}den")


def _above_rounding(variance: Floats, terms: Floats) -> Floats:
    return np.where(variance <= ROUNDING * terms, 0.0, variance)


def _together(control: Moments, treatment: Moments) -> Moments:
    # moments of both arms' units as one sample (Chan, Golub & LeVeque, The American Statistician 37, 1983)
    n0, n1 = control.get("n"), treatment.get("n")
    n = n0 + n1
    shift = {name: treatment.mean(name) - control.mean(name) for name in ("num", "den", "pre_num", "pre_den")}
    means = {f"mean_{name}": control.mean(name) + by * n1 / n for name, by in shift.items()}

    def cov(one: str, other: str) -> Floats:
        between = shift[one] * shift[other] * n0 * n1 / n
        return (control.cov(one, other) * (n0 - 1) + treatment.cov(one, other) * (n1 - 1) + between) / (n - 1)

    variances = {f"var_{name}": cov(name, name) for name in shift}
    names = list(shift)
    pairs = [(one, other) for number, one in enumerate(names) for other in names[number + 1 :]]
    return Moments(n, **means, **variances, **{f"cov_{one}_{other}": cov(one, other) for one, other in pairs})
