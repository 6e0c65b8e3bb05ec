"""A decision in words: one sentence, and the reasons behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def spoken(facts: Facts) -> tuple[str, list[str]]:
    """The sentence and the reasons of one experiment. facts: what models.decision knows of it, its `decision` among them."""
    return SENTENCES[facts["decision"]](facts), _reasons(facts)


def number(value: float | None) -> str:
    """Three significant digits, without exponents where people would not write one."""
    if value is None:
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _invalid(facts: Facts) -> str:
    return f"Do not read this experiment: {_why_invalid(facts)}."


def _why_invalid(facts: Facts) -> str:
    if not facts["has_control"]:
        return "its design has no control"
    if facts["is_measured"] and facts["n_treatments"] == 0:
        return f"its primary metric {facts['primary_metric']} was not measured in any treatment"
    units = " to ".join(f"{n:,}" for n in facts["split"] or [])
    return (
        f"{units} units do not fit the planned split (p = {number(_split_p(facts))}), so look for a fault of assignment or logging"
    )


def _split_p(facts: Facts) -> float | None:
    p: float | None = facts["split_p"]
    return p


def _wait(facts: Facts) -> str:
    if not facts["is_measured"] or not facts["n"]:
        return "Wait: there are no units yet."
    days = "" if facts["days"] is None else f" after {number(facts['days'])} days"
    converters = f"the smallest arm has {facts['n_converters'] or 0:,} converters{days}"
    return f"Wait: {converters}; it takes 100 of them and 7 days to read {_metric(facts)}."


def _hold(facts: Facts) -> str:
    return f"Hold: {_listed(facts['harmed'])} got worse beyond the margin, and no arm without harm is better in {_metric(facts)}."


def _ship(facts: Facts) -> str:
    return f"Ship {facts['variant']}: {_difference(facts)}."


def _stop(facts: Facts) -> str:
    return f"Stop, and keep {facts['control']}: at best, in {facts['variant']}, {_difference(facts)}, which is the wrong way."


def _either(facts: Facts) -> str:
    shown = f"no difference in {_metric(facts)} was shown by the end ({_between(facts)})"
    return f"Take either: {shown}, and {facts['variant']} is expected to lose no more than {number(facts['expected_loss'])}."


def _continue(facts: Facts) -> str:
    if facts["reason"] is not None:
        return f"Go on: {_metric(facts)} says nothing yet, since {facts['reason']}."
    shown = f"no difference in {_metric(facts)} is shown yet ({_between(facts)} in {facts['variant']})"
    if facts["is_ended"]:
        loss = f"an expected loss of {number(facts['expected_loss'])} is too large to take either"
        return f"Keep {facts['control']} or go on: {shown}, and {loss}."
    left = facts["days_left"]
    return f"Go on: {shown}" + ("." if left is None else f"; at this pace it takes about {left:,.0f} more days.")


SENTENCES = {
    "INVALID": _invalid,
    "WAIT": _wait,
    "HOLD": _hold,
    "SHIP": _ship,
    "STOP": _stop,
    "EITHER": _either,
    "CONTINUE": _continue,
}


def _reasons(facts: Facts) -> list[str]:
    said = [_why_invalid(facts)] if facts["decision"] == "INVALID" else []
    if facts["decision"] != "INVALID" and facts["reason"] is not None:
        said.append(f"{_metric(facts)} cannot be compared: {facts['reason']}")
    said += [f"{guardrail} got worse beyond its margin" for guardrail in facts["harmed"]]
    said += [f"{guardrail} is not yet shown to be within its margin" for guardrail in facts["unsure"]]
    said += [f"{variant} is significantly worse in {_metric(facts)}" for variant in facts["losing"] or []]
    return said


def _metric(facts: Facts) -> str:
    return str(facts["primary_metric"]).replace("_", " ")


def _difference(facts: Facts) -> str:
    way = "higher" if facts["difference"] > 0 else "lower"
    lift = "" if facts["lift"] is None else f" ({facts['lift']:+.1%})"
    size = number(abs(facts["difference"]))
    return (
        f"{_metric(facts)} is {size}{lift} {way} than in {facts['control']}, {_between(facts)} with all looks and arms allowed for"
    )


def _between(facts: Facts) -> str:
    return f"between {number(facts['low_reading'])} and {number(facts['high_reading'])}"


def _listed(names: list[str]) -> str:
    return ", ".join(names)
