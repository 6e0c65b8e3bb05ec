"""Requests that nobody sane would send, drawn from the API's own document: nearly right, wrong in one place, or no HTTP at all."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

Schema = Mapping[str, Any]
METHODS = ("get", "put", "post", "delete")
VIEW = b"POST /api/recommendations/view HTTP/1.1\r\nHost: x\r\n"
# fields that are never set: what was stored once would refuse all that comes after it
UNSET = frozenset(("requestsPerMinute", "addressRequestsPerMinute"))
# fmt: off
TEXTS = (
    "", "0", "p1", "null", "a" * 201, "é ß 漢", "\u0000", "\ud800", "'; drop table x; --", "../../etc", "%00", "%zz", "%", "{{x}}",
    "\r\nX: y", "2026-02-30", "2026-05-01T12:00:00Z", "9" * 400, "1e999", "-0", "NaN", "*", '"0"', "ALSO_BOUGHT", "p1:2,p2:1",
    "p1:0", ":", ",,,",
)
NUMBERS = (0, 1, -1, 2, 5, 100, 0.01, 0.005, 1e-9, 1e308, -1e308, 2**31, 2**63, 2**64, 10**400, 99999999.99, True, None)
BODIES = (
    b"", b"{", b"[]", b"null", b'"x"', b"{}{}", b"\xff\xfe", b'{"a":NaN}', b'{"a":1,"a":2}', b"[" * 20_000, b'{"a":' * 5_000,
    b"\x00" * 100, b'{"productId":"\\ud800"}', b'{"revenue":1e400}', b" " * 70_000, b'{"x":"' + b"a" * 65_600 + b'"}',
)
# no request at all, or one that no client makes
RAW = (
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\xff" * 500 + b"\r\n\r\n",
    b"GET  /api/health HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /api/health HTTP/1.1\r\n\r\n",
    b"GET /api/health HTTP/1.1\r\nHost: x\r\n Folded: y\r\n\r\n", b"GET http://x/api/health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    VIEW + b"Content-Length: -1\r\n\r\n", VIEW + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    VIEW + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)
# fmt: on


class Requests:
    """Seeded requests over every operation of a document. known: by name of a field, values that there are."""

    def __init__(self, document: Schema, known: Mapping[str, Sequence[str]], tokens: Sequence[str], seed: int) -> None:
        self._document, self._known, self._tokens = document, known, tokens
        self._draw = random.Random(seed)
        self.operations = [
            (method.upper(), path, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
        ]

    def next(self) -> tuple[str, bytes]:
        """Method and path, "raw" for what is none, and the bytes to send."""
        draw = self._draw
        if draw.random() < 0.02:
            return "raw", draw.choice(RAW)
        method, path, operation = draw.choice(self.operations)
        target = re.sub(r"\{(\w+)\}", lambda found: self._segment(found[1]), path)
        query, headers = self._parameters(operation)
        body = self._body(operation)
        if draw.random() < 0.03:
            method = draw.choice(("HEAD", "OPTIONS", "PATCH", "DELETE", "PUT", "POST", "TRACE"))
        head = [f"{method} {target}{query} HTTP/1.1", "Host: x", *headers]
        if body is not None:
            head.append(draw.choices(("Content-Type: application/json", "Content-Type: text/plain", "X: y"), (40, 1, 1))[0])
            head.append(f"Content-Length: {len(body)}")
        return f"{method} {path}", "\r\n".join([*head, "", ""]).encode("latin-1", "replace") + (body or b"")

    def _segment(self, name: str) -> str:
        # a segment that is empty, or is not encoded, is another address
        return quote(self._text(name) or "0", safe="" if self._draw.random() < 0.98 else "/%?", errors="surrogatepass")

    def _parameters(self, operation: Schema) -> tuple[str, list[str]]:
        draw, query, headers = self._draw, [], []
        for row in operation.get("parameters", []):
            if draw.random() < (0.97 if row.get("required") else 0.4):
                value = self._value(row["schema"], row["name"])
                written = value if isinstance(value, str) else json.dumps(value)
                if row["in"] == "query":
                    query.append(f"{row['name']}={quote(written, errors='surrogatepass')}")
                elif row["in"] == "header":
                    headers.append(f"{row['name']}: {re.sub('[^ -~]', '?', written)[:300]}")
        if draw.random() < 0.03 and query:
            query.append(query[0])
        if operation.get("security") or draw.random() < 0.05:
            headers.append(f"Authorization: Bearer {draw.choice(self._tokens)}")
        return ("?" + "&".join(query) if query else ""), headers

    def _body(self, operation: Schema) -> bytes | None:
        if "requestBody" not in operation:
            return None
        if self._draw.random() < 0.06:
            return self._draw.choice(BODIES)
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        written = json.dumps(self._value(schema, "")).encode("utf-8", "replace")
        return written[: self._draw.randrange(len(written))] if self._draw.random() < 0.02 else written

    def _value(self, schema: Schema, name: str, depth: int = 0) -> Any:
        draw = self._draw
        if "$ref" in schema:
            schema = self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if draw.random() < 0.04 or depth > 6:
            return draw.choice([*TEXTS, *NUMBERS, [], {}, [[]], {"": None}])
        several = schema.get("anyOf") or schema.get("oneOf")
        if several:
            return self._value(draw.choice(several), name, depth)
        if "enum" in schema or "const" in schema:
            return draw.choice(schema.get("enum") or [schema["const"]])
        kinds = schema.get("type", "string")
        kind = kinds if isinstance(kinds, str) else draw.choice(kinds)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return [self._value(schema.get("items", {}), name, depth + 1) for _ in range(draw.choice((0, 1, 1, 2, 3)))]
        plain = {"boolean": draw.random() < 0.5, "null": None, **dict.fromkeys(("integer", "number"), self._number(schema, kind))}
        return plain[kind] if kind in plain else self._text(name)

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        draw = self._draw
        made = {
            name: self._value(each, name, depth + 1)
            for name, each in schema.get("properties", {}).items()
            if name not in UNSET and draw.random() < (0.97 if name in schema.get("required", ()) else 0.25)
        }
        more = schema.get("additionalProperties")
        if isinstance(more, Mapping):
            made |= {self._text("id"): self._value(more, "", depth + 1) for _ in range(draw.randrange(3))}
        elif draw.random() < 0.02:
            made[self._text("")] = draw.choice(TEXTS)
        return made

    def _number(self, schema: Schema, kind: str) -> Any:
        draw, low, high = self._draw, schema.get("minimum", 0), schema.get("maximum", 100)
        if draw.random() < 0.2:
            return draw.choice(NUMBERS)
        return draw.randint(int(low), max(int(low), int(high))) if kind == "integer" else round(draw.uniform(low, high), 2)

    def _text(self, name: str) -> str:
        draw, known = self._draw, self._known.get(name)
        if known and draw.random() < 0.8:
            return draw.choice(known)
        return (
            draw.choice(TEXTS) if draw.random() < 0.7 else "".join(chr(draw.randrange(1, 0x2FF)) for _ in range(draw.randrange(12)))
        )
