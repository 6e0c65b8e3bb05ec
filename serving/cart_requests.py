"""What an offer for a cart is asked with: the lines, who asks, where it would stand, and how many."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from models.bulk_discounts import MOST_UNITS
from models.targeting_facts import PLACEMENTS
from serving.errors import brief, invalid
from serving.requests import decode, identifier

MOST_LINES, MOST_UPSELLS = 200, 10
_WHOLE = re.compile("[0-9]{1,7}", re.ASCII)


class CartItem(NamedTuple):
    """A line of a cart; unit_price: the cart's own, None where the catalogue's holds."""

    product_id: str
    quantity: int
    unit_price: Decimal | None = None


class CartRequest(NamedTuple):
    """One request for offers. customer, session, first_name: "" where nobody knows; max_upsells: None for the company's own."""

    company: str
    items: tuple[CartItem, ...] = ()
    customer: str = ""
    session: str = ""
    first_name: str = ""
    placements: tuple[str, ...] = ()
    max_upsells: int | None = None


def cart_request(fields: Mapping[str, str]) -> CartRequest:
    """The request that a query's decoded fields make; without `items`, that of a cart that has yet to be read.

    Raises ApiError 400.
    """
    return CartRequest(
        company=fields["companyId"],
        items=_items(fields.get("items", "")),
        customer=fields.get("customerId", ""),
        session=fields.get("sessionId", ""),
        placements=_placements(fields.get("placements", "")),
        max_upsells=_max_upsells(fields.get("maxUpsells", "")),
    )


def _items(given: str) -> tuple[CartItem, ...]:
    """`productId:quantity,...`: split at every comma and at the last colon of each part, then the id is percent-decoded once more,
    so that an id may hold a comma. A product that is named twice is one line."""
    units: dict[str, int] = {}
    parts = given.split(",") if given else []
    if len(parts) > MOST_LINES:
        raise invalid("items", f"names {len(parts)} lines; at most {MOST_LINES} are read.")
    for part in parts:
        raw, _, written = part.rpartition(":")
        product_id = identifier("items", decode("items", raw) if "%" in raw else raw)
        if not product_id:
            raise invalid("items", f"holds {brief(part)}; give productId:quantity, a comma between two.")
        quantity = int(written) if _WHOLE.fullmatch(written) else 0
        units[product_id] = units.get(product_id, 0) + quantity
        if not quantity or units[product_id] > MOST_UNITS:
            raise invalid("items", f"has the quantity {brief(written)}; give a whole number from 1 to {MOST_UNITS} per product.")
    return tuple([CartItem(product_id, n) for product_id, n in units.items()])


def _placements(given: str) -> tuple[str, ...]:
    if not given:
        return ()
    named = tuple(dict.fromkeys(given.split(",")))
    for name in named:
        if name not in PLACEMENTS:
            raise invalid("placements", f"names {brief(name)}, which is none of {', '.join(PLACEMENTS)}.")
    return named


def _max_upsells(given: str) -> int | None:
    if not given:
        return None
    if not _WHOLE.fullmatch(given) or int(given) > MOST_UPSELLS:
        raise invalid("maxUpsells", f"is {brief(given)}; give a whole number from 0 to {MOST_UPSELLS}.")
    return int(given)
