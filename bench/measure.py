"""What every bench shares: a trial folder with embedded servers, CPU and memory of a piece of work, medians, one table."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import embedded, migrate
from flows.connections import postgres
from flows.settings import Settings


@dataclass(frozen=True)
class Cost:
    """Wall seconds, CPU seconds of this process and of its children, and the peak memory of this process in MB so far."""

    wall: float
    cpu: float
    peak_mb: float


def cost(work: Callable[[], Any]) -> Cost:
    """Run `work` once."""
    cpu, wall = _cpu(), time.perf_counter()
    work()
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Cost(time.perf_counter() - wall, _cpu() - cpu, peak_kb / 1024)


def interleaved(rounds: int, **works: Callable[[], Any]) -> dict[str, list[Cost]]:
    """Run the works in turn, `rounds` times, so that a busy minute of the machine meets all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            costs[name].append(cost(work))
    return costs


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


@contextmanager
def trial() -> Iterator[Settings]:
    """Settings on embedded servers of a temporary folder, migrated; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="upsell-bench-") as folder:
        services = embedded.start(Path(folder))
        settings = Settings(local_dir=Path(folder), database_url=services.database_url, redis_url=services.redis_url)
        try:
            with postgres(settings) as connection:
                migrate.up(connection)
            yield settings
        finally:
            embedded.stop(Path(folder))


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print the rows as a table, or as one JSON document with --json."""
    if "--json" in sys.argv:
        print(json.dumps({"bench": title, "rows": rows}))
        return
    columns = list(rows[0])
    texts = [
        columns,
        *([f"{row[column]:,.3g}" if isinstance(row[column], float) else str(row[column]) for column in columns] for row in rows),
    ]
    widths = [max(len(line[number]) for line in texts) for number in range(len(columns))]
    print(title)
    for line in texts:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
