"""What a cart's lines are nudged to and may be subscribed to: what the routes of one product say, for each of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
import redis

from models.published_configs import BULK_DISCOUNT, SUBSCRIPTION_CONFIG, config_key
from tests.serving.api import Api
from tests.serving.carts import CartShop, rule
from tests.serving.offers import TIERS
from tests.serving.test_subscriptions import LEARNT, OWN


@pytest.fixture
def carts(writing_api: Api, client: redis.Redis, company: str) -> CartShop:
    """A shop with two products that are configured, one that is not, and one without a price."""
    shop = CartShop(writing_api, client, company)
    shop.sells({"a": "10.00", "b": "5.00", "plain": "1.00", "free": None})
    for product_id in ("a", "b", "free"):
        bulk = '{"enabled":true,"tiers":%s,"maxDiscountPercent":50,"validFrom":null,"validUntil":null}'
        written = bulk % str(TIERS).replace("'", '"').replace("None", "null")
        client.set(config_key(company, BULK_DISCOUNT, product_id), f"1\n{written}")
        client.set(config_key(company, SUBSCRIPTION_CONFIG, product_id), '1\n{"enabled":true}')
    return shop


def alone(shop: CartShop, resource: str, product_id: str, **query: Any) -> Any:
    """What a product's own route answers."""
    asked = urlencode({"companyId": shop.company, **query})
    base = "/api/upsell" if resource.startswith("subscription") else "/api/products"
    parts = (resource, product_id) if resource.startswith("subscription") else (product_id, resource)
    return shop.api.get(f"{base}/{'/'.join(parts)}?{asked}").json()


def test_the_documents_of_the_routes(carts: CartShop) -> None:
    """In the cart's order, each line's document is the one of its own route, where that offers something."""
    carts.learns("usual-quantities", "b", [{"level": "product", "p90": 6}])
    carts.learns("subscription-intervals", "b", [{**LEARNT, "productId": "b"}])
    carts.learns("subscription-intervals", "ann", [{**OWN, "productId": "a"}])
    carts.decides(flags={"subscription_intelligence_enabled": True})
    for query in ({}, {"customerId": "ann"}):
        answer = carts.asks("b:4,free:1,plain:4,a:12,a:1", **query).json()
        assert answer["bulkRecommendations"] == [alone(carts, "bulk-recommendation", "b", quantity=4, **query)]
        expected = [alone(carts, "subscription-offer", product_id, **query) for product_id in ("b", "a")]
        assert answer["subscriptionOffers"] == expected
        assert all(row["eligible"] for row in expected)
    # nine of ten orders hold six at most: ten are out of reach
    assert carts.asks("b:7").json()["bulkRecommendations"] == []


def test_what_is_off_is_not_offered(carts: CartShop) -> None:
    """Each feature's flag holds for its own part."""
    on = {"bulk_discounts_enabled": True, "subscription_intelligence_enabled": True}
    parts = {"bulk_discounts_enabled": "bulkRecommendations", "subscription_intelligence_enabled": "subscriptionOffers"}
    carts.decides(rule("r"), flags=on)
    assert all(len(part) == 1 for part in carts.asks("a:4").json().values())
    for flag, part in parts.items():
        carts.decides(rule("r"), flags={**on, flag: False})
        assert [name for name, found in carts.asks("a:4").json().items() if not found] == [part]


def test_units_beyond_any_price(carts: CartShop, offers_database: str) -> None:
    """A cart of more units than can be priced is nudged to nothing, and answered."""
    from tests.serving.test_stored_carts import ask, keep

    cart = f"{carts.company}/much"
    keep(offers_database, carts.company, cart, [("a", 1_000_000, "10.00"), ("a", 2_000_000_000, "99999999.99")])
    carts.decides(rule("r", conditions={"cartValueMin": 90_000_000}))
    answer = ask(carts, cart).json()
    assert ([row["ruleId"] for row in answer["upsells"]], answer["bulkRecommendations"]) == (["r"], [])
