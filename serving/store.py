"""Reads from Redis for requests: everything that waits in one turn of the loop shares one MGET; and small writes beside them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import partial
from typing import Any, TypeVar

from serving import wire
from serving.errors import StoreAway

log = logging.getLogger("serving.store")
T = TypeVar("T")
KEYS_PER_READ = 500
READS_IN_FLIGHT = 2
BACKOFF_SECONDS = (0.05, 1.0)
# writes that Redis has not confirmed yet; what comes beyond is dropped, and counted
MOST_WRITES = 2_000
# MGET wants a key
NO_KEY = (b"",)


class Pending:
    """One request's share of a coming MGET; awaited inside a coroutine that `drive` drives."""

    # what is so for most is not set in each
    values: list[bytes | None]
    commands: Sequence[tuple[Any, ...]] = ()
    replies: list[Any]
    error: StoreAway | None = None
    retried = False

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = keys
        self.resume: Callable[[], None] = _nobody_waits

    @property
    def reply(self) -> Any:
        """To its first command."""
        return self.replies[0] if self.commands else None

    def __await__(self) -> Generator[Pending, None, list[bytes | None]]:
        yield self
        if self.error is not None:
            raise self.error
        return self.values


def _nobody_waits() -> None:
    pass


def drive(coroutine: Coroutine[Pending, None, T], deliver: Callable[[T], None]) -> None:
    """Run a coroutine that awaits nothing but Pending, and hand over what it returns.

    A task of asyncio's would do the same for several times the cost; this resumes a request right where its MGET arrives.
    """
    try:
        pending = coroutine.send(None)
    except StopIteration as done:
        deliver(done.value)
    else:
        pending.resume = partial(drive, coroutine, deliver)


class Store:
    """A connection that is always being kept up, and the queue of reads before it.

    A read that loses its connection is asked once more on the next one. Once connecting has failed, reads raise StoreAway
    at once until Redis is back. A write is sent before the reads of its turn, on the same connection, so that whoever has the
    answer of one request finds what it wrote in the next, in any process; nobody waits for it and it never fails a request.

    n_lost_writes: writes that were refused, dropped, or cut off with their connection.
    """

    def __init__(self, address: wire.Address, timeout: float) -> None:
        self._address, self._timeout = address, timeout
        self._loop = asyncio.get_running_loop()
        self._connection: wire.Connection | None = None
        self._away = False
        self._queue: deque[Pending] = deque()
        self._flushing = False
        self._in_flight = 0
        self._writes: deque[tuple[Any, ...]] = deque()
        self._unconfirmed = 0
        self._writes_fail = False
        self.n_lost_writes = 0

    def read(self, keys: Sequence[bytes], *commands: tuple[Any, ...] | None) -> Pending:
        """The values of `keys`, in order, None for what is not there.

        commands: more to send on the way; their replies, or the exceptions that they met, are then the Pending's `replies`, the
        first one's its `reply`; None is none.
        Raises StoreAway, here or when awaited.
        """
        if self._away:
            raise StoreAway
        pending = Pending(keys)
        if commands:
            pending.commands = [command for command in commands if command is not None]
            pending.replies = [None] * len(pending.commands)
        self._queue.append(pending)
        self._flush_soon()
        return pending

    async def ask(self, command: tuple[Any, ...]) -> Any:
        """The reply to one command, or the exception that it met; for tasks of asyncio's. Raises StoreAway.

        A command that loses its connection may be sent twice.
        """
        answered = asyncio.Event()
        pending = self.read([], command)
        pending.resume = answered.set
        await answered.wait()
        if pending.error is not None:
            raise pending.error
        return pending.reply

    def write(self, command: tuple[Any, ...]) -> None:
        """Send a command with the next turn and forget it."""
        if self._away or len(self._writes) + self._unconfirmed >= MOST_WRITES:
            self.n_lost_writes += 1
            return
        self._writes.append(command)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    async def keep_connected(self, tried: asyncio.Event) -> None:
        """Connect, and connect again whenever the connection ends; `tried` is set after the first attempt."""
        pause, longest = BACKOFF_SECONDS
        while True:
            try:
                self._connection = await wire.connect(self._address, self._timeout)
            except wire.Lost as error:
                self._give_up(str(error))
                tried.set()
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
                continue
            pause = BACKOFF_SECONDS[0]
            if self._away:
                log.warning("Redis is back")
            self._away = False
            tried.set()
            self._flush()
            try:
                await self._connection.closed
            finally:
                self._connection.close()
                self._connection = None

    def _flush(self) -> None:
        self._flushing = False
        connection = self._connection
        if connection is None or connection.closed.done():
            return
        while self._writes:
            self._unconfirmed += 1
            connection.send(self._writes.popleft(), self._confirm)
        while self._queue and self._in_flight < READS_IN_FLIGHT:
            batch: list[Pending] = []
            keys: list[bytes] = []
            while self._queue and (not batch or len(keys) + len(self._queue[0].keys) <= KEYS_PER_READ):
                pending = self._queue.popleft()
                batch.append(pending)
                keys += pending.keys
                for number, command in enumerate(pending.commands):
                    # replies come in order: this one is there when the MGET's is
                    connection.send(command, partial(pending.replies.__setitem__, number))
            self._in_flight += 1
            connection.send((b"MGET", *(keys or NO_KEY)), partial(self._settle, batch))

    def _settle(self, batch: list[Pending], reply: Any) -> None:
        self._in_flight -= 1
        if isinstance(reply, list):
            at = 0
            for pending in batch:
                end = at + len(pending.keys)
                pending.values = reply[at:end]
                at = end
                self._resume(pending)
            self._flush()
            return
        again = isinstance(reply, wire.Lost)
        if not again:
            log.error("Redis refused a read", extra={"reason": str(reply)})
        for pending in batch:
            if again and not pending.retried:
                pending.retried = True
                # keep_connected sends the queue on the next connection
                self._queue.append(pending)
            else:
                self._fail(pending)

    def _confirm(self, reply: Any) -> None:
        self._unconfirmed -= 1
        failed = isinstance(reply, Exception)
        self.n_lost_writes += failed
        # a replica refuses every one: said once, and once more after it went well in between
        if failed and not self._writes_fail and not isinstance(reply, wire.Lost):
            log.warning("Redis refused a write: live sessions are not kept", extra={"reason": str(reply)})
        self._writes_fail = failed

    def _give_up(self, reason: str) -> None:
        if not self._away:
            log.error("Redis is away", extra={"reason": reason})
        self._away = True
        self.n_lost_writes += len(self._writes)
        self._writes.clear()
        waiting, self._queue = self._queue, deque()
        for pending in waiting:
            self._fail(pending)

    def _fail(self, pending: Pending) -> None:
        pending.error = StoreAway()
        self._resume(pending)

    def _resume(self, pending: Pending) -> None:
        try:
            pending.resume()
        except Exception:
            # one request's fault must not take the rest of its batch along
            log.exception("A read could not be handed over")
