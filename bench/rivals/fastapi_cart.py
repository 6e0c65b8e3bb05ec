"""Offers for a cart with FastAPI: as usually written, and with rules kept in the process and one MGET per request.

Models in and out, amounts with decimal; the conditions, caps, order and lists of the bench's rules, without experiments, holdout,
signatures and time zones.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import FastAPI, Query
from pydantic import TypeAdapter
from redis.asyncio import Redis

from bench.cart_offers_shop import COMPANY, WITH_A_GAP
from bench.rivals.cart_models import Answer, Nudge, Option, Product, Rule, Shown, Subscription, Upsell
from models.generation import PRODUCT, live_key, payload_prefix, session_key
from models.offer_counters import accepted_key, declined_key, shown_key, subject, utc_day
from models.published_configs import BULK_DISCOUNT, RULES, SUBSCRIPTION_CONFIG, config_key

MOST = 3
YEAR = {"WEEKLY": 7, "BIWEEKLY": 14, "MONTHLY": 30.4, "BIMONTHLY": 60.8, "QUARTERLY": 91.3, "BIANNUALLY": 182.6, "ANNUALLY": 365.25}
CENT = Decimal("0.01")


redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
live: dict[str, str] = {}
kept: dict[str, tuple[float, list[Rule], dict[str, bytes | None]]] = {}
READ_RULES = TypeAdapter(list[Rule])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The generations are looked up once: the rival is spared our pointer."""
    for company in (COMPANY, WITH_A_GAP):
        pointer: Any = await redis.get(live_key(company))
        live[company] = pointer.decode()
    yield
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


class Reader:
    """Keys read one by one as they are wanted, or ahead of it all at once."""

    def __init__(self, company: str) -> None:
        self.company, self.values = company, dict[str, bytes | None]()

    def key(self, kind: str, anchor: str) -> str:
        """Of a payload."""
        return payload_prefix(self.company, live[self.company], kind) + anchor

    async def ahead(self, keys: list[str]) -> None:
        """Read all of them in one step."""
        values: list[Any] = await redis.mget(keys)
        self.values.update(zip(keys, values, strict=True))

    async def get(self, key: str) -> Any:
        """What is there as JSON, None for nothing; a configuration without its version."""
        value: Any = self.values[key] if key in self.values else await redis.get(key)
        if not value:
            return None
        return json.loads(value.partition(b"\n")[2] if ":config:" in key else value.partition(b"\n")[0])

    async def product(self, id: str) -> Product | None:
        """A product with its facts."""
        key = self.key(PRODUCT, id)
        value: Any = self.values[key] if key in self.values else await redis.get(key)
        if value is None:
            return None
        shown, facts = map(json.loads, value.split(b"\n"))
        return Product(**shown, category=facts[1], cost=facts[3])


@app.get("/one-by-one/{cart_id}")
async def one_by_one(
    cart_id: str,
    company: Annotated[str, Query(alias="companyId", min_length=1, max_length=200)],
    items: Annotated[str, Query(max_length=8_000)],
    session: Annotated[str, Query(alias="sessionId", max_length=200)] = "",
    customer: Annotated[str, Query(alias="customerId", max_length=200)] = "",
    placements: Annotated[str, Query()] = "",
) -> Answer:
    """As most people write it: a read per thing that is needed, the rules among them."""
    rules = READ_RULES.validate_python(await Reader(company).get(config_key(company, RULES, "")))
    return await answered(Reader(company), rules, wanted(items), session, customer, placements.split(","))


@app.get("/one-read/{cart_id}")
async def one_read(
    cart_id: str,
    company: Annotated[str, Query(alias="companyId", min_length=1, max_length=200)],
    items: Annotated[str, Query(max_length=8_000)],
    session: Annotated[str, Query(alias="sessionId", max_length=200)] = "",
    customer: Annotated[str, Query(alias="customerId", max_length=200)] = "",
    placements: Annotated[str, Query()] = "",
) -> Answer:
    """As somebody writes it who has measured once: rules and what is of them are kept for a second, the rest is one MGET."""
    reader, now = Reader(company), asyncio.get_running_loop().time()
    if company not in kept or kept[company][0] < now - 1:
        rules = READ_RULES.validate_python(await reader.get(config_key(company, RULES, "")))
        named = {id for rule in rules for id in (rule.offer.freeGift, rule.offer.bonusProduct) if id}
        of_rules = [reader.key(PRODUCT, id) for id in named] + [reader.key("upsell-acceptance", rule.id) for rule in rules]
        await reader.ahead(of_rules)
        kept[company] = now, rules, reader.values
    _, rules, values = kept[company]
    reader.values, lines = dict(values), wanted(items)
    keys = [reader.key(kind, id) for kind in (PRODUCT, "usual-quantities") for id in lines]
    keys += [config_key(company, resource, id) for id in lines for resource in (BULK_DISCOUNT, SUBSCRIPTION_CONFIG)]
    keys += [reader.key("segments", anchor) for anchor in ("", customer)]
    await reader.ahead(keys)
    return await answered(reader, rules, lines, session, customer, placements.split(","))


def wanted(items: str) -> dict[str, int]:
    """Units by product."""
    return {id: int(n) for id, _, n in (part.rpartition(":") for part in items.split(","))}


async def answered(
    reader: Reader, rules: list[Rule], lines: dict[str, int], session: str, customer: str, placements: list[str]
) -> Answer:
    """The three lists."""
    company, now = reader.company, datetime.now(UTC)
    cart = {id: product for id in lines if (product := await reader.product(id)) is not None}
    value = sum((cart[id].price * lines[id] for id in cart), Decimal(0))
    rows = await reader.get(reader.key("segments", customer)) if customer else None
    limits = {row["source"]: row["score"] for row in await reader.get(reader.key("segments", ""))}
    looks = await redis.zrevrange(session_key(company, session), 0, 50, withscores=True)
    segments = {*(rows[0]["segments"] if rows else ()), size(value, sum(lines.values()), limits), kind(looks, limits)}
    who, day = subject(customer, session), utc_day(int(now.timestamp() * 1000))
    shown: Any = await redis.hgetall(shown_key(company, day, who))
    declined: Any = await redis.hgetall(declined_key(company, who))
    facts = rows[0] if rows else None
    possible = []
    for rule in rules:
        if rule.maxImpressions is not None and int(shown.get(rule.id.encode(), 0)) >= rule.maxImpressions:
            continue
        if rule.id.encode() in declined or not holds(rule, value, cart, segments, facts, now, placements):
            continue
        taken: Any = await redis.scard(accepted_key(company, rule.id)) if rule.maxAcceptances is not None else 0
        if rule.maxAcceptances is not None and taken >= rule.maxAcceptances:
            continue
        id = rule.offer.bonusProduct or rule.offer.freeGift
        product = await reader.product(id) if id else None
        if id in cart or (id and product is None):
            continue
        cells = await reader.get(reader.key("upsell-acceptance", rule.id)) or []
        rate = next((cell["score"] for cell in cells if cell["placement"] == placements[0]), cells[0]["score"] if cells else None)
        base = product.price - (product.cost or 0) if product else value * Decimal("0.3")
        margin = (base - base * (rule.offer.discountPercent or 0) / 100) * Decimal(str(rate or 1))
        possible.append((rule.priority, -margin, rule.id, rule, product, rate))
    chosen = sorted(possible, key=lambda row: row[:3])[:MOST]
    upsells = [offered(rule, product, rate, place, placements) for place, (*_, rule, product, rate) in enumerate(chosen, 1)]
    nudges = [nudge for id in cart if (nudge := await nudged(reader, cart[id], lines[id])) is not None]
    subscriptions = [each for id in cart if (each := await subscribed(reader, cart[id], now)) is not None]
    return Answer(upsells=upsells, bulkRecommendations=nudges, subscriptionOffers=subscriptions)


def size(value: Decimal, units: int, limits: dict[str, float]) -> str:
    """The segment of a cart."""
    if 100 * value >= limits["large cart from"] or units > limits["large cart units"]:
        return "LARGE_CART"
    return "SMALL_CART" if 100 * value < limits["small cart below"] and units <= limits["small cart units"] else "MEDIUM_CART"


def kind(looks: Any, limits: dict[str, float]) -> str:
    """The segment of a session."""
    seconds = (looks[0][1] - looks[-1][1]) / 1000 if looks else 0
    if len(looks) <= limits["quick buyer products"] and seconds <= limits["quick buyer seconds"]:
        return "QUICK_BUYER"
    return "RESEARCHER" if len(looks) >= limits["researcher products"] else "BROWSER"


def holds(
    rule: Rule, value: Decimal, cart: dict[str, Product], segments: set[str], customer: Any, now: datetime, placements: list[str]
) -> bool:
    """Whether all conditions of a rule hold."""
    given, days = rule.conditions, rule.conditions.daysSinceLastOrder
    since = (now - datetime.fromisoformat(customer["lastOrderAt"])).days if customer else None
    return (
        (rule.validUntil is None or now.date() <= rule.validUntil)
        and not set(rule.placements).isdisjoint(placements)
        and (given.cartValueMin is None or value >= given.cartValueMin)
        and (given.cartValueMax is None or value <= given.cartValueMax)
        and (not given.segments or not segments.isdisjoint(given.segments))
        and (not given.hasProduct or not set(given.hasProduct).isdisjoint(cart))
        and set(given.excludeProduct).isdisjoint(cart)
        and (not given.productCategories or any(product.category in given.productCategories for product in cart.values()))
        and (given.isNewCustomer is None or (customer is not None and given.isNewCustomer == (customer["nOrders"] == 0)))
        and (given.hasSubscription is None or given.hasSubscription == bool(customer and customer["hasSubscription"]))
        and (days is None or (since is not None and (days.min or 0) <= since <= (days.max or since)))
    )


def offered(rule: Rule, product: Product | None, rate: float | None, place: int, placements: list[str]) -> Upsell:
    """One of the offers."""
    message = rule.message.replace("{{firstName}}, ", "").replace("{{productName}}", product.name if product else "")
    fields = rule.model_dump(include={"name", "message", "urgency", "priority"}) | {"offer": rule.offer, "type": rule.upsellType}
    fields["message"] = message.replace("{{discount}}", f"{rule.offer.discountPercent or 0} %")
    score = round(1 / place, 4)
    shown = [Shown(**product.model_dump(exclude={"category", "cost"}), score=score, reason="Part of this offer")] if product else []
    return Upsell(
        ruleId=rule.id,
        impressionToken=uuid.uuid4().hex,
        placement=placements[0],
        score=score,
        estimatedConversion=rate,
        products=shown,
        **fields,
    )


async def nudged(reader: Reader, product: Product, quantity: int) -> Nudge | None:
    """The next tier of a line, where it is within reach."""
    config = await reader.get(config_key(reader.company, BULK_DISCOUNT, product.id))
    usual = await reader.get(reader.key("usual-quantities", product.id)) or []
    later = [tier for tier in config["tiers"] if tier["minQuantity"] > quantity] if config else []
    if not later or (usual and later[0]["minQuantity"] > usual[0]["p90"]):
        return None
    target, now = later[0]["minQuantity"], (product.price * quantity).quantize(CENT)
    total = (product.price * target * (100 - later[0]["discountValue"]) / 100).quantize(CENT)
    saving = product.price * target - total
    message = f"Add {target - quantity} more for {total - now} and save {saving} on {target}."
    return Nudge(
        productId=product.id,
        currentQuantity=quantity,
        currentPrice=float(now),
        targetQuantity=target,
        targetPrice=float(total),
        savings=float(saving),
        message=message,
    )


async def subscribed(reader: Reader, product: Product, now: datetime) -> Subscription | None:
    """The options of a line's subscription."""
    config = await reader.get(config_key(reader.company, SUBSCRIPTION_CONFIG, product.id))
    if not config or not config["enabled"]:
        return None
    options = []
    for at, (frequency, days) in enumerate(YEAR.items()):
        final = (product.price * (100 - at) / 100).quantize(CENT)
        saving = float(product.price - final)
        fields = {"finalPrice": float(final), "savings": saving, "savingsPerYear": saving * 365.25 / days}
        options.append(Option(frequency=frequency, discountPercent=at, **fields))
    return Subscription(productId=product.id, eligible=True, options=options, nextOrderDate=(now + timedelta(days=30)).date())
