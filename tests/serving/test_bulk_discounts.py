"""Bulk discounts over HTTP: the configuration, and prices of one line and of many."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.published_configs import config_key
from tests.conftest import RedisServer
from tests.serving.api import Answer, running_api
from tests.serving.offers import SECRET, TIERS, Shop, token

ANYTHING = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def exact(answer: Answer) -> Any:
    """The body with its numbers as they were written."""
    return json.loads(answer.body, parse_float=Decimal)


def fields(answer: Answer) -> list[str]:
    """The fields that a problem names."""
    return [error["field"] for error in answer.json()["errors"]]


def test_put_is_seen_by_the_next_read(shop: Shop) -> None:
    """What PUT answers is what every worker's next GET shows, and each further PUT replaces it for all of them."""
    shop.sells({"käse/1": "24.99"})
    assert shop.get("käse/1").status == 404
    for value in range(1, 21):
        tiers = [{**TIERS[0], "discountValue": value}]
        stored = shop.put("käse/1", {"tiers": tiers, "validUntil": "2099-01-01"})
        assert stored.status == 200
        for _ in range(3):
            read = shop.get("käse/1")
            assert (read.body, read.headers["etag"]) == (stored.body, stored.headers["etag"])
    document = stored.json()
    assert (document["productId"], document["companyId"], document["tiers"]) == ("käse/1", shop.company, tiers)
    assert (document["enabled"], document["maxDiscountPercent"], document["stackWithOtherDiscounts"]) == (True, 30, False)
    # the end of a day in the company's own time zone
    assert document["validUntil"] == "2099-01-01T23:00:00.000Z"


def test_what_a_put_leaves_out_stays(shop: Shop) -> None:
    """A PUT of some fields keeps the others, null takes a date away, and the answer may be sent back as it is."""
    shop.sells({"p": "10.00"})
    shop.put("p", {"tiers": TIERS, "maxDiscountPercent": 12.5, "validFrom": "2020-01-01T00:00:00Z"})
    off = shop.put("p", {"enabled": False}).json()
    assert (off["enabled"], off["tiers"], off["maxDiscountPercent"]) == (False, TIERS, 12.5)
    assert off["validFrom"] == "2020-01-01T00:00:00.000Z"
    back = shop.put("p", off)
    assert back.status == 200
    assert {**back.json(), "updatedAt": off["updatedAt"]} == off
    assert shop.put("p", {"validFrom": None}).json()["validFrom"] is None


def test_numbers_are_stored_as_they_were_sent(shop: Shop) -> None:
    """No float touches an amount on its way through Postgres and Redis."""
    shop.sells({"p": "9.995"})
    body = b'{"tiers":[{"minQuantity":2,"discountType":"FIXED_AMOUNT","discountValue":0.1234}],"maxDiscountPercent":99.99}'
    assert shop.put("p", body).status == 200
    document = exact(shop.get("p"))
    assert document["tiers"][0]["discountValue"] == Decimal("0.1234")
    assert document["maxDiscountPercent"] == Decimal("99.99")


def test_delete(shop: Shop) -> None:
    """After DELETE there is none, a second DELETE finds none, and a new PUT starts from the defaults."""
    shop.sells({"p": "10.00"})
    for _ in range(5):
        assert shop.put("p", {"tiers": TIERS, "enabled": False}).status == 200
        deleted = shop.delete("p")
        assert (deleted.status, deleted.json()) == (200, {"success": True})
        assert [shop.get("p").status for _ in range(4)] == [404] * 4
        assert shop.delete("p").status == 404
        assert shop.put("p", {}).json()["enabled"] is True
        assert shop.get("p").json()["tiers"] == []
    assert len(shop.rows()) == 1


def test_unchanged_is_304(shop: Shop) -> None:
    """The validator of a configuration is its version."""
    shop.sells({"p": "10.00"})
    etag = shop.put("p", {"tiers": TIERS}).headers["etag"]
    assert shop.api.get(shop.path("p"), f"If-None-Match: {etag}").status == 304
    shop.put("p", {"tiers": []})
    assert shop.api.get(shop.path("p"), f"If-None-Match: {etag}").status == 200


def test_a_line(shop: Shop) -> None:
    """One line by hand: 10 units at 24.99 less 20 percent; 4 units reach no tier."""
    shop.sells({"p": "24.99"})
    shop.put("p", {"tiers": TIERS})
    answer = shop.calculate({"productId": "p", "quantity": 10})
    assert answer.status == 200
    assert b'"originalTotal":249.90,' in answer.body, "amounts have their decimals"
    document = exact(answer)
    assert (document["originalPrice"], document["originalTotal"]) == (Decimal("24.99"), Decimal("249.90"))
    assert (document["discountedTotal"], document["totalSavings"]) == (Decimal("199.92"), Decimal("49.98"))
    assert (document["savingsPercent"], document["appliedTier"]["label"]) == (Decimal(20), "Ten")
    few = exact(shop.calculate({"productId": "p", "quantity": 4}))
    assert (few["discountedTotal"], few["totalSavings"]) == (Decimal("99.96"), Decimal("0.00"))
    assert "appliedTier" not in few
    assert "Bulk discount applied" in shop.api.log.read_text()


def test_two_hundred_lines_in_one_read(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> None:
    """200 items of a process that needs Redis alone are priced from one MGET, and their cents add up."""
    environ = {"REDIS_URL": own_redis.url, "JWT_SECRET": SECRET, "API_POLL_SECONDS": "3600"}
    with running_api(tmp_path, **environ) as api, redis.Redis.from_url(own_redis.url) as client:
        shop = Shop(api, client, offers_database, company)
        prices = {f"{company} {n}": f"{n}.95" for n in range(1, 201)}
        shop.sells(prices)
        client.set(config_key(company, "bulk-discount", f"{company} 7"), b"1\n" + json.dumps({"tiers": TIERS}).encode())
        items = [{"productId": id, "quantity": at % 12 + 1} for at, id in enumerate(prices)]
        assert shop.calculate({"items": items[:1]}).status == 200
        before = client.info("commandstats")["cmdstat_mget"]["calls"]
        document = exact(shop.calculate({"items": items}))
        assert client.info("commandstats")["cmdstat_mget"]["calls"] - before == 1
    assert [(row["productId"], row["quantity"]) for row in document["items"]] == [(i["productId"], i["quantity"]) for i in items]
    for name in ("originalTotal", "discountedTotal", "totalSavings"):
        assert document[name] == sum(row[name] for row in document["items"])
    # seven times 7.95 are 55.65, and 50.085 less ten percent
    assert (document["items"][6]["discountedTotal"], document["totalSavings"]) == (Decimal("50.09"), Decimal("5.56"))
    assert document["currency"] == "EUR"


def test_the_nudge(shop: Shop) -> None:
    """24.99 and ten percent from two on: one more costs 19.99 and saves 5.00; at the top tier there is nothing to say."""
    shop.sells({"p": "24.99"})
    assert "recommendation" not in shop.get("p", "bulk-recommendation", quantity=1).json()
    shop.put("p", {"tiers": [{"minQuantity": 2, "discountType": "PERCENTAGE", "discountValue": 10, "label": "Two"}]})
    document = exact(shop.get("p", "bulk-recommendation", quantity=1))
    assert (document["productId"], document["currentQuantity"], document["currentPrice"]) == ("p", 1, Decimal("24.99"))
    told = document["recommendation"]
    assert (told["targetQuantity"], told["quantityToAdd"], told["additionalCost"]) == (2, 1, Decimal("19.99"))
    assert (told["savings"], told["savingsPercent"], told["tier"]["label"]) == (Decimal("5.00"), Decimal(10), "Two")
    assert told["basis"] == "tier"
    assert "recommendation" not in shop.get("p", "bulk-recommendation", quantity=2).json()
    shop.flag(bulk_discounts_enabled=False)
    assert "recommendation" not in shop.get("p", "bulk-recommendation", quantity=1).json()


def test_the_nudge_stays_within_reach(shop: Shop) -> None:
    """What customers usually buy bounds it, this customer's own orders before, and so does the stock."""
    shop.sells({"p": "10.00"}, stock=9)
    shop.put("p", {"tiers": TIERS})
    ask = "bulk-recommendation"
    assert shop.get("p", ask, quantity=4).json()["recommendation"]["targetQuantity"] == 5
    assert "recommendation" not in shop.get("p", ask, quantity=5).json(), "ten are not in stock"
    shop.learns("usual-quantities", "p", [{"level": "product", "productId": "p", "p90": 4}])
    assert "recommendation" not in shop.get("p", ask, quantity=4).json()
    own = {"level": "customer", "productId": "p", "p90": 6}
    shop.learns("usual-quantities", "ann", [{**own, "productId": "q"}, own])
    assert shop.get("p", ask, quantity=4, customerId="ann").json()["recommendation"]["basis"] == "customer"
    assert "recommendation" not in shop.get("p", ask, quantity=4, customerId="bob").json()


@pytest.mark.parametrize("quantity", ["", "0", "-1", "1.5", "1e3", "1000000000", "9" * 400, "NaN", "%00", "ten"])
def test_bad_quantities_of_a_nudge(shop: Shop, quantity: str) -> None:
    """400 that names the quantity, by both ways to the same handler; without one too."""
    shop.sells({"p": "10.00"})
    path = f"{shop.path('p', 'bulk-recommendation')}&quantity={quantity}"
    for body in (b"", b"x"):
        answer = shop.api.get(path, body=body)
        assert (answer.status, fields(answer)) == (400, ["quantity"])
    assert fields(shop.get("p", "bulk-recommendation")) == ["quantity"]


@pytest.mark.parametrize("flag", [False, True])
def test_switched_off(shop: Shop, flag: bool) -> None:
    """With the feature off, or the discount, base prices hold and no error is told."""
    shop.sells({"p": "10.00"})
    shop.put("p", {"tiers": TIERS, "enabled": flag})
    shop.flag(bulk_discounts_enabled=not flag)
    document = shop.calculate({"productId": "p", "quantity": 10}).json()
    assert (document["discountedTotal"], "appliedTier" in document) == (100.0, False)
    assert shop.get("p").json()["enabled"] is False
    shop.flag(bulk_discounts_enabled=True)
    shop.put("p", {"enabled": True})
    assert shop.calculate({"productId": "p", "quantity": 10}).json()["discountedTotal"] == 80.0


@pytest.mark.parametrize(("currency", "price", "total"), [("JPY", "1001", "9009"), ("KWD", "1.001", "9.009")])
def test_currencies(shop: Shop, currency: str, price: str, total: str) -> None:
    """Amounts have the minor units of the company's currency: none of a yen, thousandths of a dinar."""
    shop.sells({"p": price}, page={"currency": currency})
    shop.put("p", {"tiers": [{**TIERS[1], "discountValue": 10}]})
    answer = shop.calculate({"productId": "p", "quantity": 10})
    assert f'"discountedTotal":{total},'.encode() in answer.body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tiers": [TIERS[0], {**TIERS[1], "minQuantity": 9}]}, "tiers[1].minQuantity"),
        ({"tiers": [{**TIERS[0], "maxQuantity": 4}]}, "tiers[0].maxQuantity"),
        ({"tiers": [{**TIERS[0], "minQuantity": 0}]}, "tiers[0].minQuantity"),
        ({"tiers": [{**TIERS[0], "minQuantity": -1}]}, "tiers[0].minQuantity"),
        ({"tiers": [{**TIERS[0], "minQuantity": 1.5}]}, "tiers[0].minQuantity"),
        ({"tiers": [{**TIERS[0], "minQuantity": 10**9}]}, "tiers[0].minQuantity"),
        ({"tiers": [{**TIERS[0], "discountValue": 101}]}, "tiers[0].discountValue"),
        ({"tiers": [{**TIERS[0], "discountValue": -1}]}, "tiers[0].discountValue"),
        ({"tiers": [{**TIERS[0], "discountValue": 10**400}]}, "tiers[0].discountValue"),
        (b'{"tiers":[{"minQuantity":5,"discountType":"PERCENTAGE","discountValue":1e400}]}', "tiers[0].discountValue"),
        ({"tiers": [TIERS[0], {**TIERS[1], "discountValue": 5}]}, "tiers[1].discountValue"),
        ({"tiers": {}}, "tiers"),
        ({"tiers": None}, "tiers"),
        ({"tiers": [7]}, "tiers[0]"),
        ({"maxDiscountPercent": 100.5}, "maxDiscountPercent"),
        ({"maxDiscountPercent": True}, "maxDiscountPercent"),
        ({"enabled": "yes"}, "enabled"),
        ({"validFrom": "tomorrow"}, "validFrom"),
        ({"validFrom": "2026-05-02", "validUntil": "2026-05-01"}, "validUntil"),
        ({"unheardOf": 1}, "unheardOf"),
        ({"productId": "another"}, "productId"),
        ({"companyId": "another"}, "companyId"),
        (b"", "body"),
        (b"[]", "body"),
        (b'{"enabled": NaN}', "body"),
        (b'{"enabled": true, "enabled": false}', "body"),
        (b"\xff\xfe{}", "body"),
        (b'{"tiers": "\\u0000"}', "body"),
        (b'{"tiers": "\\ud800"}', "body"),
        (b'{"a":' * 12_000, "body"),
        (b'{"maxDiscountPercent": 1' + b"0" * 5_000 + b"}", "body"),
        (b'{"maxDiscountPercent": 1e99999999999999999999}', "body"),
    ],
)
def test_bad_configurations(shop: Shop, body: Any, field: str) -> None:
    """400 that names the field; what was stored before is what is stored after."""
    shop.sells({"p": "10.00"})
    shop.put("p", {"tiers": TIERS})
    before, stored = shop.get("p").body, shop.rows()
    answer = shop.put("p", body)
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in fields(answer)
    assert all(error["message"] for error in answer.json()["errors"])
    assert (shop.get("p").body, shop.rows()) == (before, stored)


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 10**9, 10**400, "3", None, True, [], "1e3"])
def test_bad_quantities(shop: Shop, quantity: Any) -> None:
    """400 that names the quantity, of one line and of many."""
    shop.sells({"p": "10.00"})
    assert fields(shop.calculate({"productId": "p", "quantity": quantity})) == ["quantity"]
    lines = [{"productId": "p", "quantity": 1}, {"productId": "p", "quantity": quantity}]
    answer = shop.calculate({"items": lines})
    assert (answer.status, fields(answer)) == (400, ["items[1].quantity"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "quantity"),
        ({"quantity": 1}, "productId"),
        ({"productId": 7, "quantity": 1}, "productId"),
        ({"productId": "x" * 201, "quantity": 1}, "productId"),
        ({"items": []}, "items"),
        ({"items": [{"productId": "p", "quantity": 1}] * 201}, "items"),
        ({"items": {}}, "items"),
        ({"items": [7]}, "items[0]"),
        ({"items": [{"productId": "p", "quantity": 1}], "quantity": 1}, "quantity"),
        (b'{"productId": "p", "quantity": NaN}', "body"),
        (b'{"productId": "p", "quantity": 1', "body"),
    ],
)
def test_bad_lines(shop: Shop, body: Any, field: str) -> None:
    """400 that names what is wrong."""
    shop.sells({"p": "10.00"})
    answer = shop.calculate(body)
    assert answer.status == 400
    assert field in fields(answer)


def test_products_that_cannot_be_priced(shop: Shop, client: redis.Redis, offers_database: str) -> None:
    """An unknown product, or another company's, is a 404 by its place; one without a price a 400."""
    other = Shop(shop.api, client, offers_database, f"{shop.company} of others")
    other.sells({"theirs": "5.00"})
    shop.sells({"ours": "10.00", "unpriced": None})
    lines = [{"productId": id, "quantity": 2} for id in ("ours", "theirs", "ours", "nobody's")]
    answer = shop.calculate({"items": lines})
    assert (answer.status, fields(answer)) == (404, ["items[1].productId", "items[3].productId"])
    assert shop.calculate({"productId": "theirs", "quantity": 1}).status == 404
    answer = shop.calculate({"items": [lines[0], {"productId": "unpriced", "quantity": 1}]})
    assert (answer.status, fields(answer)) == (400, ["items[1].productId"])


def test_another_companys_product_is_never_configured(shop: Shop, client: redis.Redis, offers_database: str) -> None:
    """PUT and DELETE of another company's product are 404 and change nothing of its."""
    other = Shop(shop.api, client, offers_database, f"{shop.company} of others")
    other.sells({f"{other.company} p": "5.00"})
    shop.sells({"ours": "10.00"})
    theirs = f"{other.company} p"
    other.put(theirs, {"tiers": TIERS})
    before = other.get(theirs).body
    assert [shop.put(theirs, {"tiers": []}).status, shop.delete(theirs).status] == [404, 404]
    assert shop.get(theirs).status == 404
    for method in ("PUT", "DELETE"):
        path = f"{shop.path(theirs).partition('?')[0]}?companyId={other.company.replace(' ', '%20').replace('é', '%C3%A9')}"
        assert shop.api.send(method, path, token(shop.company), {}).status == 404
    assert other.get(theirs).body == before
    assert shop.rows() == []


def test_bodies_that_are_no_json_documents(shop: Shop) -> None:
    """Another content type is 415, more than 64 KB is 413, also without a length; both are answered, not cut off."""
    shop.sells({"p": "10.00"})
    bearer = f"Authorization: Bearer {token(shop.company)}"
    path = shop.path("p")
    assert shop.api.get(path, bearer, "Content-Type: text/plain", method="PUT", body=b"{}").status == 415
    assert shop.api.get(path, bearer, method="PUT", body=b'{"tiers": []}').status == 200
    assert shop.put("p", b'{"tiers": [], "x": "' + b"x" * 66_000 + b'"}').status == 413
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\n{bearer}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    assert shop.api.raw(head + chunk * 2 + b"0\r\n\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_broken_configuration_of_the_platforms_own(shop: Shop, client: redis.Redis) -> None:
    """What cannot be followed counts as no discount; the product is sold all the same."""
    shop.sells({"p": "10.00"})
    for broken in (b"{}", b'{"tiers":[{"minQuantity":0}]}', b'{"tiers":7}', b"nonsense", b'{"tiers":[{"minQuantity":{}}]}'):
        client.set(config_key(shop.company, "bulk-discount", "p"), b"1\n" + broken)
        answer = shop.calculate({"productId": "p", "quantity": 10})
        assert (answer.status, answer.json()["discountedTotal"]) == (200, 100.0)


def test_methods(shop: Shop) -> None:
    """An address tells all that it answers to, reads and writes."""
    answer = shop.api.get("/api/products/p/bulk-discount", method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PUT")
    assert shop.api.get("/api/products/pricing/bulk-calculate").headers["allow"] == "OPTIONS, POST"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["PERCENTAGE", "2026-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["tiers", "items", "productId", "quantity", "minQuantity", "discountType", "discountValue", "validFrom", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@ANYTHING
@given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), how=st.sampled_from(["put", "calculate"]))
def test_any_body(shop: Shop, body: bytes, how: str) -> None:
    """Whatever a body holds, it is stored, priced, or told what is wrong: never a 5xx."""
    answer = shop.put("p", body) if how == "put" else shop.calculate(body)
    assert answer.status < 500


TIER = st.fixed_dictionaries(
    {},
    optional={
        "minQuantity": st.integers(-1, 20) | st.just(1e300),
        "maxQuantity": st.integers(0, 20) | st.none(),
        "discountType": st.sampled_from(["PERCENTAGE", "FIXED_AMOUNT", "UNIT_PRICE", "?"]),
        "discountValue": st.integers(0, 120) | st.floats(allow_nan=False) | st.decimals(0, 99, places=2).map(float),
        "label": st.text(max_size=3) | st.integers(),
    },
)


@ANYTHING
@given(tiers=st.lists(TIER, max_size=3), quantity=st.integers(1, 10**6))
def test_any_tiers(shop: Shop, tiers: list[Any], quantity: int) -> None:
    """Tiers that are stored can be charged, and never cost more than the base price."""
    if shop.get("p", "subscription-offer").status == 404:
        shop.sells({"p": "10.00"})
    stored = shop.put("p", {"tiers": tiers})
    assert stored.status in (200, 400)
    priced = shop.calculate({"productId": "p", "quantity": quantity})
    assert priced.status == 200
    assert 0 <= priced.json()["discountedTotal"] <= priced.json()["originalTotal"]
