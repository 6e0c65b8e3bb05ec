"""Connections to Postgres and Redis, retried with backoff; a store that stays away becomes one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
import stamina
from psycopg.rows import dict_row

from flows.errors import ServiceUnavailable, SettingsError
from flows.settings import Settings

Connection = psycopg.Connection[dict[str, Any]]


@contextmanager
def postgres(settings: Settings, *, autocommit: bool = False) -> Iterator[Connection]:
    """A connection whose session runs in UTC; committed at the end, rolled back on an error.

    Raises ServiceUnavailable when Postgres stays away for RETRY_SECONDS or is lost half-way.
    """
    if not settings.database_url:
        raise SettingsError("DATABASE_URL is not set.")
    try:
        for attempt in _attempts(settings, psycopg.OperationalError):
            with attempt:
                connection = psycopg.connect(
                    settings.database_url, autocommit=autocommit, row_factory=dict_row, connect_timeout=5, options="-c TimeZone=UTC"
                )
        with connection:
            yield connection
    except psycopg.errors.UndefinedTable as error:
        raise SettingsError(f"The database lacks a table ({_first_line(error)}): run `upsell migrate up`.") from error
    except psycopg.OperationalError as error:
        raise away("Postgres", settings.database_url, "DATABASE_URL", error) from error


@contextmanager
def redis_client(settings: Settings) -> Iterator[redis.Redis]:
    """A client of bytes (no decoding) that has answered a PING.

    Raises ServiceUnavailable when Redis stays away for RETRY_SECONDS or is lost half-way.
    """
    if not settings.redis_url:
        raise SettingsError("REDIS_URL is not set.")
    try:
        with redis.Redis.from_url(settings.redis_url, socket_connect_timeout=5, socket_timeout=60) as client:
            for attempt in _attempts(settings, (redis.ConnectionError, redis.TimeoutError)):
                with attempt:
                    client.ping()
            yield client
    except redis.RedisError as error:
        raise away("Redis", settings.redis_url, "REDIS_URL", error) from error


def away(name: str, url: str, setting: str, error: Exception) -> ServiceUnavailable:
    """The sentence for a store that is away; names host and port, never the password."""
    parts = urlsplit(url)
    return ServiceUnavailable(
        f"{name} at {parts.hostname}:{parts.port} cannot be used ({_first_line(error)}): start it or correct {setting}, "
        "then run the same command again."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _attempts(settings: Settings, on: Any) -> Any:
    return stamina.retry_context(
        on=on, attempts=None, timeout=settings.retry_seconds, wait_initial=0.2, wait_jitter=0.1, wait_max=5
    )
