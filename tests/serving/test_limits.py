"""How many requests a minute lets by: counted by a clock that the test moves, shared over Redis, and told over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from models import exact_json
from models.published_configs import COMPANY_FOLDERS, EVERYBODY, SETTINGS
from serving import wire
from serving.company_documents import Documents
from serving.errors import ApiError, StoreAway
from serving.limits import TOLD_OF, Limits
from serving.metrics import Board
from serving.store import Store
from tests.conftest import RedisServer

SHOPPER = "203.0.113.7"
NOWHERE = "redis://127.0.0.1:1/0"


class Clock:
    """Seconds since 1970, moved by hand; it begins with a minute."""

    def __init__(self) -> None:
        self.now = 600.0

    def __call__(self) -> float:
        return self.now


class Process:
    """One process's limits, of companies with settings of their own."""

    def __init__(self, store: Store, clock: Clock, **settings: dict[str, Any]) -> None:
        documents = Documents()
        documents.adopt([EVERYBODY, *settings], [*_values({}), *(each for own in settings.values() for each in _values(own))])
        self.board = Board([])
        self.limits = Limits(documents, store, self.board.writer(), clock)

    def lets(self, company: str, caller: str = SHOPPER, n: int = 1) -> int:
        """How many of `n` requests."""
        return sum(self.refusal(company, caller) is None for _ in range(n))

    def refusal(self, company: str, caller: str = SHOPPER) -> ApiError | None:
        """What one more request meets."""
        try:
            self.limits.admit(company, caller)
        except ApiError as refused:
            return refused
        return None


def _values(settings: dict[str, Any]) -> list[bytes | None]:
    document = b"1\n" + exact_json.write({"flags": {}, "settings": settings})
    return [None, None, *(document if resource == SETTINGS else None for resource in COMPANY_FOLDERS)]


@contextmanager
def alone(**settings: dict[str, Any]) -> Iterator[tuple[Process, Clock]]:
    """A process that has no store."""

    async def made() -> Store:
        return Store(wire.Address.parse(NOWHERE), 0.5)

    clock = Clock()
    yield Process(asyncio.run(made()), clock, **settings), clock


def together(server: RedisServer, body: Callable[[list[Store]], Awaitable[None]], n: int = 2) -> None:
    """Run a test's body with the connected stores of `n` processes."""

    async def run() -> None:
        stores = [Store(wire.Address.parse(server.url), 0.5) for _ in range(n)]
        tried = [asyncio.Event() for _ in stores]
        tasks = [asyncio.create_task(store.keep_connected(each)) for store, each in zip(stores, tried, strict=True)]
        for each in tried:
            await each.wait()
        try:
            await body(stores)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


def test_an_address_has_a_minute_s_worth() -> None:
    """As many as the setting of the company says, over all companies; another address has its own, and what has no address none."""
    with alone(shop={"addressRequestsPerMinute": 5}, other={"addressRequestsPerMinute": 5}) as (process, _):
        assert process.lets("shop", n=3) + process.lets("other", n=9) == 5
        assert process.lets("shop", "198.51.100.9", 9) == 5
        assert process.lets("shop", "", 9) == 9


def test_a_company_has_a_minute_s_worth() -> None:
    """As many as its setting says for all addresses together, none by default; a request that names no company counts for none."""
    with alone(shop={"requestsPerMinute": 5, "addressRequestsPerMinute": 0}, other={}) as (process, _):
        assert sum(process.lets("shop", f"203.0.113.{at}") for at in range(9)) == 5
        assert process.lets("other", n=9) == process.lets("", n=9) == 9


def test_the_default_of_an_address() -> None:
    """6,000 a minute where nothing is set, also where the company is unknown."""
    with alone() as (process, _):
        assert process.lets("nobody", n=6_010) == 6_000


def test_a_refusal_says_when_to_come_again() -> None:
    """429 with the limit in words and the seconds to the minute's end, from 60 to 1; at its end all may ask again."""
    with alone(shop={"addressRequestsPerMinute": 1}) as (process, clock):
        assert process.lets("shop") == 1
        for now, wait in ((600.0, "60"), (600.5, "60"), (601.0, "59"), (659.9, "1")):
            clock.now = now
            refused = process.refusal("shop")
            assert refused is not None
            assert (refused.status, refused.title, refused.headers["retry-after"]) == (429, "Too many requests", wait)
            assert "More than 1 requests of one address" in str(refused)
        clock.now = 660.0
        assert process.lets("shop", n=3) == 1
        assert process.board.counts()["limited_requests", ""] == 6


def test_processes_share_what_they_count(engine: RedisServer) -> None:
    """What one has let by the others know of once both have told; no request is counted twice, however often they tell."""

    async def body(stores: list[Store]) -> None:
        clock = Clock()
        one, two = (Process(store, clock, company={"addressRequestsPerMinute": 10, "requestsPerMinute": 20}) for store in stores)
        assert (one.lets("company", n=6), two.lets("company", n=2)) == (6, 2)
        for _ in range(3):
            await one.limits.share_once()
            await two.limits.share_once()
        assert two.lets("company", n=9) == 2
        await two.limits.share_once()
        # it learns with its own next telling
        assert one.lets("company") == 1
        await one.limits.share_once()
        assert one.lets("company") == 0
        # 11 of the company's 20
        assert sum(two.lets("company", f"198.51.100.{at}") for at in range(20)) == 10
        clock.now += 60
        await one.limits.share_once()
        assert one.lets("company", n=99) == 10

    together(engine, body)


def test_the_many_who_ask_a_little_cost_the_store_nothing(engine: RedisServer) -> None:
    """Only who has used one part in TOLD_OF of a limit is told of; its key ends by itself, and names are escaped within it."""

    async def body(stores: list[Store]) -> None:
        clock = Clock()
        clock.now = 1_200.0
        process = Process(stores[0], clock, **{"shop é:": {"addressRequestsPerMinute": 0, "requestsPerMinute": TOLD_OF * 2}})
        assert process.lets("shop é:") == 1
        await process.limits.share_once()
        assert await stores[0].ask(("KEYS", "upsell:rate:20:*")) == []
        assert process.lets("shop é:") == 1
        await process.limits.share_once()
        (key,) = await stores[0].ask(("KEYS", "upsell:rate:20:*"))
        assert key == b"upsell:rate:20:c:shop%20%C3%A9%3A"
        assert await stores[0].ask(("GET", key)) == b"2"
        assert 60 <= await stores[0].ask(("TTL", key)) <= 120

    together(engine, body, 1)


def test_without_the_store_each_process_holds_its_own(own_redis: RedisServer) -> None:
    """Redis away: the limit holds per process, nobody's count is lost, and it is shared once Redis is back."""

    async def body(stores: list[Store]) -> None:
        clock = Clock()
        one, two = (Process(store, clock, company={"addressRequestsPerMinute": 4}) for store in stores)
        own_redis.kill()
        assert (one.lets("company", n=3), two.lets("company")) == (3, 1)
        for process in (one, two):
            with pytest.raises(StoreAway):
                await process.limits.share_once()
        own_redis.start()
        for process in (one, two):
            await _shared(process)
        assert (one.lets("company", n=9), two.lets("company", n=9)) == (1, 0)

    together(own_redis, body)


async def _shared(process: Process) -> None:
    for _ in range(500):
        try:
            return await process.limits.share_once()
        except StoreAway:
            await asyncio.sleep(0.02)
    raise AssertionError("The store did not come back.")


def test_a_minute_that_ends_while_the_store_is_asked(engine: RedisServer) -> None:
    """What was told of the minute before counts for nothing in the next, and breaks nothing."""

    async def body(stores: list[Store]) -> None:
        clock = Clock()
        process = Process(stores[0], clock, company={"addressRequestsPerMinute": 2})
        assert process.lets("company", n=3) == 2
        asked = asyncio.create_task(process.limits.share_once())
        await asyncio.sleep(0)
        clock.now += 60
        assert process.lets("company") == 1
        await asked
        assert process.lets("company", n=3) == 1

    together(engine, body, 1)
