"""One store and one API process for the suite; tests use companies of their own, so nothing is emptied in between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from flows import embedded
from flows.errors import ServiceUnavailable
from tests.conftest import REDIS_ENGINES, RedisServer
from tests.serving.api import Api, running_api

_numbers = itertools.count(1)


def _server(engine: str, folder: Path) -> RedisServer:
    try:
        server = RedisServer(embedded.binary(*REDIS_ENGINES[engine]), folder, embedded.free_port())
    except ServiceUnavailable as missing:
        pytest.skip(str(missing))
    server.start()
    return server


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Valkey, for the tests that ask the shared API."""
    server = _server("valkey", tmp_path_factory.mktemp("shared-redis"))
    yield server
    server.kill()


@pytest.fixture(scope="session", params=REDIS_ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for the suites of the store, once Valkey and once genuine Redis."""
    server = _server(request.param, tmp_path_factory.mktemp(request.param))
    yield server
    server.kill()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Valkey that a test may stop, or leave full of its own."""
    folder = tmp_path / "own-redis"
    folder.mkdir()
    server = _server("valkey", folder)
    yield server
    server.kill()


@pytest.fixture(scope="session")
def api(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API on the shared store."""
    with running_api(tmp_path_factory.mktemp("api"), REDIS_URL=shared_redis.url) as running:
        yield running


@pytest.fixture(scope="session")
def client(shared_redis: RedisServer) -> Iterator[redis.Redis]:
    """A client of the shared store."""
    with redis.Redis.from_url(shared_redis.url) as connected:
        yield connected


@pytest.fixture
def company() -> str:
    """A company that no other test has."""
    return f"shop {next(_numbers)}/é"
