"""The reads of the route table, reachable by two ways: the fast protocol and Starlette."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import ApiError, brief, failure
from serving.lookup import Lookup
from serving.reply import Reply
from serving.requests import ReadRequest, check_length, client_id
from serving.store import Pending, drive

Read = Callable[[Lookup, ReadRequest], Coroutine[Pending, None, Reply]]


async def answer(read: Read, lookup: Lookup, request: ReadRequest) -> Reply:
    """A read's reply, whatever happens."""
    try:
        return await read(lookup, request)
    except Exception as error:
        return failure(error, request.request_id, request.company)


async def settled(coroutine: Coroutine[Pending, None, Reply]) -> Reply:
    """A driven coroutine's reply, for tasks of asyncio's."""
    reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def deliver(value: Reply) -> None:
        if not reply.done():
            reply.set_result(value)

    drive(coroutine, deliver)
    return await reply


class ReadRoute(Route):
    """A GET whose handler is a read: it awaits nothing but the store, so the fast protocol can drive it without a task."""

    def __init__(self, path: str, read: Read) -> None:
        super().__init__(path, self._respond, name=read.__name__, methods=["GET"])
        self.read = read

    async def _respond(self, request: Request) -> Response:
        scope = request.scope
        query = scope["query_string"].decode("latin-1")
        asked = ReadRequest(scope["path_params"], query, scope["headers"], request.state.request_id)
        return (await settled(answer(self.read, request.state.lookup, asked))).response()


class Reads:
    """The table's reads in matching order, for the fast protocol."""

    def __init__(self, routes: Iterable[BaseRoute], lookup: Lookup) -> None:
        self.lookup = lookup
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines = b""
        self._table: list[tuple[re.Pattern[str], Read]] = [
            (route.path_regex, route.read) for route in routes if isinstance(route, ReadRoute)
        ]

    def default_lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The server's own headers (the date) as lines; uvicorn makes a new list each second."""
        if headers is not self._headers:
            self._headers, self._lines = headers, b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._lines

    def match(self, path: str) -> tuple[Read, dict[str, str]] | None:
        """The read behind a raw path, with the path's raw segments."""
        for pattern, read in self._table:
            found = pattern.match(path)
            if found is not None:
                return read, found.groupdict()
        return None


class Edge:
    """Around every request that Starlette answers: its id, a bound on its address, and any error as a problem document.

    Routes match the raw path, so an encoded slash stays inside its segment.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = scope["state"]["request_id"] = client_id(scope["headers"]) or scope["state"]["lookup"].ids.fresh()
        scope["path"] = scope["raw_path"].decode("latin-1")
        try:
            check_length(scope["raw_path"], scope["query_string"])
            await self.app(scope, receive, send)
        except Exception as error:
            await failure(error, request_id).response()(scope, receive, send)


def http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, an unknown path or method, as problem documents; OPTIONS is told what is allowed."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted({*(error.headers or {}).get("Allow", "").split(", "), "OPTIONS"} - {""}))
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers={"allow": allowed})
        detail = f"{brief(request.method)} is not among {allowed}."
        refused = ApiError(405, "Method not allowed", detail, headers={"allow": allowed})
    else:
        title = "Unknown path" if error.status_code == HTTPStatus.NOT_FOUND else HTTPStatus(error.status_code).phrase
        refused = ApiError(error.status_code, title, f"{title}: {brief(request.scope['path'])}.", headers=error.headers)
    return failure(refused, request.state.request_id).response()


def api_problem(request: Request, error: Exception) -> Response:
    """Whatever a route of Starlette's raised."""
    return failure(error, request.state.request_id).response()
