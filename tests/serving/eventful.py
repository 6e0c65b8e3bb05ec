"""Shops whose visitors do something: rules and products in both stores, events to send, and what Postgres then holds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import psycopg
import redis

from models.events import STREAM_KEY
from models.generation import PRODUCT, Kind, Manifest, Section, manifest_key, payload_prefix
from models.impression_ids import Signer
from models.published_configs import EXPERIMENTS, RULES, publish_company_command
from serving.signing import SECRET_KEY
from tests.serving.api import Answer, Api, eventually
from tests.serving.offers import product_payload
from tests.serving.shelf import ALSO_BOUGHT, switch

_numbers = itertools.count(1)
UPSELL, LISTS = "/api/upsell/impressions", "/api/recommendations"


@dataclass
class EventShop:
    """One company, the API that is asked, and the stores behind it."""

    api: Api
    client: redis.Redis
    database_url: str
    company: str

    def opens(self, *products: str, sections: Mapping[str, Section] | None = None) -> None:
        """Have the company, its products and a section of its pages in both stores; it has no rule yet."""
        self.execute('insert into "Company" (id, name, slug) values (%s, %s, %s)', *[self.company] * 3)
        for product_id in products:
            self.execute(
                'insert into "Product" (id, "companyId", name, slug, price) values (%s, %s, %s, %s, 10)',
                *[product_id, self.company, product_id, product_id],
            )
            self.client.set(payload_prefix(self.company, "g1", PRODUCT) + product_id, product_payload(product_id, "10.00"))
        shown = {"also-bought": ALSO_BOUGHT} if sections is None else sections
        kinds = [Kind(kind, 1, 1, section) for kind, section in shown.items()]
        manifest = Manifest("g1", self.company, "2011-12-01T00:00:00Z", kinds)
        self.client.set(manifest_key(self.company, "g1"), manifest.to_json())
        switch(self.client, self.company, "g1")

    def rules(self, **caps: Mapping[str, int]) -> None:
        """Have rules by id with their caps, and wait until the API knows them all."""
        rows = [{"id": f"{self.company} {name}", "name": name, "upsellType": "CROSS_SELL", **cap} for name, cap in caps.items()]
        for row in rows:
            self.execute(
                """insert into "UpsellTargetingRule" (id, "companyId", name, "upsellType", "maxImpressions", "maxAcceptances")
                values (%s, %s, %s, 'CROSS_SELL', %s, %s)""",
                *[row["id"], self.company, row["name"], row.get("maxImpressions"), row.get("maxAcceptances")],
            )
        self.publish(RULES, rows)
        (name,) = list(caps)[-1:]

        def known() -> bool:
            # in every process: connections are shared out among them
            return all(self.show(name, "nobody", placement="").status == 400 for _ in range(4)) and all(
                self.show(name, f"probe {next(_numbers)}").status == 200 for _ in range(4)
            )

        eventually(known, "the rules did not arrive")

    def publish(self, resource: str, rows: list[dict[str, Any]]) -> None:
        """Publish a resource of the company."""
        version = int(datetime.now(UTC).timestamp() * 1000)
        command: Any = self.client.execute_command
        command(*publish_company_command(self.company, resource, version, rows))

    def runs(self, rule: str) -> None:
        """Have an experiment of sessions on a rule, half and half."""
        row = {
            "id": f"{self.company} experiment", "ruleId": f"{self.company} {rule}", "name": "Halves", "status": "RUNNING",
            "control": {"id": "control", "unit": "session"}, "variants": [{"id": "control"}, {"id": "louder"}],
            "variantWeights": {"control": 50, "louder": 50}, "trafficPercent": 100, "primaryMetric": "conversion",
            "minimumSampleSize": 0, "confidenceLevel": 0.95, "startedAt": "2020-01-01T00:00:00Z",
        }  # fmt: skip
        self.publish(EXPERIMENTS, [row])

    def post(self, path: str, body: Any, *headers: str, company: str | None = None) -> Answer:
        """Send an event."""
        given = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = f"{path}?companyId={quote(company or self.company, safe='')}"
        return self.api.get(asked, "Content-Type: application/json", *headers, method="POST", body=given)

    def show(self, rule: str, session: str = "s", *headers: str, **fields: Any) -> Answer:
        """An offer of a rule was shown."""
        body = {"ruleId": f"{self.company} {rule}", "cartId": "cart", "sessionId": session, "placement": "CART_PAGE", "offer": {}}
        return self.post(UPSELL, {**body, **fields}, *headers)

    def shown(self, rule: str, session: str = "s", **fields: Any) -> str:
        """The id of an impression that was taken."""
        answer = self.show(rule, session, **fields)
        assert answer.status == 200, answer.body
        id: str = answer.json()["impressionId"]
        return id

    def accept(self, impression_id: str, revenue: Any = 5) -> Answer:
        """It was accepted."""
        return self.post(f"{UPSELL}/accept", {"impressionId": impression_id, "revenue": revenue})

    def decline(self, impression_id: str) -> Answer:
        """It was declined."""
        return self.post(f"{UPSELL}/decline", {"impressionId": impression_id})

    def view(self, product_id: str, *headers: str, **fields: Any) -> Answer:
        """A product was looked at."""
        return self.post(f"{LISTS}/view", {"productId": product_id, "sessionId": "s", **fields}, *headers)

    @property
    def signer(self) -> Signer:
        """As the API signs."""
        secret: Any = self.client.get(SECRET_KEY)
        return Signer(secret)

    def section_id(self, product_id: str, kind: str = "also-bought") -> str:
        """The id of a section that a page has shown."""
        return f"{self.signer.page(self.company, product_id, b'%d' % next(_numbers)).decode()}.{kind}"

    def drained(self) -> None:
        """Wait until nothing is on its way to Postgres."""
        eventually(lambda: self.client.xlen(STREAM_KEY) == 0, "events are left in the stream")

    def stored(self, table: str, columns: str, condition: str = "true") -> list[tuple[Any, ...]]:
        """What Postgres holds for the company, once everything is there."""
        self.drained()
        return self.execute(f'select {columns} from "{table}" where "companyId" = %s and {condition} order by 1, 2', self.company)

    def execute(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask Postgres."""
        with psycopg.connect(self.database_url) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


def two_decimals(amount: str) -> Decimal:
    """An amount as Postgres gives it."""
    return Decimal(amount).quantize(Decimal("0.01"))
