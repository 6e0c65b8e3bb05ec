"""The shop that bench.cart_offers asks for: products, targeting rules, customers, live sessions, and what was learnt of them."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import redis

from models import cart_segments
from models.generation import COMPANIES_KEY, PRODUCT, Kind, Manifest, live_key, manifest_key, payload_prefix, session_key
from models.offer_counters import accepted_key, shown_key, subject, utc_day
from models.published_configs import BULK_DISCOUNT, RULES, SETTINGS, SUBSCRIPTION_CONFIG, config_key, publish_company_command
from serving.sections import to_json

# of the second, shipping is free from a value that about half of the carts reach: the others have a gap to close
COMPANY, WITH_A_GAP, GENERATION = "bench-carts", "bench-gaps", "2011-12-01T00:00:00Z-bench"
N_CUSTOMERS, N_SESSIONS, LIST = 1_000, 1_000, 8
CATEGORIES = tuple(f"category-{at}" for at in range(20))
TIERS = [
    {"minQuantity": at, "maxQuantity": at + 4, "discountType": "PERCENTAGE", "discountValue": 2 * at, "label": f"from {at}"}
    for at in (5, 10, 15)
]

LIMITS = {
    **{cart_segments.SMALL_BELOW: 20_000, cart_segments.LARGE_FROM: 80_000},
    **{cart_segments.SMALL_UNITS: 8, cart_segments.LARGE_UNITS: 30, cart_segments.RESEARCHER_PRODUCTS: 4},
    **{cart_segments.QUICK_PRODUCTS: 2, cart_segments.QUICK_SECONDS: 60},
}


def fill(client: redis.Redis, n_products: int, n_rules: int) -> None:
    """Both companies, alike but for the gap."""
    decided = {"flags": {"smart_upsell_enabled": True, "subscription_intelligence_enabled": True}}
    for company, settings in ((COMPANY, {}), (WITH_A_GAP, {"freeShippingFrom": 1_900, "shippingCost": 5})):
        _products(client, company, n_products)
        _visitors(client, company, n_products)
        send: Any = client.execute_command
        send(*publish_company_command(company, SETTINGS, 1, [{**decided, "settings": settings}]))
        made = rules(n_rules, n_products)
        send(*publish_company_command(company, RULES, 1, made))
        _learnt(client, company, made)
        manifest = Manifest(
            GENERATION, company, "2011-12-01T00:00:00Z", [Kind("popular", 1, 1)], page={"currency": "EUR", "timezone": "UTC"}
        )
        client.set(manifest_key(company, GENERATION), manifest.to_json())
        client.set(live_key(company), GENERATION)
        client.sadd(COMPANIES_KEY, company)


def rules(n: int, n_products: int) -> list[dict[str, Any]]:
    """Rules of every kind of condition, one or two each; a quarter are capped per visitor, a tenth for all."""
    seeded = random.Random(11)

    def products(most: int) -> list[str]:
        return [f"p{at}" for at in seeded.sample(range(n_products), min(most, n_products))]

    kinds: Sequence[Any] = (
        lambda: {"cartValueMin": seeded.randrange(50, 900)},
        lambda: {"cartValueMax": seeded.randrange(50, 900)},
        lambda: {"productCategories": seeded.sample(CATEGORIES, 3)},
        lambda: {"hasProduct": products(40)},
        lambda: {"excludeProduct": products(40)},
        lambda: {"segments": seeded.sample(cart_segments.SEGMENTS, 2)},
        lambda: {"isNewCustomer": seeded.random() < 0.5},
        lambda: {"hasSubscription": seeded.random() < 0.5},
        lambda: {"daysSinceLastOrder": {"min": seeded.randrange(1, 100)}},
    )
    made = []
    for at in range(n):
        conditions: dict[str, Any] = {}
        for kind in seeded.sample(kinds, seeded.randint(1, 2)):
            conditions |= kind()
        # what no cart can meet is no rule
        if conditions.get("isNewCustomer"):
            conditions.pop("daysSinceLastOrder", None)
        if "cartValueMin" in conditions:
            conditions.pop("cartValueMax", None)
        offers: Sequence[dict[str, Any]] = (
            {"discountPercent": seeded.randint(1, 20)},
            {"bonusProduct": products(1)[0], "discountPercent": 5},
            {"freeGift": products(1)[0]},
        )
        rule: dict[str, Any] = {
            "id": f"r{at}",
            "name": f"Rule number {at}",
            "upsellType": "FREE_SHIPPING" if at % 25 == 0 else "CROSS_SELL",
            "priority": seeded.randrange(1, 10),
            "conditions": conditions,
            "offer": offers[at % 3],
            "message": "{{firstName}}, take {{productName}} with {{discount}} off",
            "placements": seeded.sample(("CART_PAGE", "CHECKOUT", "CART_DRAWER", "EXIT_INTENT"), 2),
            "urgency": "MEDIUM",
        }
        rule |= {"maxImpressions": 5} if at % 4 == 0 else {}
        rule |= {"maxAcceptances": 100} if at % 10 == 0 else {}
        made.append(rule | ({"validUntil": "2099-12-31"} if at % 5 == 0 else {}))
    return made


def carts(company: str, n: int, n_items: int, n_products: int) -> list[str]:
    """Addresses of carts, seeded: half of them a known customer's, all of a session."""
    seeded = random.Random(42)
    made = []
    for _ in range(n):
        chosen = seeded.sample(range(n_products), n_items)
        asked = {
            "companyId": company,
            "items": ",".join(f"p{at}:{seeded.randint(1, 6)}" for at in chosen),
            "sessionId": f"s{seeded.randrange(N_SESSIONS)}",
            "placements": "CART_PAGE",
        }
        customer = {"customerId": f"c{seeded.randrange(N_CUSTOMERS)}"} if seeded.random() < 0.5 else {}
        made.append(urlencode(asked | customer, safe=":,"))
    return made


def shown(at: int) -> dict[str, object]:
    """A product as the public API shows it."""
    described = {"id": f"p{at}", "name": f"Product number {at}", "slug": f"product-number-{at}"}
    return described | {"price": 5 + at % 97 + 0.5, "reviewCount": at, "inStock": True}


def _products(client: redis.Redis, company: str, n: int) -> None:
    """Three in ten have a bulk discount, two in ten a subscription; of all it is known how many an order takes."""
    at_once: dict[str, bytes] = {}

    def learnt(kind: str, at: int, *lines: Any) -> None:
        at_once[payload_prefix(company, GENERATION, kind) + f"p{at}"] = b"\n".join(map(to_json, lines))

    for at in range(n):
        facts = [f"Product number {at}", CATEGORIES[at % len(CATEGORIES)], None, 3 + at % 50]
        learnt(PRODUCT, at, shown(at), facts)
        listed = [shown((at * 7 + other) % n) for other in range(1, LIST + 1)]
        learnt("also-bought", at, [{**row, "score": 0.5, "reason": "Often bought together"} for row in listed], [{}] * LIST)
        learnt("usual-quantities", at, [{"level": "product", "productId": f"p{at}", "p90": 12, "nOrders": 40, "windowDays": 365}])
        if at % 10 < 3:
            bulk = {"enabled": True, "tiers": TIERS, "maxDiscountPercent": 50, "validFrom": None, "validUntil": None}
            at_once[config_key(company, BULK_DISCOUNT, f"p{at}")] = b"1\n" + to_json(bulk)
        if at % 10 in (3, 4):
            at_once[config_key(company, SUBSCRIPTION_CONFIG, f"p{at}")] = b"1\n" + to_json({"enabled": True})
    rows = list(at_once.items())
    for start in range(0, len(rows), 500):
        client.mset(dict(rows[start : start + 500]))


def _visitors(client: redis.Redis, company: str, n_products: int) -> None:
    """Customers with an order or without, sessions of three looks, and what a tenth of them has seen today."""
    seeded, now_ms = random.Random(7), int(time.time() * 1000)
    prefix = payload_prefix(company, GENERATION, "segments")
    with client.pipeline(transaction=False) as pipe:
        for at in range(N_CUSTOMERS):
            segment = cart_segments.OF_HISTORY[at % 4]
            facts = {"segments": [segment, cart_segments.VALUE_SEEKER], "nOrders": at % 7, "hasSubscription": at % 5 == 0}
            row = {"level": "customer", "productId": "", "score": 0.5, "source": segment, "lastOrderAt": "2020-01-01T00:00:00Z"}
            pipe.set(f"{prefix}c{at}", to_json([row | facts]))
            usual = [
                {"level": "customer", "productId": f"p{each * 7 % n_products}", "p90": 8, "nOrders": 9}
                for each in range(at, at + 20)
            ]
            pipe.set(payload_prefix(company, GENERATION, "usual-quantities") + f"c{at}", to_json(usual))
        for at in range(N_SESSIONS):
            viewed = seeded.sample(range(n_products), 3)
            pipe.zadd(session_key(company, f"s{at}"), {f"p{each}": now_ms + 40_000 * rank for rank, each in enumerate(viewed)})
        for at in range(N_CUSTOMERS // 10):
            pipe.hset(shown_key(company, utc_day(now_ms), subject(f"c{at}", "")), mapping={f"r{4 * each}": 5 for each in range(9)})
        pipe.execute()


def _learnt(client: redis.Redis, company: str, made: Sequence[dict[str, Any]]) -> None:
    """Acceptance of every rule, acceptances of the capped ones, and the company's thresholds."""
    prefix = payload_prefix(company, GENERATION, "upsell-acceptance")
    for number, rule in enumerate(made):
        cells = [{"placement": "", "segment": "", "score": 0.05 + number % 10 / 100}]
        client.set(prefix + rule["id"], to_json([*cells, {"placement": "CART_PAGE", "segment": "", "score": 0.1}]))
        if "maxAcceptances" in rule:
            client.sadd(accepted_key(company, rule["id"]), *[f"i{at}" for at in range(number % 120 + 1)])
    client.set(prefix, to_json([{"placement": "", "segment": "", "score": 0.08}]))
    named = [{"source": name, "score": value, "productId": ""} for name, value in LIMITS.items()]
    client.set(payload_prefix(company, GENERATION, "segments"), to_json(named))
