"""Around every request that Starlette answers: its id, bounds, limits and counts, and any error as a problem document."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.bodies import MOST_BYTES, too_large
from serving.errors import FAILED, ApiError, brief, failure
from serving.guards import Guards
from serving.reply import HARDENED, header_pairs
from serving.requests import check_length, client_id, named_company
from serving.routing import allowed_methods, settled

# asked by those who watch over the service, however often
UNLIMITED = frozenset((b"/api/health", b"/metrics"))
METRICS = "/metrics"
MOST_PASSED_OVER, PASSED_OVER_SECONDS = 16 * MOST_BYTES, 1.0
FRAMED_NOWHERE = header_pairs(b"x-frame-options: DENY\r\ncontent-security-policy: frame-ancestors 'none'\r\n")
SAFE = header_pairs(HARDENED)
# of a client that left before it was answered, as nginx counts it
GONE = 499


class Edge:
    """Routes match the raw path, so an encoded slash stays inside its segment."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = perf_counter()
        state = scope["state"]
        state["request_id"] = client_id(scope["headers"]) or state["lookup"].ids.fresh()
        scope["path"] = scope["raw_path"].decode("latin-1")
        passage = Passage(scope, send)
        try:
            await self._pass(scope, Bounded(receive), passage)
        finally:
            passage.ended(perf_counter() - started)

    async def _pass(self, scope: Scope, bounded: Bounded, passage: Passage) -> None:
        try:
            check_length(scope["raw_path"], scope["query_string"])
            passage.admit()
            bounded.check(passage.headers)
            await passage.know()
            app = passage.preflight() or self.app
            await app(scope, bounded, passage)
        except Exception as error:
            await failed(scope, error)(scope, bounded, passage)


class Bounded:
    """What comes of a body, up to MOST_BYTES of it. Raises ApiError 413 where more does."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._n = receive, 0

    def check(self, headers: Headers) -> None:
        """By the length that is declared, before anything is read."""
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 15 or int(length) > MOST_BYTES):
            raise too_large()

    async def __call__(self) -> Message:
        """ASGI's receive."""
        message = await self._receive()
        self._n += len(message.get("body", b""))
        if self._n <= MOST_BYTES:
            return message
        # whoever is still sending when the connection ends may never read why
        with suppress(TimeoutError):
            async with asyncio.timeout(PASSED_OVER_SECONDS):
                while message.get("more_body") and self._n <= MOST_PASSED_OVER:
                    message = await self._receive()
                    self._n += len(message.get("body", b""))
        raise too_large()


class Passage:
    """One request on its way, and ASGI's send for its answer."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send, self._status = scope, send, GONE
        self._guards: Guards = scope["state"]["guards"]
        self.headers, self._answered_cors = Headers(scope=scope), False
        self._asked = named_company(scope["query_string"].decode("latin-1"))

    def admit(self) -> None:
        """Count it against the limits. Raises ApiError 429."""
        # auth.py, which learns whom a token is for, counts no company twice
        self._scope["state"]["admitted"] = self._asked
        if self._scope["raw_path"] in UNLIMITED:
            return
        self._guards.limits.admit(self._asked, self._guards.caller(self._scope["client"], self.headers).key)

    async def know(self) -> None:
        """Have the settings of the company here that say which origins may read the answer."""
        lookup, company = self._scope["state"]["lookup"], self._company
        if company and "origin" in self.headers and company not in lookup.generations.known:
            # without anything published, or without the store, the defaults hold
            with suppress(ApiError):
                await settled(lookup.generations.load(company))

    def preflight(self) -> Response | None:
        """The answer to a browser that asks what it may send; None where it does not, or where nothing is."""
        if self._scope["method"] != "OPTIONS" or not {"origin", "access-control-request-method"} <= set(self.headers):
            return None
        methods = allowed_methods(self._scope["app"].routes, self._scope["path"])
        if not methods:
            return None
        asked = self.headers.get("access-control-request-headers", "")
        lines = self._guards.cors.preflight(self._asked, self._origin(), asked, methods)
        response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"allow": ", ".join(methods)})
        response.raw_headers += header_pairs(lines)
        self._answered_cors = True
        return response

    async def __call__(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            await self.know()
            message = {**message, "headers": self._completed(message["headers"])}
        await self._send(message)

    def ended(self, seconds: float) -> None:
        """It has been answered, or its client has gone."""
        state, route = self._scope["state"], self._scope.get("route")
        series = self._guards.metrics.series(self._scope["method"], getattr(route, "path", ""))
        self._guards.ended(series, self._status, seconds, state["request_id"], self._company or None)

    @property
    def _company(self) -> str:
        """Whom the token speaks for, once that is known, or whom the address names."""
        return self._scope["state"].get("company") or self._asked

    def _completed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """An answer's headers with those that every answer has."""
        given = dict(headers)
        own = [(b"x-request-id", self._scope["state"]["request_id"]), *SAFE]
        if given.get(b"content-type", b"").startswith(b"text/html"):
            own += FRAMED_NOWHERE
        if not self._answered_cors:
            management = "authorization" in self.headers or self._scope["path"] == METRICS
            own += header_pairs(self._guards.cors.lines(self._company, self._origin(), management))
        return [*headers, *(pair for pair in own if pair[0] not in given)]

    def _origin(self) -> bytes:
        return self.headers.get("origin", "").encode("latin-1")


def failed(scope: Scope, error: Exception) -> Response:
    """The problem document of whatever a request met."""
    state = scope["state"]
    return failure(error, state["request_id"], state.get("company"), state.get("failed", FAILED)).response()


async def api_problem(request: Request, error: Exception) -> Response:
    """Whatever a route of Starlette's raised."""
    return failed(request.scope, error)


async def http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, an unknown path or method, as problem documents; OPTIONS is told what is allowed."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(allowed_methods(request.app.routes, request.scope["path"]))
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers={"allow": allowed})
        detail = f"{brief(request.method)} is not among {allowed}."
        refused = ApiError(405, "Method not allowed", detail, headers={"allow": allowed})
    else:
        title = "Unknown path" if error.status_code == HTTPStatus.NOT_FOUND else HTTPStatus(error.status_code).phrase
        refused = ApiError(error.status_code, title, f"{title}: {brief(request.scope['path'])}.", headers=error.headers)
    return failure(refused, request.state.request_id).response()
