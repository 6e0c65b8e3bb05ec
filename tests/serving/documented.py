"""Answers held against the OpenAPI document: is the status one of the operation's, and the answer what its schema says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from serving.openapi.document import document
from tests.serving.api import Answer

METHODS = ("get", "put", "post", "delete")
Operation = dict[str, Any]


def operations() -> Iterator[tuple[str, str, Operation]]:
    """Method in capitals, path and operation, of all of the document."""
    for path, item in document()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def operation_of(method: str, address: str) -> tuple[str, Operation] | None:
    """The path and the operation that an address means; the path with the fewest parameters wins, as in the route table."""
    asked = urlsplit(address).path
    matching = [
        (path, operation)
        for each, path, operation in operations()
        if each == method and _pattern(path).fullmatch(asked) is not None
    ]
    return min(matching, key=lambda found: found[0].count("{")) if matching else None


def faults(method: str, address: str, answer: Answer) -> list[str]:
    """What of an answer the document does not say; empty for addresses that it does not describe."""
    found = operation_of("GET" if method == "HEAD" else method, address)
    if found is None:
        return []
    path, operation = found
    named = f"{method} {path}: {answer.status}"
    described = _resolved(operation["responses"].get(str(answer.status)))
    if described is None:
        return [f"{named} is not documented."]
    missing = [name for name in described.get("headers", {}) if name.lower() not in answer.headers and name in ALWAYS]
    said = [f"{named} lacks the header {name}." for name in missing]
    if method == "HEAD" or "content" not in described:
        return said + ([f"{named} has a body."] if answer.body else [])
    media = answer.headers.get("content-type", "").partition(";")[0]
    if media not in described["content"]:
        return [*said, f"{named} is of type {media!r}."]
    if not media.endswith("json"):
        return said
    validator = _validator(path, method.lower(), str(answer.status), media)
    # in binary 0.07 is no multiple of 0.01
    wrong = list(validator.iter_errors(json.loads(answer.body, parse_float=Decimal)))
    return said + [f"{named} at {'.'.join(map(str, error.absolute_path))}: {error.message:.300}" for error in wrong[:3]]


ALWAYS = ("X-Request-Id", "Retry-After", "WWW-Authenticate", "Location")


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def _resolved(described: Any) -> Any:
    if described is not None and "$ref" in described:
        return document()["components"]["responses"][described["$ref"].rpartition("/")[2]]
    return described


@cache
def _validator(path: str, method: str, status: str, media: str) -> Draft202012Validator:
    described = _resolved(document()["paths"][path]["get" if method == "head" else method]["responses"][status])
    schemas = _closed(document()["components"]["schemas"])
    return Draft202012Validator({**_closed(described["content"][media]["schema"]), "components": {"schemas": schemas}})


def _closed(schema: Any) -> Any:
    """The same schema, under which an object may hold nothing but what is described."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return Decimal(str(schema)) if isinstance(schema, float) else schema
    closed = {name: _closed(each) for name, each in schema.items() if name not in ("examples", "example", "default")}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
