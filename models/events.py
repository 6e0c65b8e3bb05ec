"""What visitors do, on its way to Postgres: events as entries of a Redis stream.

An entry's fields are kinds, their values rows: a line of the text format of Postgres' COPY, ready to be joined with others of its
kind. So an event is written once, where it is taken in, and nobody parses it in between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

STREAM_KEY = "upsell:events"
# held by the process that drains the stream, for as long as it says so
DRAIN_KEY = "upsell:events-drainer"
VIEW, UPSELL_IMPRESSION, RECOMMENDATION_IMPRESSION = "view", "upsell-impression", "recommendation-impression"
ACCEPT, DECLINE, UPSELL_CLICK, CLICK, ADD_TO_CART = "accept", "decline", "upsell-click", "click", "add-to-cart"
COMMON = ("id", "companyId", "at")
# columns of a kind's rows behind the common ones; kinds of what is updated come after those of what is inserted
COLUMNS: dict[str, tuple[str, ...]] = {
    VIEW: ("productId", "sessionId", "customerId", "source", "sourceProductId", "durationSeconds"),
    UPSELL_IMPRESSION: (
        "ruleId", "cartId", "customerId", "sessionId", "placement", "experimentId", "variant", "offer",
    ),
    RECOMMENDATION_IMPRESSION: (
        "productId", "type", "sessionId", "customerId", "experimentId", "variant", "generation", "recommendedIds",
    ),
    ACCEPT: ("revenue",),
    DECLINE: (),
    UPSELL_CLICK: (),
    CLICK: ("productId", "type", "clickedProductId"),
    ADD_TO_CART: ("productId", "type"),
}  # fmt: skip
DIRECT, SEARCH, RECOMMENDATION = "DIRECT", "SEARCH", "RECOMMENDATION"
SOURCES = (DIRECT, SEARCH, RECOMMENDATION)
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
NULL = r"\N"
NEEDS_QUOTES = re.compile(r'["\\]')


class Event(NamedTuple):
    """One event: its kind, its id (of what is updated the impression's own), whose it is, and when it was (ms since 1970).

    columns: as COLUMNS names them, None where there is nothing.
    """

    kind: str
    id: str
    company: str
    at: int
    columns: tuple[Any, ...] = ()

    def row(self) -> bytes:
        """The line of COPY's text format, without its end."""
        return "\t".join([_cell(each) for each in (self.id, self.company, self.at, *self.columns)]).encode()

    def document(self) -> dict[str, Any]:
        """The event by the names of its columns."""
        return dict(zip((*COMMON, *COLUMNS[self.kind]), (self.id, self.company, self.at, *self.columns), strict=True))


def fields(events: Sequence[Event]) -> list[Any]:
    """What an entry of the stream holds of events that came about together."""
    return [part for event in events for part in (event.kind, event.row())]


def view(
    id: str,
    company: str,
    at: int,
    product_id: str,
    session: str,
    customer: str = "",
    source: str = DIRECT,
    source_product_id: str = "",
    duration_seconds: int | None = None,
) -> Event:
    """A product's page was looked at."""
    columns = (product_id, session, customer or None, source, source_product_id or None, duration_seconds)
    return Event(VIEW, id, company, at, columns)


def upsell_impression(
    id: str,
    company: str,
    at: int,
    rule_id: str,
    cart_id: str,
    session: str,
    placement: str,
    offer: bytes,
    customer: str = "",
    experiment_id: str = "",
    variant: str = "",
) -> Event:
    """An offer was shown; offer: as JSON."""
    who = (customer or None, session, placement, experiment_id or None, variant or None)
    return Event(UPSELL_IMPRESSION, id, company, at, (rule_id, cart_id or None, *who, offer.decode()))


def recommendation_impression(
    id: str,
    company: str,
    at: int,
    product_id: str,
    type: str,
    session: str,
    customer: str = "",
    experiment_id: str = "",
    variant: str = "",
    generation: str = "",
    recommended_ids: Sequence[str] = (),
) -> Event:
    """A list of products was shown on a product's page, or would have been; product_id: the page's."""
    who = (session, customer or None, experiment_id or None, variant or None)
    return Event(RECOMMENDATION_IMPRESSION, id, company, at, (product_id, type, *who, generation or None, _array(recommended_ids)))


def accept(id: str, company: str, at: int, revenue: Decimal) -> Event:
    """The offer of an impression was accepted; revenue: what the client says it brought."""
    return Event(ACCEPT, id, company, at, (revenue,))


def decline(id: str, company: str, at: int) -> Event:
    """The offer of an impression was declined."""
    return Event(DECLINE, id, company, at)


def upsell_click(id: str, company: str, at: int) -> Event:
    """The offer of an impression was clicked."""
    return Event(UPSELL_CLICK, id, company, at)


def click(id: str, company: str, at: int, product_id: str, type: str, clicked_product_id: str) -> Event:
    """A product of a shown list was clicked; product_id, type: the page's and the list's, as the impression's id says."""
    return Event(CLICK, id, company, at, (product_id, type, clicked_product_id))


def add_to_cart(id: str, company: str, at: int, product_id: str, type: str) -> Event:
    """A product of a shown list was put into the cart."""
    return Event(ADD_TO_CART, id, company, at, (product_id, type))


def _cell(value: Any) -> str:
    if value is None:
        return NULL
    return value.translate(ESCAPES) if isinstance(value, str) else str(value)


def _array(values: Sequence[str]) -> str:
    """A literal of text[]."""
    return "{" + ",".join(['"' + NEEDS_QUOTES.sub(r"\\\g<0>", each) + '"' for each in values]) + "}"
