"""One company never sees another's bytes."""

from __future__ import annotations

import redis
from starlette.routing import Route

from serving.app import ROUTES
from tests.serving.api import Api
from tests.serving.offers import TIERS, Shop
from tests.serving.shelf import SECTIONS, publish, publish_personal
from tests.serving.test_pages import path

KINDS = [*SECTIONS, "popular", "nonsense"]


OFFERS = {
    "/api/products/{product_id}/bulk-recommendation",
    "/api/products/{product_id}/bulk-discount",
    "/api/products/{product_id}/subscription-config",
    "/api/products/pricing/bulk-calculate",
    "/api/upsell/subscription-eligibility/{product_id}",
    "/api/upsell/subscription-offer/{product_id}",
}


# walked in test_upsell.py and test_stored_carts.py, test_events.py, test_preview.py, test_rules.py,
# test_administration.py, test_experiments.py
ELSEWHERE = {
    "/api/admin/recommendations/config",
    "/api/admin/settings",
    "/api/admin/flags",
    "/api/admin/flags/global",
    "/api/admin/audit",
    "/api/admin/audit/global",
    "/api/upsell/rules",
    "/api/upsell/rules/{rule_id}",
    "/api/upsell/experiments",
    "/api/upsell/experiments/{experiment_id}",
    "/api/upsell/cart/{cart_id}",
    "/api/admin/upsell/preview",
    "/api/admin/recommendations/preview/{product_id}",
    "/api/upsell/impressions",
    "/api/upsell/impressions/accept",
    "/api/upsell/impressions/decline",
    "/api/recommendations/view",
    "/api/recommendations/click",
    "/api/recommendations/add-to-cart",
}
# of no company
EVERYBODYS = {"/api/openapi.json", "/api/docs", "/api/docs/assets/{name:path}"}
# of all companies at once, for the operator alone: test_exposition.py
OPERATORS = {"/metrics"}


def test_no_route_shows_another_company(api: Api, client: redis.Redis) -> None:
    """Every route of the table, asked as A for A's, B's and unknown products and kinds, holds nothing of B's.

    The ids of A and B begin alike and both sell products of the same ids: only the payloads tell them apart.
    """
    publish(client, "isle", "gen-of-isle", anchors=("p1", "only-isle"))
    publish(client, "isle:gen-of-isle", "gen-of-other", anchors=("p1", "secret"), popular=("secret-best",))
    walked = set()
    for product_id in ("p1", "only-isle", "secret", "isle:gen-of-isle", "../secret", "p1?companyId=isle:gen-of-isle"):
        for rest in ("", *(f"/{kind}" for kind in KINDS)):
            for query in ({}, {"customerId": "isle:gen-of-isle", "sections": "ALSO_BOUGHT"}, {"sessionId": "gen-of-other"}):
                answer = api.get(path("isle", product_id, rest, **query))
                assert b"gen-of-other" not in answer.body
                assert b"secret-best" not in answer.body
                assert b"secret-of-" not in answer.body
                walked.add("{kind}" if rest else "page")
    assert b"gen-of-other" not in api.get("/api/health?companyId=isle").body
    paths = {route.path for route in ROUTES if isinstance(route, Route)} - OFFERS - ELSEWHERE - EVERYBODYS - OPERATORS
    assert paths == {
        "/api/health",
        "/api/products/{product_id}/recommendations",
        "/api/products/{product_id}/recommendations/{kind}",
    }, "a new route: walk it here too"
    assert walked == {"page", "{kind}"}


def test_no_customer_or_session_shows_another_company(api: Api, client: redis.Redis) -> None:
    """Alike companies with customers, sessions and products of the same ids: every product shown is of the company asked."""
    companies = ["shore", "shore:session", "shore:20", "Shore"]
    lists = {who: [("a", 0.9, "r"), (f"session:{who}", 0.5, "r")] for who in ("ann", "g1:you-might-like:ann", "session")}
    near = {"p1": {"a": 0.5}, "a": {"b": 0.5}, "b": {"c": 0.5}}
    for each in companies:
        publish_personal(client, each, neighbours=near, lists=lists, popular={"": ["best", each]})
    for who in ("ann", "g1:you-might-like:ann", "session", "nobody"):
        for product_id in ("p1", "a", "b", "p1"):
            for each in companies:
                page = api.get(path(each, product_id, customerId=who, sessionId=who)).json()
                shown = {row.get("slug", row["name"]) for section in page["sections"] for row in section["products"]}
                assert shown <= {f"{each}-g1", f"of {each} in g1"}
                assert page["sections"][1]["products"]


def test_alike_companies_keep_apart_in_the_cache(api: Api, client: redis.Redis) -> None:
    """Companies that differ by case, space or an encoded character share nothing in memory either."""
    companies = ["twin", "Twin", "twin ", "twin%20", "twin+", "twin/", "twïn"]
    for each in companies:
        publish(client, each)
    for _ in range(2):
        for each in companies:
            page = api.get(path(each)).json()
            names = {row["name"] for section in page["sections"] for row in section["products"]}
            assert names == {f"of {each} in g1"}


def test_no_offer_shows_another_company(shop: Shop, client: redis.Redis, offers_database: str) -> None:
    """Every offers route, asked as A with A's token for the products, customers and configurations of B, holds nothing of B's."""
    other = Shop(shop.api, client, offers_database, f"{shop.company}:config:bulk-discount")
    other.sells({"theirs": "77.77"}, stock=7777)
    shop.sells({"ours": "10.00"})
    for each, product_id in ((shop, "ours"), (other, "theirs")):
        each.flag(subscription_intelligence_enabled=True)
        assert each.put(product_id, {"tiers": [{**TIERS[0], "label": f"label of {product_id}"}]}).status == 200
        assert each.put(product_id, {}, "subscription-config").status == 200
    walked = set()
    ids = ("ours", "theirs", f"{other.company}:theirs", "../theirs", "config:bulk-discount:theirs")
    resources = ("bulk-discount", "subscription-config", "bulk-recommendation", "subscription-eligibility", "subscription-offer")
    for product_id in ids:
        answers = [shop.get(product_id, resource, quantity=4, customerId="theirs") for resource in resources]
        answers += [shop.calculate({"productId": product_id, "quantity": 5}), shop.delete(product_id)]
        answers += [shop.put(product_id, {}, resource) for resource in resources[:2]]
        for answer in answers:
            assert b"77.77" not in answer.body and b"label of theirs" not in answer.body and b"7777" not in answer.body
            walked.add((product_id == "ours", answer.status))
    assert walked == {(True, 200), (False, 404)}
    assert other.get("theirs").json()["tiers"][0]["label"] == "label of theirs"
