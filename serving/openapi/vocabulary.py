"""The words that the document is written in: JSON Schemas of common values, parameters, answers and operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.requests import LONGEST_ID

Schema = dict[str, Any]
JSON, PROBLEM = "application/json", "application/problem+json"

BOOLEAN: Schema = {"type": "boolean"}
INSTANT: Schema = {"type": "string", "format": "date-time", "examples": ["2026-05-01T12:00:00.000Z"]}
ID: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
OBJECT: Schema = {"type": "object", "additionalProperties": True}
SUCCESS: Schema = {"type": "object", "properties": {"success": {"const": True}}, "required": ["success"]}


def text(least: int = 0, most: int | None = None, **more: Any) -> Schema:
    """A text of so many characters."""
    return {"type": "string", **({"minLength": least} if least else {}), **({"maxLength": most} if most else {}), **more}


def whole(least: int, most: int | None = None, **more: Any) -> Schema:
    """A whole number in a range."""
    return {"type": "integer", "minimum": least, **({} if most is None else {"maximum": most}), **more}


def number(least: float | None = None, most: float | None = None, **more: Any) -> Schema:
    """A number in a range; amounts have the currency's decimals."""
    bounds = {name: bound for name, bound in (("minimum", least), ("maximum", most)) if bound is not None}
    return {"type": "number", **bounds, **more}


def one_of(*values: str, **more: Any) -> Schema:
    """One of a few words."""
    return {"type": "string", "enum": list(values), **more}


def listed(items: Schema, most: int | None = None, least: int = 0, **more: Any) -> Schema:
    """A list."""
    bounds = {**({"minItems": least} if least else {}), **({"maxItems": most} if most is not None else {})}
    return {"type": "array", "items": items, **bounds, **more}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "type" in schema and "enum" not in schema and isinstance(schema["type"], str):
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def shape(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **more: Any) -> Schema:
    """An object of an answer: what it always holds, and what it may hold."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required), **more}


def given(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None, **more: Any) -> Schema:
    """An object that a client sends: a field of another name is refused."""
    return {**shape(required, optional), "additionalProperties": False, **more}


def ref(name: str) -> Schema:
    """A schema of the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


def query(name: str, schema: Schema, description: str, *, required: bool = False, **more: Any) -> Schema:
    """A field of the query, given at most once."""
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description, **more}


def path(name: str, description: str) -> Schema:
    """A segment of the path, percent-encoded."""
    return {"name": name, "in": "path", "required": True, "schema": ID, "description": description}


def header(name: str, schema: Schema, description: str) -> Schema:
    """A header of the request."""
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def answer(description: str, schema: Schema, example: Any = None, headers: Sequence[str] = ()) -> Schema:
    """An answer of JSON; headers: of the document's components, beside X-Request-Id, which every answer has."""
    media = {"schema": schema, **({} if example is None else {"example": example})}
    return {"description": description, "headers": named_headers("X-Request-Id", *headers), "content": {JSON: media}}


def named_headers(*names: str) -> Schema:
    """Headers of the document's components."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def body(schema: Schema, example: Any) -> Schema:
    """A body of JSON, which must be there; no more than 64 KB."""
    return {"required": True, "content": {JSON: {"schema": schema, "example": example}}}
