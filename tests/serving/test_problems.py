"""Errors: problem documents, never a 5xx for what a client sends."""

from __future__ import annotations

import time

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving.api import Api
from tests.serving.shelf import publish
from tests.serving.test_pages import WAYS, path

LONG = "x" * 201


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/api/products/p1/recommendations", "companyId"),
        ("/api/products/p1/recommendations?companyId=", "companyId"),
        ("/api/products/p1/recommendations?companyId=a&companyId=b", "companyId"),
        ("/api/products/p1/recommendations?companyId=a&company%49d=b", "companyId"),
        (f"/api/products/p1/recommendations?companyId={LONG}", "companyId"),
        ("/api/products/p1/recommendations?companyId=%", "companyId"),
        ("/api/products/p1/recommendations?companyId=%ff", "companyId"),
        ("/api/products/p1/recommendations?companyId=a%00", "companyId"),
        (f"/api/products/p1/recommendations?companyId=a&customerId={LONG}", "customerId"),
        (f"/api/products/p1/recommendations?companyId=a&sessionId={LONG}", "sessionId"),
        ("/api/products/p1/recommendations?companyId=a&%zz=1", "query"),
        ("/api/products/%zz/recommendations?companyId=a", "productId"),
        ("/api/products/%00/recommendations?companyId=a", "productId"),
        ("/api/products/%c3%28/recommendations?companyId=a", "productId"),
        (f"/api/products/{LONG}/recommendations/also-bought?companyId=a", "productId"),
        ("/api/products/p/recommendations/%ff?companyId=a", "kind"),
    ],
)
def test_bad_field_is_named(api: Api, address: str, field: str, way: bytes) -> None:
    """400 as a problem document that names the field."""
    answer = api.get(address, body=way)
    document = answer.json()
    assert (answer.status, document["status"]) == (400, 400)
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in document["errors"]] == [field]
    assert (document["type"], document["title"]) == ("/problems/invalid-parameter", "Invalid parameter")
    assert document["detail"] and document["requestId"] == answer.headers["x-request-id"]


def test_raw_bytes_in_the_query(api: Api) -> None:
    """Bytes that no URL may hold are a 400."""
    request = b"GET /api/products/p/recommendations?companyId=\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert api.raw(request).startswith(b"HTTP/1.1 400 ")


def test_unknown_section_names(api: Api, client: redis.Redis, company: str) -> None:
    """`sections=` with an unknown name is a 400 that says what there is; an unknown kind in the path is a 404."""
    publish(client, company)
    refused = api.get(path(company, sections="ALSO_BOUGHT,nonsense"))
    assert (refused.status, refused.json()["errors"][0]["field"]) == (400, "sections")
    assert "also-bought" in refused.json()["errors"][0]["message"]
    assert api.get(path(company, rest="/nonsense")).status == 404
    assert api.get(path(company, sections="nonsense"), 'If-None-Match: "x"').status == 400


def test_unknown_company(api: Api, company: str) -> None:
    """A company that has published nothing is a 404."""
    answer = api.get(path(company))
    assert (answer.status, answer.json()["title"]) == (404, "Unknown company")


@pytest.mark.parametrize(
    "address", ["/", "/api", "/api/products//recommendations", "/api/health/", "/api/products/a/b/recommendations"]
)
def test_unknown_path(api: Api, address: str) -> None:
    """404, also where only a slash is too much."""
    answer = api.get(f"{address}?companyId=a")
    assert (answer.status, answer.json()["title"]) == (404, "Unknown path")


@pytest.mark.parametrize("address", ["/api/health", "/api/products/p/recommendations", "/api/products/p/recommendations/k"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_other_methods(api: Api, address: str, method: str) -> None:
    """405 with Allow; OPTIONS gets the same Allow."""
    answer = api.get(address, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.json()["status"] == 405
    options = api.get(address, method="OPTIONS")
    assert (options.status, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_too_long(api: Api) -> None:
    """An address beyond all reason is a 414, headers beyond all reason a 431, also in pieces."""
    assert api.get(f"/api/products/p/recommendations?companyId={'x' * 9000}").status == 414
    assert api.get(f"/{'x' * 9000}").status == 414
    for start in (b"GET /api/health HTTP/1.1\r\nX: ", b"GET /"):
        with api.connection() as connection:
            for piece in (start, b"x" * 30_000, b"x" * 30_000, b"x" * 30_000):
                connection.socket.sendall(piece)
                time.sleep(0.02)
            assert connection.receive().status == 431
            assert connection.ended()


def _statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


ANYTHING = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ANYTHING
@given(junk=st.binary(max_size=300))
def test_any_bytes(api: Api, junk: bytes) -> None:
    """Whatever arrives on a connection, the server answers with no 5xx and goes on serving others."""
    assert all(status < 500 for status in _statuses(api.raw(junk)))
    assert all(status < 500 for status in _statuses(api.raw(b"GET /api/products/" + junk + b" HTTP/1.1\r\nHost: x\r\n\r\n")))


@ANYTHING
@given(
    segment=st.binary(min_size=1, max_size=40),
    query=st.lists(st.tuples(st.sampled_from(["companyId", "sections", "customerId", "x"]), st.binary(max_size=30)), max_size=4),
    kind=st.sampled_from(["", "/also-bought", "/%2e%2e", "/x"]),
    headers=st.lists(
        st.sampled_from(['If-None-Match: ,,"', "X-Request-Id: \x7f", "Connection: close", "Upgrade: h2c", "Expect: 100-continue"]),
        max_size=3,
    ),
)
def test_any_encoded_input(api: Api, segment: bytes, query: list[tuple[str, bytes]], kind: str, headers: list[str]) -> None:
    """Any bytes, correctly percent-encoded wherever a client may put them: 2xx, 304 or 4xx."""
    encoded = "".join(f"%{byte:02x}" for byte in segment)
    asked = "&".join(f"{name}=" + "".join(f"%{byte:02X}" for byte in value) for name, value in query)
    lines = [f"GET /api/products/{encoded}/recommendations{kind}?{asked} HTTP/1.1", "Host: x", *headers, "", ""]
    statuses = _statuses(api.raw("\r\n".join(lines).encode("latin-1")))
    assert statuses and all(status < 500 for status in statuses)
