"""Writes of configurations when a store is away, when a process dies between the two, and when the platform writes itself."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import redis

from flows import embedded
from models.published_configs import BULK_DISCOUNT, PENDING_KEY, config_key, pending, publish_command
from tests.conftest import RedisServer
from tests.serving.api import Api, eventually, running_api
from tests.serving.offers import SECRET, TIERS, Shop, token


@pytest.fixture
def own_shop(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> Iterator[Shop]:
    """A shop on a store of this test's own, and an API that polls often."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET}
    with (
        redis.Redis.from_url(own_redis.url) as client,
        running_api(tmp_path, read_only=False, **environ, API_CONFIG_POLL_SECONDS="0.1") as api,
    ):
        yield Shop(api, client, offers_database, company)


def test_redis_away(own_shop: Shop, own_redis: RedisServer) -> None:
    """Without Redis a write is 503 and Postgres is as it was; with it again, it goes through."""
    product_id = f"{own_shop.company} p"
    own_shop.sells({product_id: "10.00"})
    assert own_shop.put(product_id, {"tiers": TIERS}).status == 200
    before = own_shop.rows()
    own_redis.kill()
    for answer in (own_shop.put(product_id, {"tiers": []}), own_shop.delete(product_id), own_shop.get(product_id)):
        assert (answer.status, int(answer.headers["retry-after"]) >= 1) == (503, True)
    assert own_shop.calculate({"productId": product_id, "quantity": 5}).status == 503
    assert "Failed to calculate bulk price" in own_shop.api.log.read_text()
    assert own_shop.rows() == before
    own_redis.start()
    eventually(lambda: own_shop.put(product_id, {"enabled": False}).status == 200, "Redis' return was not noticed")
    assert own_shop.get(product_id).json()["enabled"] is False


def test_postgres_away(own_redis: RedisServer, company: str, tmp_path: Path) -> None:
    """Without Postgres a write is 503, everything is read as before, and health says so; nothing needs a restart."""
    services = embedded.start(tmp_path / "services")
    try:
        with psycopg.connect(services.database_url, autocommit=True) as connection:
            connection.execute("create table nothing ()")
        environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": services.database_url, "JWT_SECRET": SECRET}
        with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, read_only=False, **environ) as api:
            shop = Shop(api, client, services.database_url, company)
            stored = {"id": "1", "productId": "p", "companyId": company, "enabled": True, "tiers": TIERS}
            stored |= {"stackWithOtherDiscounts": False, "maxDiscountPercent": 50, "validFrom": None, "validUntil": None}
            stored |= dict.fromkeys(("createdAt", "updatedAt"), "2026-05-01T12:00:00.000Z")
            client.set(config_key(company, BULK_DISCOUNT, "p"), b"1\n" + json.dumps(stored).encode())
            # a database that was never migrated is no better than none
            assert shop.put("p", {}).status == 503
            embedded.stop(tmp_path / "services")
            answer = shop.put("p", {})
            assert (answer.status, answer.headers["retry-after"]) == (503, "2")
            assert shop.delete("p").status == 503
            assert shop.get("p").status == 200
            eventually(lambda: api.get("/api/health").json()["checks"]["postgres"]["ok"] is False, "health did not notice")
            assert "Postgres is away" in api.log.read_text()
            password = services.database_url.partition("postgres:")[2].partition("@")[0]
            assert password and password not in api.log.read_text()
    finally:
        embedded.stop(tmp_path / "services")


def test_a_silent_postgres_hangs_nobody(own_shop: Shop, offers_database: str) -> None:
    """A lock that somebody else holds ends a write with 503, and reads do not wait for it."""
    product_id = f"{own_shop.company} p"
    own_shop.sells({product_id: "10.00"})
    own_shop.put(product_id, {"tiers": TIERS})
    with psycopg.connect(offers_database) as blocking:
        blocking.execute('select 1 from "ProductBulkDiscount" where "productId" = %s for update', [product_id])
        assert own_shop.put(product_id, {"tiers": []}).status == 503
        assert own_shop.get(product_id).json()["tiers"] == TIERS
    eventually(lambda: own_shop.put(product_id, {"tiers": []}).status == 200, "the lock was not left")


def test_without_a_database_nothing_is_written(own_redis: RedisServer, company: str, tmp_path: Path) -> None:
    """A process that needs Redis alone refuses to write and says why; health says that Postgres is not used."""
    environ = {"REDIS_URL": own_redis.url, "JWT_SECRET": SECRET, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, **environ) as api:
        shop = Shop(api, client, "", company)
        assert (shop.put("p", {}).status, shop.put("p", {}).json()["title"]) == (503, "Read only")
        assert api.get("/api/health").json()["checks"]["postgres"] == "not used"


def test_what_a_crash_left_behind_is_published(own_shop: Shop, offers_database: str) -> None:
    """A write and a deletion that Postgres holds, and of which Redis knows no more than the note, reach the readers."""
    put, gone = f"{own_shop.company} put", f"{own_shop.company} gone"
    own_shop.sells({put: "10.00", gone: "10.00"})
    for product_id in (put, gone):
        own_shop.put(product_id, {"tiers": TIERS})
    # as a process leaves it that dies right after Postgres has committed
    with psycopg.connect(offers_database) as connection:
        connection.execute(
            """update "ProductBulkDiscount" set tiers = '[]', "updatedAt" = "updatedAt" + interval '1 millisecond'
            where "productId" = %s""", [put]
        )  # fmt: skip
        connection.execute('delete from "ProductBulkDiscount" where "productId" = %s', [gone])
    notes = [pending("nonce", own_shop.company, BULK_DISCOUNT, product_id) for product_id in (put, gone)]
    own_shop.client.zadd(PENDING_KEY, dict.fromkeys(notes, 1))
    eventually(lambda: own_shop.get(put).json()["tiers"] == [], "the write was not published")
    eventually(lambda: own_shop.get(gone).status == 404, "the deletion was not published")
    eventually(lambda: own_shop.client.zcard(PENDING_KEY) == 0, "a note is left")


def test_what_the_platform_writes_is_published(own_shop: Shop, offers_database: str) -> None:
    """A row that was written past the API is read by the API shortly after."""
    product_id = f"{own_shop.company} p"
    own_shop.sells({product_id: "10.00"})
    with psycopg.connect(offers_database) as connection:
        connection.execute(
            'insert into "ProductBulkDiscount" ("productId", "companyId", tiers) values (%s, %s, %s)',
            [product_id, own_shop.company, json.dumps(TIERS)],
        )
    eventually(lambda: own_shop.get(product_id).status == 200, "the row was not published")
    assert own_shop.calculate({"productId": product_id, "quantity": 10}).json()["discountedTotal"] == 80.0


def test_an_answer_that_was_delayed_brings_nothing_back(own_shop: Shop) -> None:
    """What was read of Postgres before a deletion, and arrives in Redis after it, stays away."""
    product_id = f"{own_shop.company} p"
    own_shop.sells({product_id: "10.00"})
    version = int(own_shop.put(product_id, {"tiers": TIERS}).headers["etag"].strip('"'))
    assert own_shop.delete(product_id).status == 200
    late = publish_command(own_shop.company, BULK_DISCOUNT, product_id, version, b'{"late":true}')
    assert own_shop.client.execute_command(*late) == 0
    assert own_shop.get(product_id).status == 404


def test_writes_at_the_same_time(shop: Shop) -> None:
    """Of many writes of one configuration Redis ends with what Postgres ends with, and versions only rise."""
    shop.sells({"p": "10.00"})
    versions: list[int] = []

    def write(value: int) -> None:
        for _ in range(5):
            answer = shop.put("p", {"tiers": [{**TIERS[0], "discountValue": value}]})
            # the database takes few at a time, and whoever waits for too long may try again
            assert answer.status in (200, 503)
            if answer.status == 200:
                versions.append(int(answer.headers["etag"].strip('"')))

    threads = [threading.Thread(target=write, args=[value]) for value in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(versions)) == len(versions) > 8
    last = shop.get("p")
    assert int(last.headers["etag"].strip('"')) == max(versions)
    (row,) = shop.rows()
    assert last.json()["tiers"] in row


def test_a_write_outlives_its_worker(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> None:
    """kill -9 in the middle of writes: what was answered is read, and after a poll Redis holds what Postgres holds."""
    product_ids = [f"{company} {number}" for number in range(4)]
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET, "API_CONFIG_POLL_SECONDS": "0.1"}
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, read_only=False, **environ) as api:
        shop = Shop(api, client, offers_database, company)
        shop.sells(dict.fromkeys(product_ids, "10.00"))
        answered: dict[str, int] = {}

        def write(product_id: str) -> None:
            for value in range(1, 100):
                try:
                    if shop.put(product_id, {"tiers": [{**TIERS[0], "discountValue": value}]}).status == 200:
                        answered[product_id] = value
                except (OSError, IndexError, ValueError):
                    return

        threads = [threading.Thread(target=write, args=[each]) for each in product_ids]
        for thread in threads:
            thread.start()
        eventually(lambda: len(answered) == len(product_ids), "nothing was written")
        api.process.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()
    with running_api(tmp_path, read_only=False, **environ) as again, redis.Redis.from_url(own_redis.url) as client:
        after = Shop(again, client, offers_database, company)
        eventually(lambda: client.zcard(PENDING_KEY) == 0, "a note is left")
        held = {row[1]: next(part for part in row if isinstance(part, list)) for row in after.rows()}
        for product_id in product_ids:
            assert held[product_id][0]["discountValue"] >= answered[product_id]
            eventually(lambda id=product_id: after.get(id).json()["tiers"] == held[id], "Redis and Postgres differ")


def test_all_workers_see_a_write(shop: Shop) -> None:
    """Sixty reads over two workers, each on a connection of its own, right after a write: all see it."""
    shop.sells({"p": "10.00"})
    for value in range(1, 4):
        shop.put("p", {"maxDiscountPercent": value})
        assert {shop.get("p").json()["maxDiscountPercent"] for _ in range(20)} == {value}


def test_health_tells_of_postgres(writing_api: Api) -> None:
    """Where Postgres is used it is among the checks."""
    eventually(lambda: writing_api.get("/api/health").json()["checks"]["postgres"]["ok"] is True, "Postgres is not seen")


def test_an_update_that_would_be_lost(shop: Shop) -> None:
    """If-Match of another version is 412, the updatedAt of another 409, on every write of a configuration; the right ones pass."""
    shop.sells({"p": "10.00"})

    def send(method: str, resource: str, body: object, *headers: str) -> int:
        lines = [f"Authorization: Bearer {token(shop.company)}", "Content-Type: application/json", *headers]
        given = json.dumps(body).encode()
        return shop.api.get(f"/api/products/p/{resource}", *lines, method=method, body=given).status

    for resource in ("bulk-discount", "subscription-config"):
        assert send("PUT", resource, {}, "If-Match: *") == 412
        first = shop.put("p", {}, resource)
        assert send("PUT", resource, {"enabled": False}, f"If-Match: {first.headers['etag']}") == 200
        assert send("PUT", resource, {"enabled": True}, f"If-Match: {first.headers['etag']}") == 412
        assert send("PUT", resource, first.json()) == 409
        now = shop.get("p", resource)
        assert now.json()["enabled"] is False
        assert (
            send("PUT", resource, now.json(), f"If-Match: {now.headers['etag']}" if "etag" in now.headers else "If-Match: *") == 200
        )
    assert send("DELETE", "bulk-discount", {}, f"If-Match: {first.headers['etag']}") == 412
    assert send("DELETE", "bulk-discount", {}, "If-Match: *") == 200


def test_every_write_is_recorded(shop: Shop, offers_database: str) -> None:
    """Who wrote which configuration, what was there before and after; a refused write leaves nothing."""
    shop.sells({"p": "10.00"})
    shop.put("p", {"tiers": TIERS})
    shop.put("p", {"enabled": False})
    assert shop.put("p", {"tiers": "none"}).status == 400
    shop.delete("p")
    path = f"/api/products/p/subscription-config?companyId={quote(shop.company, safe='')}"
    assert shop.api.send("PUT", path, token(None, "platform:admin", sub="ops"), {}).status == 200
    with psycopg.connect(offers_database) as connection:
        rows = connection.execute(
            """select "writtenBy", action, resource, "resourceId", before->'enabled', after->'enabled' from "UpsellAudit"
            where "companyId" = %s order by id""", [shop.company]
        ).fetchall()  # fmt: skip
    assert rows == [
        ("tester", "create", "bulk-discount", "p", None, True),
        ("tester", "update", "bulk-discount", "p", True, False),
        ("tester", "delete", "bulk-discount", "p", False, None),
        ("ops", "create", "subscription-config", "p", None, True),
    ]
