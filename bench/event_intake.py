"""Events in and out: one worker's intake beside a constant of the same framework, and draining beside a bare COPY of the same rows.

Intake is measured as bench.read_path measures: one worker on one core, load generator and Redis (which writes its append-only file)
on another, rounds interleaved, medians shown. Draining and COPY write into the same table, with its keys and indexes, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import psycopg
import redis

from bench.http_load import Load, generate
from bench.measure import median, show, trial
from bench.read_path import Target, measure, server
from flows.settings import Settings
from models import events
from models.events import STREAM_KEY
from models.generation import COMPANIES_KEY, PRODUCT, Kind, Manifest, live_key, manifest_key, payload_prefix
from models.published_configs import RULES, publish_company_command
from serving.drain import Drain
from serving.settings import Settings as ServingSettings

COMPANY = "bench"
N_PRODUCTS, N_CUSTOMERS, N_RULES, N_REQUESTS = 2_000, 1_000, 50, 5_000
AT = 1_764_000_000_000
# the rows as the table has them: the instant is an instant there
COPY = 'copy "ProductView" (id, "companyId", "viewedAt", "productId", "sessionId", "customerId", source) from stdin'


def targets() -> list[Target]:
    """What is compared."""
    return [
        Target("a view", "cached", "/api/recommendations/view"),
        Target("an offer's impression, capped", "cached", "/api/upsell/impressions"),
        Target("a constant by Starlette", "cached", "/starlette-constant"),
        Target("a constant by the fast path", "cached", "/constant"),
    ]


def fill(settings: Settings, client: redis.Redis) -> None:
    """A company with products, customers and capped rules in both stores."""
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        connection.execute('insert into "Company" (id, name, slug) values (%s, %s, %s)', [COMPANY] * 3)
        connection.execute(
            """insert into "Product" (id, "companyId", name, slug, price)
            select 'p' || n, %s, 'p', 'p' || n, 10 from generate_series(0, %s) n""",
            [COMPANY, N_PRODUCTS - 1],
        )
        connection.execute(
            """insert into "Customer" (id, "companyId", email) select 'c' || n, %s, n || '@x' from generate_series(0, %s) n""",
            [COMPANY, N_CUSTOMERS - 1],
        )
        connection.execute(
            """insert into "UpsellTargetingRule" (id, "companyId", name, "upsellType")
            select 'r' || n, %s, 'r', 'CROSS_SELL' from generate_series(0, %s) n""",
            [COMPANY, N_RULES - 1],
        )
    prefix = payload_prefix(COMPANY, "g1", PRODUCT)
    client.mset({f"{prefix}p{at}": f'{{"id":"p{at}","price":10.00}}\n["p",null]' for at in range(N_PRODUCTS)})
    client.set(manifest_key(COMPANY, "g1"), Manifest("g1", COMPANY, "2011-12-01T00:00:00Z", [Kind("popular", 1, 1)]).to_json())
    client.set(live_key(COMPANY), "g1")
    client.sadd(COMPANIES_KEY, COMPANY)
    rules = [{"id": f"r{at}", "name": "r", "upsellType": "CROSS_SELL", "maxImpressions": 1_000_000} for at in range(N_RULES)]
    send: Any = client.execute_command
    send(*publish_company_command(COMPANY, RULES, 1, rules))


def requests(target: Target, port: int) -> list[bytes]:
    """Seeded requests of a target."""
    seeded = random.Random(42)
    head = f"Host: 127.0.0.1:{port}\r\nAccept: */*\r\n"
    if "constant" in target.path:
        return [f"GET {target.path} HTTP/1.1\r\n{head}\r\n".encode()]
    made = []
    for _ in range(N_REQUESTS):
        who = {"sessionId": f"s{seeded.randrange(1_000)}", "customerId": f"c{seeded.randrange(N_CUSTOMERS)}"}
        if target.path.endswith("view"):
            said: dict[str, Any] = {"productId": f"p{seeded.randrange(N_PRODUCTS)}", "source": "SEARCH"}
        else:
            said = {
                "ruleId": f"r{seeded.randrange(N_RULES)}",
                "cartId": "cart",
                "placement": "CART_PAGE",
                "offer": {"discountPercent": 5},
            }
        body = json.dumps(who | said).encode()
        lines = f"POST {target.path}?companyId={COMPANY} HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
        made.append(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return made


def intake(settings: Settings, client: redis.Redis, rounds: int, seconds: float) -> list[Target]:
    """Measure every target `rounds` times, in turn; nothing is drained meanwhile."""
    assert settings.database_url and settings.redis_url
    os.environ |= {"DATABASE_URL": settings.database_url, "API_DRAIN": "0", "API_EVENTS_MOST": "100000000"}
    measured = targets()
    with ExitStack() as stack:
        pid, port = stack.enter_context(server("cached", settings.redis_url))
        pool = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        sent = {each.name: requests(each, port) for each in measured}
        for each in measured:
            pool.submit(generate, Load(port, sent[each.name], min(1.0, seconds))).result()
        for at in range(rounds):
            for each in measured:
                print(f"round {at + 1} of {rounds}: {each.name}", file=sys.stderr)
                measure(pool, each, pid, port, sent[each.name], seconds, at)
                client.delete(STREAM_KEY)
    return measured


def views(n: int) -> list[events.Event]:
    """Views as they wait in the stream."""
    seeded = random.Random(7)
    return [
        events.view(
            f"{seeded.getrandbits(128):032x}",
            COMPANY,
            AT + at,
            f"p{seeded.randrange(N_PRODUCTS)}",
            f"s{at // 5}",
            f"c{seeded.randrange(N_CUSTOMERS)}" if at % 2 else "",
        )
        for at in range(n)
    ]


def drained(settings: Settings, client: redis.Redis, rows: Sequence[events.Event]) -> float:
    """Rows per second that a drainer takes from the stream to Postgres, until Redis has forgotten them."""
    empty(settings)
    for start in range(0, len(rows), 5_000):
        pipeline = client.pipeline(transaction=False)
        send: Any = pipeline.execute_command
        for row in rows[start : start + 5_000]:
            send("XADD", STREAM_KEY, "*", *events.fields([row]))
        pipeline.execute()
    assert settings.database_url and settings.redis_url

    async def work() -> float:
        drain = Drain(ServingSettings(database_url=settings.database_url or "", redis_url=settings.redis_url or ""))
        started = time.perf_counter()
        task = asyncio.create_task(drain.watch())
        while await asyncio.to_thread(client.xlen, STREAM_KEY):
            await asyncio.sleep(0.01)
        taken = time.perf_counter() - started
        task.cancel()
        await asyncio.wait({task})
        return taken

    return len(rows) / asyncio.run(work())


def copied(settings: Settings, rows: Sequence[events.Event], per_copy: int) -> float:
    """Rows per second that a bare COPY of the same rows takes, so many to a transaction."""
    empty(settings)
    lines = []
    for id, company, at, (product, session, customer, source, *_) in (row[1:] for row in rows):
        instant = datetime.fromtimestamp(at / 1000, UTC).isoformat()
        lines.append("\t".join([id, company, instant, product, session, customer or "\\N", source]).encode())
    assert settings.database_url
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute("set synchronous_commit = on")
        started = time.perf_counter()
        for start in range(0, len(lines), per_copy):
            with connection.cursor().copy(COPY) as copy:
                copy.write(b"\n".join(lines[start : start + per_copy]) + b"\n")
        return len(rows) / (time.perf_counter() - started)


def empty(settings: Settings) -> None:
    """An empty table, as both find it."""
    assert settings.database_url
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        connection.execute('truncate "ProductView"')
        connection.execute("checkpoint")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser("python -m bench.event_intake", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rows", type=int, default=100_000, help="events to drain")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()
    with trial() as settings, redis.Redis.from_url(settings.redis_url or "") as client:
        fill(settings, client)
        measured = intake(settings, client, given.rounds, given.seconds)
        rows, rates = views(given.rows), [(0.0, 0.0, 0.0)][:0]
        for at in range(given.rounds):
            print(f"round {at + 1} of {given.rounds}: draining", file=sys.stderr)
            rates.append((drained(settings, client, rows), copied(settings, rows, 2_000), copied(settings, rows, given.rows)))
    constant = median(next(each for each in measured if "Starlette" in each.name).rates)
    table: list[dict[str, Any]] = [
        {
            "what": each.name,
            "per second": round(median(each.rates)),
            "of the rival's": median(each.rates) / constant,
            "CPU µs": median(each.cpu_us),
            "p50 ms": median(each.p50_ms),
            "p99 ms": median(each.p99_ms),
        }
        for each in measured
    ]
    for name, at in (("rows drained", 0), ("rows of a bare COPY, 2,000 to a transaction", 1), ("rows of one bare COPY", 2)):
        ratio = median([round_[at] / round_[2] for round_ in rates])
        row = {"what": name, "per second": round(median([round_[at] for round_ in rates])), "of the rival's": ratio}
        table.append(row | dict.fromkeys(("CPU µs", "p50 ms", "p99 ms"), ""))
    show(f"events, one worker, {given.rows:,} rows to drain, medians of {given.rounds}, {os.cpu_count()} cores", table)


if __name__ == "__main__":
    main()
