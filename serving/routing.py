"""The reads of the route table, reachable by two ways: the fast protocol and Starlette."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import FAILED, ApiError, brief, failure
from serving.lookup import Lookup
from serving.reply import Reply
from serving.requests import ReadRequest, check_length, client_id
from serving.store import Pending, drive

T = TypeVar("T")
Read = Callable[[Lookup, ReadRequest], Coroutine[Pending, None, Reply]]


async def answer(read: Read, lookup: Lookup, request: ReadRequest) -> Reply:
    """A read's reply, whatever happens."""
    try:
        return await read(lookup, request)
    except Exception as error:
        return failure(error, request.request_id, request.company, request.failed)


async def settled(coroutine: Coroutine[Pending, None, T]) -> T:
    """What a driven coroutine returns or raises, for tasks of asyncio's."""
    ended: asyncio.Future[T | Exception] = asyncio.get_running_loop().create_future()

    async def caught() -> T | Exception:
        try:
            return await coroutine
        except Exception as error:
            return error

    def deliver(value: T | Exception) -> None:
        if not ended.done():
            ended.set_result(value)

    drive(caught(), deliver)
    result = await ended
    if isinstance(result, Exception):
        raise result
    return result


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


class NamedRead(ReadRoute):
    """A ReadRoute whose handler is asked only where the query names `field`; without it `otherwise` answers, which may wait for
    more than the store, by Starlette alone."""

    def __init__(self, path: str, read: Read, field: str, otherwise: Callable[[Request], Awaitable[Response]]) -> None:
        super().__init__(path, read)
        self.field, self._otherwise = f"{field}=", otherwise

    async def _respond(self, request: Request) -> Response:
        if _names(request.scope["query_string"].decode("latin-1"), self.field):
            return await super()._respond(request)
        return await self._otherwise(request)


class Reads:
    """The table's reads in matching order, for the fast protocol."""

    def __init__(self, routes: Iterable[BaseRoute], lookup: Lookup) -> None:
        self.lookup = lookup
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines = b""
        self._table: list[tuple[re.Pattern[str], Read, str]] = [
            (route.path_regex, route.read, getattr(route, "field", "")) for route in routes if isinstance(route, ReadRoute)
        ]

    def default_lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The server's own headers (the date) as lines; uvicorn makes a new list each second."""
        if headers is not self._headers:
            self._headers, self._lines = headers, b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._lines

    def match(self, path: str, query: str = "") -> tuple[Read, dict[str, str]] | None:
        """The read behind a raw path and query, with the path's raw segments."""
        for pattern, read, field in self._table:
            found = pattern.match(path)
            if found is not None:
                return (read, found.groupdict()) if not field or _names(query, field) else None
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
        scope["state"]["request_id"] = client_id(scope["headers"]) or scope["state"]["lookup"].ids.fresh()
        scope["path"] = scope["raw_path"].decode("latin-1")
        try:
            check_length(scope["raw_path"], scope["query_string"])
            await self.app(scope, receive, send)
        except Exception as error:
            await _failed(scope, error)(scope, receive, send)


def _names(query: str, field: str) -> bool:
    return query.startswith(field) or f"&{field}" in query


def _failed(scope: Scope, error: Exception) -> Response:
    state = scope["state"]
    return failure(error, state["request_id"], state.get("company"), state.get("failed", FAILED)).response()


def http_problem(request: Request, error: Exception) -> Response:
    """Starlette's own refusals, an unknown path or method, as problem documents; OPTIONS is told what is allowed."""
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(_methods(request.app.routes, request.scope["path"]) | {"OPTIONS"}))
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
    return _failed(request.scope, error)


def _methods(routes: Iterable[BaseRoute], path: str) -> set[str]:
    """What a path answers to, over all routes of it: reads and writes of one address are two."""
    matching = [route for route in routes if isinstance(route, Route) and route.path_regex.match(path)]
    return {method for route in matching for method in route.methods or ()}
