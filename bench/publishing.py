"""Keys per second of publishing beside a bare pipelined client that writes the same bytes.

Ours reads the built frames, makes the payloads, writes them, counts them and moves the pointer; the rival has the finished
bytes in memory and only sends them. python -m bench.publishing [--anchors N] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import polars as pl
import redis

from bench.measure import interleaved, median, show, trial
from flows.layout import generation_key
from flows.object_store import ObjectStore, open_store, parquet_bytes
from flows.progress import silent
from flows.publish import publish, read_kind
from flows.settings import Settings
from models.also_bought import EVIDENCE, SCHEMA
from models.generation import Kind, Manifest, payload_prefix
from models.payloads import payloads, product_fragments

ITEMS = 10
BATCH = 500


def main() -> None:
    """Build a generation of one kind, then publish it both ways in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--anchors", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with trial() as settings:
        store = open_store(settings.snapshots, settings.local_dir)
        manifest = built(store, given.anchors)
        fragments = product_fragments(read_kind(store, "bench", manifest.id, "products"))
        rows = payloads(read_kind(store, "bench", manifest.id, "also-bought"), fragments, EVIDENCE)
        prefix = payload_prefix("rival", manifest.id, "also-bought")
        pairs = [((prefix + anchor).encode(), payload) for anchor, payload in rows.iter_rows()]
        n_bytes = sum(len(payload) for _, payload in pairs)
        costs = interleaved(
            given.rounds,
            ours=partial(publish, settings, store, manifest, silent),
            pipeline=partial(pipelined, settings, pairs),
        )
    rates = {name: given.anchors / median([cost.wall for cost in rounds]) for name, rounds in costs.items()}
    what = {"ours": "upsell publish, payloads made on the way", "pipeline": "redis-py pipeline of SETs, finished bytes"}
    show(
        f"publishing {given.anchors:,} keys of {n_bytes / given.anchors:,.0f} bytes, medians of {given.rounds}",
        [
            {
                "what": what[name],
                "keys/s": rates[name],
                "CPU us/key": median([cost.cpu for cost in costs[name]]) / given.anchors * 1e6,
                "of the bare client": rates[name] / rates["pipeline"],
            }
            for name in costs
        ],
    )


def built(store: ObjectStore, n_anchors: int) -> Manifest:
    """A generation whose kind has ITEMS random partners for each of `n_anchors` products."""
    rng = np.random.default_rng(1)
    ids = pl.Series("product_id", [f"product-{number:06}" for number in range(n_anchors)])
    products = pl.DataFrame({"product_id": ids}).with_columns(
        pl.format("Product {} of the bench", "product_id").alias("name"),
        pl.col("product_id").alias("slug"),
        pl.lit(1999).alias("price_cents"),
        pl.lit(2499).alias("compare_at_cents"),
        pl.format("/images/{}.jpg", "product_id").alias("image_url"),
        pl.lit(4.5).alias("average_rating"),
        pl.lit(12).alias("n_reviews"),
        pl.lit(True).alias("in_stock"),
        pl.lit(True).alias("is_shown"),
        pl.lit("Category").alias("category"),
    )
    n_rows = n_anchors * ITEMS
    frame = pl.DataFrame(
        {
            "anchor_id": ids.gather(np.repeat(np.arange(n_anchors), ITEMS)),
            "rank": np.tile(np.arange(1, ITEMS + 1), n_anchors),
            "product_id": ids.gather(rng.integers(0, n_anchors, n_rows)),
            "score": rng.random(n_rows).round(6),
            "source": ["co-purchase"] * n_rows,
            "reason": ["41 of 350 orders; 6.2 times as often as by chance"] * n_rows,
            **{name: rng.integers(1, 1000, n_rows) for name in EVIDENCE},
        }
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    manifest = Manifest("20260630T000000.000000Z-bench", "bench", "2026-06-30T00:00:00Z", [Kind("also-bought", n_anchors, n_rows)])
    for name, content in {"products": products, "also-bought": frame}.items():
        store.put(generation_key("bench", manifest.id, f"{name}.parquet"), parquet_bytes(content))
    store.put(generation_key("bench", manifest.id, "manifest.json"), manifest.to_json())
    return manifest


def pipelined(settings: Settings, pairs: list[tuple[bytes, bytes]]) -> None:
    """What a plain client does: SET by SET through a pipeline."""
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        for start in range(0, len(pairs), BATCH):
            with client.pipeline(transaction=False) as pipe:
                for key, payload in pairs[start : start + BATCH]:
                    pipe.set(key, payload)
                pipe.execute()


if __name__ == "__main__":
    main()
