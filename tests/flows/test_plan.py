"""The planner: sizes for an effect, effects for a size, by each reading."""

from __future__ import annotations

from typing import Any

import pytest
from statsmodels.stats.power import TTestIndPower

from flows.errors import SettingsError
from flows.exposures_options import FileOptions
from flows.plan import plan, plan_rows
from flows.plan_options import PlanOptions

DESIGN = ("alpha", "weights", "looks", "n_star", "days", "planned_units", "control")


def planned(**options: Any) -> dict[str, Any]:
    """The plan of options, whichever of the two they belong to."""
    design = {name: options.pop(name) for name in DESIGN if name in options}
    return plan(PlanOptions(**options), FileOptions(**design))


def sizes(**options: Any) -> dict[str, int]:
    """Units of all arms by reading."""
    return {row["reading"]: row["units"] for row in planned(**options)["sizes"]}


def test_five_to_six_percent() -> None:
    """5 % to 6 % with 80 % takes 8,155 units in each arm for one look; more for looks on the way, most without an end."""
    document = planned(baseline=0.05, effect="20%", units_per_day=1000)
    [fixed, sequential, endless] = document["sizes"]
    assert fixed == {"reading": "fixed", "units": 16310, "unitsPerArm": {"control": 8155, "treatment": 8155}, "days": 17}
    assert fixed["units"] < sequential["units"] < endless["units"]
    assert document["effect"] == {"absolute": pytest.approx(0.01), "relative": pytest.approx(0.2)}
    assert planned(baseline=0.05, effect="0.01", units_per_day=1000)["sizes"] == document["sizes"]


def test_means_are_as_statsmodels_plans_them() -> None:
    """For a mean the fixed size is that of the t test but for the few units that its tail takes."""
    ours = planned(baseline=10, sd=30, effect="1.5", power=0.9, alpha=0.01)["sizes"][0]["unitsPerArm"]["control"]
    theirs = TTestIndPower().solve_power(effect_size=1.5 / 30, alpha=0.01, power=0.9)
    assert ours == pytest.approx(theirs, abs=3)


@pytest.mark.parametrize("options", [{"baseline": 0.05}, {"baseline": 10.0, "sd": 30.0}, {"baseline": 0.05, "arms": 4}])
def test_effects_and_sizes_are_one_question(options: dict[str, Any]) -> None:
    """The effect that is detectable with so many units needs that many units."""
    for row in planned(**options, planned_units=20_000, looks=["0.5,1"])["detectable"]:
        back = sizes(**options, effect=str(row["effect"]["absolute"]), looks=["0.5,1"])
        assert back[row["reading"]] == pytest.approx(20_000, rel=1e-3)


def test_several_arms_and_weights() -> None:
    """More arms take more units each, since alpha is shared; a small arm takes more in all; a paused arm takes none."""
    two, three = planned(baseline=0.05, effect="20%"), planned(baseline=0.05, effect="20%", arms=3)
    assert three["alphaPerTreatment"] == 0.025
    assert three["sizes"][0]["unitsPerArm"]["control"] > two["sizes"][0]["unitsPerArm"]["control"]
    weighted = planned(baseline=0.05, effect="20%", weights=["control=9,new=1,old=0"])
    assert weighted["shares"] == {"control": 0.9, "new": 0.1} and weighted["sizes"][0]["units"] > two["sizes"][0]["units"]


def test_a_ratio_and_a_covariate() -> None:
    """A ratio with a constant denominator is a mean over it; a covariate of correlation .6 leaves .64 of the units."""
    mean = sizes(baseline=2.0, sd=3.0, effect="0.2")["fixed"]
    assert sizes(baseline=0.5, sd=3.0, denominator_mean=4.0, effect="0.05")["fixed"] == mean
    correlated = sizes(baseline=0.5, sd=3.0, denominator_mean=4.0, denominator_sd=2.0, denominator_correlation=0.5, effect="0.05")
    assert correlated["fixed"] == pytest.approx(mean * (9 - 2 * 0.5 * 0.5 * 3 * 2 + 1) / 9, abs=2)
    assert sizes(baseline=2.0, sd=3.0, effect="0.2", covariate_correlation=0.6)["fixed"] == pytest.approx(0.64 * mean, abs=2)


def test_days_are_shown_in_weeks() -> None:
    """Without an effect: what one to eight weeks show, less and less; with --days that many alone."""
    rows = planned(baseline=0.05, units_per_day=1000, looks=["0.5,1"])["detectable"]
    fixed = [row["effect"]["absolute"] for row in rows if row["reading"] == "fixed"]
    assert len(fixed) == 6 and fixed == sorted(fixed, reverse=True)
    document = planned(baseline=0.05, units_per_day=1000, days=14)
    assert [row["days"] for row in document["detectable"]] == [14.0] * 3 and len(document["looks"]) == 14
    shown = plan_rows(document)
    assert shown[0]["effect: relative"] == document["detectable"][0]["effect"]["relative"]


def test_too_few_units_show_nothing() -> None:
    """Where not even a rise to 100 % would show, the effect is null."""
    [row] = [row for row in planned(baseline=0.9, planned_units=10)["detectable"] if row["reading"] == "fixed"]
    assert row["effect"] == {"absolute": None, "relative": None}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "--baseline"),
        ({"baseline": 0.05}, "--effect"),
        ({"baseline": 5.0, "effect": "10%"}, "--baseline"),
        ({"baseline": 0.05, "effect": "0"}, "--effect"),
        ({"baseline": 0.05, "effect": "much"}, "'much'"),
        ({"baseline": 0.9, "effect": "0.2"}, "--baseline with --effect"),
        ({"baseline": 0.05, "effect": "10%", "power": 1.0}, "--power"),
        ({"baseline": 0.05, "effect": "10%", "alpha": 0.0}, "--alpha"),
        ({"baseline": 0.05, "effect": "10%", "arms": 1}, "--arms"),
        ({"baseline": 0.05, "effect": "10%", "weights": ["a=1,b=0"]}, "--weights"),
        ({"baseline": 0.05, "effect": "10%", "units_per_day": 0.0}, "--units-per-day"),
        ({"baseline": 5.0, "sd": 1.0, "denominator_mean": 0.0, "effect": "1"}, "--denominator-mean"),
        ({"baseline": 5.0, "sd": 1.0, "covariate_correlation": 1.5, "effect": "1"}, "--covariate-correlation"),
    ],
)
def test_what_no_experiment_can_be(options: dict[str, Any], words: str) -> None:
    """A plan that cannot be is refused by the option at fault."""
    with pytest.raises(SettingsError, match=words):
        planned(**options)
