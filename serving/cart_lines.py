"""A cart's lines: what it takes to read of them, and what they are worth, are nudged to and may be subscribed to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from models import subscriptions
from models.bulk_discounts import MOST_UNITS
from models.flags import BULK_DISCOUNTS, SUBSCRIPTION_INTELLIGENCE
from models.money import LARGEST_PRICE
from models.targeting_facts import CartLine
from serving import catalogue
from serving.cart_requests import CartRequest
from serving.catalogue import Wanted
from serving.ladders import Priced, priced, read_priced
from serving.nudges import Nudge
from serving.sections import Live
from serving.subscriptions import Terms


class CartLines:
    """Asks for its keys when it is made; everything else wants them read.

    flags: of the company; what is off has nothing to say and is not read.
    """

    def __init__(self, live: Live, flags: Mapping[str, bool], request: CartRequest, wanted: Wanted) -> None:
        self._live, self._wanted, self._items = live, wanted, request.items
        self._units = Counter[str]()
        for item in request.items:
            self._units[item.product_id] += item.quantity
        self._products = {id: wanted.product(live, id) for id in self._units}
        customer = request.customer
        self._nudges = [Nudge.ask(wanted, live, id, customer) for id in self._units] if flags[BULK_DISCOUNTS] else []
        is_learnt = flags[SUBSCRIPTION_INTELLIGENCE]
        self._terms = [Terms.ask(wanted, live, id, customer) for id in self._units] if is_learnt else []
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

    def lines(self) -> list[CartLine]:
        """As targeting sees them. A line that says no price is worth what the catalogue says, nothing where that is silent; one
        that neither says nor is published is no line."""
        return list(self._lines())

    def _lines(self) -> Iterator[CartLine]:
        for product_id, quantity, unit_price in self._items:
            offer = self._offers.get(product_id)
            if unit_price is None and offer is None:
                continue
            price = unit_price if unit_price is not None else offer.price if offer else None
            category = offer.product.category if offer else None
            fitting = price if price is not None and 0 <= price <= LARGEST_PRICE else Decimal(0)
            yield CartLine(product_id, quantity, fitting, (category,) if category is not None else ())

    def nudges(self, at: datetime) -> list[dict[str, Any]]:
        """What bulk-recommendation answers for each product of the cart, where that recommends something."""
        made = []
        for nudge in self._nudges:
            offer, quantity = self._offers.get(nudge.product_id), self._units[nudge.product_id]
            if offer is not None and offer.price is not None and quantity <= MOST_UNITS:
                made.append(nudge.document(self._wanted, offer, offer.price, quantity, at))
        return [document for document in made if "recommendation" in document]

    def subscriptions(self) -> list[dict[str, Any]]:
        """What subscription-offer answers for each product of the cart, where it offers something."""
        made = []
        for terms in self._terms:
            if offer := self._offers.get(terms.product_id):
                made.append(subscriptions.offer(terms.asked(self._wanted, self._live, offer.product, is_learnt=True)))
        return [document for document in made if document["eligible"]]
