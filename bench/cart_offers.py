"""Offers for a cart beside a constant of the same size and beside FastAPI, measured in one run: 10 items, 200 mixed rules.

As bench.read_path measures: the servers on one core (with more workers on all), load generator and Redis on another, rounds
interleaved, medians shown. Nothing is written: exposures to the holdout are decided, not stored.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import redis

from bench.cart_offers_shop import COMPANY, WITH_A_GAP, carts, fill
from bench.http_load import Load, generate
from bench.measure import median, show
from bench.read_path import Target, measure, server, store

N_CARTS = 500
CART = "/api/upsell/cart/any"
BARE, USUAL, ONE_READ = "a constant, Starlette route", "FastAPI, as usually written", "FastAPI, rules kept and one MGET"


def targets() -> list[tuple[Target, str]]:
    """What is compared, and the company whose carts it is asked for."""
    return [
        (Target("cart", "cached", CART), COMPANY),
        (Target("cart, half with a gap to free shipping", "cached", CART), WITH_A_GAP),
        (Target("a constant, fast path", "cached", "/constant"), COMPANY),
        (Target(BARE, "cached", "/starlette-constant"), COMPANY),
        (Target(USUAL, "fastapi_cart", "/one-by-one/any"), COMPANY),
        (Target(ONE_READ, "fastapi_cart", "/one-read/any"), COMPANY),
    ]


def requests(path: str, asked: list[str], port: int) -> list[bytes]:
    """The carts as requests."""
    return [f"GET {path}?{each} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode() for each in asked]


def size(url: str, asked: list[str]) -> int:
    """Bytes of an answer, on average."""
    with server("cached", url) as (_, port):
        bodies = [urlopen(f"http://127.0.0.1:{port}{CART}?{each}", timeout=10).read() for each in asked[:50]]
    return sum(map(len, bodies)) // len(bodies)


def run(given: argparse.Namespace) -> tuple[list[Target], int]:
    """Measure every target in turn, as many rounds as are asked for; and how many bytes an answer has."""
    measured = targets()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(store(folder, 1))
        with redis.Redis.from_url(url) as client:
            fill(client, given.products, given.rules)
        asked = {company: carts(company, N_CARTS, given.items, given.products) for _, company in measured}
        n_bytes = size(url, asked[COMPANY])
        os.environ["BENCH_CONSTANT_BYTES"] = str(n_bytes)
        names = dict.fromkeys(each.server for each, _ in measured)
        servers = {name: stack.enter_context(server(name, url, given.workers)) for name in names}
        pool = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        sent = {each.name: requests(each.path, asked[company], servers[each.server][1]) for each, company in measured}
        for each, _ in measured:
            pool.submit(generate, Load(servers[each.server][1], sent[each.name], min(1.0, given.seconds), 16)).result()
        for at in range(given.rounds):
            for each, _ in measured:
                print(f"round {at + 1} of {given.rounds}: {each.name}", file=sys.stderr)
                measure(pool, each, *servers[each.server], sent[each.name], given.seconds, at, 16)
    return [each for each, _ in measured], n_bytes


def rows(measured: list[Target]) -> list[dict[str, object]]:
    """Medians beside those of the constant and of FastAPI."""
    by_name = {each.name: median(each.rates) for each in measured}
    return [
        {
            "what": each.name,
            "rate/s": round(by_name[each.name]),
            "of the constant's": by_name[each.name] / by_name[BARE],
            "of FastAPI's": by_name[each.name] / by_name[USUAL],
            "of its better one's": by_name[each.name] / by_name[ONE_READ],
            "CPU µs": median(each.cpu_us),
            "p50 ms": median(each.p50_ms),
            "p99 ms": median(each.p99_ms),
            "RSS MB": round(each.rss_mb),
        }
        for each in measured
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser("python -m bench.cart_offers", description=__doc__)
    parser.add_argument("--products", type=int, default=2_000)
    parser.add_argument("--items", type=int, default=10)
    parser.add_argument("--rules", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()
    measured, n_bytes = run(given)
    show(
        f"carts of {given.items} items, {given.rules} rules, answers of {n_bytes:,} bytes, {given.workers} worker(s), "
        f"medians of {given.rounds}, {os.cpu_count()} cores",
        rows(measured),
    )


if __name__ == "__main__":
    main()
