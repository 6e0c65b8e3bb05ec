"""A cart's visit, read from Redis: one MGET with the counters on the way; two more where a gap to free shipping may be closed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from time import time
from typing import Any, NamedTuple

from models import cart_segments, offer_counters
from models.cart_segments import LiveSession
from models.flags import SMART_UPSELL
from models.offer_products import cheapest
from models.targeting import Targeting
from models.targeting_facts import CartLine, Customer, Product, Visit
from serving import catalogue, live_sessions
from serving.cart_lines import CartLines
from serving.cart_requests import CartRequest
from serving.catalogue import Wanted, live_of, unreadable
from serving.company_documents import CompanyDocuments
from serving.lookup import Lookup
from serving.rule_sets import SEGMENTS, Learnt, RuleSet, Variants, offerable
from serving.sections import Live

ALSO_BOUGHT = "also-bought"
KEPT_LISTS = 4_096


class Targeted(NamedTuple):
    """What there is to ask the rules: `targeting` as the visitor gets them, the visit, and the published products that an offer
    may name, by id."""

    rules: RuleSet
    targeting: Targeting
    variants: Variants
    visit: Visit
    products: Mapping[str, catalogue.Product]


class CartVisit(NamedTuple):
    """A cart as it was read at `now`; `targeted` is None where the rules were not asked for."""

    live: Live
    documents: CompanyDocuments
    request: CartRequest
    lines: CartLines
    now: datetime
    targeted: Targeted | None


async def read_cart(lookup: Lookup, request: CartRequest, *, is_preview: bool = False) -> CartVisit:
    """Everything that the answer is made of; with a preview the rules are asked also where the feature is off.

    Raises ApiError 404 where nothing is published for the company, StoreAway.
    """
    live = await live_of(lookup, request.company)
    documents: CompanyDocuments = lookup.documents.of(request.company)
    wanted = Wanted(live.company)
    lines = CartLines(live, documents.flags, request, wanted)
    now_ms = int(time() * 1000)
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if not documents.flags[SMART_UPSELL] and not is_preview:
        await wanted.read(lookup)
        if not lines.take() and await lookup.moved_on(live):
            return await read_cart(lookup, request)
        return CartVisit(live, documents, request, lines, now, None)
    rules, learnt = await lookup.rule_sets.of(lookup, live, documents)
    customer, session = request.customer, request.session
    segments = wanted.evidence(live, SEGMENTS, customer) if customer else None
    who = offer_counters.subject(customer, session)
    counters = rules.counters(offer_counters.utc_day(now_ms), who)
    looks = live_sessions.looks(live.company, session, now_ms) if session else None
    replies = await wanted.read(lookup, counters, looks)
    if not lines.take() and await lookup.moved_on(live):
        return await read_cart(lookup, request, is_preview=is_preview)
    settings = documents.settings
    limits = cart_segments.thresholds(learnt.thresholds, settings.segment_thresholds)
    cart = lines.lines()
    found = cart_segments.of_cart(cart, limits)
    if session:
        found |= cart_segments.of_session(LiveSession(*live_sessions.looked(replies[1]), has_cart=bool(cart)), limits)
    visit = Visit(
        lines=cart,
        now=now,
        customer=_customer(live, wanted.rows(segments, "customer"), request) if segments else None,
        segments=found,
        placements=request.placements,
        max_upsells=settings.max_upsells if request.max_upsells is None else request.max_upsells,
        counts=offer_counters.read_counts(replies[0], rules.capped),
        rates=learnt.rates,
        free_shipping_from=settings.free_shipping_from,
        shipping_cost=settings.shipping_cost,
        cool_down=timedelta(days=settings.decline_cool_down_days),
        assumed_margin=Decimal(str(settings.assumed_margin_percent)) / 100,
        currency=live.currency,
    )
    targeting, variants = rules.for_visitor(customer, session, now)
    visit, products = await _with_products(lookup, live, rules, learnt, lines, visit)
    return CartVisit(live, documents, request, lines, now, Targeted(rules, targeting, variants, visit, products))


async def _with_products(
    lookup: Lookup, live: Live, rules: RuleSet, learnt: Learnt, lines: CartLines, visit: Visit
) -> tuple[Visit, Mapping[str, catalogue.Product]]:
    """The visit with the products that may be attached: those that rules name, and the one that closes the gap, if one is due."""
    own = lines.products
    offered = {**learnt.offered, **lines.facts()}
    closing = None
    if rules.closes and visit.free_shipping_from is not None:
        gap = visit.free_shipping_from - cart_value(visit.lines)
        closing = await _closing(lookup, live, own, gap) if gap > 0 else None
    if closing is None or (fact := offerable(closing)) is None:
        return replace(visit, products=offered), learnt.products
    visit = replace(visit, products={**offered, closing.id: fact}, candidates=((closing.id,),))
    return visit, {**learnt.products, closing.id: closing}


async def _closing(lookup: Lookup, live: Live, cart: Mapping[str, catalogue.Product], gap: Decimal) -> catalogue.Product | None:
    """Of what is bought with the cart's products, the cheapest that closes the gap."""
    wanted = Wanted(live.company)
    lists = [wanted.evidence(live, ALSO_BOUGHT, id) for id in cart]
    await wanted.read(lookup)
    listed = [_listed(wanted.get(key) or b"") for key in lists]
    products = {product.id: product for row in listed for product in row}
    chosen = cheapest([[product.id for product in row] for row in listed], products, gap, cart.keys())
    if chosen is None:
        return None
    # by itself it also says what it costs
    wanted = Wanted(live.company)
    key = wanted.product(live, chosen)
    await wanted.read(lookup)
    return catalogue.Product.read(chosen, wanted.get(key))


@lru_cache(KEPT_LISTS)
def _listed(payload: bytes) -> Sequence[Product]:
    """The products of a payload of items, best first, without those that have no price."""
    rows = json.loads(payload.partition(b"\n")[0] or b"[]", parse_float=Decimal)
    return [
        Product(row["id"], row.get("name", ""), Decimal(row["price"]), in_stock=row.get("inStock", True))
        for row in rows
        if row.get("price") is not None
    ]


def _customer(live: Live, rows: Sequence[Mapping[str, Any]], request: CartRequest) -> Customer | None:
    try:
        return cart_segments.customer(rows[0] if rows else None, request.first_name)
    except ValueError as error:
        unreadable(live.company, SEGMENTS, "", error)
        return None


def cart_value(lines: Sequence[CartLine]) -> Decimal:
    """Units times unit prices."""
    return sum([line.quantity * line.unit_price for line in lines], Decimal(0))
