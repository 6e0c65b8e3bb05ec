"""Which pages of other origins may read an answer, on both ways of answering, and what browsers are told beforehand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from models.published_configs import SETTINGS, publish_company_command
from serving.cors import MAX_AGE_SECONDS
from tests.conftest import RedisServer
from tests.serving.api import Answer, Api, eventually, running_api
from tests.serving.offers import Shop, token
from tests.serving.shelf import publish
from tests.serving.test_pages import WAYS, path

OWN, FOREIGN = "https://shop.example", "https://shop.example.evil.example"
ALLOWED = "access-control-allow-origin"
RULES = "/api/upsell/rules"
_versions = itertools.count(1)


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[bytes]:
    """The body that chooses the way."""
    yield request.param


def decide(client: redis.Redis, company: str, **settings: Any) -> None:
    """Publish settings of a company, as management does."""
    rows = [{"flags": {}, "settings": settings}]
    client.execute_command(*publish_company_command(company, SETTINGS, next(_versions), rows))  # type: ignore[no-untyped-call]


def names_origins(api: Api, client: redis.Redis, company: str, *origins: str) -> None:
    """Have the company name origins before it is known to any process."""
    decide(client, company, corsOrigins=list(origins))
    publish(client, company)
    eventually(lambda: ask(api, company, FOREIGN).headers.get(ALLOWED) is None, "the settings did not arrive")


def ask(api: Api, company: str, origin: str | None, way: bytes = b"", *headers: str) -> Answer:
    """A page, as a browser asks for it."""
    return api.get(path(company), *headers, *([f"Origin: {origin}"] if origin else []), body=way)


def test_any_page_reads_what_is_public(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """Where a company names no origin, all may read its public answers, errors and 304 too, and none with credentials."""
    publish(client, company)
    found = ask(api, company, FOREIGN, way)
    unchanged = ask(api, company, FOREIGN, way, f"If-None-Match: {found.headers['etag']}")
    wrong = api.get(path(company, sections="nonsense"), f"Origin: {FOREIGN}", body=way)
    for answer, status in ((found, 200), (ask(api, company, None, way), 200), (unchanged, 304), (wrong, 400)):
        assert (answer.status, answer.headers[ALLOWED]) == (status, "*")
        assert {"etag", "retry-after", "x-request-id"} <= set(answer.headers["access-control-expose-headers"].split(", "))
        assert "access-control-allow-credentials" not in answer.headers


def test_a_named_origin_alone_reads(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """Where it names some, those are told back and no other, nor one that looks alike; caches keep them apart."""
    names_origins(api, client, company, OWN, "http://localhost:3000")
    for origin in (OWN, "http://localhost:3000"):
        answer = ask(api, company, origin, way)
        assert (answer.status, answer.headers[ALLOWED], answer.headers["vary"]) == (200, origin, "origin")
        assert "etag" in answer.headers["access-control-expose-headers"]
    for other in (FOREIGN, "http://shop.example", f"{OWN}:8443", "null", None):
        answer = ask(api, company, other, way)
        assert (answer.status, answer.headers["vary"]) == (200, "origin")
        assert not [name for name in answer.headers if name.startswith("access-control")]


def _preflight(api: Api, address: str, origin: str, method: str, headers: str) -> Answer:
    asked = (f"Access-Control-Request-Method: {method}", f"Access-Control-Request-Headers: {headers}")
    return api.get(address, f"Origin: {origin}", *asked, method="OPTIONS")


def test_preflight_of_an_event(api: Api, client: redis.Redis, company: str) -> None:
    """A storefront may send JSON from a named origin, and be told so once for a while; from another it may not."""
    names_origins(api, client, company, OWN)
    address = path(company).replace("/products/p1/recommendations", "/recommendations/view")

    def told() -> Answer:
        return _preflight(api, address, OWN, "POST", "content-type")

    answer = told()
    assert (answer.status, answer.headers[ALLOWED], answer.headers["vary"]) == (204, OWN, "origin")
    assert "POST" in answer.headers["access-control-allow-methods"].split(", ")
    assert {"content-type", "if-none-match"} <= set(answer.headers["access-control-allow-headers"].split(", "))
    assert "authorization" not in answer.headers["access-control-allow-headers"]
    assert answer.headers["access-control-max-age"] == str(MAX_AGE_SECONDS)
    refused = _preflight(api, address, FOREIGN, "POST", "content-type")
    assert (refused.status, refused.headers["vary"]) == (204, "origin")
    assert not [name for name in refused.headers if name.startswith("access-control")]


def test_plain_options_is_no_preflight(api: Api) -> None:
    """OPTIONS that no browser asks as a preflight is told what there is; so is one of an unknown path that there is nothing."""
    answer = api.get("/api/health", method="OPTIONS")
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "access-control-allow-methods" not in answer.headers
    assert _preflight(api, "/no", OWN, "GET", "").status == 404


def test_management_is_read_by_named_origins_alone(shop: Shop) -> None:
    """With a token nothing is allowed until the company names the origin; then its preflight may ask to send the token, whether or
    not it names the company."""
    shop.sells({"p1": "1.00"})
    bearer = token(shop.company)

    def rules(origin: str) -> Answer:
        return shop.api.get(RULES, f"Authorization: Bearer {bearer}", f"Origin: {origin}")

    assert (rules(OWN).status, rules(OWN).headers.get(ALLOWED)) == (200, None)
    asked = "authorization, content-type, if-match"
    for address in (RULES, shop.path("p1").replace("/products/p1/bulk-discount", "/upsell/rules")):
        assert ALLOWED not in _preflight(shop.api, address, OWN, "PUT", asked).headers
    decide(shop.client, shop.company, corsOrigins=[OWN])
    address = shop.path("p1").replace("/products/p1/bulk-discount", "/upsell/rules")

    def everywhere() -> bool:
        return all(rules(OWN).headers.get(ALLOWED) == OWN for _ in range(6))

    eventually(everywhere, "the settings did not arrive")
    assert (rules(FOREIGN).status, rules(FOREIGN).headers.get(ALLOWED)) == (200, None)
    for each in (RULES, address):
        answer = _preflight(shop.api, each, OWN, "POST", asked)
        assert (answer.status, answer.headers[ALLOWED]) == (204, OWN)
        assert {"authorization", "content-type", "if-match"} <= set(answer.headers["access-control-allow-headers"].split(", "))
        assert ALLOWED not in _preflight(shop.api, each, FOREIGN, "POST", asked).headers


def test_every_process_answers_alike(own_redis: RedisServer, tmp_path: Any) -> None:
    """A change of the settings is followed by each of two processes."""
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, "--workers", "2", REDIS_URL=own_redis.url) as api:
        publish(client, "acme")
        assert {ask(api, "acme", OWN).headers[ALLOWED] for _ in range(20)} == {"*"}
        decide(client, "acme", corsOrigins=[OWN])
        eventually(lambda: all(ask(api, "acme", OWN).headers[ALLOWED] == OWN for _ in range(20)), "a process goes on as before")
        assert {ask(api, "acme", FOREIGN).headers.get(ALLOWED) for _ in range(20)} == {None}
