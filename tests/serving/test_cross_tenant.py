"""Every operation of the document, asked by one company for what is another's: refused, and without a byte of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
import pytest
import redis

from models.generation import PRODUCT, payload_prefix
from serving.auth import OPERATOR
from tests.serving.api import Answer, Api
from tests.serving.documented import Operation, operations
from tests.serving.offers import TIERS, Shop, token
from tests.serving.test_stored_carts import keep

OURS, THEIRS = "tenant-ours", "tenant-theirs"
# stands in everything of the other company's that is no id: ids are named by whoever asks
MARKER = b"markerb"
# written by the other company's people in these
TABLES = (
    "UpsellTargetingRule", "UpsellExperiment", "ProductBulkDiscount", "ProductSubscriptionConfig", "RecommendationConfig",
    "UpsellSettings", "UpsellAudit",
)  # fmt: skip
# of nobody: what an operator sets, the document, health
NOBODYS = ("/api/openapi.json", "/api/docs", "/api/health", "/metrics")
# where their own answer shows the marker: else the walk would prove nothing
SHOWS = {
    "GET /api/products/{productId}/bulk-discount",
    "GET /api/upsell/rules",
    "GET /api/upsell/rules/{ruleId}",
    "GET /api/upsell/experiments",
    "GET /api/upsell/experiments/{experimentId}",
    "GET /api/admin/recommendations/config",
    "GET /api/admin/settings",
    "GET /api/admin/audit",
    "GET /api/upsell/cart/{cartId}",
    "GET /api/admin/upsell/preview",
}


class Tenants:
    """Two companies on one API; `ids` are the other's, by the name of the field that takes them."""

    def __init__(self, shop: Shop) -> None:
        self.api, self.database_url = shop.api, shop.database_url
        ours, theirs = (Shop(shop.api, shop.client, shop.database_url, company) for company in (OURS, THEIRS))
        ours.sells({"our-product": "10.00"})
        theirs.sells({"their-product": "77.77"})
        row = {"id": "their-product", "name": "markerb", "slug": "s", "price": 77.77, "inStock": True, "reviewCount": 0}
        product = f"{json.dumps(row)}\n{json.dumps(['markerb', None, None, None])}"
        shop.client.set(payload_prefix(THEIRS, "g1", PRODUCT) + "their-product", product)
        keep(shop.database_url, THEIRS, "their-cart", [("their-product", 2, "77.77")], customer="their-customer", name="markerb")
        self._manage(theirs)

    def _manage(self, theirs: Shop) -> None:
        theirs.put("their-product", {"tiers": [{**TIERS[0], "label": "markerb"}]})
        theirs.put("their-product", {}, "subscription-config")
        self._stored("PUT", "/api/admin/flags", {"smart_upsell_enabled": True})
        self._stored("PUT", "/api/admin/settings", {"corsOrigins": ["https://markerb.example"], "holdoutPercent": 0})
        self._stored("PUT", "/api/admin/recommendations/config", {"alsoBought": {"title": "markerb"}})
        rule = {"name": "markerb", "upsellType": "CROSS_SELL", "offer": {"discountPercent": 5}, "message": "markerb"}
        rule_id = self._stored("POST", "/api/upsell/rules", rule)["id"]
        plan = {"name": "markerb", "ruleId": rule_id, "variants": [{"id": "b", "message": "markerb"}]}
        experiment_id = self._stored("POST", "/api/upsell/experiments", plan)["id"]
        shown = {"cartId": "their-cart", "ruleId": rule_id, "sessionId": "s", "placement": "CART_PAGE", "offer": {}}
        path = f"/api/upsell/impressions?companyId={THEIRS}"
        self.ids = {
            **dict.fromkeys(("productId", "clickedProductId"), "their-product"),
            **{"ruleId": rule_id, "experimentId": experiment_id, "cartId": "their-cart", "customerId": "their-customer"},
            **{"items": "their-product:2", "kind": "also-bought", "quantity": "4"},
        }
        # the process that is asked may learn of the rule a moment after it was stored
        self.ids["impressionId"] = next(
            answer.json()["impressionId"] for _ in range(200) if (answer := self.api.send("POST", path, None, shown)).status == 200
        )

    def _stored(self, method: str, path: str, body: Any) -> Any:
        answer = self.api.send(method, path, token(THEIRS), body)
        assert answer.status in (200, 201), answer.body
        return answer.json()

    def ask(self, method: str, path: str, operation: Operation, company: str, bearer: str | None) -> Answer:
        """An operation with the other company's ids in its path, its query and its body."""
        for name in re.findall(r"\{(\w+)\}", path):
            path = path.replace(f"{{{name}}}", quote(self.ids[name], safe=""))
        fields = {row["name"]: self.ids[row["name"]] for row in operation["parameters"] if row["name"] in self.ids}
        query = {name: value for name, value in fields.items() if f"{{{name}}}" not in path}
        return self.api.send(method, f"{path}?{urlencode({'companyId': company, **query})}", bearer, self._body(operation))

    def rows(self) -> list[Any]:
        """All that Postgres holds of the other company."""
        with psycopg.connect(self.database_url) as connection:
            return [
                connection.execute(f'select * from "{table}" where "companyId" = %s order by 1', [THEIRS]).fetchall()
                for table in TABLES
            ]

    def _body(self, operation: Operation) -> Any:
        if "requestBody" not in operation:
            return None
        return self._theirs(operation["requestBody"]["content"]["application/json"]["example"])

    def _theirs(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {each: self._theirs(part, each) for each, part in value.items()}
        if isinstance(value, list):
            return [self._theirs(part, name) for part in value]
        if name in ("hasProduct", "excludeProduct", "bonusProduct", "freeGift"):
            return "their-product"
        return self.ids[name] if name in self.ids and isinstance(value, str) else value


@pytest.fixture(scope="module")
def tenants(writing_api: Api, shared_redis: Any, offers_database: str) -> Iterator[Tenants]:
    """The two companies."""
    with redis.Redis.from_url(shared_redis.url) as client:
        yield Tenants(Shop(writing_api, client, offers_database, OURS))


OPERATIONS = [pytest.param(*each, id=f"{each[0]} {each[1]}") for each in operations()]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_no_operation_tells_or_touches_another_company(tenants: Tenants, method: str, path: str, operation: Operation) -> None:
    """With our token and their ids, or for their company: no byte of theirs, no row of theirs changed, and 404 or 403 where
    the operation is about one thing of theirs."""
    before = tenants.rows()
    scope = operation.get("x-scope", "")
    bearer = token(OURS) if scope else None
    answer = tenants.ask(method, path, operation, OURS, bearer)
    answers = [answer]
    if path not in NOBODYS and about_one(method, path, operation):
        # an address that names nothing of ours, or a body that does
        assert answer.status in (400, 403, 404), answer.body
        assert answer.status != 400 or b"of the company" in answer.body, answer.body
    if scope:
        foreign = tenants.ask(method, path, operation, THEIRS, bearer)
        assert foreign.status == (403 if scope == OPERATOR else 404), foreign.body
        answers.append(foreign)
        answers.append(tenants.ask(method, path, operation, THEIRS, None))
        assert answers[-1].status == 401
    for each in answers:
        told = each.body + json.dumps(each.headers).encode()
        assert MARKER not in told.lower() and b"77.77" not in told, told
    assert tenants.rows() == before


def about_one(method: str, path: str, operation: Operation) -> bool:
    """Whether an operation names one thing of a company, and not merely a visitor or a cart that nobody has."""
    if "/recommendations/preview/" in path or path.endswith(("/recommendations", "/recommendations/{kind}")):
        # a page of a product that is none shows best sellers
        return False
    return any(f"{{{name}}}" in path for name in ("productId", "ruleId", "experimentId")) or (
        method == "POST" and "requestBody" in operation
    )


def test_the_marker_would_be_seen(tenants: Tenants) -> None:
    """Asked by the other company itself, the same walk meets the marker: it is there to be found."""
    bearer = token(THEIRS)
    seen = set()
    for method, path, operation in operations():
        if method == "GET" and operation.get("x-scope") != OPERATOR:
            answer = tenants.ask(method, path, operation, THEIRS, bearer if operation.get("x-scope") else None)
            if MARKER in answer.body.lower():
                seen.add(f"{method} {path}")
    assert seen >= SHOWS
