"""Redis away: at start, in the middle, silent, and back again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import redis

from tests.conftest import RedisServer
from tests.serving.api import Api, eventually, running_api
from tests.serving.shelf import publish
from tests.serving.test_pages import path


def _publish(server: RedisServer, company: str = "acme") -> None:
    with redis.Redis.from_url(server.url) as client:
        publish(client, company)


def _status(api: Api, address: str) -> int:
    answer = api.get(address)
    if answer.status >= 500:
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        if "health" not in address:
            assert answer.headers["content-type"] == "application/problem+json"
    return answer.status


def test_killed_and_restarted(redis_server: RedisServer, tmp_path: Path) -> None:
    """503 with Retry-After while Redis is away, pages in memory go on, and all is well again without a restart."""
    _publish(redis_server)
    with running_api(tmp_path, REDIS_URL=redis_server.url) as api:
        assert _status(api, path("acme", "p1")) == 200
        assert api.get("/api/health").json()["status"] == "ok"
        redis_server.kill()
        eventually(lambda: _status(api, path("acme", "p2")) == 503, "a dead store was not noticed")
        assert _status(api, path("acme", "p1")) == 200
        assert _status(api, path("unknown")) == 503
        eventually(lambda: api.get("/api/health").json()["status"] == "degraded", "health did not notice")
        redis_server.start()
        eventually(lambda: _status(api, path("acme", "p2")) == 200, "the store's return was not noticed")
        eventually(lambda: api.get("/api/health").json()["status"] == "ok", "health did not recover")
        assert api.get("/api/health").json()["generations"] == 1
        assert "Redis is away" in api.log.read_text()
        assert "Redis is back" in api.log.read_text()


def test_away_at_start(own_redis: RedisServer, tmp_path: Path) -> None:
    """The API starts without Redis, says that it can serve nothing, and serves once Redis is there."""
    _publish(own_redis)
    own_redis.kill()
    with running_api(tmp_path, REDIS_URL=own_redis.url) as api:
        assert _status(api, path("acme")) == 503
        health = api.get("/api/health")
        assert (health.status, health.json()["status"], health.json()["checks"]["redis"]["ok"]) == (503, "unavailable", False)
        own_redis.start()
        eventually(lambda: _status(api, path("acme")) == 200, "the store was not found")


def test_silent_store_hangs_nobody(own_redis: RedisServer, tmp_path: Path) -> None:
    """A store that accepts but does not answer is away after its timeout; when it wakes, reads work again."""
    _publish(own_redis)
    assert own_redis.process is not None
    with running_api(tmp_path, REDIS_URL=own_redis.url, API_STORE_TIMEOUT_SECONDS="0.3", API_CACHE_MEGABYTES="0") as api:
        assert _status(api, path("acme")) == 200
        os.kill(own_redis.process.pid, signal.SIGSTOP)
        try:
            assert _status(api, path("acme")) == 503
        finally:
            os.kill(own_redis.process.pid, signal.SIGCONT)
        eventually(lambda: _status(api, path("acme")) == 200, "the store's return was not noticed")


def test_dropped_connections_are_not_noticed_by_readers(own_redis: RedisServer, tmp_path: Path) -> None:
    """A store that is there but ends our connections costs no request an error."""
    _publish(own_redis)
    with (
        redis.Redis.from_url(own_redis.url) as client,
        running_api(tmp_path, REDIS_URL=own_redis.url, API_CACHE_MEGABYTES="0") as api,
    ):
        for _ in range(30):
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            assert _status(api, path("acme")) == 200
