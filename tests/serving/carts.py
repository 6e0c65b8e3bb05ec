"""Shops with targeting rules: published as management and the night publish them, and carts that are asked about."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import redis

from models.generation import PRODUCT, Kind, Manifest, manifest_key, payload_prefix
from models.published_configs import EXPERIMENTS, RULES, SETTINGS, publish_company_command
from tests.serving.api import Answer, Api, eventually
from tests.serving.offers import token
from tests.serving.shelf import switch

_versions = itertools.count(1)
GENERATION = "g1"


def rule(rule_id: str = "r", **fields: Any) -> dict[str, Any]:
    """A rule's document that always applies, but for `fields`."""
    return {"id": rule_id, "name": f"Rule {rule_id}", "upsellType": "CROSS_SELL", **fields}


def items(**units: int) -> str:
    """Lines by product id."""
    return ",".join(f"{quote(id, safe='')}:{n}" for id, n in units.items())


class CartShop:
    """One company with products, rules and settings in Redis, and the API that is asked. Smart upsell is on."""

    def __init__(self, api: Api, client: redis.Redis, company: str) -> None:
        self.api, self.client, self.company = api, client, company
        self.rules: list[dict[str, Any]] = []

    def sells(self, prices: Mapping[str, str | None], generation: str = GENERATION, **facts: Any) -> None:
        """Have products in a live generation, in euros; facts: category, stock and cost of all."""
        for product_id, price in prices.items():
            shown = {"id": product_id, "name": f"Product {product_id}", "slug": f"{self.company}-{product_id}", "reviewCount": 0}
            shown |= {"inStock": facts.get("stock") != 0} | ({} if price is None else {"price": float(price)})
            row = [shown["name"], facts.get("category"), facts.get("stock"), facts.get("cost")]
            payload = f"{json.dumps(shown)}\n{json.dumps(row)}"
            self.client.set(payload_prefix(self.company, generation, PRODUCT) + product_id, payload)
        page = {"currency": "EUR", "timezone": "Europe/Berlin"}
        manifest = Manifest(generation, self.company, "2011-12-01T00:00:00Z", [Kind("popular", 1, 1)], page=page)
        self.client.set(manifest_key(self.company, generation), manifest.to_json())
        switch(self.client, self.company, generation)

    def learns(self, kind: str, anchor: str, rows: Iterable[Mapping[str, Any]], generation: str = GENERATION) -> None:
        """Publish an anchor's rows."""
        self.client.set(payload_prefix(self.company, generation, kind) + anchor, json.dumps(list(rows)))

    def publishes(self, resource: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Publish a resource of the company as a write through the API does."""
        command: Any = self.client.execute_command
        command(*publish_company_command(self.company, resource, next(_versions), list(rows)))

    def decides(self, *rules: Mapping[str, Any], flags: Mapping[str, bool] | None = None, **settings: Any) -> None:
        """Publish rules, flags (smart upsell on) and settings (nobody is held out), and wait until every process has them."""
        on = {"smart_upsell_enabled": True, **(flags or {})}
        self.publishes(SETTINGS, [{"flags": on, "settings": {"holdoutPercent": 0, **settings}}])
        marker = f"seen-{next(_versions)}"
        self.publishes(RULES, [*rules, rule(marker, enabled=False)])
        self.everywhere(lambda document: any(row["ruleId"] == marker for row in document["trace"]))

    def runs(self, *experiments: Mapping[str, Any]) -> None:
        """Publish running experiments, before `decides`."""
        self.publishes(EXPERIMENTS, experiments)

    def everywhere(self, holds: Any) -> None:
        """Wait until a preview says so many times in a row, from whichever process."""

        def agreed() -> bool:
            return all(holds(self.preview(items="x:1").json()) for _ in range(6))

        eventually(agreed, "the company's documents did not arrive")

    def path(self, route: str, **query: Any) -> str:
        """An address with its query."""
        return f"{route}?{urlencode({'companyId': self.company, **query})}"

    def asks(self, lines: str, **query: Any) -> Answer:
        """Ask for the offers of a cart that the storefront keeps."""
        return self.api.get(self.path("/api/upsell/cart/any", items=lines, **query))

    def shown(self, lines: str, **query: Any) -> list[dict[str, Any]]:
        """The upsells of such a cart."""
        answer = self.asks(lines, **query)
        assert answer.status == 200, answer.body
        found: list[dict[str, Any]] = answer.json()["upsells"]
        return found

    def ids(self, lines: str, **query: Any) -> list[str]:
        """Ids of the rules whose offers are shown."""
        return [row["ruleId"] for row in self.shown(lines, **query)]

    def preview(self, bearer: str | None = None, **query: Any) -> Answer:
        """Ask for the preview."""
        return self.api.send("GET", self.path("/api/admin/upsell/preview", **query), bearer or token(self.company))
