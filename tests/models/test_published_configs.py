"""The step that publishes a configuration, on both engines: whatever arrives in whatever order, the youngest stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
import redis

from models.published_configs import (
    BULK_DISCOUNT,
    TOMBSTONE_MS,
    config_key,
    document,
    index_key,
    publish_command,
    split_config,
    version_of,
)
from tests.conftest import RedisServer

KEY = config_key("a b", BULK_DISCOUNT, "p:1")


@pytest.fixture
def store(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of an empty store."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


def publish(store: redis.Redis, version: int, written: bytes) -> int:
    """One step."""
    return int(store.execute_command(*publish_command("a b", BULK_DISCOUNT, "p:1", version, written)))


def test_any_order_ends_alike(store: redis.Redis) -> None:
    """Two writes, a deletion between them and a write with the deletion's own millisecond: the last by version stands."""
    steps = [(1, b'{"n":1}'), (2, b'{"n":2}'), (3, b""), (3, b'{"n":3}')]
    for order in permutations(steps):
        store.flushall()
        for step in order:
            publish(store, *step)
        assert split_config(store.get(KEY)) == (3, b'{"n":3}')
        assert store.smembers(index_key("a b")) == {b"bulk-discount:p:1"}
        assert store.ttl(KEY) == -1


def test_a_deletion_is_forgotten(store: redis.Redis) -> None:
    """A deletion holds against what is older until every answer on its way has arrived, then its key ends by itself."""
    assert publish(store, 1, b"{}") == 1
    assert publish(store, 2, b"") == 1
    assert [publish(store, 1, b"{}"), publish(store, 2, b"")] == [0, 1]
    assert split_config(store.get(KEY)) == (2, b"")
    assert 0 < store.pttl(KEY) <= TOMBSTONE_MS
    assert store.smembers(index_key("a b")) == set()
    assert publish(store, 3, b"{}") == 1
    assert store.ttl(KEY) == -1


def test_documents() -> None:
    """Instants are UTC to the millisecond, numbers of JSON exact, versions whole milliseconds."""
    at = datetime(2026, 5, 1, 14, 0, 0, 1999, tzinfo=UTC).astimezone()
    row = {"productId": "p", "tiers": '[{"discountValue": 0.10}]', "maxDiscountPercent": Decimal("30.00"), "updatedAt": at}
    shown = document({**row, "validFrom": None})
    assert shown["updatedAt"] == "2026-05-01T14:00:00.001Z"
    assert (str(shown["tiers"][0]["discountValue"]), shown["validFrom"]) == ("0.10", None)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [version_of(epoch), version_of(epoch + timedelta(days=1, milliseconds=7))] == [0, 86_400_007]


def test_nothing_published() -> None:
    """An absent key is version 0 without a document; companies that look alike have other keys."""
    assert split_config(None) == (0, b"")
    keys = [config_key(*each) for each in (("a", "r", "b:c"), ("a:config", "r", "c"), ("A", "r", "b:c"), ("a b", "r", "b:c"))]
    assert len(set(keys)) == len(keys)
