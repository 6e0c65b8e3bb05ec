"""GET /metrics: what Prometheus reads of all processes, and who may."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from models.generation import COMPANIES_KEY, kept_key, live_key
from models.published_configs import BULK_DISCOUNT, PENDING_KEY, config_key, pending
from serving.app import ROUTES
from serving.exposition import COUNTED, HELD, MOST_TOLD, Standing, collected
from serving.freshness import Published
from serving.metrics import COUNTERS, GAUGES, Board
from tests.conftest import RedisServer
from tests.serving.api import Answer, Api, eventually, running_api
from tests.serving.eventful import LISTS, EventShop
from tests.serving.offers import SECRET, TIERS, token
from tests.serving.shelf import publish
from tests.serving.test_pages import path
from tests.serving.test_process import children

PAGE = "/api/products/{product_id}/recommendations"
OPERATOR = "platform:admin"
OUTSIDE, INSIDE = "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.1.2.3"
Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(answer: Answer) -> Figures:
    """What an answer tells: (name of the sample, its labels) -> value."""
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    rows = [each for family in text_string_to_metric_families(answer.body.decode()) for each in family.samples]
    found = {(row.name, frozenset(row.labels.items())): row.value for row in rows}
    assert len(found) == len(rows), "a sample is told twice"
    return found


def figure(api: Api, name: str, **labels: str) -> float:
    """One sample, 0 where it is not told."""
    return figures(api.get("/metrics")).get((name, frozenset(labels.items())), 0.0)


def published(client: redis.Redis, company: str, generation: str, hours: float) -> None:
    """Have a generation live that was published so many hours ago."""
    at = datetime.now(UTC) - timedelta(hours=hours)
    client.hset(kept_key(company), generation, json.dumps({"publishedAt": at.isoformat(), "nKeys": 1}))
    publish(client, company, generation)


@pytest.fixture
def watched(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> Iterator[EventShop]:
    """A shop on an API of two processes and a store of this test's own, so that nothing else is counted."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET, "API_CONFIG_POLL_SECONDS": "0.1"}
    with (
        redis.Redis.from_url(own_redis.url) as client,
        running_api(tmp_path, "--workers", "2", read_only=False, **environ) as api,
    ):
        shop = EventShop(api, client, offers_database, company)
        shop.opens(f"{company} p")
        published(client, company, "g1", hours=3)
        yield shop


def test_every_figure_of_the_contract(watched: EventShop) -> None:
    """Latency by route, cache hits, views, impressions, clicks, age and coverage are told of a company, exactly."""
    shop, api, company = watched, watched.api, watched.company
    shop.rules(a={})
    before = figures(api.get("/metrics"))
    assert [api.get(path(company, rest="/also-bought", sessionId="s")).status for _ in range(8)] == [200] * 8
    taken = shop.shown("a")
    assert (shop.accept(taken).status, shop.accept(taken).status, shop.decline(shop.shown("a")).status) == (200, 200, 200)
    assert [shop.view(f"{company} p", "Idempotency-Key: one").status for _ in range(3)] == [200] * 3
    clicked = {"impressionId": shop.section_id("p1"), "clickedProductId": "p2"}
    assert shop.post(f"{LISTS}/click", clicked).status == 200
    shop.drained()
    after = figures(api.get("/metrics"))

    def moved(name: str, **labels: str) -> float:
        key = name, frozenset(labels.items())
        return after[key] - before.get(key, 0.0)

    counted = {told: moved(f"upsell_{told}_total", company=company) for _, (told, _) in COUNTED.items() if _of_company(after, told)}
    # probes of the fixture's are over; the second acceptance and the repeated views count for nothing
    assert {name: counted[name] for name in ("views", "impressions", "clicks", "accepts", "declines")} == {
        "views": 1, "impressions": 2, "clicks": 1, "accepts": 1, "declines": 1,
    }  # fmt: skip
    assert counted["recommendation_impressions"] == 8
    # one section of 8 pages by two processes, each of which asks Redis once
    assert counted["cache_hits"] + counted["cache_misses"] == 8
    assert 1 <= counted["cache_misses"] <= 2
    route = {"method": "GET", "route": f"{PAGE}/{{kind}}", "status": "2xx"}
    assert moved("upsell_request_duration_seconds_count", **route) == 8
    assert moved("upsell_request_duration_seconds_bucket", le="+Inf", **route) == 8
    assert moved("upsell_request_duration_seconds_sum", **route) > 0
    for suffix, n in (("", 2), ("/accept", 2), ("/decline", 1)):
        posted = {"method": "POST", "route": f"/api/upsell/impressions{suffix}", "status": "2xx"}
        assert moved("upsell_request_duration_seconds_count", **posted) == n
    assert after["upsell_generation_age_seconds", frozenset({("company", company)})] == pytest.approx(3 * 3600, abs=60)
    assert after["upsell_generation_anchors", frozenset({("company", company), ("kind", "also-bought")})] == 2
    assert moved("upsell_drained_rows_total", company="") > 0
    nothing: frozenset[tuple[str, str]] = frozenset()
    assert (after["upsell_companies", nothing], after["upsell_events_oldest_seconds", nothing] >= 0) == (1, True)
    assert {after["upsell_store_up", frozenset({("store", name)})] for name in ("redis", "postgres")} == {1}
    # processes say once a second what they hold
    eventually(lambda: figure(api, "upsell_cache_entries") > 0 < figure(api, "upsell_cache_bytes"), "the cache was not told of")


def _of_company(found: Figures, told: str) -> bool:
    return any(name == f"upsell_{told}_total" and dict(labels)["company"] for name, labels in found)


def test_writes_that_did_not_reach_their_stores(watched: EventShop, own_redis: RedisServer) -> None:
    """A write that Redis' absence failed is one; one that a process left between the stores is deferred until the poll."""
    shop, api, company = watched, watched.api, watched.company
    bearer = token(company)
    address = f"/api/products/{quote(company, safe='')}%20p/bulk-discount"
    assert api.send("PUT", address, bearer, {"tiers": TIERS}).status == 200
    shop.client.zadd(PENDING_KEY, {pending("left", company, BULK_DISCOUNT, f"{company} p"): 0})
    shop.client.delete(config_key(company, BULK_DISCOUNT, f"{company} p"))
    eventually(lambda: figure(api, "upsell_deferred_writes_total", company=company) == 1, "the poll's write was not counted")
    # whichever of the two answers, it has seen the generation
    assert all(figure(api, "upsell_companies") for _ in range(12))
    own_redis.kill()
    assert [api.send("PUT", address, bearer, {"tiers": []}).status for _ in range(3)] == [503] * 3
    assert figure(api, "upsell_failed_writes_total", company=company) == 3
    eventually(lambda: figure(api, "upsell_store_up", store="redis") == 0, "it was not noticed")
    # the generations are told of as they were last seen, and grow older
    assert figure(api, "upsell_generation_age_seconds", company=company) > 3 * 3600 - 1


def test_counts_outlive_a_process(own_redis: RedisServer, tmp_path: Path) -> None:
    """Requests add up over two processes, whichever is asked; a killed one's stay, and its successor's come on top."""
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, "--workers", "2", REDIS_URL=own_redis.url) as api:
        published(client, "shop", "g1", hours=1)

        def told() -> float:
            return figure(api, "upsell_request_duration_seconds_count", method="GET", route=PAGE, status="2xx")

        for asked in (30, 60):
            assert {api.get(path("shop")).status for _ in range(30)} == {200}
            assert {told() for _ in range(6)} == {asked}
            _replaced(api)
            assert {told() for _ in range(6)} == {asked}


def _replaced(api: Api) -> None:
    victim = min(children(api.process.pid))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: len(children(api.process.pid) - {victim}) == 2, "the worker was not replaced")


@contextmanager
def guarded(server: RedisServer, folder: Path, trusted: str = "", is_open: str = "") -> Iterator[Callable[..., int]]:
    """Ask an API for its metrics with headers; the status."""
    environ = {"REDIS_URL": server.url, "JWT_SECRET": SECRET, "API_TRUSTED_PROXIES": trusted, "API_METRICS_OPEN": is_open}

    with running_api(folder, read_only=True, **environ) as api:

        def ask(*headers: str, method: str = "GET") -> int:
            return api.get("/metrics", *headers, method=method).status

        yield ask


def test_who_may_read(shared_redis: RedisServer, tmp_path: Path) -> None:
    """Loopback may, and an operator from anywhere; whoever came through a proxy counts as from outside, unless it is trusted."""
    operator, reader = (f"Authorization: Bearer {token('shop', scope)}" for scope in (OPERATOR, "company:read"))
    with guarded(shared_redis, tmp_path) as ask:
        assert (ask(), ask(method="HEAD"), ask("Authorization: Bearer nonsense")) == (200, 200, 200)
        for header in (OUTSIDE, INSIDE, "Via: 1.1 proxy", "Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.1"):
            assert (ask(header), ask(header, reader), ask(header, operator)) == (401, 403, 200), header
    with guarded(shared_redis, tmp_path, trusted="127.0.0.0/8") as ask:
        assert (ask(INSIDE), ask(), ask(OUTSIDE), ask(OUTSIDE, operator)) == (200, 200, 401, 200)
        # what the outsider itself wrote stands before what the proxy adds
        assert ask("X-Forwarded-For: 127.0.0.1, 203.0.113.9") == 401
    with guarded(shared_redis, tmp_path, is_open="0") as ask:
        assert (ask(), ask(reader), ask(operator)) == (401, 403, 200)


def test_no_page_of_another_origin_reads_it(api: Api) -> None:
    """A browser of the operator's network hands it to no page, whatever the companies' settings."""
    answer = api.get("/metrics", "Origin: https://elsewhere.example")
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_generations_as_they_come_and_go(own_redis: RedisServer, tmp_path: Path) -> None:
    """A new generation is younger, one that was rolled back to as old as it is; a company that is gone is told of no more."""
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, REDIS_URL=own_redis.url) as api:

        def hours(company: str = "shop") -> float:
            return round(figure(api, "upsell_generation_age_seconds", company=company) / 3600, 1)

        published(client, "shop", "g1", hours=30)
        published(client, "é/other", "g1", hours=2)
        # nobody ever asked for either
        assert (hours(), hours("é/other"), figure(api, "upsell_companies")) == (30, 2, 2)
        published(client, "shop", "g2", hours=0)
        assert hours() == 0
        client.set(live_key("shop"), "g1")
        assert hours() == 30
        # what cannot be read leaves the rest as it is
        client.set(live_key("shop"), "g3")
        assert (hours(), hours("é/other")) == (30, 2)
        client.srem(COMPANIES_KEY, "shop")
        client.delete(live_key("shop"))
        assert (hours(), hours("é/other"), figure(api, "upsell_companies")) == (0, 2, 1)


def samples(board: Board, **standing: Any) -> list[tuple[str, dict[str, str], float]]:
    """What is collected of a board."""
    given = {"published": {}, "now": 1_000_000.0, "up": {"redis": True}, "backlog": None, **standing}
    return [(row.name, row.labels, row.value) for family in collected(board, Standing(**given)) for row in family.samples]


def test_the_oldest_generations_are_told_of() -> None:
    """Of more companies than are told apart, those whose generations are the oldest: whom an alert is about is never missing."""
    rows = {f"c{number:04}": Published("g", 1000.0 * (number % 700), {"k": 1}) for number in range(MOST_TOLD + 200)}
    found = samples(Board([]), published=rows)
    ages = {labels["company"]: value for name, labels, value in found if name == "upsell_generation_age_seconds"}
    assert (len(ages), ages["c0000"]) == (MOST_TOLD, 1_000_000.0)
    assert ages.keys() == {company for company in rows if int(company[1:]) < MOST_TOLD}
    assert ("upsell_companies", {}, MOST_TOLD + 200) in found


def test_everything_that_is_counted_is_told() -> None:
    """Each counter and gauge of the board has its metric, at 0 before anything happened; counters end as Prometheus wants it."""
    assert COUNTED.keys() == set(COUNTERS)
    assert HELD.keys() | {"lost_writes"} == set(GAUGES)
    found = samples(Board(ROUTES))
    assert {(name, value) for name, _, value in found if name.endswith("_total")} == {
        (f"upsell_{told}_total", 0.0) for told in [*(told for told, _ in COUNTED.values()), "lost_session_views"]
    }
    assert all(name.startswith("upsell_") for name, _, _ in found)


def test_odd_names_are_escaped(api: Api, client: redis.Redis) -> None:
    """A company may be called anything: the text stays one that Prometheus reads."""
    name = 'quote " backslash \\ line\nend é'
    published(client, name, "g1", hours=1)
    try:
        assert figure(api, "upsell_generation_age_seconds", company=name) > 0
    finally:
        client.srem(COMPANIES_KEY, name)
