"""How well a night finds again what the simulated shop has planted: nDCG@10 of the published lists against the truth.

python -m bench.planted [--lines N] [--seed N] [--json]
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from bench.measure import show, trial
from flows.load import load
from flows.nightly import company_night
from flows.object_store import open_store
from flows.progress import silent
from flows.publish import read_kind
from flows.simulate import simulate, write
from flows.simulate_truth import rediscovered

KINDS = {"also-bought": "bought_together", "frequently-viewed": "viewed_together"}


def main() -> None:
    """Simulate, load, run one night, compare."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=1_000_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    frames = simulate(given.lines, given.seed)
    pairs = frames["truth_pairs"]
    with trial() as settings:
        load(settings, "simulated", write(frames, Path(settings.local_dir) / "files"))
        started = time.perf_counter()
        night = company_night(settings, "simulated", datetime.now(UTC), silent)
        seconds = time.perf_counter() - started
        if night.generation is None:
            raise SystemExit(night.error)
        store = open_store(settings.snapshots, settings.local_dir / "cache")
        rows = []
        for kind, planted in KINDS.items():
            lists = read_kind(store, "simulated", night.generation, kind)
            rows.append(
                {
                    "kind": kind,
                    "planted": planted,
                    "pairs": pairs.filter(pl.col("kind") == planted).height,
                    "nDCG@10": rediscovered(lists, pairs.filter(pl.col("kind") == planted)),
                    "readiness": night.readiness.get(kind, ""),
                }
            )
    show(f"planted pairs of {given.lines:,} lines found by one night of {seconds:.1f} s", rows)


if __name__ == "__main__":
    main()
