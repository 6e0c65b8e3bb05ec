"""What an offer is about: the products that it adds to a cart, and the margin that it is expected to bring."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from models.targeting_conditions import Known
from models.targeting_facts import FREE_SHIPPING, Product, Reason, Rule, Visit

_EXACT = Decimal("0.0001")


def cheapest(
    candidates: Sequence[Sequence[str]], products: Mapping[str, Product], least: Decimal, hidden: Collection[str]
) -> str | None:
    """Of the candidates (ids per product of the cart, best first) that are in stock, cost `least` or more and are not hidden, the
    cheapest; of equal prices the better ranked one, then the lower id. None where there is none."""
    closing = [
        (product.price, rank, id)
        for ranked in candidates
        for rank, id in enumerate(ranked)
        if (product := products.get(id)) and product.in_stock and product.price >= least and id not in hidden
    ]
    return min(closing)[2] if closing else None


class Attached(NamedTuple):
    """Products to buy with an offer, the present that comes along, and why the offer cannot be made (None where it can)."""

    products: tuple[Product, ...] = ()
    gift: Product | None = None
    why_not: Reason | None = None

    def ids(self) -> list[str]:
        """Of all of them."""
        return [product.id for product in (*self.products, self.gift) if product]


class Shelf:
    """What may be attached in one visit: `gap` is what the cart lacks for free shipping, None where that is no goal."""

    def __init__(self, visit: Visit, known: Known) -> None:
        self._visit, self._known = visit, known
        self.gap = None if visit.free_shipping_from is None else visit.free_shipping_from - known.value
        self._closer: Product | None = None
        self._sought = False
        self._held: tuple[Decimal, Decimal] | None = None

    def attach(self, rule: Rule) -> Attached:
        """The rule's own products, and for free shipping the cheapest relevant one that closes the gap.

        A rule names products that are not for sale, or already in the cart: then the offer cannot be made.
        """
        for field, product_id in (("offer.bonusProduct", rule.offer.bonus_product), ("offer.freeGift", rule.offer.free_gift)):
            if product_id is not None and (sentence := self._fault(product_id)):
                return Attached(why_not=Reason(field, sentence))
        bonus, gift = (self._visit.products[id] if id else None for id in (rule.offer.bonus_product, rule.offer.free_gift))
        if rule.upsell_type != FREE_SHIPPING or self.gap is None:
            return Attached((bonus,) if bonus else (), gift)
        if self.gap <= 0:
            return Attached(why_not=Reason("upsellType", f"Shipping is free from {self._visit.free_shipping_from} on already."))
        closes = bonus or self.closer()
        return Attached((closes,) if closes else (), gift)

    def closer(self) -> Product | None:
        """The cheapest candidate that closes the gap by itself."""
        if not self._sought and self.gap is not None:
            products = self._visit.products
            found = cheapest(self._visit.candidates, products, self.gap, self._known.products)
            self._closer = products[found] if found else None
        self._sought = True
        return self._closer

    def expected_margin(self, rule: Rule, attached: Attached, rate: float | None) -> Decimal:
        """rate * (margin - cost of the offer), to four decimals; without a rate, as if everyone accepted (methods.md, 6).

        The margin is that of the products to buy, or where there is none, of the cart that the offer is to bring home. The offer
        costs its discount on the same, the present, and the shipping.
        """
        visit, discount = self._visit, (rule.offer.discount_percent or Decimal(0)) / 100
        if attached.products:
            price = sum([product.price for product in attached.products], Decimal(0))
            cost = sum([self._cost(product) for product in attached.products], Decimal(0))
        else:
            price, cost = self._cart()
        given = self._cost(attached.gift) if attached.gift else Decimal(0)
        given += visit.shipping_cost if rule.offer.free_shipping else 0
        margin = price - cost - discount * price - given
        return (margin if rate is None else Decimal(repr(float(rate))) * margin).quantize(_EXACT)

    def _fault(self, product_id: str) -> str | None:
        if product_id in self._known.products:
            return f"The product {product_id} is in the cart."
        product = self._visit.products.get(product_id)
        if product is None:
            return f"The product {product_id} is not sold any more."
        return None if product.in_stock else f"The product {product_id} is sold out."

    def _cost(self, product: Product) -> Decimal:
        return product.price * (1 - self._visit.assumed_margin) if product.cost is None else product.cost

    def _cart(self) -> tuple[Decimal, Decimal]:
        """What the cart is worth and what it costs, worked out once."""
        if self._held is None:
            products, sold_at_cost = self._visit.products, 1 - self._visit.assumed_margin
            costs = []
            for line in self._visit.lines:
                product = products.get(line.product_id)
                known = product.cost if product else None
                costs.append(line.quantity * (line.unit_price * sold_at_cost if known is None else known))
            self._held = self._known.value, sum(costs, Decimal(0))
        return self._held
