"""What `upsell analyze --exposures` may be told, and how the words of its options are read; imports nothing that is slow."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from flows.errors import SettingsError

QUANTILE, AMOUNT = "quantile", "amount"

Words = Annotated[list[str] | None, Parameter(negative="")]


@Parameter(name="*")
@dataclass(frozen=True)
class FileOptions:
    """How a file of exposures is read and judged; docs/experiments.md says what each option means."""

    metrics: Annotated[
        list[str] | None,
        Parameter(negative="", help="revenue, clicks/impressions, revenue~pre_revenue, p90(latency); the first is primary."),
    ] = None
    primary: Annotated[str | None, Parameter(help="The metric that decides, where it is not the first.")] = None
    control: Annotated[str | None, Parameter(help="The variant that the others are compared with.")] = None
    weights: Annotated[list[str] | None, Parameter(negative="", help="control=0.5,treatment=0.5; 0 for a paused arm.")] = None
    alpha: float = 0.05
    n_star: Annotated[int | None, Parameter(help="Units at which the always-valid interval is tightest.")] = None
    planned_units: Annotated[int | None, Parameter(help="Of all arms, at the planned end: reads group-sequentially.")] = None
    looks: Annotated[list[str] | None, Parameter(negative="", help="Shares of the planned units at each look so far.")] = None
    days: Annotated[float | None, Parameter(help="Days since the first exposure, where no exposed_at tells.")] = None
    ended: Annotated[bool, Parameter(negative="", help="The experiment has come to its planned end.")] = False
    cap: Annotated[list[str] | None, Parameter(negative="", help="p99.9, 500, revenue=500 or none (default).")] = None
    prior_sd: Annotated[str | None, Parameter(help="Standard deviation of relative effects (default 0.3), or flat.")] = None
    segments: Words = None
    guardrail: Annotated[list[str] | None, Parameter(negative="", help="METRIC:margin, a share of the control's value.")] = None
    lower_is_better: Words = None
    window_days: Annotated[float | None, Parameter(help="Outcomes this long after the first exposure are not counted.")] = None
    columns: Annotated[list[str] | None, Parameter(negative="", help="unit_id=visitor,variant=bucket")] = None
    missing: Annotated[Literal["drop", "zero"], Parameter(help="What a metric's missing value means.")] = "drop"
    repeats: Annotated[Literal["first", "sum"], Parameter(help="Which row of a unit counts, or whether rows are events.")] = "first"


def words(option: Iterable[str] | None) -> list[str]:
    """The comma-separated or repeated words of an option, in their order; commas inside parentheses part nothing."""
    found: list[str] = []
    for text in option or ():
        start = depth = 0
        for place, letter in enumerate(text):
            depth += (letter == "(") - (letter == ")")
            if letter == "," and depth == 0:
                found.append(text[start:place])
                start = place + 1
        found.append(text[start:])
    return [word.strip() for word in found if word.strip()]


def number(text: str, option: str, low: float = -math.inf, high: float = math.inf) -> float:
    """The finite number that `text` shows, a share where it ends in %. Raises SettingsError outside [low, high]."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = math.nan
    if not (low <= value <= high and math.isfinite(value)):
        allowed = f" from {low:g} to {high:g}" if math.isfinite(high) else f" of at least {low:g}" if math.isfinite(low) else ""
        raise SettingsError(f"{option} has {text!r}: give a number{allowed}.")
    return value


def named_numbers(option: Iterable[str] | None, name: str) -> dict[str, float]:
    """`variant=share` pairs, none of them negative."""
    pairs = named_words(option, name)
    return {key: number(value, name, low=0.0) for key, value in pairs.items()}


def named_words(option: Iterable[str] | None, name: str) -> dict[str, str]:
    """`key=value` pairs in their order. Raises SettingsError for a word without `=` and for a key given twice."""
    pairs: dict[str, str] = {}
    for word in words(option):
        key, sign, value = (part.strip() for part in word.rpartition("="))
        if not sign or not key or not value or key in pairs:
            raise SettingsError(f"{name} has {word!r}: give each name once, as NAME=VALUE.")
        pairs[key] = value
    return pairs


def margins(option: Iterable[str] | None) -> dict[str, float]:
    """`metric:margin` pairs of --guardrail; a margin is a share of the control's value, 0.02 or 2%."""
    found: dict[str, float] = {}
    for word in words(option):
        metric, sign, margin = word.rpartition(":")
        if not sign or not metric:
            raise SettingsError(f"--guardrail has {word!r}: give METRIC:MARGIN, for instance refund_rate:0.1.")
        found[metric.strip()] = number(margin.strip(), "--guardrail", low=0.0)
    return found


def caps(option: Iterable[str] | None) -> dict[str, tuple[str, float]]:
    """--cap by metric (`""` for all): the kind, QUANTILE (0 to 1) or AMOUNT, and its value; `none` caps nothing."""
    found: dict[str, tuple[str, float]] = {}
    for word in words(option):
        metric, _, text = (part.strip() for part in word.rpartition("="))
        if metric in found:
            raise SettingsError(f"--cap has {word!r}: give one cap for each metric.")
        if text.lower() == "none":
            continue
        if text[:1] in "pP" or text.endswith("%"):
            found[metric] = (QUANTILE, number(text.strip("pP%") + "%", "--cap", low=0.0, high=1.0))
        else:
            found[metric] = (AMOUNT, number(text, "--cap"))
    return found


def rising_shares(option: Iterable[str] | None) -> list[float]:
    """--looks: rising shares of the planned units, each above 0 and at most 1."""
    shares = [number(word, "--looks", low=0.0, high=1.0) for word in words(option)]
    if any(later <= earlier for earlier, later in zip([0.0, *shares], shares, strict=False)):
        raise SettingsError(f"--looks has {', '.join(f'{share:g}' for share in shares)}: give rising shares above 0, up to 1.")
    return shares
