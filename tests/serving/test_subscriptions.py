"""Subscriptions over HTTP: the configuration, who is eligible, and what is offered."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.published_configs import config_key
from models.subscriptions import FREQUENCY_DAYS
from tests.serving.offers import Shop, token

CONFIG = "subscription-config"
MONTHLY = [{"frequency": "MONTHLY", "discountPercent": 15, "label": "Each month"}]
LEARNT: dict[str, Any] = {
    "level": "product",
    "productId": "p",
    "score": 0.8,
    "source": "intervals",
    "reason": "40 customers bought it again after 30 days",
    "expectedIntervalDays": 29.5,
    "lowDays": 20.0,
    "highDays": 40.0,
    "nGaps": 40,
    "nCustomers": 30,
    "repeatProbability": 0.6,
    "recommendedFrequency": "MONTHLY",
    "nextOrderOn": None,
    "lifeDays": 365.25,
}
OWN = {**LEARNT, "level": "personal", "expectedIntervalDays": 14.0, "recommendedFrequency": "BIWEEKLY", "nextOrderOn": "2000-01-01"}


def test_put_is_seen_by_the_next_read(shop: Shop) -> None:
    """What PUT answers is what every worker's next GET shows; what was never given has the contract's defaults."""
    shop.sells({"p": "20.00"})
    assert shop.get("p", CONFIG).status == 404
    stored = shop.put("p", {}, CONFIG)
    assert stored.status == 200
    assert {shop.get("p", CONFIG).body for _ in range(6)} == {stored.body}
    document = stored.json()
    assert [tier["frequency"] for tier in document["discountTiers"]] == list(FREQUENCY_DAYS)
    assert [tier["discountPercent"] for tier in document["discountTiers"]] == [25, 20, 15, 12, 10, 8, 5]
    assert document["eligibility"] == {"requirePreviousPurchase": False, "minOrderCount": 0, "productCategories": []}
    for percent in range(1, 11):
        changed = shop.put("p", {"discountTiers": [{**MONTHLY[0], "discountPercent": percent + 0.25}]}, CONFIG)
        assert changed.status == 200
        assert {shop.get("p", CONFIG).body for _ in range(4)} == {changed.body}
    assert changed.json()["discountTiers"][0]["discountPercent"] == 10.25
    kept = shop.put("p", {"defaultFrequency": "WEEKLY", "eligibility": {"minOrderCount": 2}}, CONFIG).json()
    assert (kept["discountTiers"][0]["discountPercent"], kept["defaultFrequency"]) == (10.25, "WEEKLY")


def test_configured_alone(shop: Shop) -> None:
    """With the intelligence off, which is the default, the configuration alone speaks; amounts have two decimals."""
    shop.sells({"p": "20.00"})
    shop.learns("subscription-intervals", "p", [LEARNT])
    assert shop.get("p", "subscription-eligibility").json()["eligible"] is False
    shop.put("p", {"discountTiers": MONTHLY, "freeShippingIncluded": True}, CONFIG)
    document = shop.get("p", "subscription-eligibility", customerId="ann").json()
    assert (document["eligible"], document["source"], document["expectedIntervalDays"]) == (True, "config", None)
    assert (document["recommendedFrequency"], document["recommendedDiscount"]) == ("MONTHLY", 15)
    answer = shop.get("p", "subscription-offer")
    assert b'"finalPrice":17.00,"savings":3.00,' in answer.body
    assert answer.json()["options"][0]["freeShipping"] is True
    assert answer.json()["productId"] == "p"


def test_learnt(shop: Shop) -> None:
    """With it on, the customer's own interval goes before the product's, and only of the page's product."""
    shop.sells({"p": "20.00", "q": "5.00"})
    shop.flag(subscription_intelligence_enabled=True)
    shop.learns("subscription-intervals", "p", [LEARNT])
    # a customer whose id is a product's too, and who has other products
    shop.learns(
        "subscription-intervals",
        "ann",
        [{**OWN, "productId": "q", "expectedIntervalDays": 3.0}, OWN, {**LEARNT, "productId": "ann"}],
    )
    of_all = shop.get("p", "subscription-eligibility").json()
    assert (of_all["source"], of_all["expectedIntervalDays"], of_all["recommendedFrequency"]) == ("model", 29.5, "MONTHLY")
    assert of_all["estimatedLtv"] == float(round(Decimal("17.00") * Decimal("365.25") / Decimal("30.4"), 2))
    own = shop.get("p", "subscription-eligibility", customerId="ann").json()
    assert (own["expectedIntervalDays"], own["recommendedFrequency"]) == (14.0, "BIWEEKLY")
    assert shop.get("p", "subscription-eligibility", customerId="bob").json() == of_all
    # nobody has bought it again: not enough data is an answer
    assert shop.get("q", "subscription-eligibility", customerId="bob").json()["eligible"] is False
    shop.put("p", {"eligibility": {"requirePreviousPurchase": True}}, CONFIG)
    assert shop.get("p", "subscription-offer", customerId="bob").json()["eligible"] is False
    offered = shop.get("p", "subscription-offer", customerId="ann").json()
    assert (offered["eligible"], offered["recommendedFrequency"]) == (True, "BIWEEKLY")


def test_an_unknown_time_zone(shop: Shop) -> None:
    """A company whose time zone nobody knows is served by UTC, where it is offered and where it is configured."""
    shop.sells({"p": "20.00"}, page={"currency": "EUR", "timezone": "Middle/Earth"})
    assert shop.put("p", {}, CONFIG).status == 200
    assert shop.get("p", "subscription-offer").json()["nextOrderDate"]
    assert shop.put("p", {"validFrom": "2026-01-01"}).json()["validFrom"] == "2026-01-01T00:00:00.000Z"


def test_no_price(shop: Shop) -> None:
    """A product without a price is not offered, and says why."""
    shop.sells({"p": None})
    shop.put("p", {}, CONFIG)
    document = shop.get("p", "subscription-offer").json()
    assert (document["eligible"], document["options"]) == (False, [])
    assert "price" in document["reason"]


def test_orders_of_the_customer_are_counted(shop: Shop) -> None:
    """A least number of orders is held against what the night has counted, whatever the flag; a stranger has none."""
    shop.sells({"p": "20.00"})
    shop.put("p", {"eligibility": {"minOrderCount": 2}}, CONFIG)
    for customer, n_orders in (("ann", 2), ("bob", 1)):
        shop.learns("segments", customer, [{"level": "customer", "productId": "", "nOrders": n_orders}])
    answers = {who: shop.get("p", "subscription-eligibility", customerId=who).json() for who in ("ann", "bob", "eve")}
    assert {who: answer["eligible"] for who, answer in answers.items()} == {"ann": True, "bob": False, "eve": False}
    assert "2 orders; those of this customer: 1." in answers["bob"]["reasons"][0]


@pytest.mark.parametrize("resource", ["subscription-eligibility", "subscription-offer"])
def test_unknown(shop: Shop, resource: str) -> None:
    """Unknown and other companies' products are 404, a missing company 400."""
    shop.sells({"p": "20.00"})
    assert shop.get("nobody's", resource).status == 404
    assert shop.api.get(f"/api/upsell/{resource}/p").json()["errors"][0]["field"] == "companyId"
    assert shop.api.get(f"/api/upsell/{resource}/p?companyId=no-such").status == 404
    assert shop.api.get(f"/api/upsell/{resource}/%00?companyId=x").status == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"discountTiers": []}, "discountTiers"),
        ({"discountTiers": {}}, "discountTiers"),
        ({"discountTiers": [7]}, "discountTiers[0]"),
        ({"discountTiers": [*MONTHLY, *MONTHLY]}, "discountTiers[1].frequency"),
        ({"discountTiers": [{**MONTHLY[0], "frequency": "DAILY"}]}, "discountTiers[0].frequency"),
        ({"discountTiers": [{**MONTHLY[0], "frequency": ["MONTHLY"]}]}, "discountTiers[0].frequency"),
        ({"discountTiers": [{**MONTHLY[0], "discountPercent": 100.01}]}, "discountTiers[0].discountPercent"),
        ({"discountTiers": [{**MONTHLY[0], "discountPercent": 10**400}]}, "discountTiers[0].discountPercent"),
        ({"discountTiers": [{**MONTHLY[0], "label": 7}]}, "discountTiers[0].label"),
        ({"discountTiers": [{**MONTHLY[0], "price": 7}]}, "discountTiers[0].price"),
        ({"defaultFrequency": None}, "defaultFrequency"),
        ({"enabled": None}, "enabled"),
        ({"freeShippingIncluded": 1}, "freeShippingIncluded"),
        ({"eligibility": []}, "eligibility"),
        ({"eligibility": {"minOrderCount": -1}}, "eligibility.minOrderCount"),
        ({"eligibility": {"minOrderCount": 1.5}}, "eligibility.minOrderCount"),
        ({"eligibility": {"requirePreviousPurchase": "no"}}, "eligibility.requirePreviousPurchase"),
        ({"eligibility": {"productCategories": [7]}}, "eligibility.productCategories"),
        ({"eligibility": {"productCategories": "c"}}, "eligibility.productCategories"),
        ({"eligibility": {"x": 7}}, "eligibility.x"),
        ({"x": 7}, "x"),
    ],
)
def test_bad_configurations(shop: Shop, body: Any, field: str) -> None:
    """400 that names the field, and nothing is stored."""
    shop.sells({"p": "10.00"})
    answer = shop.put("p", body, CONFIG)
    assert answer.status == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert shop.rows("ProductSubscriptionConfig") == []
    assert shop.get("p", CONFIG).status == 404


def test_another_companys(shop: Shop, client: redis.Redis, offers_database: str) -> None:
    """Another company's product can neither be configured nor read."""
    other = Shop(shop.api, client, offers_database, f"{shop.company} of others")
    other.sells({"theirs": "5.00"})
    other.put("theirs", {}, CONFIG)
    shop.sells({"ours": "10.00"})
    assert shop.put("theirs", {}, CONFIG).status == 404
    assert [shop.get("theirs", each).status for each in (CONFIG, "subscription-offer")] == [404, 404]
    assert shop.api.send("DELETE", "/api/products/ours/subscription-config", token(shop.company)).status == 405


def test_a_broken_configuration_of_the_platforms_own(shop: Shop, client: redis.Redis) -> None:
    """What cannot be followed counts as none."""
    shop.sells({"p": "10.00"})
    for broken in (b'{"discountTiers":[{"frequency":"DAILY"}]}', b"[]", b"nonsense", b'{"defaultFrequency":"DAILY"}'):
        client.set(config_key(shop.company, CONFIG, "p"), b"1\n" + broken)
        for resource in ("subscription-eligibility", "subscription-offer"):
            answer = shop.get("p", resource)
            assert (answer.status, answer.json()["eligible"]) == (200, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(list(FREQUENCY_DAYS)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["discountTiers", "frequency", "discountPercent", "eligibility", "minOrderCount", "enabled", "productCategories"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body(shop: Shop, body: bytes) -> None:
    """Whatever a body holds, it is stored or told what is wrong, and what is stored can be offered."""
    if shop.get("p", "subscription-offer").status == 404:
        shop.sells({"p": "10.00"})
    assert shop.put("p", body, CONFIG).status in (200, 400)
    assert shop.get("p", "subscription-offer").status == 200
