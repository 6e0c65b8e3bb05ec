"""One store and one API process for the suite; tests use companies of their own, so nothing is emptied in between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from flows import embedded
from flows.errors import ServiceUnavailable
from tests.conftest import REDIS_ENGINES, RedisServer
from tests.serving.api import Answer, Api, running_api
from tests.serving.documented import faults
from tests.serving.offers import SECRET, Shop

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


@pytest.fixture(scope="session", autouse=True)
def documented() -> Iterator[None]:
    """Every answer that any test here gets is held against the OpenAPI document."""
    ask = Api.get

    def ask_and_check(self: Api, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
        answer = ask(self, path, *headers, method=method, body=body)
        assert faults(method, path, answer) == []
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Api, "get", ask_and_check)
        yield


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


@pytest.fixture(scope="session")
def offers_database(services: embedded.Services, migrated_template: str) -> str:
    """A migrated database for the tests that write; each has a company of its own."""
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(f"create database offers template {migrated_template}")
    return services.database_url.rpartition("/")[0] + "/offers"


@pytest.fixture(scope="session")
def writing_api(shared_redis: RedisServer, offers_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The whole API, two processes, on the shared store and a database; it polls for configurations five times a second."""
    folder = tmp_path_factory.mktemp("writing-api")
    environ = {"REDIS_URL": shared_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET}
    with running_api(folder, "--workers", "2", read_only=False, **environ, API_CONFIG_POLL_SECONDS="0.2") as running:
        yield running


@pytest.fixture
def shop(writing_api: Api, client: redis.Redis, offers_database: str, company: str) -> Shop:
    """A company of this test's own on the whole API; no product is configured."""
    with psycopg.connect(offers_database) as connection:
        # the key of both tables is the product's id alone, and tests call theirs alike
        connection.execute('truncate "ProductBulkDiscount", "ProductSubscriptionConfig"')
    return Shop(writing_api, client, offers_database, company)
