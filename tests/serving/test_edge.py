"""What stands around every request, whichever way answers it: ids, headers, bounds, preflights, the access log."""

from __future__ import annotations

import json
from itertools import product as combinations
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import quote

import pytest
import redis
from starlette.routing import Route

from models.published_configs import SETTINGS, publish_company_command
from serving.app import ROUTES
from serving.bodies import MOST_BYTES
from tests.conftest import RedisServer
from tests.serving.api import Answer, Api, eventually, running_api
from tests.serving.offers import SECRET, TIERS, Shop, token
from tests.serving.shelf import publish
from tests.serving.test_pages import WAYS, path

WRITES = sorted(
    (method, route.path)
    for route in ROUTES
    if isinstance(route, Route)
    for method in route.methods or ()
    if method in ("POST", "PUT")
)
HARDENED = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
OPERATOR = "platform:admin"
CHUNK = b"8000\r\n" + b" " * 0x8000 + b"\r\n"


def addressed(route: str, company: str) -> str:
    """An address of a route; its parameters are called anything."""
    bare = "/".join("x" if part.startswith("{") else part for part in route.split("/"))
    return f"{bare}?companyId={quote(company, safe='')}"


def complete(answer: Answer) -> bool:
    """Whether an answer has what every one has; no header is there twice that may be there once."""
    return HARDENED.items() <= answer.headers.items() and len(answer.headers["x-request-id"]) >= 4


def test_every_answer_has_its_id(shop: Shop) -> None:
    """Successes of Starlette, of reads, refusals and preflights: the client's own id where it sent one, and the safe headers."""
    shop.sells({"p": "10.00"})
    api, bearer = shop.api, f"Authorization: Bearer {token(shop.company)}"
    asked: list[tuple[str, str, bytes, int]] = [
        ("PUT", shop.path("p"), json.dumps({"tiers": TIERS}).encode(), 200),
        ("POST", "/api/products/pricing/bulk-calculate", b'{"productId": "p", "quantity": 5}', 200),
        ("GET", shop.path("p"), b"", 200),
        ("GET", "/api/upsell/rules", b"", 200),
        ("DELETE", shop.path("p"), b"", 200),
        ("GET", shop.path("p"), b"", 404),
        ("GET", "/api/health", b"", 200),
        ("GET", "/api/docs", b"", 200),
        ("GET", "/metrics", b"", 200),
        ("GET", "/no", b"", 404),
        ("OPTIONS", "/api/health", b"", 204),
        ("PATCH", "/api/health", b"", 405),
        ("GET", f"/{'x' * 9000}", b"", 414),
    ]
    for method, address, body, status in asked:
        answer = api.get(address, bearer, "X-Request-Id: mine-1", method=method, body=body)
        assert (answer.status, answer.headers["x-request-id"]) == (status, "mine-1"), (method, address)
        assert complete(answer), (method, address)
        fresh = [api.get(address, bearer, "X-Request-Id: not one", method="HEAD").headers["x-request-id"] for _ in range(2)]
        assert len(set(fresh)) == 2 and all(len(each) == 32 for each in fresh)


def test_html_is_framed_nowhere(api: Api) -> None:
    """The page of documents may stand in no frame, whatever else its own policy says."""
    headers = api.get("/api/docs").headers
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "x-frame-options" not in api.get("/api/health").headers


@pytest.mark.parametrize(("method", "route"), WRITES, ids=map(" ".join, WRITES))
def test_bodies_have_a_bound(writing_api: Api, company: str, method: str, route: str) -> None:
    """More than 64 KB is 413 on every route that takes a body, declared or in chunks."""
    bearer = f"Authorization: Bearer {token(None, OPERATOR)}"
    address = addressed(route, company)
    declared = writing_api.get(address, bearer, method=method, body=b" " * (MOST_BYTES + 1))
    assert (declared.status, declared.json()["title"]) == (413, "Body too large")
    assert complete(declared)
    head = f"{method} {address} HTTP/1.1\r\nHost: x\r\n{bearer}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert writing_api.raw(head.encode() + CHUNK * 3 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("n", [3, 40])
def test_chunks_without_an_end(writing_api: Api, company: str, n: int) -> None:
    """Who stops in the middle, and who goes on and on, is told 413 all the same."""
    with writing_api.connection() as connection:
        head = f"POST {addressed('/api/recommendations/view', company)} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.socket.sendall(head.encode() + CHUNK * n)
        assert connection.receive().status == 413


def test_a_body_of_the_longest_length(shop: Shop) -> None:
    """64 KB to the byte is taken, declared or in chunks."""
    shop.sells({"p": "10.00"})
    body = json.dumps({"tiers": TIERS}).encode().ljust(MOST_BYTES)
    assert shop.put("p", body).status == 200
    bearer = f"Authorization: Bearer {token(shop.company)}"
    head = f"PUT {shop.path('p')} HTTP/1.1\r\nHost: x\r\n{bearer}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:1], body[1:40_000], body[40_000:])) + b"0\r\n\r\n"
    assert shop.api.raw(head.encode() + chunked).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_head_is_get_without_a_body(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """Status, type and length of the GET, on reads and others."""
    publish(client, company)
    for address in (path(company), path("nobody"), "/api/health", "/api/docs", "/api/openapi.json", "/no"):
        given, asked = (api.get(address, body=way, method=method) for method in ("GET", "HEAD"))
        assert (asked.status, asked.body) == (given.status, b"")
        assert asked.headers["content-type"] == given.headers["content-type"]
        if address != "/api/health":
            assert abs(int(asked.headers["content-length"]) - int(given.headers["content-length"])) <= 2
        assert complete(asked) and asked.headers.keys() == given.headers.keys()


@pytest.mark.parametrize("route", sorted({route.path for route in ROUTES if isinstance(route, Route)}))
def test_methods_that_a_route_does_not_know(writing_api: Api, route: str) -> None:
    """405 with all that it does know, the same that OPTIONS tells of."""
    known = {method for each in ROUTES if isinstance(each, Route) and each.path == route for method in each.methods or ()}
    address = addressed(route, "shop")
    options = writing_api.get(address, method="OPTIONS")
    assert (options.status, set(options.headers["allow"].split(", "))) == (204, known | {"OPTIONS"})
    for method in sorted({"GET", "POST", "PUT", "DELETE", "PATCH"} - known):
        answer = writing_api.get(address, method=method)
        assert (answer.status, answer.headers["allow"]) == (405, options.headers["allow"])


def test_preflights(api: Api, client: redis.Redis, company: str) -> None:
    """A browser is told what it may send to a path that there is; where it asks nothing, OPTIONS is as it was."""
    publish(client, company)
    asks = ("Origin: https://shop.example", "Access-Control-Request-Method: GET")
    answer = api.get(path(company), *asks, "Access-Control-Request-Headers: X-Request-Id", method="OPTIONS")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, "*")
    assert answer.headers["access-control-allow-methods"] == answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert complete(answer)
    assert api.get("/no", *asks, method="OPTIONS").status == 404
    assert "access-control-allow-methods" not in api.get(path(company), method="OPTIONS").headers


@pytest.mark.parametrize("seconds", ["", "31536000"])
def test_https_by_setting(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path, seconds: str) -> None:
    """Strict-Transport-Security is said on both ways, and on refusals, where a number of seconds is set; else never."""
    publish(client, company)
    with running_api(tmp_path, REDIS_URL=shared_redis.url, API_HSTS_SECONDS=seconds) as api:
        due = f"max-age={seconds}" if seconds else None
        for address, body in combinations((path(company), "/api/health", "/no", path("nobody")), WAYS.values()):
            assert api.get(address, body=body).headers.get("strict-transport-security") == due
        refused = api.raw(b"nonsense\r\n\r\n")
        assert (b"\r\nstrict-transport-security: " in refused) == bool(seconds)


def test_the_access_log(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path) -> None:
    """One line per request with its id, company, route, status and duration, on both ways; its address and query never."""
    publish(client, company)
    with running_api(tmp_path, REDIS_URL=shared_redis.url, API_ACCESS_LOG="1") as api:
        for at, (address, body) in enumerate(
            combinations((path(company, customerId="ann@example.com"), "/api/health", "/ann@example.com"), WAYS.values())
        ):
            api.get(address, f"X-Request-Id: request-{at}", body=body)
        # a line is written behind its answer
        eventually(lambda: api.log.read_text().count("serving.access") == 6, "a request was not told of")
        lines = [json.loads(line) for line in api.log.read_text().splitlines()]
        told = [line for line in lines if line["logger"] == "serving.access"]
        assert [(line["requestId"], line["status"], line["route"]) for line in told] == [
            ("request-0", 200, "/api/products/{product_id}/recommendations"),
            ("request-1", 200, "/api/products/{product_id}/recommendations"),
            ("request-2", 200, "/api/health"),
            ("request-3", 200, "/api/health"),
            ("request-4", 404, "unmatched"),
            ("request-5", 404, "unmatched"),
        ]
        assert [line.get("company") for line in told] == [company, company, None, None, None, None]
        assert all(line["ms"] > 0 for line in told)
        assert "ann" not in api.log.read_text()


def test_without_the_setting_there_is_none(api: Api) -> None:
    """By default no request is told of that went well."""
    api.get("/api/health")
    assert "serving.access" not in api.log.read_text()


def test_a_token_s_company_is_counted_once(own_redis: RedisServer, company: str, tmp_path: Path) -> None:
    """A request counts for the company that its token speaks for, whether the address names it too or not, and once."""
    with (
        redis.Redis.from_url(own_redis.url) as client,
        running_api(tmp_path, REDIS_URL=own_redis.url, JWT_SECRET=SECRET) as api,
    ):
        publish(client, company)
        row: dict[str, Any] = {"flags": {}, "settings": {"requestsPerMinute": 6}}
        command: Any = client.execute_command
        command(*publish_company_command(company, SETTINGS, 1, [row]))
        # the process learns of the company's settings with its generation
        assert api.get(path(company)).status == 200
        address, bearer = "/api/admin/recommendations/preview/p1", token(company)
        named = f"?companyId={quote(company, safe='')}"

        def five_more() -> bool:
            minute = time() // 60
            asked = [api.send("GET", f"{address}{query}", bearer).status for query in (named, "") * 4]
            # a minute that ended in between lets more by
            return time() // 60 == minute and asked in ([200] * 5 + [429] * 3, [200] * 6 + [429] * 2)

        eventually(five_more, "it was counted otherwise", 130)
        assert api.get("/api/health").status == api.get("/metrics").status == 200
