"""GET /api/health."""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from serving.lookup import Lookup

if TYPE_CHECKING:
    from serving.database import Database


async def health(request: Request) -> Response:
    """What can be served: `ok`, `degraded` (from memory only, or nothing is published yet), or 503 `unavailable`.

    Reads no store: the figures are those of the last poll and of the connection's own state.
    """
    document = report(request.state.lookup, request.state.database)
    status = 503 if document["status"] == "unavailable" else 200
    headers = {"cache-control": "no-store"} | ({"retry-after": "1"} if status == 503 else {})
    return Response(json.dumps(document), status, headers, "application/json")


def report(lookup: Lookup, database: Database | None) -> dict[str, Any]:
    """The health document. Without Postgres everything is still read, so it degrades and no more."""
    latency = lookup.generations.latency_seconds
    reachable = latency is not None
    n_generations = lookup.generations.n_published
    status = "ok" if reachable and n_generations else "degraded" if reachable or len(lookup.cache) else "unavailable"
    checks: dict[str, Any] = {"redis": _check(latency), "postgres": "not used"}
    if lookup.intake is not None and lookup.intake.takes:
        checks["events"] = lookup.intake.backlog.check()
    if database is not None:
        checks["postgres"] = _check(database.latency_seconds)
        status = "degraded" if status == "ok" and database.latency_seconds is None else status
    return {
        "status": status,
        "version": version(),
        "generations": n_generations,
        "checks": checks,
    }


def _check(latency: float | None) -> dict[str, Any]:
    return {"ok": latency is not None, "latencyMs": round(latency * 1000, 3) if latency is not None else None}


@cache
def version() -> str:
    """The installed version of this program."""
    try:
        return metadata.version("smart-upsell")
    except metadata.PackageNotFoundError:
        return "unknown"
