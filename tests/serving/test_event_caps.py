"""Caps when everybody comes at once: exactly as many as the rule allows, over two processes, on both engines."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import redis

from tests.conftest import RedisServer
from tests.serving.api import Answer, running_api
from tests.serving.eventful import EventShop
from tests.serving.offers import SECRET

PARALLEL = 50
_numbers = itertools.count(1)


@pytest.fixture
def shop(redis_server: RedisServer, offers_database: str, tmp_path: Path) -> Iterator[EventShop]:
    """A company with capped rules on two processes of its own."""
    environ = {"REDIS_URL": redis_server.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET}
    with (
        redis.Redis.from_url(redis_server.url) as client,
        running_api(tmp_path, "--workers", "2", read_only=False, **environ) as api,
    ):
        opened = EventShop(api, client, offers_database, f"capped {next(_numbers)}")
        opened.opens()
        opened.rules(often={}, shown={"maxImpressions": 3}, taken={"maxAcceptances": 10})
        yield opened


def at_once(work: Sequence[Callable[[], Answer]]) -> Counter[int]:
    """How many of each status come back when all start together."""
    barrier = Barrier(len(work))

    def one(ask: Callable[[], Answer]) -> int:
        barrier.wait()
        return ask().status

    with ThreadPoolExecutor(len(work)) as pool:
        return Counter(pool.map(one, work))


def test_acceptances_stop_at_the_cap(shop: EventShop) -> None:
    """Of 50 parallel acceptances of a rule with maxAcceptances 10 exactly 10 are taken, and Postgres has those alone."""
    ids = [shop.shown("taken", f"s{number}") for number in range(PARALLEL)]
    assert at_once([lambda id=id: shop.accept(id) for id in ids]) == {200: 10, 409: 40}  # type: ignore[misc]
    # whose acceptance stands may say it again, and nobody else
    assert Counter(shop.accept(id).status for id in ids) == {200: 10, 409: 40}
    assert len(shop.stored("UpsellImpression", "id, id", '"acceptedAt" is not null')) == 10


def test_impressions_stop_at_the_cap(shop: EventShop) -> None:
    """Of 50 parallel impressions to one session under maxImpressions 3 exactly 3 are taken; another session has its own three."""
    for session in ("one", "two"):
        assert at_once([lambda session=session: shop.show("shown", session)] * PARALLEL) == {200: 3, 409: 47}  # type: ignore[misc]
    assert len(shop.stored("UpsellImpression", "id, id", "\"sessionId\" in ('one', 'two')")) == 6


def test_one_acceptance_said_by_many(shop: EventShop) -> None:
    """The same impression accepted 50 times at once is a success for everybody, takes one place of the cap, and is one row."""
    id = shop.shown("taken", "only")
    assert at_once([lambda: shop.accept(id)] * PARALLEL) == {200: PARALLEL}
    ids = [shop.shown("taken", f"later {number}") for number in range(12)]
    assert Counter(shop.accept(each).status for each in ids) == {200: 9, 409: 3}


def test_one_key_sent_by_many(shop: EventShop) -> None:
    """The same Idempotency-Key at once has one id for an answer and is one row."""
    ask = [lambda: shop.show("often", "keyed", "Idempotency-Key: the-same")] * PARALLEL
    assert at_once(ask) == {200: PARALLEL}
    assert len(shop.stored("UpsellImpression", "id, id", "\"sessionId\" = 'keyed'")) == 1
