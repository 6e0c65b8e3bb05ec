"""From Redis' stream to Postgres: every acknowledged event once, whoever dies and whatever is away meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from flows import embedded, migrate
from flows.connections import postgres
from flows.settings import Settings
from models import events
from models.events import DRAIN_KEY, STREAM_KEY
from serving import drain_batches
from serving.drain_batches import Stored, Waiting
from tests.conftest import RedisServer
from tests.serving.api import DEADLINE_SECONDS, ROOT, Api, eventually, running_api
from tests.serving.eventful import EventShop
from tests.serving.offers import SECRET

_numbers = itertools.count(1)
AT = 1_764_000_000_000


@pytest.fixture
def shop(own_redis: RedisServer, offers_database: str) -> Iterator[EventShop]:
    """A company in both stores; no process runs."""
    with redis.Redis.from_url(own_redis.url) as client:
        opened = EventShop(None, client, offers_database, f"drained {next(_numbers)}")  # type: ignore[arg-type]
        opened.opens(f"{opened.company} p")
        rule = f"{opened.company} r"
        opened.execute(
            """insert into "UpsellTargetingRule" (id, "companyId", name, "upsellType") values (%s, %s, 'r', 'CROSS_SELL')""",
            *[rule, opened.company],
        )
        yield opened


def store(shop: EventShop, *batch: events.Event | tuple[str, bytes]) -> Stored:
    """Store a batch as the drain does."""
    rows = [(each.kind, each.row()) if isinstance(each, events.Event) else each for each in batch]
    waiting = [Waiting(f"{AT}-{number}/0", kind, row) for number, (kind, row) in enumerate(rows)]

    async def work() -> Stored:
        async with await drain_batches.connect(shop.database_url) as connection:
            return await drain_batches.store(connection, waiting)

    return asyncio.run(work())


def shown(shop: EventShop, id: str, **more: Any) -> events.Event:
    """An impression of the company's rule."""
    company = shop.company
    return events.upsell_impression(f"{company} {id}", company, AT, f"{company} r", "cart", "s", "CHECKOUT", b"{}", **more)


def test_a_batch_read_twice_leaves_the_same_rows(shop: EventShop) -> None:
    """All kinds in one batch, in the order in which they came; the same batch again changes nothing, whatever stood between."""
    company, id = shop.company, f"{shop.company} i"
    batch = [
        shown(shop, "i"),
        events.accept(id, company, AT + 1, 5),  # type: ignore[arg-type]
        events.decline(id, company, AT + 2),
        events.accept(id, company, AT + 3, 7),  # type: ignore[arg-type]
        events.upsell_click(id, company, AT + 4),
        events.view(f"{company} v", company, AT, f"{company} p", "s"),
        events.click(f"{company} l", company, AT + 5, f"{company} p", "ALSO_BOUGHT", "q"),
        events.add_to_cart(f"{company} l", company, AT + 6, f"{company} p", "ALSO_BOUGHT"),
    ]
    assert store(shop, *batch).n_rejected == 0
    tables = ("UpsellImpression", "ProductView", "RecommendationImpression")

    def rows() -> list[Any]:
        return [shop.execute(f'select * from "{table}" where "companyId" = %s order by 1', company) for table in tables]

    first = rows()
    assert [len(each) for each in first] == [1, 1, 1]
    for again in (batch, batch[:3], batch[1:2]):
        assert store(shop, *again) == Stored(0, 0)
        assert rows() == first
    columns = 'extract(epoch from "acceptedAt") * 1000, extract(epoch from "declinedAt") * 1000, revenue'
    assert shop.execute(f'select {columns} from "UpsellImpression" where id = %s', id) == [(AT + 3, AT + 2, 7)]


def test_what_no_table_can_hold_is_put_aside(shop: EventShop) -> None:
    """An event of a deleted product or rule, of no impression, of no kind, or of a torn row goes to UpsellRejectedEvent with the
    reason; what stands beside it in the batch is stored."""
    company = shop.company
    good = [events.view(f"{company} {number}", company, AT, f"{company} p", "s") for number in range(20)]
    bad: list[events.Event | tuple[str, bytes]] = [
        events.view(f"{company} b1", company, AT, f"{company} gone", "s"),
        shown(shop, "b2")._replace(columns=("gone", *shown(shop, "b2").columns[1:])),
        events.accept(f"{company} b3", company, AT, 5),  # type: ignore[arg-type]
        events.click(f"{company} b4", company, AT, f"{company} gone", "T", "q"),
        events.recommendation_impression(f"{company} b5", company, AT, f"{company} gone", "T", "s"),
        ("nonsense", f"b6\t{company}\t1".encode()),
        (events.VIEW, f"b7\t{company}\tno number\tp\ts".encode()),
        (events.VIEW, b"\xff\x00"),
    ]
    mixed = [row for pair in itertools.zip_longest(good, bad) for row in pair if row is not None]
    assert store(shop, *mixed) == Stored(len(good), len(bad))
    assert len(shop.execute('select id from "ProductView" where "companyId" = %s', company)) == len(good)
    rejected = shop.execute('select kind, event, reason from "UpsellRejectedEvent" where "companyId" in (%s, \'\')', company)
    assert len(rejected) == len(bad)
    assert all(reason and event for _, event, reason in rejected)
    assert store(shop, *mixed).n_rows == 0
    shop.execute('delete from "UpsellRejectedEvent" where "companyId" = \'\'')


def test_what_is_deleted_meanwhile_costs_nothing_else(shop: EventShop) -> None:
    """A customer whom nobody knows is nobody, and a company's product in another company's event is not its own."""
    company = shop.company
    other = EventShop(None, shop.client, shop.database_url, f"{company} other")  # type: ignore[arg-type]
    other.opens(f"{company} other p")
    own = events.view(f"{company} 1", company, AT, f"{company} p", "s", "unknown")
    foreign = events.view(f"{company} 2", company, AT, f"{company} other p", "s")
    assert store(shop, own, foreign) == Stored(1, 1)
    assert shop.execute('select "customerId" from "ProductView" where "companyId" = %s', company) == [(None,)]


@contextmanager
def drainer(shop: EventShop, redis_server: RedisServer, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that drains and does nothing else."""
    environ = {**os.environ, "REDIS_URL": redis_server.url, "DATABASE_URL": shop.database_url}
    with (folder / f"drain-{time.monotonic_ns()}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "serving.drain"], cwd=ROOT, env=environ, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def test_one_drains_and_another_takes_over(shop: EventShop, own_redis: RedisServer, tmp_path: Path) -> None:
    """Of two drainers one holds the lease; killed in the middle of its work, it is followed by the other, and each event is there
    once."""
    company, n = shop.company, 6_000
    with drainer(shop, own_redis, tmp_path) as first:
        eventually(lambda: bool(shop.client.exists(DRAIN_KEY)), "nobody took the lease")
        with drainer(shop, own_redis, tmp_path):
            holder = shop.client.get(DRAIN_KEY)
            for start in range(0, n, 1_000):
                pipeline = shop.client.pipeline(transaction=False)
                send: Any = pipeline.execute_command
                for number in range(start, start + 1_000):
                    event = events.view(f"{company} {number}", company, AT, f"{company} p", "s")
                    send("XADD", STREAM_KEY, "*", *events.fields([event]))
                pipeline.execute()
                if start == 2_000:
                    first.send_signal(signal.SIGKILL)
                    first.wait()
            assert len(shop.stored("ProductView", "id, id")) == n
            assert shop.client.get(DRAIN_KEY) != holder
    assert [path.read_text() for path in tmp_path.glob("drain-*.log")] == ["", ""]


def test_a_stopped_drainer_leaves_the_lease(shop: EventShop, own_redis: RedisServer, tmp_path: Path) -> None:
    """SIGTERM ends it with code 0, and the next one need not wait for a lease to end."""
    with drainer(shop, own_redis, tmp_path) as process:
        eventually(lambda: bool(shop.client.exists(DRAIN_KEY)), "nobody took the lease")
        process.terminate()
        assert process.wait(DEADLINE_SECONDS) == 0
        eventually(lambda: not shop.client.exists(DRAIN_KEY), "the lease was kept", 2)


class Visitors:
    """Threads that look at a product again and again, and count what was acknowledged."""

    def __init__(self, shop: EventShop, product: str, n: int = 4) -> None:
        self.acknowledged: list[str] = []
        self.n_refused = 0
        self._ending = threading.Event()
        self._shop, self._product = shop, product
        self._threads = [threading.Thread(target=self._look, args=[number]) for number in range(n)]

    def __enter__(self) -> Visitors:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _look(self, number: int) -> None:
        for turn in itertools.count():
            if self._ending.is_set():
                return
            session = f"{number}-{turn}"
            try:
                taken = self._shop.view(self._product, f"Idempotency-Key: {session}", sessionId=session).status == 200
            except (OSError, IndexError, ValueError):
                taken = False
            if taken:
                self.acknowledged.append(session)
            else:
                self.n_refused += 1
                time.sleep(0.01)

    def check(self) -> None:
        """Each acknowledged view is in Postgres once; of others, whose answer was lost, some may be too."""
        rows = [session for session, _ in self._shop.stored("ProductView", '"sessionId", id')]
        assert len(rows) == len(set(rows))
        assert set(self.acknowledged) <= set(rows)
        assert len(rows) <= len(self.acknowledged) + self.n_refused


def children(pid: int) -> list[int]:
    """Pids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_workers_are_killed_under_load(shop: EventShop, own_redis: RedisServer, tmp_path: Path) -> None:
    """kill -9 of one API process after the other, the draining one among them: what was acknowledged is in Postgres, once."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": shop.database_url, "JWT_SECRET": SECRET}
    with running_api(tmp_path, "--workers", "2", read_only=False, **environ) as api:
        shop.api = api
        with Visitors(shop, f"{shop.company} p") as visitors:
            for _ in range(4):
                seen = len(visitors.acknowledged)
                eventually(lambda seen=seen: len(visitors.acknowledged) > seen + 100, "nothing is taken")  # type: ignore[misc]
                os.kill(children(api.process.pid)[0], signal.SIGKILL)
        visitors.check()


def test_redis_is_killed_under_load(shop: EventShop, own_redis: RedisServer, tmp_path: Path) -> None:
    """kill -9 of Redis, which syncs every write: what was acknowledged is in Postgres, once."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": shop.database_url, "JWT_SECRET": SECRET}
    with running_api(tmp_path, read_only=False, **environ) as api:
        shop.api = api
        with Visitors(shop, f"{shop.company} p") as visitors:
            eventually(lambda: len(visitors.acknowledged) > 100, "nothing is taken")
            own_redis.kill()
            own_redis.start()
            seen = len(visitors.acknowledged)
            eventually(lambda: len(visitors.acknowledged) > seen + 100, "nothing is taken any more")
        visitors.check()


def test_postgres_is_away(own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While Postgres is stopped, events are taken and kept, the log says so once, and afterwards all are there."""
    folder = tmp_path / "services"
    services = embedded.start(folder)
    try:
        with postgres(Settings(local_dir=folder, database_url=services.database_url)) as connection:
            migrate.up(connection)
        environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": services.database_url, "JWT_SECRET": SECRET}
        with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, read_only=False, **environ) as api:
            shop = EventShop(api, client, services.database_url, "away")
            shop.opens("p")
            with Visitors(shop, "p") as visitors:
                eventually(lambda: len(visitors.acknowledged) > 50, "nothing is taken")
                embedded.stop(folder)
                eventually(lambda: said(api, "Postgres takes no events") == 1, "it was not noticed")
                seen = len(visitors.acknowledged)
                eventually(lambda: len(visitors.acknowledged) > seen + 200, "nothing is taken without Postgres")
                assert visitors.n_refused == 0
                # on its old port again
                monkeypatch.setattr(embedded, "free_port", lambda: urlsplit(services.database_url).port)
                monkeypatch.setattr(embedded, "_start_redis", lambda *_: 0)
                embedded.start(folder)
            visitors.check()
            assert (said(api, "Postgres takes no events"), said(api, "Postgres takes events again")) == (1, 1)
    finally:
        embedded.stop(folder)


def said(api: Api, words: str) -> int:
    """How many lines of the log begin with these words."""
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    return sum(line["message"].startswith(words) for line in lines)
