"""What targeting works with: a company's rules, and what is known of a cart, its customer, its session and the products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

CROSS_SELL, FREE_SHIPPING = "CROSS_SELL", "FREE_SHIPPING"
UPSELL_TYPES = ("BULK_DISCOUNT", "SUBSCRIPTION", CROSS_SELL, "BUNDLE", "FREE_GIFT", FREE_SHIPPING)
URGENCIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
CART_PAGE = "CART_PAGE"
PLACEMENTS = ("PRODUCT_PAGE", "CART_DRAWER", CART_PAGE, "CHECKOUT", "ORDER_CONFIRMATION", "POST_PURCHASE", "EXIT_INTENT")
DEFAULT_PRIORITY = 100
MAX_UPSELLS = 3
DECLINE_COOL_DOWN = timedelta(days=7)
# of the price, where a product's cost is not known
ASSUMED_MARGIN = Decimal("0.3")
# what stands for the segment of those whom nobody knows
GUEST = "GUEST"


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule applies: all that are given must hold. None and an empty set are not given; 0 and False are.

    segments: at least one of the cart's, the customer's and the session's. cart_value_min, cart_value_max: inclusive, of units
    times unit prices. product_categories, has_product: at least one is in the cart. exclude_product: none is. is_new_customer:
    whether a known customer has no order yet; of a guest neither holds. has_subscription: a guest has none.
    days_since_min, days_since_max: inclusive, whole spans of 24 hours since the last order; nothing holds without one.
    """

    segments: frozenset[str] = frozenset()
    cart_value_min: Decimal | None = None
    cart_value_max: Decimal | None = None
    product_categories: frozenset[str] = frozenset()
    has_product: frozenset[str] = frozenset()
    exclude_product: frozenset[str] = frozenset()
    is_new_customer: bool | None = None
    has_subscription: bool | None = None
    days_since_min: int | None = None
    days_since_max: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a rule gives: percent off (0..100), shipping for nothing, a product as a present, a product to buy besides."""

    discount_percent: Decimal | None = None
    free_shipping: bool = False
    free_gift: str | None = None
    bonus_product: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A company's targeting rule; a lower priority comes first, without placements it may stand anywhere.

    max_impressions: to one customer, or one session of a guest, per UTC day; max_acceptances: by all, for good. valid_from,
    valid_until: aware instants or None; it holds at the first and no longer at the second.
    """

    id: str
    name: str
    upsell_type: str
    priority: int = DEFAULT_PRIORITY
    enabled: bool = True
    conditions: Conditions = Conditions()
    offer: Offer = Offer()
    message: str = ""
    urgency: str = "LOW"
    placements: tuple[str, ...] = ()
    max_impressions: int | None = None
    max_acceptances: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CartLine:
    """One product in a cart with its category ids; a unit's price in the currency's main unit."""

    product_id: str
    quantity: int
    unit_price: Decimal
    category_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Customer:
    """A known customer. segment: the one of the order history that stands first, by which acceptance is told apart; last_order_at
    is aware, None without an order."""

    segments: frozenset[str] = frozenset()
    n_orders: int = 0
    has_subscription: bool = False
    last_order_at: datetime | None = None
    segment: str = GUEST
    first_name: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What has become of a rule: how often this customer or session saw it on this UTC day, how often anyone accepted it, and when
    this customer or session last declined it (aware)."""

    impressions_today: int = 0
    acceptances: int = 0
    declined_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """A product that may be offered; cost per unit, None where it is not known."""

    id: str
    name: str
    price: Decimal
    cost: Decimal | None = None
    in_stock: bool = True


@dataclass(frozen=True, slots=True)
class Rates:
    """Acceptance per viewed offer (0..1) by (rule, placement, segment); "" as a rule, placement or segment stands for all."""

    cells: Mapping[tuple[str, str, str], float] = field(default_factory=dict)

    @classmethod
    def read(cls, published: Mapping[str, Iterable[Mapping[str, Any]]]) -> Rates:
        """From rows of kind `upsell-acceptance` (models/acceptance.py) by anchor: rule ids, and "" for the company."""
        return cls({(anchor, row["placement"], row["segment"]): row["score"] for anchor, rows in published.items() for row in rows})

    def of(self, rule_id: str, placement: str, segment: str) -> float | None:
        """The rate of the cell, else of the rule in the placement, of the rule, of the company; None where nothing is known."""
        cells = self.cells
        for key in ((rule_id, placement, segment), (rule_id, placement, ""), (rule_id, "", ""), ("", "", "")):
            rate = cells.get(key)
            if rate is not None:
                return rate
        return None


@dataclass(frozen=True, slots=True)
class Visit:
    """All that an answer follows from; `now` is aware.

    customer: None for a guest. segments: the cart's and the session's. placements: those asked for, most wanted first, empty for
    any. counts: by rule id, of a rule that is missing nothing has happened yet. products: those that may be attached, by id; one
    that is missing is not sold any more. candidates: per product of the cart, ids of what is bought with it, best first.
    free_shipping_from: the cart value from which shipping is free, None where it never is. Amounts are in the currency's main
    unit.
    """

    lines: Sequence[CartLine]
    now: datetime
    customer: Customer | None = None
    segments: frozenset[str] = frozenset()
    placements: Sequence[str] = ()
    max_upsells: int = MAX_UPSELLS
    counts: Mapping[str, Counts] = field(default_factory=dict)
    rates: Rates = Rates()
    products: Mapping[str, Product] = field(default_factory=dict)
    candidates: Sequence[Sequence[str]] = ()
    free_shipping_from: Decimal | None = None
    shipping_cost: Decimal = Decimal(0)
    cool_down: timedelta = DECLINE_COOL_DOWN
    assumed_margin: Decimal = ASSUMED_MARGIN
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """An offer that is shown. products: bought with it, then given with it (`gift`). discount, remaining: what the message said of
    them, as text. rate: expected acceptance per viewed offer, None where nothing is known. expected_margin: what the order goes
    by; for the merchant alone, since it tells what products cost. score: 1 / its place.
    """

    rule: Rule
    placement: str
    message: str
    products: tuple[Product, ...]
    gift: Product | None
    rate: float | None
    expected_margin: Decimal
    score: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule does not apply: the field of the rule that decides, and a sentence."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a rule: place 1.. among the offers shown, or None and every reason why not."""

    rule_id: str
    place: int | None
    reasons: tuple[Reason, ...] = ()
