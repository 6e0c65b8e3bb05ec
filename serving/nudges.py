"""The nudge to buy a few more of one product: what it takes to read, and what it says once that is there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from models import bulk_nudges, exact_json
from models.bulk_discounts import Ladder
from models.bulk_nudges import Reach
from models.generation import PRODUCT
from models.published_configs import BULK_DISCOUNT
from serving.catalogue import Wanted
from serving.ladders import Priced
from serving.sections import Live

USUAL_QUANTITIES = "usual-quantities"
# about 1 KB each
KEPT = 8_192


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
        return cls.ask_each(wanted, live, (product_id,), customer)[0]

    @classmethod
    def ask_each(cls, wanted: Wanted, live: Live, product_ids: Collection[str], customer: str) -> list[Nudge]:
        """The same for several products."""
        products, configs = wanted.evidence_of(live, PRODUCT, product_ids), wanted.configs(BULK_DISCOUNT, product_ids)
        usual = wanted.evidence_of(live, USUAL_QUANTITIES, product_ids)
        own = wanted.evidence(live, USUAL_QUANTITIES, customer) if customer else None
        return [cls(*keys, own) for keys in zip(product_ids, products, configs, usual, strict=True)]

    def document(self, wanted: Wanted, offer: Priced, price: Decimal, quantity: int, at: datetime) -> dict[str, Any]:
        """What bulk-recommendation answers for `quantity`; price: the product's own."""
        return bulk_nudges.recommendation(self.product_id, offer.ladder(price, at), quantity, self._reach(wanted, offer))

    def written(self, wanted: Wanted, offer: Priced, price: Decimal, quantity: int, at: datetime) -> bytes:
        """The same as JSON where it recommends something, b"" where it does not; made once for carts that are alike in it."""
        ladder = offer.ladder(price, at)
        # of one price there is no cheaper one
        return _written(self.product_id, ladder, quantity, self._reach(wanted, offer)) if len(ladder.steps) > 1 else b""

    def _reach(self, wanted: Wanted, offer: Priced) -> Reach:
        return Reach(
            stock=offer.product.stock,
            customer=_p90(wanted.rows(self.own, "customer"), self.product_id) if self.own else None,
            product=_p90(wanted.rows(self.usual, "product"), self.product_id),
        )


@lru_cache(KEPT)
def _written(product_id: str, ladder: Ladder, quantity: int, reach: Reach) -> bytes:
    document = bulk_nudges.recommendation(product_id, ladder, quantity, reach)
    return exact_json.write(document) if "recommendation" in document else b""


def _p90(rows: Iterable[Mapping[str, Any]], product_id: str) -> float | None:
    """Units per order that nine of ten orders of the product stay within, where enough orders say so."""
    of_product = [row for row in rows if row.get("productId", product_id) == product_id]
    return of_product[0].get("p90") if of_product else None
