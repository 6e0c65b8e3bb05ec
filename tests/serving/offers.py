"""Shops with offers: products in Postgres and in Redis, tokens for them, and addresses to ask."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import jwt
import psycopg
import redis

from models.generation import PRODUCT, Kind, Manifest, manifest_key, payload_prefix
from tests.serving.api import Answer, Api
from tests.serving.shelf import switch

SECRET = "a secret of the tests, longer than thirty-two bytes"
PAGE = {"currency": "EUR", "timezone": "Europe/Berlin"}
TIERS = [
    {"minQuantity": 5, "maxQuantity": 9, "discountType": "PERCENTAGE", "discountValue": 10, "label": "Five"},
    {"minQuantity": 10, "maxQuantity": None, "discountType": "PERCENTAGE", "discountValue": 20, "label": "Ten"},
]


def token(company: str | None, *scopes: str, minutes: float = 5, **claims: Any) -> str:
    """A token of the tests' secret; both company scopes unless others are named."""
    named = {"companyId": company} if company is not None else {}
    expires = datetime.now(UTC) + timedelta(minutes=minutes)
    given = {"sub": "tester", "scope": list(scopes or ("company:read", "company:write")), "exp": expires, **named, **claims}
    return jwt.encode({name: value for name, value in given.items() if value is not None}, SECRET, "HS256")


def product_payload(product_id: str, price: str | None, category: str | None = None, stock: int | None = None) -> str:
    """As publishing writes a product by itself; the price as it is written in JSON."""
    amount = "" if price is None else f',"price":{price}'
    shown = f'{{"id":{json.dumps(product_id)},"name":"Name"{amount},"inStock":true}}'
    return f"{shown}\n{json.dumps(['Name', category, stock])}"


@dataclass
class Shop:
    """One company with products of its own, and the API that is asked."""

    api: Api
    client: redis.Redis
    database_url: str
    company: str

    def sells(self, prices: Mapping[str, str | None], page: Mapping[str, str] = PAGE, **facts: Any) -> None:
        """Have products in Postgres and in a live generation."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(
                'insert into "Company" (id, name, slug, timezone) values (%s, %s, %s, %s) on conflict (id) do nothing',
                [self.company, self.company, self.company, page.get("timezone", "UTC")],
            )
            for product_id, price in prices.items():
                connection.execute(
                    'insert into "Product" (id, "companyId", name, slug, price) values (%s, %s, %s, %s, %s)',
                    [product_id, self.company, product_id, product_id, price],
                )
        rows = {product_id: product_payload(product_id, price, **facts) for product_id, price in prices.items()}
        self.client.mset({payload_prefix(self.company, "g1", PRODUCT) + product_id: row for product_id, row in rows.items()})
        manifest = Manifest("g1", self.company, "2011-12-01T00:00:00Z", [Kind("popular", 1, 1)], page=dict(page))
        self.client.set(manifest_key(self.company, "g1"), manifest.to_json())
        switch(self.client, self.company, "g1")

    def learns(self, kind: str, anchor: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Publish an anchor's rows of learnt evidence."""
        self.client.set(payload_prefix(self.company, "g1", kind) + anchor, json.dumps(list(rows)))

    def flag(self, **values: bool) -> None:
        """Set the company's flags."""
        self.client.set(f"upsell:{quote(self.company, safe='')}:flags", json.dumps(values))

    def path(self, product_id: str, resource: str = "bulk-discount", **query: Any) -> str:
        """The public address of a product's resource."""
        asked = urlencode({"companyId": self.company, **query})
        if resource.startswith("subscription-") and resource != "subscription-config":
            return f"/api/upsell/{resource}/{quote(product_id, safe='')}?{asked}"
        return f"/api/products/{quote(product_id, safe='')}/{resource}?{asked}"

    def get(self, product_id: str, resource: str = "bulk-discount", **query: Any) -> Answer:
        """Ask it."""
        return self.api.get(self.path(product_id, resource, **query))

    def put(self, product_id: str, body: Any, resource: str = "bulk-discount", bearer: str | None = None) -> Answer:
        """Store a configuration."""
        path = f"/api/products/{quote(product_id, safe='')}/{resource}"
        return self.api.send("PUT", path, bearer or token(self.company), body)

    def delete(self, product_id: str, bearer: str | None = None) -> Answer:
        """Delete a bulk discount."""
        return self.api.send("DELETE", f"/api/products/{quote(product_id, safe='')}/bulk-discount", bearer or token(self.company))

    def calculate(self, body: Any, bearer: str | None = None) -> Answer:
        """Price lines."""
        return self.api.send("POST", "/api/products/pricing/bulk-calculate", bearer or token(self.company), body)

    def rows(self, table: str = "ProductBulkDiscount") -> list[tuple[Any, ...]]:
        """What Postgres holds for the company."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(
                f'select * from "{table}" where "companyId" = %s order by "productId"', [self.company]
            ).fetchall()
