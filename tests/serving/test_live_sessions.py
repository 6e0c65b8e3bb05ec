"""Live sessions over several processes, over a replica, and with Redis away."""

from __future__ import annotations

import re
from pathlib import Path

import redis

from models.generation import SESSION_MS, SESSION_PRODUCTS, session_key
from serving.live_sessions import recent, view, viewed
from tests.conftest import RedisServer
from tests.serving.api import eventually, running_api
from tests.serving.conftest import _server
from tests.serving.shelf import publish_personal
from tests.serving.test_pages import path
from tests.serving.test_personal import LISTS, NEIGHBOURS, POPULAR, ids, section, visit


def fill(client: redis.Redis, company: str = "acme") -> None:
    """One company with everything."""
    publish_personal(client, company, neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR)


def test_commands_keep_the_newest(engine: RedisServer) -> None:
    """On both engines: each product once, newest last, no more than are kept, nothing older than half an hour."""
    with redis.Redis.from_url(engine.url) as client:
        now_ms = 1_900_000_000_000
        for at in range(SESSION_PRODUCTS + 3):
            client.execute_command(*view("a/b", "s:1", f"p{at:02}", now_ms + at))
        client.execute_command(*view("a/b", "s:1", "p04", now_ms + 100))
        assert 0 < client.pttl(session_key("a/b", "s:1")) <= SESSION_MS
        reply = client.execute_command(*recent("a/b", "s:1", now_ms + 100))
        assert viewed(reply, "p10") == [*(f"p{at:02}" for at in range(3, SESSION_PRODUCTS + 3) if at not in (4, 10)), "p04"]
        later = client.execute_command(*recent("a/b", "s:1", now_ms + SESSION_MS + 20))
        assert viewed(later, "") == ["p21", "p22", "p04"]
        client.flushdb()


def test_a_reply_that_is_none() -> None:
    """Errors and nil are a session without views; what is no text is kept apart from what is."""
    assert viewed(ConnectionError("gone"), "p") == []
    assert viewed(None, "p") == []
    assert viewed([b"\xff", b"p", b"a"], "p") == ["a", "\ufffd"]


def test_a_session_walks_over_processes(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path) -> None:
    """Each answer of one process counts in the next one of another, without a pause in between; two processes of two workers."""
    fill(client, company)
    with (
        running_api(tmp_path, "--workers", "2", REDIS_URL=shared_redis.url) as one,
        running_api(tmp_path, "--workers", "2", REDIS_URL=shared_redis.url) as two,
    ):
        for number in range(20):
            session = f"walk-{number}"
            assert ids(section(one, company, "older", sessionId=session))[:2] == ["o", "seen"]
            visit(two, company, session, "seen")
            third = section(one, company, sessionId=session)
            assert (ids(third), third["personalized"]) == (["y", "x", "s"], True)


def test_a_replica_serves_without_sessions(own_redis: RedisServer, tmp_path: Path) -> None:
    """Where no write is taken, customers and guests are answered as well as without one, and the log says so once."""
    folder = tmp_path / "replica"
    folder.mkdir()
    replica = _server("valkey", folder)
    try:
        with redis.Redis.from_url(own_redis.url) as client, redis.Redis.from_url(replica.url) as copy:
            fill(client)
            client.config_set("repl-diskless-sync-delay", 0)
            copy.replicaof("127.0.0.1", str(own_redis.port))
            eventually(lambda: bool(copy.exists("upsell:acme:live")), "the replica has not copied")
        with running_api(tmp_path, REDIS_URL=replica.url) as api:
            for _ in range(3):
                assert visit(api, "acme", "s", "older", "seen").status == 200
                shown = section(api, "acme", sessionId="s")
                assert (ids(shown), shown["personalized"]) == (["x", "y", "z"], False)
                assert ids(section(api, "acme", customerId="ann", sessionId="s")) == ["a", "y", "b"]
            assert len(re.findall("Redis refused a write", api.log.read_text())) == 1
    finally:
        replica.kill()


def test_pages_in_memory_outlive_the_store(own_redis: RedisServer, tmp_path: Path) -> None:
    """With Redis away a visitor is shown what everybody is, where it is in memory; else it is 503. Sessions come back."""
    with redis.Redis.from_url(own_redis.url) as client:
        fill(client)
    with running_api(tmp_path, REDIS_URL=own_redis.url) as api:
        everybody = section(api, "acme")
        own_redis.kill()
        eventually(lambda: api.get(path("acme", "lone")).status == 503, "a dead store was not noticed")
        shown = section(api, "acme", customerId="ann", sessionId="s")
        assert (ids(shown), shown["title"], shown["personalized"]) == (ids(everybody), "You Might Also Like", False)
        assert api.get(path("acme", "seen", sessionId="s")).status == 503
        own_redis.start()
        eventually(lambda: api.get(path("acme", "seen", sessionId="s")).status == 200, "the store's return was not noticed")
        eventually(lambda: section(api, "acme", sessionId="s")["personalized"], "the session did not go on")
