"""Health, metrics, and this document."""

from __future__ import annotations

from serving.openapi.problems import IF_NONE_MATCH, NOT_MODIFIED, SAID, operation
from serving.openapi.vocabulary import (
    JSON,
    PROBLEM,
    Schema,
    answer,
    named_headers,
    nullable,
    number,
    one_of,
    ref,
    shape,
    text,
    whole,
)

TAG = "Operations"
CHECK = shape({"ok": {"type": "boolean"}}, {"latencyMs": nullable(number(0))})
EVENTS = shape(
    {"ok": {"type": "boolean"}},
    {
        "backlog": nullable(whole(0)),
        "oldestSeconds": nullable(number(0)),
        "appendOnly": {},
        "appendFsync": {},
        "advice": nullable(text()),
    },
)
SCHEMAS: dict[str, Schema] = {
    "Health": shape(
        {
            "status": one_of("ok", "degraded", "unavailable"),
            "version": text(),
            "generations": whole(0, description="Companies with a live generation."),
            "checks": shape({"redis": CHECK, "postgres": {"anyOf": [CHECK, {"const": "not used"}]}}, {"events": EVENTS}),
        }
    )
}


def _page(description: str, media: str, *headers: str) -> Schema:
    return {
        "description": description,
        "headers": named_headers("X-Request-Id", *headers),
        "content": {media: {"schema": {"type": "string"}}},
    }


AWAY = {
    "description": f"Nothing can be served. {SAID[503]}",
    "headers": named_headers("Retry-After"),
    "content": {JSON: {"schema": ref("Health")}, PROBLEM: {"schema": ref("Problem")}},
}
DOCUMENT = answer("This document.", shape({"openapi": text()}, additionalProperties=True), headers=["ETag"])

PATHS: dict[str, Schema] = {
    "/api/health": {
        "get": operation("getHealth", TAG, "What can be served", {200: answer("Something can be.", ref("Health")), 503: AWAY})
    },
    "/metrics": {
        "get": operation(
            "getMetrics", TAG, "Figures to watch, for Prometheus", {200: _page("Prometheus' text.", "text/plain")}, (401, 403)
        )
    },
    "/api/openapi.json": {
        "get": operation("getOpenapi", TAG, "This document", {200: DOCUMENT, 304: NOT_MODIFIED}, (), (IF_NONE_MATCH,))
    },
    "/api/docs": {"get": operation("getDocs", TAG, "This document to read and try", {200: _page("A page.", "text/html")})},
}
