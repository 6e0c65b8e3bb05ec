"""Decisions: the first rule that holds decides, and one sentence says so."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import power
from models.decision import CONTINUE, EITHER, HOLD, IN_ORDER, INVALID, SHIP, STOP, WAIT, decide
from models.experiment_frames import DECISIONS
from models.inference import infer, sample_ratios
from models.metrics import METRICS, Metric
from tests.models.experiments import designs, drawn, moments, shares
from tests.models.invented import QUICK

Counts = dict[str, tuple[int, int]]
GOAL = Metric("conversion", "proportion", "is_buyer")
DECLINES = Metric("declines", "proportion", "is_declined", role="guardrail", better=-1, margin=0.1)
NOTHING: Counts = {"a": (5000, 500), "b": (5000, 505)}
BETTER: Counts = {"a": (5000, 500), "b": (5000, 700)}
WORSE: Counts = {"a": (5000, 700), "b": (5000, 500)}


def decided(counts: Counts, guardrail: Counts | None = None, goal: Metric = GOAL, **design: Any) -> dict[str, Any]:
    """The decision on one experiment."""
    seen = shares(counts)
    if guardrail is not None:
        seen = pl.concat([seen, shares(guardrail, metric="declines")])
    planned = designs(*counts, **design)
    return decide(infer(seen, planned, [goal, DECLINES]), planned).row(0, named=True)


def test_a_winner_is_shipped() -> None:
    """10 % against 14 % of 5,000 each: ship, with the difference, its lift and its interval."""
    found = decided(BETTER)
    assert (found["decision"], found["winner"], found["days_left"], found["reasons"]) == (SHIP, "b", None, [])
    assert found["sentence"].startswith("Ship b: conversion is 0.04 (+40.0%) higher than in a, between 0.0")


def test_the_wrong_direction_stops() -> None:
    """The same the other way round: stop and keep the control; less is better the other way."""
    found = decided(WORSE)
    assert (found["decision"], found["winner"]) == (STOP, None)
    assert found["sentence"].startswith("Stop, and keep a: at best, in b, conversion is 0.04 (-28.6%) lower than in a")
    less = Metric("conversion", "proportion", "is_buyer", better=-1)
    assert decided(WORSE, goal=less)["decision"] == SHIP
    assert decided(BETTER, goal=less)["decision"] == STOP


def test_a_broken_split_is_invalid() -> None:
    """5,000 against 5,600 units: nothing is shipped, whatever was won; a paused arm and planned weights are no fault."""
    broken = decided({"a": (5000, 500), "b": (5600, 900)})
    assert (broken["decision"], broken["winner"]) == (INVALID, None)
    assert "5,000 to 5,600 units do not fit the planned split" in broken["sentence"]
    assert decided({"a": (5000, 500), "b": (5600, 900)}, is_ended=True)["decision"] == INVALID
    counts: Counts = {"a": (9900, 990), "b": (1010, 200)}
    planned = designs("a", "b").with_columns(weight=pl.Series([0.9, 0.1]))
    assert decide(infer(shares(counts), planned, METRICS), planned)["decision"].item() == SHIP
    paused: Counts = {**BETTER, "c": (300, 10)}
    planned = designs(*paused).with_columns(weight=pl.Series([1.0, 1.0, 0.0]))
    assert decide(infer(shares(paused), planned, METRICS), planned)["decision"].item() == SHIP


def test_a_running_split_is_read_always_valid() -> None:
    """A split whose chi-square has p = .0009 is a fault at the end, and on one of many days not yet."""
    counts: Counts = {"a": (5000, 500), "b": (5336, 530)}
    p = sample_ratios(shares(counts), designs("a", "b"))["p"][0]
    assert 0.0005 < p < 0.001
    assert decided(counts)["decision"] == CONTINUE
    assert decided(counts, is_ended=True)["decision"] == INVALID


def test_too_early_waits() -> None:
    """99 converters in one arm, or six days, or no unit at all: wait; unknown days do not."""
    assert decided({"a": (900, 200), "b": (900, 99)})["decision"] == WAIT
    assert decided({"a": (900, 200), "b": (900, 100)})["decision"] == STOP
    early = decided(BETTER, days=6.0)
    assert (early["decision"], early["days_left"]) == (WAIT, pytest.approx(early["days_left"]))
    assert early["days_left"] >= 1
    assert "500 converters after 6 days" in early["sentence"]
    assert decided(BETTER, days=None)["decision"] == SHIP
    planned = designs("a", "b")
    none = decide(infer(moments([]), planned, METRICS), planned).row(0, named=True)
    assert (none["decision"], none["sentence"]) == (WAIT, "Wait: there are no units yet.")


def test_harm_holds_a_winner() -> None:
    """A guardrail that is worse beyond its margin holds; one that is not yet shown to be safe is named and holds nothing."""
    held = decided(BETTER, {"a": (5000, 500), "b": (5000, 800)})
    assert (held["decision"], held["winner"]) == (HOLD, None)
    assert held["sentence"].startswith("Hold: declines of b got worse beyond the margin")
    unsure = decided(BETTER, {"a": (5000, 50), "b": (5000, 55)})
    assert unsure["decision"] == SHIP
    assert unsure["reasons"] == ["declines of b is not yet shown to be within its margin"]
    safe = decided(BETTER, {"a": (5000, 2000), "b": (5000, 1800)})
    assert (safe["decision"], safe["reasons"]) == (SHIP, [])


def test_of_several_arms_the_best_without_harm_is_shipped() -> None:
    """d gains most and is harmed; c gains more than b; with all worse it stops, with one of them worse it goes on."""
    counts: Counts = {"a": (5000, 500), "b": (5000, 650), "c": (5000, 700), "d": (5000, 800)}
    harm: Counts = {"a": (5000, 500), "b": (5000, 500), "c": (5000, 500), "d": (5000, 800)}
    found = decided(counts, harm)
    assert (found["decision"], found["winner"]) == (SHIP, "c")
    assert "declines of d got worse beyond its margin" in found["reasons"]
    assert decided({"a": (5000, 800), "b": (5000, 500), "c": (5000, 510)})["decision"] == STOP
    mixed = decided({"a": (5000, 800), "b": (5000, 500), "c": (5000, 810)})
    assert (mixed["decision"], mixed["reasons"]) == (CONTINUE, ["b is significantly worse in conversion"])


def test_an_end_without_difference_takes_either() -> None:
    """At the planned end, a loss of less than half a percent of the control's rate is nothing to wait for."""
    ended = {"planned_units": 400_000, "looks": [0.5, 1.0], "is_ended": True}
    even: Counts = {"a": (200_000, 20_000), "b": (200_000, 20_010)}
    found = decided(even, **ended)
    assert found["decision"] == EITHER
    assert found["sentence"].startswith("Take either: no difference in conversion was shown by the end")
    unclear = decided({"a": (2000, 200), "b": (2000, 195)}, planned_units=4000, looks=[1.0], is_ended=True)
    assert (unclear["decision"], unclear["sentence"].split(":")[0]) == (CONTINUE, "Keep a or go on")
    assert decided(even)["decision"] == CONTINUE


def test_days_left_are_those_to_the_planned_end() -> None:
    """10,000 of 25,000 units in ten days: fifteen days are left."""
    found = decided(NOTHING, planned_units=25_000, looks=[0.2, 0.4])
    assert (found["decision"], found["days_left"]) == (CONTINUE, 15)
    assert found["sentence"].endswith("about 15 more days.")


def test_days_left_without_an_end_come_from_the_effect() -> None:
    """1,000 units a day, an effect of 10 % on 10 %: as many days as the always-valid plan for .01 needs, less ten."""
    found = decided({"a": (5000, 500), "b": (5000, 500)})
    needed = float(power.always_valid_units(0.01, power.means(0.3)))
    assert found["days_left"] == pytest.approx((needed - 10_000) / 1000, abs=1)


def test_what_cannot_be_read_is_invalid() -> None:
    """A design without control, and a primary metric that nobody measured."""
    planned = designs("a", "b").with_columns(is_control=False)
    found = decide(infer(shares(BETTER), planned, METRICS), planned).row(0, named=True)
    assert (found["decision"], found["reasons"]) == (INVALID, ["its design has no control"])
    planned = designs("a", "b", primary="other")
    found = decide(infer(shares(BETTER), planned, METRICS), planned).row(0, named=True)
    assert found["decision"] == INVALID
    assert "other was not measured" in found["sentence"]


@QUICK
@given(
    sizes=st.dictionaries(st.sampled_from("abcx"), st.sampled_from([0, 1, 30, 600]), max_size=4),
    seed=st.integers(0, 1000),
    days=st.one_of(st.none(), st.floats(0, 100)),
    ended=st.booleans(),
)
def test_every_experiment_has_one_decision_and_a_sentence(
    sizes: dict[str, int], seed: int, days: float | None, ended: bool
) -> None:
    """Whatever was seen: a decision, a sentence of one line, a winner where one is shipped, and the rows' order says nothing."""
    seen = drawn(sizes, seed) if sizes else moments([])
    ends = {"planned_units": 500, "looks": [0.5, 1.0]} if ended else {}
    planned = pl.concat([designs("a", "b", "c", days=days, is_ended=ended, **ends), designs("a", "b", experiment="empty")])
    results = infer(seen, planned, METRICS)
    found = decide(results, planned)
    assert found.schema == pl.Schema(DECISIONS)
    assert found["experiment_id"].to_list() == ["e", "empty"]
    for row in found.iter_rows(named=True):
        assert row["decision"] in IN_ORDER
        assert (row["winner"] is not None) == (row["decision"] == SHIP)
        assert row["sentence"].endswith(".")
        assert not {"None", "nan", "inf"} & set(row["sentence"].replace(",", " ").split())
    assert decide(results.sample(fraction=1, shuffle=True, seed=1), planned[::-1]).equals(found)


def test_nothing_to_decide() -> None:
    """No design, no decision."""
    none = designs("a")[:0]
    assert decide(infer(moments([]), none, METRICS), none).equals(pl.DataFrame(schema=DECISIONS))
