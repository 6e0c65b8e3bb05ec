"""A cart's lines: what it takes to read of them, and what they are worth, are nudged to and may be subscribed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from models import exact_json, subscriptions
from models.bulk_discounts import MOST_UNITS
from models.flags import BULK_DISCOUNTS, SUBSCRIPTION_INTELLIGENCE
from models.generation import PRODUCT
from models.money import LARGEST_PRICE
from models.subscriptions import Asked
from models.targeting_facts import CartLine, Product
from serving import catalogue
from serving.cart_requests import CartItem, CartRequest
from serving.catalogue import Wanted
from serving.ladders import Priced, priced, read_priced
from serving.nudges import Nudge
from serving.rule_sets import offerable
from serving.sections import Live
from serving.subscriptions import Terms

# about 1 KB each
KEPT = 8_192


class CartLines:
    """Asks for its keys when it is made; everything else wants them read.

    flags: of the company; what is off has nothing to say and is not read.
    """

    def __init__(self, live: Live, flags: Mapping[str, bool], request: CartRequest, wanted: Wanted) -> None:
        self._live, self._wanted, self._items = live, wanted, request.items
        self._units = Counter[str]()
        for item in request.items:
            self._units[item.product_id] += item.quantity
        self._products = dict(zip(self._units, wanted.evidence_of(live, PRODUCT, self._units), strict=True))
        customer = request.customer
        self._nudges = Nudge.ask_each(wanted, live, self._units, customer) if flags[BULK_DISCOUNTS] else []
        self._terms = Terms.ask_each(wanted, live, self._units, customer) if flags[SUBSCRIPTION_INTELLIGENCE] else []
        self._offers: dict[str, Priced] = {}

    def take(self) -> bool:
        """Put together what was read; False where a product of the cart is not published."""
        live, wanted = self._live, self._wanted
        found = {each.product_id: read_priced(live, wanted, True, *each[:3]) for each in self._nudges}
        for id, key in self._products.items() if not found else ():
            found[id] = priced(live.company, id, wanted.get(key) or b"", b"", live.currency)
        self._offers = {id: offer for id, offer in found.items() if offer is not None}
        return len(self._offers) == len(found)

    @property
    def products(self) -> dict[str, catalogue.Product]:
        """Those that are published, by id, in the cart's order."""
        return {id: offer.product for id, offer in self._offers.items()}

    def facts(self) -> dict[str, Product]:
        """Those of them that have a price, as targeting sees them."""
        return {id: fact for id, offer in self._offers.items() if (fact := _fact(offer)) is not None}

    def lines(self) -> list[CartLine]:
        """As targeting sees them. A line that says no price is worth what the catalogue says, nothing where that is silent; one
        that neither says nor is published is no line."""
        found = ((item, self._offers.get(item.product_id)) for item in self._items)
        return [
            _published_line(offer, item.quantity) if item.unit_price is None else _line(item, item.unit_price, offer)
            for item, offer in found
            if offer is not None or item.unit_price is not None
        ]

    def nudges(self, at: datetime) -> list[bytes]:
        """What bulk-recommendation answers for each product of the cart, as JSON, where that recommends something."""
        made = []
        for nudge in self._nudges:
            offer, quantity = self._offers.get(nudge.product_id), self._units[nudge.product_id]
            if offer is not None and offer.price is not None and quantity <= MOST_UNITS:
                made.append(nudge.written(self._wanted, offer, offer.price, quantity, at))
        return [document for document in made if document]

    def subscriptions(self) -> list[bytes]:
        """What subscription-offer answers for each product of the cart, as JSON, where it offers something."""
        wanted, made = self._wanted, []
        for terms in self._terms:
            offer, stored = self._offers.get(terms.product_id), wanted.stored(terms.config)[1]
            # what is neither configured nor learnt is never offered
            if offer is not None and (stored or any(map(wanted.get, terms.learnt))):
                made.append(_subscription(terms.asked(wanted, self._live, offer.product, is_learnt=True), stored))
        return [document for document in made if document]


def _line(item: CartItem, price: Decimal | None, offer: Priced | None) -> CartLine:
    category = offer.product.category if offer else None
    fitting = price if price is not None and 0 <= price <= LARGEST_PRICE else Decimal(0)
    return CartLine(item.product_id, item.quantity, fitting, (category,) if category is not None else ())


@lru_cache(KEPT)
def _published_line(offer: Priced, quantity: int) -> CartLine:
    return _line(CartItem(offer.product.id, quantity), offer.price, offer)


@lru_cache(KEPT)
def _fact(offer: Priced) -> Product | None:
    return offerable(offer.product)


@lru_cache(KEPT)
def _subscription(asked: Asked, _stored: bytes) -> bytes:
    """Terms that are equal may be written in other digits: the stored document tells them apart."""
    document = subscriptions.offer(asked)
    return exact_json.write(document) if document["eligible"] else b""
