"""What the demo asks of the API: every endpoint as a newcomer would, and an offer from its rule to its row in Postgres."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, TypeVar

import sql
from flows.connections import postgres
from flows.errors import CheckFailed
from flows.settings import Settings
from models import holdout
from models.company_settings import CompanySettings
from models.subscription_frequency import FREQUENCIES

T = TypeVar("T")
# a write is followed within a second, and events are drained as they come; the machine may be busy
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    """Addresses of a running demo, a token with every company scope per company, the three best sellers of each company, and a
    customer of each company that has lists for customers."""

    api: str
    settings: Settings
    tokens: dict[str, str]
    best_sellers: dict[str, list[str]]
    customers: dict[str, str]


class Sent(NamedTuple):
    """What a check sends beside its address."""

    method: str
    body: Any = None
    token: str = ""


READ = Sent("GET")


def check(demo: Running) -> None:
    """Ask every endpoint what a newcomer would ask. Raises CheckFailed, naming the endpoint and what it said."""
    _expect(demo, "/api/health", 200, lambda body: body["status"] == "ok")
    for company, products in demo.best_sellers.items():
        shown = page(company, products[0])
        _expect(demo, shown, 200, lambda body: len(body["sections"]) == 3 and all(row["products"] for row in body["sections"]))
        for kind in ("also-bought", "you-might-like", "frequently-viewed"):
            section = shown.replace("recommendations?", f"recommendations/{kind}?")
            _expect(demo, section, 200, lambda body, kind=kind: body["type"] == kind.upper().replace("-", "_"))
        for product in products:
            _expect(demo, f"{page(company, product)}&sessionId=demo", 200, lambda body: bool(body["sections"]))
    for company, customer in demo.customers.items():
        _expect(demo, page_of_customer(demo, company, customer), 200, lambda body: body["personalized"] is True)
    _check_offers(demo)
    _check_upsells(demo)
    _expect(demo, shown.partition("?")[0], 400, lambda body: body["errors"][0]["field"] == "companyId")
    _expect(demo, page("no-such-company", "1"), 404, lambda body: body["status"] == 404)


def _check_offers(demo: Running) -> None:
    """Configure a product of the first shop, price it, and take the bulk discount away again."""
    company, products = next(iter(demo.best_sellers.items()))
    product, token = products[0], demo.tokens[company]
    discount, config = (_offer(company, product, name) for name in ("bulk-discount", "subscription-config"))
    tiers = [{"minQuantity": 5, "maxQuantity": None, "discountType": "PERCENTAGE", "discountValue": 10, "label": "Five"}]
    line = {"productId": product, "quantity": 5}
    calculate = "/api/products/pricing/bulk-calculate"
    _expect(demo, discount, 200, lambda body: body["tiers"] == tiers, Sent("PUT", {"tiers": tiers}, token))
    _expect(demo, discount, 200, lambda body: body["tiers"] == tiers)
    _expect(demo, calculate, 200, lambda body: body["totalSavings"] > 0, Sent("POST", line, token))
    _expect(demo, calculate, 200, lambda body: len(body["items"]) == 2, Sent("POST", {"items": [line, line]}, token))
    _expect(demo, calculate, 401, lambda body: body["status"] == 401, Sent("POST", line, "nobody's"))
    nudge = f"{_offer(company, product, 'bulk-recommendation')}&quantity=5"
    _expect(demo, nudge, 200, lambda body: "recommendation" not in body)
    _expect(demo, discount, 200, lambda body: body["success"], Sent("DELETE", None, token))
    _expect(demo, discount, 404, lambda body: body["status"] == 404)
    _expect(demo, config, 200, lambda body: len(body["discountTiers"]) == 7, Sent("PUT", {}, token))
    _expect(demo, config, 200, lambda body: body["enabled"])
    for name in ("subscription-eligibility", "subscription-offer"):
        path = f"/api/upsell/{name}/{urllib.parse.quote(product, safe='')}?companyId={urllib.parse.quote(company)}"
        _expect(demo, path, 200, lambda body: body["eligible"] and body["recommendedFrequency"] in FREQUENCIES)


def _check_upsells(demo: Running) -> None:
    """A rule, its offer for a cart that the request holds, how it was shown and taken, and the row of that; then the rule goes."""
    company, products = next(iter(demo.best_sellers.items()))
    token, of_company, session = demo.tokens[company], f"companyId={urllib.parse.quote(company)}", _session(company)
    offer = {"discountPercent": 10, "bonusProduct": products[1]}
    rule = {"name": "Demo", "upsellType": "CROSS_SELL", "priority": 0, "conditions": {"hasProduct": [products[0]]}, "offer": offer}
    id = _expect(demo, "/api/upsell/rules", 201, lambda body: body["offer"] == offer, Sent("POST", rule, token))["id"]
    _expect(demo, f"/api/upsell/rules/{id}", 200, lambda body: body["priority"] == 1, Sent("PUT", {"priority": 1}, token))
    items = urllib.parse.quote(f"{urllib.parse.quote(products[0], safe='')}:2", safe="")
    cart = f"/api/upsell/cart/demo?{of_company}&items={items}&sessionId={session}"
    offered = _patiently(lambda: _expect(demo, cart, 200, lambda body: any(row["ruleId"] == id for row in body["upsells"])))
    issued = next(row["impressionToken"] for row in offered["upsells"] if row["ruleId"] == id)
    shown = {"cartId": "demo", "ruleId": id, "sessionId": session, "placement": "CART_PAGE", "offer": offer}
    told = Sent("POST", {**shown, "impressionToken": issued})
    impression = _expect(demo, f"/api/upsell/impressions?{of_company}", 200, lambda body: True, told)["impressionId"]
    taken = Sent("POST", {"impressionId": impression, "revenue": 9.9})
    _expect(demo, f"/api/upsell/impressions/accept?{of_company}", 200, lambda body: body["success"], taken)
    _patiently(lambda: _check_accepted(demo.settings, company, impression))
    _expect(demo, f"/api/upsell/rules/{id}", 200, lambda body: body["success"], Sent("DELETE", None, token))
    viewed = Sent("POST", {"productId": products[0], "sessionId": session})
    _expect(demo, f"/api/recommendations/view?{of_company}", 200, lambda body: body["success"], viewed)
    _expect(demo, "/api/openapi.json", 200, lambda body: body["openapi"].startswith("3."))


def _session(company: str) -> str:
    """A session that is shown offers."""
    percent = CompanySettings().holdout_percent
    return next(f"demo-{n}" for n in count() if holdout.variant_of(company, f"demo-{n}", percent) == holdout.OFFERS)


def _check_accepted(settings: Settings, company: str, impression: str) -> None:
    with postgres(settings) as connection:
        row = connection.execute(sql.load("upsell/impression"), {"company": company, "impression": impression}).fetchone()
    if row is None or row["accepted_at"] is None:
        raise CheckFailed(f"The accepted impression {impression} of {company} did not reach Postgres: is the drain running?")


def _patiently(check: Callable[[], T]) -> T:
    """What a check returns once it holds. Raises CheckFailed, as it does, when it does not in PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return check()
        except CheckFailed:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _expect(demo: Running, path: str, status: int, holds: Any, sent: Sent = READ) -> Any:
    """The body of the answer, which must have the status and hold what is due. Raises CheckFailed."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {sent.token}"} if sent.token else {})
    body = None if sent.body is None else json.dumps(sent.body).encode()
    request = urllib.request.Request(demo.api + path, body, headers, method=sent.method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            found, answer = response.status, json.load(response)
    except urllib.error.HTTPError as error:
        found, answer = error.code, json.load(error)
    if found != status or not holds(answer):
        raise CheckFailed(f"{sent.method} {path} answered {found} where {status} was due: {json.dumps(answer)[:300]}")
    return answer


def _offer(company: str, product: str, resource: str) -> str:
    return page(company, product).replace("/recommendations?", f"/{resource}?")


def page(company: str, product: str) -> str:
    """The address of a product's page."""
    return f"/api/products/{urllib.parse.quote(product, safe='')}/recommendations?companyId={urllib.parse.quote(company)}"


def page_of_customer(demo: Running, company: str, customer: str) -> str:
    """The address of a list that is a customer's own."""
    shown = page(company, demo.best_sellers[company][0]).replace("recommendations?", "recommendations/you-might-like?")
    return f"{shown}&customerId={urllib.parse.quote(customer)}"
