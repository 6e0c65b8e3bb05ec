"""CPU, wall and peak memory of models.payloads beside building dictionaries and encoding them with orjson.

python -m bench.payloads [--anchors N] [--rounds N] [--json]

Both read the same frames and end with one payload per anchor, each in a process of its own, so that its peak memory is its own.
First both are made once, and the run ends with an error unless they hold equal JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from bench.co_purchase import peak_mb
from bench.measure import cost, median, show
from bench.publishing import ITEMS, built
from flows.object_store import open_store
from flows.publish import read_kind
from models.also_bought import EVIDENCE
from models.payloads import payloads, product_fragments

SHOWN = {
    "id": "product_id",
    "name": "name",
    "slug": "slug",
    "price": "price_cents",
    "compareAtPrice": "compare_at_cents",
    "imageUrl": "image_url",
    "averageRating": "average_rating",
    "reviewCount": "n_reviews",
    "inStock": "in_stock",
    "category": "category",
}
# column -> key of the published evidence
KEYS = {"source": "source"} | {name: name[0] + name.title().replace("_", "")[1:] for name in EVIDENCE}
WHAT = {"ours": "models.payloads", "dictionaries": "dictionaries, orjson"}


def main() -> None:
    """Write the frames, compare the payloads, then run the contenders in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--anchors", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--contender", choices=[*WHAT, "compare"], help=argparse.SUPPRESS)
    arguments.add_argument("--frames", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.contender:
        _run(given.contender, given.frames)
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in WHAT}
    with tempfile.TemporaryDirectory(prefix="upsell-bench-") as folder:
        store = open_store(Path(folder).as_uri(), Path(folder))
        manifest = built(store, given.anchors)
        for name in ("also-bought", "products"):
            read_kind(store, "bench", manifest.id, name).write_parquet(Path(folder) / f"{name}.parquet")
        _apart("compare", folder)
        for _ in range(given.rounds):
            for name in WHAT:
                found[name].append(_apart(name, folder))
    middle = {name: {key: median([each[key] for each in rounds]) for key in rounds[0]} for name, rounds in found.items()}
    show(
        f"payloads of {given.anchors:,} anchors of {ITEMS}, medians of {given.rounds}; both are equal as JSON",
        [
            {
                "what": WHAT[name],
                "wall s": of["wall"],
                "CPU s": of["cpu"],
                "times as fast, wall": middle["dictionaries"]["wall"] / of["wall"],
                "times as fast, CPU": middle["dictionaries"]["cpu"] / of["cpu"],
                "peak MB": of["peak_mb"],
            }
            for name, of in middle.items()
        ],
    )


def ours(frame: pl.DataFrame, products: pl.DataFrame) -> list[tuple[str, bytes]]:
    """Fragments and payloads as publishing makes them, to bytes of Python."""
    return payloads(frame, product_fragments(products), EVIDENCE).rows()


def dictionaries(frame: pl.DataFrame, products: pl.DataFrame) -> list[tuple[str, bytes]]:
    """A dictionary per product, which its items copy, and one per item and per item's evidence; two documents per anchor."""
    shown = {row["product_id"]: _product(row) for row in products.iter_rows(named=True)}
    lists: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    for row in frame.sort("anchor_id", "rank").iter_rows(named=True):
        items, evidence = lists.setdefault(row["anchor_id"], ([], []))
        item = shown[row["product_id"]] | {"score": row["score"], "reason": row["reason"]}
        if row["n_xy"] is not None:
            item["coOccurrenceCount"] = row["n_xy"]
        items.append(item)
        evidence.append({key: row[name] for name, key in KEYS.items() if row[name] is not None})
    return [(anchor, orjson.dumps(items) + b"\n" + orjson.dumps(evidence)) for anchor, (items, evidence) in lists.items()]


CONTENDERS: dict[str, Callable[[pl.DataFrame, pl.DataFrame], list[tuple[str, bytes]]]] = {
    "ours": ours,
    "dictionaries": dictionaries,
}


def _product(row: dict[str, Any]) -> dict[str, Any]:
    whole = {key: row[name] / 100 if name.endswith("_cents") else row[name] for key, name in SHOWN.items() if row[name] is not None}
    return {"price": None, **whole}


def _apart(name: str, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.payloads", "--contender", name, "--frames", folder]
    return dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def _run(name: str, folder: Path) -> None:
    frame, products = (pl.read_parquet(folder / f"{member}.parquet") for member in ("also-bought", "products"))
    if name == "compare":
        for one, other in zip(ours(frame, products), dictionaries(frame, products), strict=True):
            if one[0] != other[0] or _documents(one[1]) != _documents(other[1]):
                raise SystemExit(f"The payloads of {one[0]} differ: {one[1]!r}, {other[1]!r}")
        print("{}")
        return
    CONTENDERS[name](frame.head(100), products)
    spent = cost(lambda: CONTENDERS[name](frame, products))
    print(json.dumps({"cpu": spent.cpu, "wall": spent.wall, "peak_mb": peak_mb()}))


def _documents(payload: bytes) -> list[Any]:
    return [json.loads(line) for line in payload.split(b"\n")]


if __name__ == "__main__":
    main()
