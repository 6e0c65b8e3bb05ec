"""uvicorn's HTTP protocol, with the reads answered on the spot.

A GET of a ReadRoute is parsed by httptools as any request is, but no ASGI scope, cycle or task is made for it: its handler
is driven here and its bytes are written. Everything else, and every read that is not plain (HEAD, a body, pipelined behind
an unfinished request, a client that reads too slowly), takes uvicorn's own way to the same handler through Starlette.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.errors import ApiError, problem
from serving.reply import BODILESS, Reply
from serving.requests import ReadRequest
from serving.routing import Reads, answer
from serving.store import drive

LONGEST_HEAD = HIGH_WATER_LIMIT
NOT_PLAIN = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))
NOTED = NOT_PLAIN | {b"if-none-match", b"x-request-id", b"origin", b"x-forwarded-for"}


class _NoEvent:
    def set(self) -> None:
        """Nobody waits for the body of a read."""


class Exchange:
    """What uvicorn's protocol sees in place of its cycle while a read is being answered; one per connection, reused.

    request, series, started: the read, the number that it is counted under, and when it came.
    """

    __slots__ = ("disconnected", "keep_alive", "more_body", "request", "response_complete", "series", "started")
    message_event = _NoEvent()
    request: ReadRequest
    series: int
    started: float

    def __init__(self) -> None:
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True
        self.more_body = False


class ReadProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reads: Reads = self.app_state["reads"]
        self.guards = self.reads.guards
        self.host = self.caller = ""
        self.exchange = Exchange()
        # the headers that a read looks at
        self.noted: list[tuple[bytes, bytes]] = []
        self.head_open = False
        self.head_bytes: int | None = None
        self.deadline: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop's: also a client that says nothing has to end some day."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.host = self.client[0] if self.client else ""
        self.caller = self.guards.addresses.caller(self.host).key
        self.deadline = self.loop.time() + self.timeout_keep_alive
        self._idle_check = self.loop.call_later(self.timeout_keep_alive, self._check_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop's."""
        self._idle_check.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The loop's: a client that has said all it wants still gets what it asked for; then the connection ends."""
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def data_received(self, data: bytes) -> None:
        """The loop's: as uvicorn's, with a bound on what a head may take and silence about nonsense."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(ApiError(400, "Invalid request", "This is not HTTP."))
        except httptools.HttpParserUpgrade:
            self._refuse(ApiError(400, "Invalid request", "No other protocol is spoken here."))
        if self.head_open:
            # what came with the head's first piece may belong to requests before it
            self.head_bytes = 0 if self.head_bytes is None else self.head_bytes + len(data)
            if self.head_bytes > LONGEST_HEAD:
                self._refuse(ApiError(431, "Headers too long", f"The headers are longer than {LONGEST_HEAD} bytes."))

    def on_message_begin(self) -> None:
        """The parser's: uvicorn builds a scope here, which a read does not need."""
        self.url = b""
        self.headers = []
        self.noted = []
        self.head_open = True
        self.head_bytes = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser's."""
        name = name.lower()
        self.headers.append((name, value))
        if name in NOTED:
            self.noted.append((name, value))

    def on_headers_complete(self) -> None:
        """The parser's: the fork between the two ways."""
        self.head_open = False
        self.deadline = None
        if self._is_plain() and self._start_read():
            return
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser's."""
        if self.cycle is not self.exchange:  # type: ignore[comparison-overlap]
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, without a timer per request."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self.deadline = self.loop.time() + self.timeout_keep_alive

    def _is_plain(self) -> bool:
        if self.parser.get_method() != b"GET" or self.flow.write_paused:
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        for name, _ in self.noted:
            if name in NOT_PLAIN:
                return False
        return self.limit_concurrency is None and self.parser.get_http_version() == "1.1"

    def _start_read(self) -> bool:
        started = perf_counter()
        found = self.reads.match(self.url)
        if found is None:
            return False
        exchange, lookup = self.exchange, self.reads.lookup
        read, params, query, exchange.series = found
        exchange.started = started
        exchange.response_complete = exchange.disconnected = False
        exchange.keep_alive = self.parser.should_keep_alive()
        self.cycle = exchange  # type: ignore[assignment]
        caller = self._forwarded() if self.noted else self.caller
        exchange.request = request = ReadRequest(params, query, self.noted, lookup.ids.fresh(), self.guards.limits, caller)
        drive(answer(read, lookup, request), self._finish_read)
        return True

    def _forwarded(self) -> str:
        """Whom a request of this connection counts for."""
        given = [value for name, value in self.noted if name == b"x-forwarded-for"]
        return self.guards.addresses.caller(self.host, b",".join(given)).key if given else self.caller

    def _finish_read(self, reply: Reply) -> None:
        exchange = self.exchange
        exchange.response_complete = True
        request, guards = exchange.request, self.guards
        guards.ended(exchange.series, reply.status, perf_counter() - exchange.started, request.request_id, request.company)
        if exchange.disconnected or self.transport.is_closing():
            return
        self._write(reply, exchange.keep_alive, guards.cors.lines(request.company or "", request.origin))
        self.on_response_complete()

    def _write(self, reply: Reply, keep_alive: bool, more: bytes = b"") -> None:
        status, head, body = reply
        end = b"\r\n" if status in BODILESS else b"content-length: %d\r\n\r\n" % len(body)
        if not keep_alive:
            end = b"connection: close\r\n" + end
        default = self.reads.default_lines(self.server_state.default_headers)
        self.transport.write(b"".join((STATUS_LINE[status], default, head, more, end, body)))
        if not keep_alive:
            self.transport.close()

    def _refuse(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # the requests before it get their answers first; then the connection ends
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        self._write(problem(error, self.reads.lookup.ids.fresh()), keep_alive=False)

    def _check_idle(self) -> None:
        now = self.loop.time()
        if self.deadline is not None and now >= self.deadline:
            self.timeout_keep_alive_handler()
        else:
            wait = self.timeout_keep_alive if self.deadline is None else self.deadline - now
            self._idle_check = self.loop.call_later(wait, self._check_idle)
