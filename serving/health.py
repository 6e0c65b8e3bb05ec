"""GET /api/health."""

from __future__ import annotations

import json
from functools import cache
from importlib import metadata
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.lookup import Lookup


async def health(request: Request) -> Response:
    """What can be served: `ok`, `degraded` (from memory only, or nothing is published yet), or 503 `unavailable`.

    Reads no store: the figures are those of the last poll and of the connection's own state.
    """
    document = report(request.state.lookup)
    status = 503 if document["status"] == "unavailable" else 200
    headers = {"cache-control": "no-store"} | ({"retry-after": "1"} if status == 503 else {})
    return Response(json.dumps(document), status, headers, "application/json")


def report(lookup: Lookup) -> dict[str, Any]:
    """The health document."""
    latency = lookup.generations.latency_seconds
    reachable = latency is not None
    n_generations = lookup.generations.n_published
    status = "ok" if reachable and n_generations else "degraded" if reachable or len(lookup.cache) else "unavailable"
    redis = {"ok": reachable, "latencyMs": round(latency * 1000, 3) if latency is not None else None}
    return {
        "status": status,
        "version": version(),
        "generations": n_generations,
        "checks": {"redis": redis, "postgres": "not used"},
    }


@cache
def version() -> str:
    """The installed version of this program."""
    try:
        return metadata.version("smart-upsell")
    except metadata.PackageNotFoundError:
        return "unknown"
