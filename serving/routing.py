"""The reads of the route table, reachable by two ways: the fast protocol and Starlette."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from serving.errors import failure
from serving.guards import Guards
from serving.lookup import Lookup
from serving.reply import Reply
from serving.requests import LONGEST_KEPT, LONGEST_TARGET, ReadRequest
from serving.store import Pending, drive

T = TypeVar("T")
Read = Callable[[Lookup, ReadRequest], Coroutine[Pending, None, Reply]]
# a read, the path's raw segments, the raw query, and the number that it is counted under
Resolved = tuple[Read, Mapping[str, str], str, int]
# a target with more ids in its query than companyId names somebody: nobody else asks for it
MOST_IDS = 2
MOST_RESOLVED = 4_000


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

    def __init__(self, routes: Iterable[BaseRoute], lookup: Lookup, guards: Guards) -> None:
        self.lookup, self.guards = lookup, guards
        self._resolved: dict[bytes, Resolved] = {}
        self._headers: list[tuple[bytes, bytes]] = []
        self._lines = b""
        self._table: list[tuple[re.Pattern[str], Read, str, int]] = [
            (route.path_regex, route.read, getattr(route, "field", ""), guards.metrics.series("GET", route.path))
            for route in routes
            if isinstance(route, ReadRoute)
        ]

    def default_lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The server's own headers (the date) as lines; uvicorn makes a new list each second."""
        if headers is not self._headers:
            self._headers, self._lines = headers, b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._lines

    def match(self, target: bytes) -> Resolved | None:
        """What is asked at a raw target; None where that is for Starlette to find out.

        Those that name nobody are remembered: popular pages are asked for again and again.
        """
        found = self._resolved.get(target)
        if found is None:
            found = self._match(target)
            if found is not None and len(target) <= LONGEST_KEPT and target.count(b"Id=") < MOST_IDS:
                if len(self._resolved) >= MOST_RESOLVED:
                    self._resolved.clear()
                self._resolved[target] = found
        return found

    def _match(self, target: bytes) -> Resolved | None:
        if len(target) > LONGEST_TARGET or not target.isascii() or b"#" in target:
            return None
        path, _, query = target.decode("ascii").partition("?")
        for pattern, read, field, series in self._table:
            found = pattern.match(path)
            if found is not None:
                return (read, found.groupdict(), query, series) if not field or _names(query, field) else None
        return None


def _names(query: str, field: str) -> bool:
    return query.startswith(field) or f"&{field}" in query


def allowed_methods(routes: Iterable[BaseRoute], path: str) -> list[str]:
    """What a path answers to, over all routes of it, since reads and writes of one address are two; none for an unknown path."""
    matching = [route for route in routes if isinstance(route, Route) and route.path_regex.match(path)]
    found = {method for route in matching for method in route.methods or ()}
    return sorted(found | {"OPTIONS"}) if found else []
