"""The figures of bench.peeking, from a tenth of its simulations: what daily reading does to readings that are made for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
AA = "A/A, 5 % convert, 28 daily looks, 500 units per arm and day"
REVENUE = "A/A, lognormal(3.0, 1.2) revenue of 5 % buyers, {} units per arm and day"
RISE = "+15 % on 5 %, 500 units per arm and day"
SESSIONS = "A/A, users randomised, conversion per session, one look"
FAMILY = "12 null tests (4 arms, 3 metrics), {}"


@cache
def figures() -> Mapping[tuple[str, str], Mapping[str, float]]:
    """The rows of a short run, by setting and method."""
    command = [sys.executable, "-m", "bench.peeking", "--simulations", "2000", "--families", "200", "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {(row["setting"], row["method"]): row for row in json.loads(done.stdout)["rows"]}


@pytest.mark.parametrize(
    ("setting", "method", "most"),
    [
        (AA, "always valid", 0.025),
        (AA, "always valid, planned", 0.025),
        (AA, "group sequential", 0.06),
        *((REVENUE.format(n), method, 0.05) for n in (20, 100, 500, 2_000) for method in ("always valid", "group sequential")),
        (SESSIONS, "ratio by the delta method", 0.055),
        (FAMILY.format("always valid"), "as we call it", 0.05),
        (FAMILY.format("group sequential"), "as we call it", 0.05),
    ],
)
def test_false_alarms(setting: str, method: str, most: float) -> None:
    """Without an effect no more is called than promised: the whole interval of the share would lie above otherwise."""
    assert figures()[setting, method]["low"] <= most


@pytest.mark.parametrize(
    ("setting", "method", "least"),
    [
        (AA, "group sequential", 0.04),
        (RISE, "group sequential", 0.75),
        (RISE, "always valid, planned", 0.47),
        (AA, "t test at every look", 0.25),
        (SESSIONS, "sessions as units", 0.3),
        (FAMILY.format("always valid"), "each test by itself, every look", 0.9),
    ],
)
def test_power_and_what_others_call(setting: str, method: str, least: float) -> None:
    """An effect is found as often as promised, and the rivals call what is not there, so the simulation can tell the two apart."""
    assert figures()[setting, method]["high"] >= least
