"""Settings of the API: read once at the door, frozen, passed as an argument from there on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from dotenv import dotenv_values

T = TypeVar("T", int, float, str)


class SettingsError(ValueError):
    """A setting cannot be used: one sentence on stderr, exit code 1."""


@dataclass(frozen=True)
class Settings:
    """REDIS_URL, DATABASE_URL, JWT_SECRET, and one environment variable per other field, with `API_` before its name in capitals.

    redis_url: `redis://`, `rediss://` or `unix://`, with user, password and database where needed.
    database_url: the platform's Postgres, for what is written; "" for none: then the API only reads.
    jwt_secret: of the HS256 tokens that are accepted; without effect where there is a jwks_file.
    jwks_file: keys of the RS256 and ES256 tokens that are accepted instead; read again when the file changes.
    audience: what `aud` must name in every token; "" accepts tokens without `aud` alone.
    read_only: write nothing and reach no Postgres; a flag of the command line.
    host, port, workers: where and with how many processes to listen; port 0 takes a free one.
    cache_megabytes, cache_seconds: most memory for payloads per process, 0 for no cache, and how long one is kept.
    poll_seconds: how often the pointers are read, the net below the published changes.
    config_poll_seconds: how often one of the processes looks for configurations that were written elsewhere.
    store_timeout_seconds: when a silent store counts as away.
    keep_alive_seconds: how long a connection may idle; keep it above the load balancer's own.
    stop_seconds: how long a stop waits for requests in flight.
    log_level: debug, info, warning or error.
    signing_secret: what ids of impressions are signed with, of at least 32 bytes; "" for one that Redis keeps.
    events_most: how many events may wait for Postgres before new ones are refused with 503.
    drain: 1 where this process may be the one that takes events to Postgres, 0 where another has to.
    trusted_proxies: addresses and networks (CIDR, commas in between) of proxies whose X-Forwarded-For tells who asks.
    access_log: 1 for a line in the log per request.
    hsts_seconds: for how long browsers are told to come by HTTPS alone; 0 says nothing.
    metrics_open: 1 where loopback and private addresses may read /metrics without a token, 0 where they may not.
    """

    redis_url: str = field(default="redis://127.0.0.1:6379/0", repr=False)
    database_url: str = field(default="", repr=False)
    jwt_secret: str = field(default="", repr=False)
    jwks_file: str = ""
    audience: str = ""
    read_only: bool = False
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    cache_megabytes: int = 64
    cache_seconds: float = 300.0
    poll_seconds: float = 1.0
    config_poll_seconds: float = 30.0
    store_timeout_seconds: float = 1.0
    keep_alive_seconds: int = 75
    stop_seconds: int = 10
    log_level: str = "info"
    signing_secret: str = field(default="", repr=False)
    events_most: int = 500_000
    drain: int = 1
    trusted_proxies: str = ""
    access_log: int = 0
    hsts_seconds: int = 0
    metrics_open: int = 1

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment, `.env` below it; empty values count as unset.

        Raises SettingsError for a value of the wrong type or out of range.
        """
        env = {**dotenv_values(".env"), **(os.environ if environ is None else environ)}

        def read(name: str, default: T) -> T:
            given = env.get(name) or default
            try:
                return type(default)(given)
            except ValueError:
                raise SettingsError(f"{name} is {given!r}: give it as {type(default).__name__}.") from None

        return cls(
            redis_url=read("REDIS_URL", cls.redis_url),
            database_url=read("DATABASE_URL", cls.database_url),
            jwt_secret=read("JWT_SECRET", cls.jwt_secret),
            jwks_file=read("API_JWKS_FILE", cls.jwks_file),
            audience=read("API_AUDIENCE", cls.audience),
            host=read("API_HOST", cls.host),
            port=read("API_PORT", cls.port),
            workers=read("API_WORKERS", cls.workers),
            cache_megabytes=read("API_CACHE_MEGABYTES", cls.cache_megabytes),
            cache_seconds=read("API_CACHE_SECONDS", cls.cache_seconds),
            poll_seconds=read("API_POLL_SECONDS", cls.poll_seconds),
            config_poll_seconds=read("API_CONFIG_POLL_SECONDS", cls.config_poll_seconds),
            store_timeout_seconds=read("API_STORE_TIMEOUT_SECONDS", cls.store_timeout_seconds),
            keep_alive_seconds=read("API_KEEP_ALIVE_SECONDS", cls.keep_alive_seconds),
            stop_seconds=read("API_STOP_SECONDS", cls.stop_seconds),
            log_level=read("API_LOG_LEVEL", cls.log_level),
            signing_secret=read("API_SIGNING_SECRET", cls.signing_secret),
            events_most=read("API_EVENTS_MOST", cls.events_most),
            drain=read("API_DRAIN", cls.drain),
            trusted_proxies=read("API_TRUSTED_PROXIES", cls.trusted_proxies),
            access_log=read("API_ACCESS_LOG", cls.access_log),
            hsts_seconds=read("API_HSTS_SECONDS", cls.hsts_seconds),
            metrics_open=read("API_METRICS_OPEN", cls.metrics_open),
        )

    def __post_init__(self) -> None:
        """Raises SettingsError for what no server could run with."""
        if not 0 <= self.port <= 65_535:
            raise SettingsError(f"API_PORT is {self.port}: give a port from 0 to 65535.")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError(f"API_LOG_LEVEL is {self.log_level!r}: give debug, info, warning or error.")
        if self.signing_secret and not 32 <= len(self.signing_secret.encode()) <= 64:
            raise SettingsError(f"API_SIGNING_SECRET has {len(self.signing_secret.encode())} bytes: give 32 to 64.")
        for name, least in (
            ("workers", 1),
            ("events_most", 1),
            ("drain", 0),
            ("access_log", 0),
            ("hsts_seconds", 0),
            ("metrics_open", 0),
            ("cache_megabytes", 0),
            ("keep_alive_seconds", 1),
            ("stop_seconds", 1),
        ):
            if getattr(self, name) < least:
                raise SettingsError(f"API_{name.upper()} is {getattr(self, name)}: give at least {least}.")
        for name in ("cache_seconds", "poll_seconds", "config_poll_seconds", "store_timeout_seconds"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SettingsError(f"API_{name.upper()} is {getattr(self, name)}: give more than 0.")
