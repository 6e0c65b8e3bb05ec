"""Which variant a unit is in: shares, independence, and that nobody moves."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.assignment import HELD_OUT, TRAFFIC, VARIANT, assigned, drawn, is_held_out
from tests.models.invented import QUICK

N = 100_000
UNITS = [f"session-{number}" for number in range(N)]
NAME = st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=20)
WEIGHTS = st.dictionaries(NAME, st.sampled_from([0.0, 0.1, 1.0, 2.0, 50.0]), min_size=1, max_size=4)
PERCENT = st.floats(0, 100)


def is_likely(n: int, of: int, share: float) -> bool:
    """Within four standard deviations of a binomial."""
    return abs(n - of * share) <= 4 * math.sqrt(of * share * (1 - share))


def test_it_is_the_same_for_good() -> None:
    """These were drawn when the experiments began: another answer would move their visitors."""
    assert [assigned("exp-1", unit, {"control": 1, "b": 1, "c": 2}, 60) for unit in ("s1", "s2", "s3", "s4", "ž 🛒")] == [
        None,
        "c",
        "c",
        "c",
        "b",
    ]
    assert drawn(VARIANT, "exp-1", "b", "s1") == 0.20454572786052305


def test_another_process_says_the_same() -> None:
    """Nothing of a process (its hash seed) is part of it."""
    code = "from models.assignment import assigned; print([assigned('e', str(n), {'a': 1, 'b': 1}, 50) for n in range(50)])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert said == str([assigned("e", str(n), {"a": 1, "b": 1}, 50) for n in range(50)])


def test_shares_are_those_of_the_weights() -> None:
    """Over 100,000 units the traffic and each arm within four standard deviations; a paused arm has nobody."""
    counts = Counter(assigned("exp", unit, {"control": 1, "b": 2, "c": 0, "d": 5}, 40) for unit in UNITS)
    n_in = N - counts[None]
    assert is_likely(n_in, N, 0.4) and counts["c"] == 0
    assert all(is_likely(counts[arm], n_in, weight / 8) for arm, weight in (("control", 1), ("b", 2), ("d", 5)))


def test_experiments_traffic_and_holdout_are_independent() -> None:
    """Units of one arm are split by another experiment, and by the holdout, as all units are; so are those in the traffic."""
    arms = {"control": 1.0, "b": 1.0}
    one = [unit for unit in UNITS if assigned("one", unit, arms, 100) == "b"]
    assert is_likely(sum(assigned("two", unit, arms, 100) == "b" for unit in one), len(one), 0.5)
    assert is_likely(sum(is_held_out("shop", unit, 5) for unit in one), len(one), 0.05)
    narrow = [unit for unit in UNITS if assigned("one", unit, arms, 20) is not None]
    assert is_likely(sum(assigned("one", unit, arms, 20) == "b" for unit in narrow), len(narrow), 0.5)


def test_the_holdout_has_its_share() -> None:
    """Five of a hundred, none at 0, all at 100; another company's are others."""
    held = {unit for unit in UNITS if is_held_out("shop", unit, 5)}
    assert is_likely(len(held), N, 0.05)
    assert is_likely(sum(is_held_out("another", unit, 5) for unit in held), len(held), 0.05)
    assert not any(is_held_out("shop", unit, 0) for unit in UNITS[:1000])
    assert all(is_held_out("shop", unit, 100) for unit in UNITS[:1000])


@QUICK
@given(experiment=NAME, unit=NAME, weights=WEIGHTS, low=PERCENT, high=PERCENT)
def test_more_traffic_moves_nobody(experiment: str, unit: str, weights: dict[str, float], low: float, high: float) -> None:
    """Whoever is in stays in, in the same variant; and stays held out."""
    low, high = min(low, high), max(low, high)
    before = assigned(experiment, unit, weights, low)
    assert before is None or assigned(experiment, unit, weights, high) == before
    assert is_held_out(experiment, unit, high) or not is_held_out(experiment, unit, low)


@QUICK
@given(experiment=NAME, unit=NAME, weights=WEIGHTS)
def test_only_who_must_moves(experiment: str, unit: str, weights: dict[str, float]) -> None:
    """Pausing an arm moves its own units alone, a new arm takes some and moves nobody else; scale and order do not matter."""
    before = assigned(experiment, unit, weights, 100)
    assert (before is None) == (not any(weights.values()))
    for paused in weights:
        if paused != before:
            assert assigned(experiment, unit, {**weights, paused: 0.0}, 100) == before
    assert assigned(experiment, unit, {**weights, "quite new": 1.0}, 100) in (before, "quite new")
    assert assigned(experiment, unit, dict(reversed([*weights.items()])), 100) == before
    assert assigned(experiment, unit, {name: weight * 4 for name, weight in weights.items()}, 100) == before


@QUICK
@given(names=st.lists(NAME, min_size=1, max_size=3))
def test_numbers_are_inside_of_one(names: list[str]) -> None:
    """So that no logarithm fails, and 100 % is everybody."""
    for question in (TRAFFIC, VARIANT, HELD_OUT):
        assert 0 < drawn(question, *names) < 1


@pytest.mark.parametrize("weight", [-1.0, math.inf, math.nan])
def test_a_weight_that_is_none(weight: float) -> None:
    """It is refused by name."""
    with pytest.raises(ValueError, match="The weight of b is"):
        assigned("exp", "s", {"a": 1.0, "b": weight}, 100)
