"""Offers for a cart on either engine: the rules' counters and sessions, the store away, and what the log says then."""

from __future__ import annotations

import json
import time
from pathlib import Path

import redis

from models.generation import session_key
from models.offer_counters import accepted_key, declined_key, shown_key, subject, utc_day
from tests.conftest import RedisServer
from tests.serving.api import eventually, running_api
from tests.serving.carts import CartShop, rule
from tests.serving.offers import SECRET


def test_offers_on_either_engine(redis_server: RedisServer, tmp_path: Path) -> None:
    """On Valkey and on Redis two processes answer alike: conditions, caps, the cool-down, a live session, and a signed token."""
    with (
        redis.Redis.from_url(redis_server.url) as client,
        running_api(tmp_path, "--workers", "2", REDIS_URL=redis_server.url, JWT_SECRET=SECRET) as api,
    ):
        shop = CartShop(api, client, "either engine")
        shop.sells({"a": "10.00", "b": "5.00"})
        limits = {"quick buyer products": 2.0, "quick buyer seconds": 60.0, "researcher products": 4.0}
        shop.learns("segments", "", [{"source": name, "score": value} for name, value in limits.items()])
        shop.decides(
            *(rule("seen", maxImpressions=1), rule("taken", maxAcceptances=1), rule("declined")),
            *(rule("quick", conditions={"segments": ["QUICK_BUYER"]}), rule("dear", conditions={"cartValueMin": 20})),
        )
        now, whom = int(time.time() * 1000), subject("", "s1")
        client.zadd(session_key(shop.company, "s1"), {"a": now - 1_000, "b": now})
        every = ["declined", "quick", "seen", "taken"]
        assert [shop.ids("a:1", sessionId="s1", maxUpsells=9) for _ in range(4)] == [every] * 4
        client.hset(shown_key(shop.company, utc_day(now), whom), "seen", 1)
        client.sadd(accepted_key(shop.company, "taken"), "i1")
        client.hset(declined_key(shop.company, whom), "declined", now)
        assert [shop.ids("a:2", sessionId="s1", maxUpsells=9) for _ in range(4)] == [["dear", "quick"]] * 4
        assert all(len(row["impressionToken"]) > 40 for row in shop.shown("a:2", sessionId="s2"))


def test_the_store_away(redis_server: RedisServer, tmp_path: Path) -> None:
    """503 while Redis is away, told to the log once in the contract's words with company and request, and offers again after."""
    with (
        redis.Redis.from_url(redis_server.url) as client,
        running_api(tmp_path, REDIS_URL=redis_server.url, JWT_SECRET=SECRET) as api,
    ):
        shop = CartShop(api, client, "away")
        shop.sells({"a": "10.00"})
        shop.decides(rule("r"))
        assert shop.ids("a:1") == ["r"]
        redis_server.kill()
        eventually(lambda: shop.asks("a:1").status == 503, "a dead store was not noticed")
        answer = api.get(shop.path("/api/upsell/cart/any", items="a:1"), "X-Request-Id: asked-in-vain")
        assert (answer.status, answer.headers["x-request-id"]) == (503, "asked-in-vain")
        assert int(answer.headers["retry-after"]) >= 1
        told = [json.loads(line) for line in api.log.read_text().splitlines() if "Failed to get targeted upsells" in line]
        assert told
        assert {(row["message"], row["company"]) for row in told} == {("Failed to get targeted upsells", "away")}
        assert all(row["requestId"] and row["level"] == "error" for row in told)
        redis_server.start()
        shop.sells({"a": "10.00"})
        eventually(lambda: shop.asks("a:1").status == 200, "the store's return was not noticed")
        shop.decides(rule("r"))
        assert shop.ids("a:1") == ["r"]
