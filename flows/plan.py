"""`upsell analyze --plan`: how many units and days an effect needs, or which effect so many units show, by each reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.errors import SettingsError
from flows.exposures_designs import CONTROL, control_of
from flows.exposures_options import FileOptions, named_numbers, number, rising_shares
from flows.plan_options import PlanOptions
from models import power as sizes
from models.sequential import N_STAR

FIXED, GROUP_SEQUENTIAL, ALWAYS_VALID = "fixed", "groupSequential", "alwaysValid"
LOOKS, MOST_LOOKS = 28, 60
DAYS_SHOWN = (7, 14, 21, 28, 42, 56)
HALVINGS = 80
Needed = Callable[[float, str], float]
Readings = Mapping[str, Needed]


@dataclass(frozen=True)
class Question:
    """A plan's options, checked. shares: variant -> its share of the units, the control first."""

    baseline: float
    variance: float | None  # of a unit; None for a rate, whose variance follows from it
    kept_variance: float  # share of the variance that CUPED leaves
    effect: float | None
    shares: Mapping[str, float]
    alpha: float
    power: float
    n_star: float
    looks: tuple[float, ...]
    units_per_day: float | None

    @property
    def alpha_per_treatment(self) -> float:
        """alpha of each treatment's comparison."""
        return sizes.per_treatment(self.alpha, len(self.shares) - 1)

    def plan(self, effect: float, treatment: str) -> sizes.Plan:
        """The plan of the control and one treatment at an effect."""
        shares = (self.shares[next(iter(self.shares))], self.shares[treatment])
        if self.variance is None:
            plain = sizes.proportions(self.baseline, effect, *shares)
        else:
            plain = sizes.means(math.sqrt(self.variance), *shares)
        kept = (np.asarray(variance) * self.kept_variance for variance in plain[2:])
        return sizes.Plan(*shares, *kept)


def plan(options: PlanOptions, design: FileOptions) -> dict[str, Any]:
    """The planner's answer as JSON takes it (docs/experiments.md). Raises SettingsError for what no experiment can be."""
    asked = _question(options, design)
    said = {
        "baseline": asked.baseline,
        "alpha": asked.alpha,
        "alphaPerTreatment": asked.alpha_per_treatment,
        "power": asked.power,
        "shares": dict(asked.shares),
        "standardDeviation": None if asked.variance is None else math.sqrt(asked.variance),
        "nStar": asked.n_star,
        "looks": list(asked.looks),
    }
    if asked.effect is not None:
        return {**said, "effect": _effect(asked.effect, asked), "sizes": _sizes(asked, asked.effect)}
    readings = _readings(asked)
    rows = [row for units, days in _totals(asked, design) for row in _detectable(asked, readings, units, days)]
    return {**said, "detectable": rows}


def plan_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a plan as a table shows them."""
    flat = []
    for row in document.get("sizes") or document["detectable"]:
        nested = {name: value for key, part in row.items() if isinstance(part, dict) for name, value in _named(key, part)}
        flat.append({**{key: value for key, value in row.items() if not isinstance(value, dict)}, **nested})
    return flat


def _named(key: str, part: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(f"{key}: {name}", value) for name, value in part.items()]


def _sizes(asked: Question, effect: float) -> list[dict[str, Any]]:
    rows = []
    for reading, needed in _readings(asked).items():
        units = max(needed(effect, treatment) for treatment in list(asked.shares)[1:])
        per_arm = {arm: int(sizes.per_arm(units, share)) for arm, share in asked.shares.items()}
        total = sum(per_arm.values())
        days = None if asked.units_per_day is None else math.ceil(total / asked.units_per_day)
        rows.append({"reading": reading, "units": total, "unitsPerArm": per_arm, "days": days})
    return rows


def _readings(asked: Question) -> Readings:
    """Units of all arms that an effect of a treatment needs, by reading."""
    alpha = asked.alpha_per_treatment
    inflation = sizes.group_sequential_inflation(np.array(asked.looks), alpha, asked.power)

    def fixed(effect: float, treatment: str) -> float:
        return float(sizes.units(effect, asked.plan(effect, treatment), alpha, asked.power))

    def always_valid(effect: float, treatment: str) -> float:
        # the sequence counts the units of the two arms that it compares
        together = asked.shares[next(iter(asked.shares))] + asked.shares[treatment]
        ours = asked.plan(effect, treatment)
        shares = np.array([asked.shares[next(iter(asked.shares))], asked.shares[treatment]]) / together
        pair = ours._replace(control_share=shares[0], treatment_share=shares[1])
        return float(sizes.always_valid_units(effect, pair, alpha, asked.power, asked.n_star)) / together

    return {
        FIXED: fixed,
        GROUP_SEQUENTIAL: lambda effect, treatment: fixed(effect, treatment) * inflation,
        ALWAYS_VALID: always_valid,
    }


def _detectable(asked: Question, readings: Readings, units: float, days: float | None) -> list[dict[str, Any]]:
    """The least rise that `units` of all arms show, by reading: the one that needs as many units."""
    rows = []
    for reading, needed in readings.items():
        rises = [_rise(needed, arm, units, asked) for arm in list(asked.shares)[1:]]
        known = None if any(rise is None for rise in rises) else max(rise for rise in rises if rise is not None)
        rows.append({"reading": reading, "days": days, "units": math.floor(units), "effect": _effect(known, asked)})
    return rows


def _rise(needed: Needed, arm: str, units: float, asked: Question) -> float | None:
    # what is needed falls as the effect grows: bisection between an effect that needs more and one that needs less
    low, high = 0.0, _largest(asked)
    if needed(high, arm) > units:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if needed(middle, arm) <= units else (middle, high)
    return high


def _largest(asked: Question) -> float:
    if asked.variance is None:
        return 1 - asked.baseline
    return 1e3 * math.sqrt(asked.variance)


def _effect(effect: float | None, asked: Question) -> dict[str, float | None]:
    relative = None if effect is None or asked.baseline <= 0 else effect / asked.baseline
    return {"absolute": effect, "relative": relative}


def _totals(asked: Question, design: FileOptions) -> list[tuple[float, float | None]]:
    """Units of all arms, and days, to be asked for."""
    per_day = asked.units_per_day
    if design.planned_units is not None:
        days = None if per_day is None else float(math.ceil(design.planned_units / per_day))
        return [(float(design.planned_units), days)]
    if per_day is None:
        raise SettingsError("--plan has no --effect: give one, or --units-per-day or --planned-units to see which would show.")
    days_shown = DAYS_SHOWN if design.days is None else (design.days,)
    return [(per_day * days, float(days)) for days in days_shown]


def _question(options: PlanOptions, design: FileOptions) -> Question:
    if options.baseline is None:
        raise SettingsError("--plan has no --baseline: give the control's rate, mean or ratio.")
    _within("--alpha", design.alpha, 0, 1)
    _within("--power", options.power, design.alpha, 1)
    for name, value in (("covariate", options.covariate_correlation), ("denominator", options.denominator_correlation)):
        _within(f"--{name}-correlation", value, -1.0000001, 1.0000001)
    if options.sd is None:
        _within("--baseline", options.baseline, 0, 1)
    for name, given in (("--sd", options.sd), ("--units-per-day", options.units_per_day), ("--days", design.days)):
        if given is not None:
            _within(name, given, 0, math.inf)
    variance = _variance(options)
    effect = None if options.effect is None else _absolute(options.effect, options.baseline)
    if effect is not None and options.sd is None:
        _within("--baseline with --effect", options.baseline + effect, 0, 1)
    return Question(
        options.baseline,
        variance,
        1 - options.covariate_correlation**2,
        effect,
        _shares(options, design),
        design.alpha,
        options.power,
        float(design.n_star or N_STAR),
        _looks(options, design),
        options.units_per_day,
    )


def _variance(options: PlanOptions) -> float | None:
    """A unit's variance: of a ratio R, that of (num - R den) / mean(den) (Deng, Knoblich & Lu, KDD 2018, section 3)."""
    if options.sd is None:
        return None
    if options.denominator_mean is None:
        return options.sd**2
    if options.denominator_mean == 0:
        raise SettingsError("--denominator-mean is 0: a ratio needs another one.")
    ratio, other = options.baseline or 0.0, options.denominator_sd
    spread = options.sd**2 - 2 * ratio * options.denominator_correlation * options.sd * other + (ratio * other) ** 2
    return max(spread, 0.0) / options.denominator_mean**2


def _absolute(text: str, baseline: float) -> float:
    effect = number(text, "--effect") * (baseline if text.endswith("%") else 1.0)
    if effect == 0:
        raise SettingsError(f"--effect has {text!r}: no number of units shows no effect.")
    return effect


def _shares(options: PlanOptions, design: FileOptions) -> dict[str, float]:
    weights = named_numbers(design.weights, "--weights")
    if not weights:
        if options.arms < 2:
            raise SettingsError(f"--arms is {options.arms}: an experiment has at least 2.")
        treatments = ["treatment"] if options.arms == 2 else [f"treatment {arm}" for arm in range(1, options.arms)]
        weights = dict.fromkeys((CONTROL, *treatments), 1.0)
    live = {arm: weight for arm, weight in weights.items() if weight > 0}
    if len(live) < 2:
        raise SettingsError(f"--weights has {len(live)} arms with a weight above 0: an experiment has at least 2.")
    control = control_of(list(live), design.control)
    if control not in live:
        raise SettingsError(f"--control names {control!r}: the variants are {', '.join(live)}.")
    total = sum(live.values())
    return {arm: live[arm] / total for arm in (control, *(name for name in live if name != control))}


def _looks(options: PlanOptions, design: FileOptions) -> tuple[float, ...]:
    """The shares of --looks, to which the end is added; else one look a day where the days are known, at most MOST_LOOKS."""
    if stated := rising_shares(design.looks):
        return tuple(stated) if stated[-1] == 1 else (*stated, 1.0)
    days = design.days
    if days is None and design.planned_units is not None and options.units_per_day is not None:
        days = design.planned_units / options.units_per_day
    n_looks = LOOKS if days is None else min(max(math.ceil(days), 1), MOST_LOOKS)
    return tuple((look + 1) / n_looks for look in range(n_looks))


def _within(option: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        limit = f" and below {high:g}" if math.isfinite(high) else ""
        raise SettingsError(f"{option} is {value:g}: give a number above {low:g}{limit}.")
