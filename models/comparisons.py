"""Rows of two arms' moments -> one Estimate over all of them, each row by its metric's own formula."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import estimates, quantiles
from models.estimates import Estimate, Moments
from models.metrics import MEAN, PROPORTION, QUANTILE, RATIO, Metric

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ROLES = ("num", "den", "pre_num", "pre_den")
BY_KIND = {PROPORTION: estimates.proportion, MEAN: estimates.mean, RATIO: estimates.ratio, QUANTILE: quantiles.quantile}
KINDS = tuple(BY_KIND)
METHODS = ("pooled z", "Welch t", "delta method", "quantile")
WITH_CUPED = " with CUPED"
# what stands in the moments of a role beside its mean and variance: the covariances with the roles before it
COLUMNS = (
    "n",
    *(f"mean_{role}" for role in ROLES),
    *(f"var_{role}" for role in ROLES),
    *(f"cov_{one}_{other}" for one, other in combinations(ROLES, 2)),
)
# of a role that a metric lacks
CONSTANT: dict[str, Any] = {field.name: field.default for field in fields(Moments)}


def compare(metrics: Sequence[Metric], codes: Integers, control: Mapping[str, Floats], treatment: Mapping[str, Floats]) -> Estimate:
    """Treatment minus control of every row, in the units of the moments.

    codes: each row's metric as its place in `metrics`. control, treatment: the COLUMNS of the rows' arms, NaN for null. A mean or
    proportion with a covariate is adjusted as a ratio whose denominator is 1, so an adjusted proportion is tested as a mean; where
    the covariate does not vary, it is not adjusted; nor is a quantile.
    """
    whole = {field.name: np.full(len(codes), np.nan) for field in fields(Estimate)}
    formulas = [(metric.kind, metric.covariate is not None) for metric in metrics]
    for kind, adjusted in set(formulas):
        is_alike = np.array([formula == (kind, adjusted) for formula in formulas])
        alike = np.flatnonzero(is_alike).tolist()
        rows = np.flatnonzero(is_alike[codes])
        if len(rows):
            having = [{role for role, _ in metrics[number].columns()} for number in alike]
            place = np.searchsorted(alike, codes[rows])
            arms = [_moments(having, place, arm, rows) for arm in (control, treatment)]
            _scatter(whole, rows, _estimate(kind, adjusted, *arms))
    return Estimate(**whole)


def methods(metrics: Sequence[Metric], codes: Integers, estimate: Estimate) -> NDArray[np.object_]:
    """The word for how each row was compared: one of METHODS, WITH_CUPED behind it where the covariate adjusted something."""
    kinds = np.array([KINDS.index(metric.kind) for metric in metrics], dtype=np.int64)[codes]
    adjusted = np.nan_to_num(estimate.theta) != 0
    kinds = np.where(adjusted & (kinds == KINDS.index(PROPORTION)), KINDS.index(MEAN), kinds)
    words = np.array([*METHODS, *(method + WITH_CUPED for method in METHODS)], dtype=object)
    return np.asarray(words[kinds + len(METHODS) * adjusted])


@np.errstate(all="ignore")
def described(metrics: Sequence[Metric], codes: Integers, arm: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each row's arm: of a ratio, those of num / den and of num linearised (num - R den) / den; of
    a proportion without a variance, sqrt(p (1 - p) n / (n - 1))."""
    kinds = np.array([KINDS.index(metric.kind) for metric in metrics], dtype=np.int64)[codes]
    n, num, spread = arm["n"], arm["mean_num"], arm["var_num"]
    of_share = num * (1 - num) * n / (n - 1)
    spread = np.where((kinds == KINDS.index(PROPORTION)) & np.isnan(spread) & (n > 1), of_share, spread)
    ratio = num / arm["mean_den"]
    terms = spread + ratio**2 * arm["var_den"]
    linear = np.maximum(terms - 2 * ratio * arm["cov_num_den"], 0.0) / arm["mean_den"] ** 2
    is_ratio = kinds == KINDS.index(RATIO)
    return np.where(is_ratio, ratio, num), np.sqrt(np.where(is_ratio, linear, np.maximum(spread, 0.0)))


def _estimate(kind: str, adjusted: bool, control: Moments, treatment: Moments) -> Estimate:
    plain = BY_KIND[kind]
    if not adjusted or kind == QUANTILE:
        return plain(control, treatment)
    found, otherwise = estimates.cuped(control, treatment), plain(control, treatment)
    used = found.theta != 0
    return Estimate(
        **{each.name: np.where(used, getattr(found, each.name), getattr(otherwise, each.name)) for each in fields(Estimate)}
    )


def _moments(having: Sequence[Iterable[str]], place: Integers, arm: Mapping[str, Floats], rows: Integers) -> Moments:
    # a role that the metric lacks is the constant 1; one that it has and nobody measured stays NaN
    has = {role: np.array([role in roles for roles in having]) for role in ROLES}
    needed = {f"{what}_{role}": has[role] for role in ROLES for what in ("mean", "var")}
    needed |= {f"cov_{one}_{other}": has[one] & has[other] for one, other in combinations(ROLES, 2)}
    chosen = {
        name: arm[name][rows] if which.all() else np.where(which[place], arm[name][rows], CONSTANT[name])
        for name, which in needed.items()
        if which.any()
    }
    return Moments(arm["n"][rows], **chosen)


def _scatter(whole: dict[str, Floats], rows: Integers, found: Estimate) -> None:
    for name, values in whole.items():
        values[rows] = getattr(found, name)
