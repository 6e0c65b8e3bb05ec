"""What a subscription to a product is offered on: the configuration, whether it suits a customer, and its options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from models import exact_json, subscription_rules, subscriptions
from models.flags import SUBSCRIPTION_INTELLIGENCE
from models.money import minor_units
from models.published_configs import SUBSCRIPTION_CONFIG
from models.subscriptions import GUEST, PERSONAL, Asked, Buyer, Interval, SubscriptionConfig
from serving.catalogue import Product, Wanted, answered, live_of, stored_config, unreadable, zone_of
from serving.errors import unknown_product
from serving.lookup import Lookup
from serving.reply import Reply
from serving.requests import ReadRequest
from serving.sections import Live

KEPT_CONFIGS = 4_096
CUSTOMER = "customer"
INTERVALS, SEGMENTS = "subscription-intervals", "segments"
Row = Mapping[str, Any]


async def config(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/subscription-config: as it is stored, or 404."""
    return await stored_config(lookup, request, SUBSCRIPTION_CONFIG)


async def eligibility(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/upsell/subscription-eligibility/{product_id}."""
    return await _answer(lookup, request, subscriptions.eligibility)


async def offer(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/upsell/subscription-offer/{product_id}."""
    return await _answer(lookup, request, subscriptions.offer)


async def _answer(lookup: Lookup, request: ReadRequest, make: Callable[[Asked], Mapping[str, Any]]) -> Reply:
    fields = request.fields()
    product_id = request.path_id("product_id", "productId")
    customer = fields.get("customerId", "")
    live = await live_of(lookup, fields["companyId"])
    wanted = Wanted(live.company)
    terms = Terms.ask(wanted, live, product_id, customer)
    of_product = wanted.product(live, product_id)
    await wanted.read(lookup)
    product = Product.read(product_id, wanted.get(of_product))
    if product is None:
        if await lookup.moved_on(live):
            return await _answer(lookup, request, make)
        raise unknown_product(product_id)
    return answered(make(terms.asked(wanted, live, product, wanted.flags()[SUBSCRIPTION_INTELLIGENCE])), request)


class Terms(NamedTuple):
    """Keys of what a subscription to a product is offered on: its configuration, what was learnt of it and of the customer who
    asks, and the customer; the last is None for a guest."""

    product_id: str
    config: bytes
    learnt: tuple[bytes, ...]
    segments: bytes | None

    @classmethod
    def ask(cls, wanted: Wanted, live: Live, product_id: str, customer: str) -> Terms:
        """Have all of it read; customer: "" for a guest."""
        return cls.ask_each(wanted, live, (product_id,), customer)[0]

    @classmethod
    def ask_each(cls, wanted: Wanted, live: Live, product_ids: Collection[str], customer: str) -> list[Terms]:
        """The same for several products."""
        configs, learnt = wanted.configs(SUBSCRIPTION_CONFIG, product_ids), wanted.evidence_of(live, INTERVALS, product_ids)
        own = wanted.evidence_of(live, INTERVALS, (customer,) if customer else ())
        segments = wanted.evidence(live, SEGMENTS, customer) if customer else None
        rows = zip(product_ids, configs, learnt, strict=True)
        return [cls(id, config, (of_product, *own), segments) for id, config, of_product in rows]

    def asked(self, wanted: Wanted, live: Live, product: Product, is_learnt: bool) -> Asked:
        """What the answer is made of; is_learnt: whether what was learnt counts."""
        intervals = _that_hold(self.product_id, *(wanted.rows(key) for key in self.learnt)) if is_learnt else []
        return Asked(
            product_id=self.product_id,
            price=product.price,
            category_id=product.category,
            on=_today(live),
            config=_configured(live, wanted.stored(self.config)[1], self.product_id),
            intervals=tuple(intervals),
            buyer=_buyer(intervals, wanted.rows(self.segments, CUSTOMER)) if self.segments else GUEST,
            minor_units=minor_units(live.currency),
        )


def _buyer(intervals: Sequence[Interval], segments: Sequence[Row]) -> Buyer:
    """A known customer, with the orders that the night counted."""
    n_orders = segments[0]["nOrders"] if segments else None
    return Buyer(n_orders=n_orders, has_bought=True if any(row.level == PERSONAL for row in intervals) else None)


def _that_hold(product_id: str, of_product: Sequence[Row] = (), of_customer: Sequence[Row] = ()) -> list[Interval]:
    """The customer's own row of the product, then the product's: an anchor may be a customer's id and a product's."""
    own = [row for row in of_customer if row["level"] == PERSONAL and row["productId"] == product_id]
    shared = [row for row in of_product if row["level"] != PERSONAL]
    return [Interval.of(row) for row in (*own[:1], *shared[:1])]


def _configured(live: Live, stored: bytes, product_id: str) -> SubscriptionConfig | None:
    """The stored configuration; none where the platform wrote one that cannot be followed."""
    try:
        return _read(stored) if stored else None
    except (ValueError, AttributeError) as error:
        unreadable(live.company, SUBSCRIPTION_CONFIG, product_id, error)
        return None


@lru_cache(KEPT_CONFIGS)
def _read(stored: bytes) -> SubscriptionConfig:
    checked, faults = subscription_rules.read(exact_json.read(stored))
    if faults:
        raise ValueError(" ".join(each["message"] for each in faults))
    return SubscriptionConfig.of(checked)


def _today(live: Live) -> date:
    return datetime.now(zone_of(live.company, live.timezone)).date()
