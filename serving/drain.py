"""Events from Redis' stream into Postgres: by one process at a time, in order, each once however often it is tried.

Entries are taken from the stream's head, stored in one transaction, and trimmed once it has committed. Whoever dies in between
leaves them where they are; ids make storing them again change nothing. `python -m serving.drain` does this alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg

from models.events import DRAIN_KEY, STREAM_KEY
from serving import drain_batches, logs, wire
from serving.database import check_address
from serving.drain_batches import Stored, Waiting
from serving.settings import Settings, SettingsError

log = logging.getLogger("serving.drain")
ENTRIES_PER_BATCH = 2_000
# how long fewer of them are waited for
PAUSE_SECONDS = 0.2
LEASE_MS = 3_000
RENEW_SECONDS = 1.0
BACKOFF_SECONDS = (0.2, 2.0)
# KEYS: the lease. ARGV: whose it must be, ms (0: give it up)
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

Entry = tuple[bytes, list[bytes]]
Count = Callable[[str, int], object]


@dataclass
class Batch:
    """Entries of the stream, and where the next ones begin."""

    entries: list[Entry]

    def events(self) -> list[Waiting]:
        """What they hold, in order."""
        waiting = []
        for at, pairs in self.entries:
            place = at.decode()
            for number in range(0, len(pairs), 2):
                kind = pairs[number].decode("utf-8", "replace")
                waiting.append(Waiting(f"{place}/{number // 2}", kind, pairs[number + 1]))
        return waiting

    @property
    def after(self) -> bytes:
        """The least id behind them."""
        ms, _, sequence = self.entries[-1][0].partition(b"-")
        return b"%b-%d" % (ms, int(sequence) + 1)


class Drain:
    """One process' part in it: it waits for the lease, and then drains for as long as it holds it."""

    def __init__(self, settings: Settings, count: Count = lambda name, n: None) -> None:
        """count: told of `drained_rows` and `rejected_events`. Raises ValueError for what is no address of a Redis."""
        self._redis, self._timeout = wire.Address.parse(settings.redis_url), settings.store_timeout_seconds
        self._database_url, self._count = settings.database_url, count
        self._token = os.urandom(16).hex().encode()
        self._held_until = 0.0
        self._postgres_away = False

    async def watch(self) -> None:
        """Drain for ever."""
        pause, longest = BACKOFF_SECONDS
        while True:
            try:
                connection = await wire.connect(self._redis, self._timeout)
                try:
                    pause = BACKOFF_SECONDS[0]
                    await self._take_turns(connection)
                finally:
                    connection.close()
            except (wire.Lost, wire.Refused):
                # the store's own connection tells the log of the first; a replica refuses the lease
                pass
            except Exception:
                log.exception("Draining events failed")
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _take_turns(self, connection: wire.Connection) -> None:
        while True:
            taken = monotonic()
            if await connection.call("SET", DRAIN_KEY, self._token, "NX", "PX", LEASE_MS):
                self._held_until = taken + LEASE_MS / 1000
                renewing = asyncio.ensure_future(self._renew(connection))
                try:
                    await self._drain(connection)
                finally:
                    renewing.cancel()
                    # whoever waits need not wait for its end
                    connection.send(("EVAL", RENEW, 1, DRAIN_KEY, self._token, 0), _seen)
            await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self, connection: wire.Connection) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            asked = monotonic()
            try:
                renewed = await connection.call("EVAL", RENEW, 1, DRAIN_KEY, self._token, LEASE_MS)
            except (wire.Lost, wire.Refused):
                return
            self._held_until = asked + LEASE_MS / 1000 if renewed else 0.0

    async def _drain(self, connection: wire.Connection) -> None:
        """For as long as the lease is held. Raises wire.Lost where Redis is away."""
        pause, longest = BACKOFF_SECONDS
        postgres: psycopg.AsyncConnection[Any] | None = None
        coming = self._read(connection, b"-")
        try:
            while monotonic() < self._held_until:
                batch = await coming
                if not batch.entries:
                    await asyncio.sleep(PAUSE_SECONDS)
                    coming = self._read(connection, b"-")
                    continue
                full = len(batch.entries) == ENTRIES_PER_BATCH
                if full:
                    # the next is read while this one is being stored
                    coming = self._read(connection, batch.after)
                try:
                    postgres = postgres or await drain_batches.connect(self._database_url)
                    self._stored(await drain_batches.store(postgres, batch.events()))
                except psycopg.Error as error:
                    if not self._postgres_away:
                        self._count("deferred_writes", len(batch.entries))
                    self._postgres(error)
                    await _closed(postgres)
                    postgres = None
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, longest)
                    coming = self._read(connection, b"-")
                    continue
                pause = BACKOFF_SECONDS[0]
                connection.send(("XTRIM", STREAM_KEY, "MINID", batch.after), _seen)
                if not full:
                    await asyncio.sleep(PAUSE_SECONDS)
                    coming = self._read(connection, b"-")
        finally:
            coming.cancel()
            await _closed(postgres)

    def _read(self, connection: wire.Connection, start: bytes) -> asyncio.Future[Batch]:
        """The next entries from an id on; they are on their way at once, whenever they are awaited."""
        read: asyncio.Future[Batch] = asyncio.get_running_loop().create_future()

        def deliver(reply: Any) -> None:
            if read.done():
                return
            if isinstance(reply, Exception):
                read.set_exception(reply)
                # nobody may be waiting for it any more
                read.exception()
            else:
                read.set_result(Batch(reply))

        connection.send(("XRANGE", STREAM_KEY, start, "+", "COUNT", ENTRIES_PER_BATCH), deliver)
        return read

    def _stored(self, stored: Stored) -> None:
        self._postgres(None)
        self._count("drained_rows", stored.n_rows)
        if stored.n_rejected:
            self._count("rejected_events", stored.n_rejected)

    def _postgres(self, error: psycopg.Error | None) -> None:
        if error is not None and not self._postgres_away:
            log.error("Postgres takes no events: they are kept", extra={"reason": str(error).partition("\n")[0]})
        if error is None and self._postgres_away:
            log.warning("Postgres takes events again")
        self._postgres_away = error is not None


def _seen(_: Any) -> None:
    """Replies come in order, so that each command has to take its own; a lost one is told to whoever reads next."""


async def _closed(postgres: psycopg.AsyncConnection[Any] | None) -> None:
    if postgres is not None:
        await postgres.close()


def main() -> int:
    """Drain until SIGTERM or SIGINT; exit code 1 where a setting cannot be used."""
    try:
        settings = Settings.from_env()
        check_address(settings.database_url)
        drain = Drain(settings)
    except (SettingsError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    logs.configure(settings.log_level)
    asyncio.run(_until_stopped(drain))
    return 0


async def _until_stopped(drain: Drain) -> None:
    task = asyncio.create_task(drain.watch())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait({task})


if __name__ == "__main__":
    sys.exit(main())
