"""One connection to Redis: RESP3 over TCP, TLS or a Unix socket, parsed by hiredis.

redis-py alone takes 0.4 s to import, which is most of the half second that a worker may need to start; of its many commands
the read path needs five (docs/read-path.md, Decisions).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import hiredis

UNFINISHED = object()
CHECK_SECONDS = 0.25


class Lost(ConnectionError):
    """The connection ended, could not be made, or stayed silent for too long."""


class Refused(Exception):
    """Redis answered with an error."""


@dataclass(frozen=True)
class Address:
    """Where Redis is and how to get in."""

    host: str
    port: int
    path: str | None = None
    username: str = "default"
    password: str | None = field(default=None, repr=False)
    db: int = 0
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `redis://[user[:password]@]host[:port][/db]`, `rediss://` or `unix://[...]/path[?db=]`.

        `rediss://` knows `ssl_cert_reqs=none` and `ssl_ca_certs=FILE`. Raises ValueError without showing the password.
        """
        try:
            parts = urlsplit(url)
            options = dict(parse_qsl(parts.query))
            unix = parts.scheme == "unix"
            if parts.scheme not in ("redis", "rediss", "unix") or (unix and not parts.path):
                raise ValueError
            return cls(
                host=parts.hostname or "127.0.0.1",
                port=parts.port or 6379,
                path=unquote(parts.path) if unix else None,
                username=unquote(parts.username or "default"),
                password=unquote(parts.password) if parts.password else None,
                db=int(options.get("db") or ("" if unix else parts.path.strip("/")) or 0),
                tls=_tls(options) if parts.scheme == "rediss" else None,
            )
        except ValueError:
            raise ValueError("REDIS_URL is no address of the form redis://[user:password@]host:port/db.") from None


def _tls(options: dict[str, str]) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    except OSError as error:
        raise ValueError from error
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def connect(address: Address, timeout: float, on_push: Callable[[list[Any]], None] | None = None) -> Connection:
    """A connection that is logged in and has its database selected.

    Raises Lost when that takes longer than `timeout` seconds or Redis refuses.
    """
    loop = asyncio.get_running_loop()
    connection = Connection(timeout, on_push)
    try:
        async with asyncio.timeout(timeout):
            if address.path is not None:
                await loop.create_unix_connection(lambda: connection, address.path)
            else:
                await loop.create_connection(lambda: connection, address.host, address.port, ssl=address.tls)
            login = ("AUTH", address.username, address.password) if address.password else ()
            await connection.call("HELLO", "3", *login)
            if address.db:
                await connection.call("SELECT", str(address.db))
    except BaseException as error:
        connection.close()
        if isinstance(error, OSError | Refused):
            raise Lost(str(error) or f"no answer within {timeout} s") from error
        raise
    return connection


class Connection(asyncio.Protocol):
    """Commands go out at once, replies come back in order; silence for `timeout` seconds ends it."""

    def __init__(self, timeout: float, on_push: Callable[[list[Any]], None] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._on_push = on_push
        self._reader = hiredis.Reader(protocolError=Lost, replyError=Refused, notEnoughData=UNFINISHED)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, Callable[[Any], None]]] = deque()
        self.closed: asyncio.Future[None] = self._loop.create_future()

    def send(self, command: tuple[Any, ...], deliver: Callable[[Any], None] | None = None) -> None:
        """Write a command; `deliver` gets its reply, or an instance of Lost or Refused."""
        if self._transport is None or self.closed.done():
            if deliver is not None:
                deliver(Lost("the connection is closed"))
            return
        if deliver is not None:
            self._waiting.append((self._loop.time(), deliver))
        self._transport.write(hiredis.pack_command(command))

    async def call(self, *command: Any) -> Any:
        """The reply to a command. Raises Lost or Refused."""
        reply: asyncio.Future[Any] = self._loop.create_future()
        self.send(command, lambda value: None if reply.done() else reply.set_result(value))
        value = await reply
        if isinstance(value, Exception):
            raise value
        return value

    def close(self) -> None:
        """End the connection; what still waits gets Lost."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's: the socket is open."""
        # uvloop's transports are no subclass of asyncio's
        self._transport = cast(asyncio.Transport, transport)
        self._check = self._loop.call_later(CHECK_SECONDS, self._check_silence)

    def data_received(self, data: bytes) -> None:
        """The loop's: replies and pushed messages have come in."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not UNFINISHED:
                if isinstance(reply, hiredis.PushNotification):
                    if self._on_push is not None:
                        self._on_push(reply)
                elif self._waiting:
                    self._waiting.popleft()[1](reply)
        except Lost:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop's: the socket is gone."""
        self._check.cancel()
        if not self.closed.done():
            self.closed.set_result(None)
        waiting, self._waiting = self._waiting, deque()
        for _, deliver in waiting:
            deliver(Lost(str(exc or "the connection was closed")))

    def _check_silence(self) -> None:
        # one timer per connection instead of one per command
        if self._waiting and self._loop.time() - self._waiting[0][0] > self._timeout:
            self.close()
        else:
            self._check = self._loop.call_later(CHECK_SECONDS, self._check_silence)
