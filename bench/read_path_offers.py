"""Offers beside FastAPI and a constant, measured in one run: bulk-calculate of 200 items, a nudge, a subscription's options.

As bench.read_path measures: one worker on one core, load generator and Redis on another, rounds interleaved, medians shown.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import redis

from bench.http_load import Load, generate
from bench.measure import median, show
from bench.read_path import Target, measure, server, store
from bench.read_path_shop import PERSONAL
from models.published_configs import BULK_DISCOUNT, SUBSCRIPTION_CONFIG, config_key

SECRET = "a secret of the bench, longer than thirty-two bytes"
N_REQUESTS = 500
CALCULATE = "/api/products/pricing/bulk-calculate"
TIERS = [
    {"minQuantity": at, "maxQuantity": at + 4, "discountType": "PERCENTAGE", "discountValue": 2 * at, "label": f"from {at}"}
    for at in (5, 10, 15)
]


def targets() -> list[Target]:
    """What is compared; a rival of the same reads stands behind ours."""
    asked = f"?companyId={PERSONAL}"
    return [
        Target("bulk-calculate of {n} items", "cached", CALCULATE),
        Target("the same with FastAPI, as usually written", "fastapi_bulk", "/one-by-one"),
        Target("the same with FastAPI, one MGET", "fastapi_bulk", "/one-read"),
        Target("bulk-recommendation", "cached", f"/api/products/p{{product}}/bulk-recommendation{asked}&quantity=4"),
        Target("subscription-offer", "cached", f"/api/upsell/subscription-offer/p{{product}}{asked}"),
        Target("bulk-discount, the configuration", "cached", f"/api/products/p{{product}}/bulk-discount{asked}"),
        Target("constant, fast path", "cached", "/constant"),
    ]


def fill(client: redis.Redis, n_products: int) -> None:
    """Every product is configured."""
    bulk = json.dumps({"enabled": True, "tiers": TIERS, "maxDiscountPercent": 50, "validFrom": None, "validUntil": None})
    for at in range(n_products):
        client.mset(
            {
                config_key(PERSONAL, BULK_DISCOUNT, f"p{at}"): f"1\n{bulk}",
                config_key(PERSONAL, SUBSCRIPTION_CONFIG, f"p{at}"): '1\n{"enabled":true}',
            }
        )


def requests(target: Target, n_products: int, n_items: int, port: int) -> list[bytes]:
    """Seeded requests of a target."""
    seeded = random.Random(42)
    claims = {"sub": "bench", "scope": ["company:read"], "companyId": PERSONAL, "exp": datetime.now(UTC) + timedelta(days=1)}
    bearer = jwt.encode(claims, SECRET, "HS256")
    made = []
    for _ in range(N_REQUESTS):
        items = [{"productId": f"p{seeded.randrange(n_products)}", "quantity": seeded.randint(1, 20)} for _ in range(n_items)]
        head = f"Host: 127.0.0.1:{port}\r\nAccept: */*\r\n"
        if "{product}" in target.path or target.path == "/constant":
            made.append(f"GET {target.path.format(product=seeded.randrange(n_products))} HTTP/1.1\r\n{head}\r\n".encode())
            continue
        body = json.dumps({"items": items}).encode()
        head += f"Authorization: Bearer {bearer}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        made.append(f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return made


def connections(target: Target) -> int:
    """As many as keep a worker busy; 64 requests of 200 items would wait for seconds in a slow one."""
    return 64 if "?" in target.path or target.path == "/constant" else 4


def run(n_products: int, n_items: int, rounds: int, seconds: float, workers: int) -> list[Target]:
    """Measure every target `rounds` times, in turn."""
    os.environ["JWT_SECRET"] = SECRET
    measured = targets()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(store(folder, n_products))
        with redis.Redis.from_url(url) as client:
            fill(client, n_products)
        servers = {
            name: stack.enter_context(server(name, url, workers)) for name in dict.fromkeys(each.server for each in measured)
        }
        pool = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        sent = {each.name: requests(each, n_products, n_items, servers[each.server][1]) for each in measured}
        for each in measured:
            pool.submit(generate, Load(servers[each.server][1], sent[each.name], min(1.0, seconds), connections(each))).result()
        for at in range(rounds):
            for each in measured:
                print(f"round {at + 1} of {rounds}: {each.name.format(n=n_items)}", file=sys.stderr)
                measure(pool, each, *servers[each.server], sent[each.name], seconds, at, connections(each))
    return measured


def rows(measured: list[Target], n_items: int) -> list[dict[str, object]]:
    """Medians; bulk-calculate beside FastAPI as usually written, what the fast protocol answers beside the constant."""
    by_name = {each.name: each for each in measured}
    constant = median(by_name["constant, fast path"].rates)
    fastapi = median(by_name["the same with FastAPI, as usually written"].cpu_us)
    return [
        {
            "what": each.name.format(n=n_items),
            "rate/s": round(median(each.rates)),
            "of the constant's": median(each.rates) / constant,
            "CPU µs": median(each.cpu_us),
            "of FastAPI's": median(each.cpu_us) / fastapi,
            "p50 ms": median(each.p50_ms),
            "p99 ms": median(each.p99_ms),
        }
        for each in measured
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser("python -m bench.read_path_offers", description=__doc__)
    parser.add_argument("--products", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()
    measured = run(given.products, given.items, given.rounds, given.seconds, given.workers)
    show(
        f"offers of {given.products:,} products, {given.workers} worker(s), medians of {given.rounds}, {os.cpu_count()} cores",
        rows(measured, given.items),
    )


if __name__ == "__main__":
    main()
