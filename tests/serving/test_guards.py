"""Limits as callers meet them: on both ways of answering, over processes, behind proxies, and without Redis."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis

from models.published_configs import EVERYBODY
from serving.limits import WINDOW_SECONDS
from tests.conftest import RedisServer
from tests.serving.api import Answer, Api, eventually, running_api
from tests.serving.offers import SECRET, Shop, token
from tests.serving.shelf import publish
from tests.serving.test_cors import decide
from tests.serving.test_pages import WAYS, path

TRUSTING = {"API_TRUSTED_PROXIES": "127.0.0.0/8", "JWT_SECRET": SECRET}
_addresses = itertools.count(1)


@pytest.fixture(scope="module")
def behind_a_proxy(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API on the shared store, believing what this test says of callers."""
    with running_api(tmp_path_factory.mktemp("behind"), REDIS_URL=shared_redis.url, **TRUSTING) as running:
        yield running


@pytest.fixture
def address() -> str:
    """An address that no other test has."""
    return f"203.0.113.{next(_addresses)}"


def ask(api: Api, company: str, address: str, way: bytes = b"", *headers: str) -> Answer:
    """A page, for a caller of that address."""
    return api.get(path(company), f"X-Forwarded-For: {address}", *headers, body=way)


def statuses(api: Api, company: str, address: str, n: int, way: bytes = b"") -> list[int]:
    """Those of `n` requests in a row."""
    return [ask(api, company, address, way).status for _ in range(n)]


def limit(client: redis.Redis, company: str, **settings: Any) -> None:
    """Publish a company with these settings, and see to it that the minute does not end in the middle of the test."""
    decide(client, company, **settings)
    publish(client, company)
    left = WINDOW_SECONDS - time.time() % WINDOW_SECONDS
    if left < 10:
        # processes begin it within a fifth of a second
        time.sleep(left + 1)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_beyond_its_limit_an_address_waits(
    behind_a_proxy: Api, client: redis.Redis, company: str, address: str, way: bytes
) -> None:
    """429 as a problem document with the seconds to the minute's end; others go on, and so do health and metrics."""
    limit(client, company, addressRequestsPerMinute=3)
    ask(behind_a_proxy, company, "198.51.100.1", way)
    assert statuses(behind_a_proxy, company, address, 4, way) == [200, 200, 200, 429]
    refused = ask(behind_a_proxy, company, address, way, "X-Request-Id: mine")
    assert (refused.status, refused.json()["type"]) == (429, "/problems/too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= WINDOW_SECONDS
    assert refused.headers["x-request-id"] == refused.json()["requestId"] == "mine"
    assert refused.headers["content-type"] == "application/problem+json"
    assert ask(behind_a_proxy, company, f"{address}0", way).status == 200
    for asked, status in (("/api/health", 200), ("/metrics", 401)):
        assert {behind_a_proxy.get(asked, f"X-Forwarded-For: {address}").status for _ in range(5)} == {status}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_beyond_its_limit_a_company_waits(behind_a_proxy: Api, client: redis.Redis, company: str, address: str, way: bytes) -> None:
    """All of its callers together have the company's limit, those of the operator's own network too."""
    limit(client, company, requestsPerMinute=4)
    assert statuses(behind_a_proxy, company, address, 2, way) == [200, 200]
    assert [behind_a_proxy.get(path(company), body=way).status for _ in range(4)] == [200, 200, 200, 429]
    assert "this company" in ask(behind_a_proxy, company, f"{address}1", way).json()["detail"]


def test_both_ways_count_together(behind_a_proxy: Api, client: redis.Redis, company: str, address: str) -> None:
    """A caller has one limit, whichever way its requests are answered."""
    limit(client, company, addressRequestsPerMinute=4)
    ask(behind_a_proxy, company, "198.51.100.1")
    found = [ask(behind_a_proxy, company, address, way).status for _ in range(3) for way in WAYS.values()]
    assert found == [200] * 4 + [429] * 2


def test_the_header_counts_from_trusted_proxies_alone(
    api: Api, behind_a_proxy: Api, client: redis.Redis, company: str, address: str
) -> None:
    """Where no proxy is trusted, the header changes nothing; where one is, its own entry counts, also on a line of its own."""
    limit(client, company, addressRequestsPerMinute=2)
    assert set(statuses(api, company, address, 6)) == {200}
    ask(behind_a_proxy, company, "198.51.100.1")
    found = [ask(behind_a_proxy, company, f"198.51.100.{at}, {address}").status for at in range(2)]
    found += [ask(behind_a_proxy, company, "10.0.0.1", way, f"X-Forwarded-For: {address}").status for way in WAYS.values()]
    assert found == [200, 200, 429, 429]


def test_processes_share_a_limit(
    behind_a_proxy: Api, shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path
) -> None:
    """Two APIs on one Redis let by together what the limit says, once each has told the other."""
    with running_api(tmp_path, REDIS_URL=shared_redis.url) as other:
        limit(client, company, requestsPerMinute=40)
        for api, n, total in ((behind_a_proxy, 31, 31), (other, 4, 35)):
            # the first brings the settings
            assert statuses(api, company, "", 1 + n) == [200] * (1 + n)
            eventually(lambda told=total: _told(client, company) == told, "what was counted did not reach Redis")
        # who tells learns what the others told before
        assert statuses(other, company, "", 8) == [200] * 5 + [429] * 3


def _told(client: redis.Redis, company: str) -> int:
    keys = client.scan_iter(f"upsell:rate:*:c:{quote(company, safe='')}")
    return sum(int(client.get(key) or 0) for key in keys)


def test_a_token_s_company_has_its_limit(shop: Shop) -> None:
    """What management asks counts for the company that the token is for, whether or not the address names it."""
    shop.sells({"p1": "1.00"})
    limit(shop.client, shop.company, requestsPerMinute=5)
    bearer = token(shop.company)

    def refused() -> bool:
        # a process knows the settings of the companies whose pages it was asked for
        shop.api.get(path(shop.company))
        return shop.api.send("GET", "/api/upsell/rules", bearer).status == 429

    eventually(refused, "management is not limited")
    other = f"{shop.company} again"
    assert shop.api.send("GET", "/api/upsell/rules", token(other)).status == 200


def test_the_limit_of_all_holds_where_no_company_is_named(own_redis: RedisServer, tmp_path: Path, address: str) -> None:
    """What is set for all holds for unknown paths too, and for companies that there are none of; preflights count as well."""
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, REDIS_URL=own_redis.url, **TRUSTING) as api:
        limit(client, "acme")
        decide(client, EVERYBODY, addressRequestsPerMinute=2)
        forwarded = itertools.count(1)

        def follows() -> bool:
            caller = f"198.51.{next(forwarded)}.1"
            return [api.get("/no", f"X-Forwarded-For: {caller}").status for _ in range(3)] == [404, 404, 429]

        eventually(follows, "the setting of all was not followed")
        asked = f"X-Forwarded-For: {address}"
        assert api.get(path("nobody"), asked).status == 404
        assert api.get("/api/health", asked).status == 200
        preflight = ("Origin: https://a.example", "Access-Control-Request-Method: GET")
        assert [api.get(path("acme"), asked, *preflight, method="OPTIONS").status for _ in range(2)] == [204, 429]


def test_without_redis_limits_hold(own_redis: RedisServer, tmp_path: Path, address: str) -> None:
    """Redis away: pages in memory are shown up to the limit, and refused beyond it."""
    with running_api(tmp_path, REDIS_URL=own_redis.url, **TRUSTING) as api, redis.Redis.from_url(own_redis.url) as client:
        limit(client, "acme", addressRequestsPerMinute=5)
        assert statuses(api, "acme", address, 2) == [200, 200]
        own_redis.kill()
        assert statuses(api, "acme", address, 5) == [200, 200, 200, 429, 429]
