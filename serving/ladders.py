"""Products with their prices by quantity, made once from what is published and kept as long as that stays the same."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from models import exact_json
from models.bulk_discounts import BulkDiscount, Ladder
from models.money import LARGEST_PRICE
from models.offers_documents import stored_discount
from models.published_configs import BULK_DISCOUNT
from serving.catalogue import Product, Wanted, unreadable
from serving.sections import Live

# about 4 KB each
KEPT = 4_096


class Priced:
    """A product and its discount, if any. `price` is None where it has none, or one that nothing can be priced by."""

    __slots__ = ("_currency", "_discount", "_ladders", "price", "product")

    def __init__(self, product: Product, discount: BulkDiscount | None, currency: str) -> None:
        self.product, self._discount, self._currency = product, discount, currency
        self.price = product.price if product.price is not None and 0 <= product.price <= LARGEST_PRICE else None
        self._ladders: dict[bool, Ladder] = {}

    def ladder(self, price: Decimal, at: datetime) -> Ladder:
        """The ladder at an instant; price: the product's own, which is there."""
        holds = self._discount is not None and self._discount.holds_at(at)
        made = self._ladders.get(holds)
        if made is None:
            made = self._ladders[holds] = Ladder(price, self._currency, self._discount, at)
        return made


def read_priced(live: Live, wanted: Wanted, is_on: bool, product_id: str, product: bytes, config: bytes) -> Priced | None:
    """What was read at the keys of a product and its discount, which counts only where the feature is on; None where nothing is
    published."""
    stored = wanted.stored(config)[1] if is_on else b""
    return priced(live.company, product_id, wanted.get(product) or b"", stored, live.currency)


@lru_cache(KEPT)
def priced(company: str, product_id: str, payload: bytes, stored: bytes, currency: str) -> Priced | None:
    """A product's payload with the stored document of its discount (b"" for none); None where nothing is published."""
    product = Product.read(product_id, payload)
    return Priced(product, _discount(company, product_id, stored), currency) if product is not None else None


def _discount(company: str, product_id: str, stored: bytes) -> BulkDiscount | None:
    """None also for a document that cannot be followed."""
    try:
        return stored_discount(exact_json.read(stored)) if stored else None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        unreadable(company, BULK_DISCOUNT, product_id, error)
        return None
