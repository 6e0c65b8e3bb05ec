"""A load generator for HTTP GETs in a process of its own: closed loop for the rate, open loop for the latency."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import uvloop

PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Load:
    """What to send where: `requests` are complete HTTP/1.1 requests, sent in turn over all connections together.

    `rate` is requests per second at fixed instants (open loop), or None for as fast as answers come.
    """

    port: int
    requests: Sequence[bytes]
    seconds: float
    connections: int = 64
    rate: float | None = None
    start: int = 0


@dataclass
class Answers:
    """What came back. Latencies are in seconds; in an open loop they count from the instant the request was due."""

    n: int = 0
    n_bad: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """A latency that `share` of the answers stayed below."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class _Connection(asyncio.Protocol):
    def __init__(self, generator: _Generator) -> None:
        self.generator = generator
        self.buffer = b""
        self.sent_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def ask(self, at: float) -> None:
        self.sent_at = at
        self.transport.write(next(self.generator.requests))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        head_end = data.find(b"\r\n\r\n")
        at = data.find(b"content-length: ", 0, head_end)
        length = int(data[at + 16 : data.index(b"\r", at)]) if at > 0 else 0
        if head_end < 0 or len(data) < head_end + 4 + length:
            self.buffer = data
            return
        self.buffer = b""
        self.generator.answered(self, data[9:12] in (b"200", b"304"))


class _Generator:
    def __init__(self, load: Load) -> None:
        self.load, self.answers = load, Answers()
        self.requests: Iterator[bytes] = islice(cycle(load.requests), load.start % len(load.requests), None)
        self.idle: list[_Connection] = []
        self.due: list[float] = []

    async def run(self) -> Answers:
        loop = asyncio.get_running_loop()
        connections = [
            (await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self.load.port))[1]
            for _ in range(self.load.connections)
        ]
        started = time.perf_counter()
        self.ends = started + self.load.seconds
        if self.load.rate is None:
            for connection in connections:
                connection.ask(time.perf_counter())
            await asyncio.sleep(self.load.seconds)
        else:
            self.idle = connections
            await self._send_on_time(started, 1 / self.load.rate)
        # a round has an answer, however short it is and however busy the machine
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.answers.n:
                await asyncio.sleep(0.01)
        self.answers.seconds = time.perf_counter() - started
        await asyncio.sleep(0.05)
        for connection in connections:
            connection.transport.abort()  # type: ignore[attr-defined]
        return self.answers

    async def _send_on_time(self, started: float, every: float) -> None:
        n_sent = 0
        while (now := time.perf_counter()) < self.ends:
            while started + n_sent * every <= now:
                due = started + n_sent * every
                n_sent += 1
                if self.idle:
                    self.idle.pop().ask(due)
                else:
                    self.due.append(due)
            await asyncio.sleep(max(0.0, min(started + n_sent * every - time.perf_counter(), 0.001)))

    def answered(self, connection: _Connection, good: bool) -> None:
        now = time.perf_counter()
        self.answers.n += 1
        self.answers.n_bad += not good
        assert connection.sent_at is not None
        self.answers.latencies.append(now - connection.sent_at)
        if self.load.rate is None:
            if now < self.ends:
                connection.ask(now)
        elif self.due:
            connection.ask(self.due.pop(0))
        else:
            self.idle.append(connection)


def generate(load: Load) -> Answers:
    """Run a load from a worker process, on the machine's last core, away from the server."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))} if len(os.sched_getaffinity(0)) > 1 else os.sched_getaffinity(0))
    return uvloop.run(_Generator(load).run())
