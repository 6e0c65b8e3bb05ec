"""The nudge to buy a few more of one product: what it takes to read, and what it says once that is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from models import bulk_nudges
from models.bulk_nudges import Reach
from models.published_configs import BULK_DISCOUNT
from serving.catalogue import Wanted
from serving.ladders import Priced
from serving.sections import Live

USUAL_QUANTITIES = "usual-quantities"


class Nudge(NamedTuple):
    """Keys of a product, its discount, and how many of it customers usually take; `own` of the customer who asks, None for a
    guest."""

    product_id: str
    product: bytes
    config: bytes
    usual: bytes
    own: bytes | None

    @classmethod
    def ask(cls, wanted: Wanted, live: Live, product_id: str, customer: str) -> Nudge:
        """Have all of it read; customer: "" for a guest."""
        return cls(
            product_id,
            wanted.product(live, product_id),
            wanted.config(BULK_DISCOUNT, product_id),
            wanted.evidence(live, USUAL_QUANTITIES, product_id),
            wanted.evidence(live, USUAL_QUANTITIES, customer) if customer else None,
        )

    def document(self, wanted: Wanted, offer: Priced, price: Decimal, quantity: int, at: datetime) -> dict[str, Any]:
        """What bulk-recommendation answers for `quantity`; price: the product's own."""
        reach = Reach(
            stock=offer.product.stock,
            customer=_p90(wanted.rows(self.own, "customer"), self.product_id) if self.own else None,
            product=_p90(wanted.rows(self.usual, "product"), self.product_id),
        )
        return bulk_nudges.recommendation(self.product_id, offer.ladder(price, at), quantity, reach)


def _p90(rows: Iterable[Mapping[str, Any]], product_id: str) -> float | None:
    """Units per order that nine of ten orders of the product stay within, where enough orders say so."""
    of_product = [row for row in rows if row.get("productId", product_id) == product_id]
    return of_product[0].get("p90") if of_product else None
