"""Every bench runs: a short version of each, whose figures mean nothing and whose shape must hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("bench", "arguments"),
    [
        ("extraction", ["--lines", "2000", "--rounds", "1"]),
        ("publishing", ["--anchors", "700", "--rounds", "1"]),
        ("store_memory", ["--entries", "2000"]),
        ("read_path", ["--products", "200", "--rounds", "1", "--seconds", "0.2"]),
        ("als", ["--customers", "300", "--products", "200", "--events", "3000", "--rounds", "1"]),
        ("co_purchase", ["--baskets", "2000", "--products", "300", "--rounds", "1"]),
        ("payloads", ["--anchors", "300", "--rounds", "1"]),
        ("training", ["--customers", "300", "--products", "100", "--interactions", "6000"]),
        ("planted", ["--lines", "20000"]),
        ("experiment_units", ["--exposures", "20000", "--experiments", "20"]),
        ("inference", ["--experiments", "20", "--slow", "5", "--rounds", "1"]),
        ("read_path_offers", ["--products", "200", "--items", "20", "--rounds", "1", "--seconds", "0.2"]),
        ("cart_offers", ["--products", "200", "--rules", "20", "--rounds", "1", "--seconds", "0.2"]),
        ("pricing", ["--cases", "5000", "--rounds", "1"]),
        ("reorder_intervals", ["--share", "0.1", "--rounds", "50", "--lines", "5000", "--pairs", "5000"]),
        ("event_intake", ["--rounds", "1", "--seconds", "0.2", "--rows", "4000"]),
        ("fuzz", ["--requests", "1200"]),
        ("event_chaos", ["--seconds", "6", "--away", "1", "--rate", "200"]),
    ],
)
def test_a_short_run(bench: str, arguments: list[str]) -> None:
    """It ends with code 0 and one JSON document that names what was measured."""
    command = [sys.executable, "-m", f"bench.{bench}", *arguments, "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
