"""Bulk discounts as they are charged: the configuration, the next tier worth a nudge, and the price of many lines at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json
from models.bulk_discounts import Line, summed
from models.bulk_fields import Fault, fault, quantity
from models.flags import BULK_DISCOUNTS
from models.offers_documents import line_document, totals
from models.published_configs import BULK_DISCOUNT
from serving.auth import READ, authorized
from serving.bodies import read_object
from serving.catalogue import Wanted, answered, live_of, stored_config
from serving.errors import no_price_fault, refused, unknown_fault
from serving.ladders import Priced, read_priced
from serving.lookup import Lookup
from serving.nudges import Nudge
from serving.reply import Reply
from serving.requests import LONGEST_ID, ReadRequest
from serving.routing import settled
from serving.sections import Live

log = logging.getLogger("serving.offers")
FAILED = "Failed to calculate bulk price"
MOST_ITEMS = 200


class Item(NamedTuple):
    """A line to price; `field` names its place in the body."""

    product_id: str
    quantity: int
    field: str


async def config(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/bulk-discount: as it is stored, or 404."""
    return await stored_config(lookup, request, BULK_DISCOUNT, BULK_DISCOUNTS)


async def recommendation(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/bulk-recommendation?quantity=: the tier that a few more units reach, if any does."""
    request.failed = FAILED
    query = request.fields()
    product_id, customer = request.path_id("product_id", "productId"), query.get("customerId", "")
    n, faults = quantity(query.get("quantity"))
    if faults:
        raise refused(400, "Invalid parameter", faults)
    live = await live_of(lookup, query["companyId"])
    wanted = Wanted(live.company)
    nudge = Nudge.ask(wanted, live, product_id, customer)
    await wanted.read(lookup)
    found = _offers(live, wanted, [Item(product_id, n, "productId")], [(nudge.product, nudge.config)])
    if None in found and await lookup.moved_on(live):
        return await recommendation(lookup, request)
    ((offer, price),) = _all_priced([Item(product_id, n, "productId")], found)
    return answered(nudge.document(wanted, offer, price, n, datetime.now(UTC)), request)


async def calculate(request: Request) -> Response:
    """POST /api/products/pricing/bulk-calculate: one line, or up to MOST_ITEMS with their totals; one read of Redis."""
    request.state.failed = FAILED
    company = authorized(request, READ)
    body = await read_object(request)
    items, faults = _items(body)
    if faults:
        raise refused(400, "Invalid parameter", faults)
    live, lines = await settled(_priced(request.state.lookup, company, items))
    documents = [{"productId": item.product_id, **line_document(line)} for item, line in zip(items, lines, strict=True)]
    document = {"items": documents, **totals(summed(lines))} if "items" in body else documents[0]
    if n_discounted := sum(line.tier is not None for line in lines):
        context = {"company": company, "requestId": request.state.request_id.decode()}
        log.info("Bulk discount applied", extra={**context, "nItems": len(lines), "nDiscounted": n_discounted})
    if live.currency:
        document["currency"] = live.currency
    return Response(exact_json.write(document), 200, {"cache-control": "private, no-store"}, "application/json")


async def _priced(lookup: Lookup, company: str, items: Sequence[Item]) -> tuple[Live, list[Line]]:
    live = await live_of(lookup, company)
    wanted = Wanted(company)
    keys = [(wanted.product(live, item.product_id), wanted.config(BULK_DISCOUNT, item.product_id)) for item in items]
    await wanted.read(lookup)
    found = _offers(live, wanted, items, keys)
    if None in found and await lookup.moved_on(live):
        return await _priced(lookup, company, items)
    at = datetime.now(UTC)
    offers = _all_priced(items, found)
    return live, [offer.ladder(price, at).line(item.quantity) for (offer, price), item in zip(offers, items, strict=True)]


def _offers(live: Live, wanted: Wanted, items: Sequence[Item], keys: Sequence[tuple[bytes, bytes]]) -> list[Priced | None]:
    """What was read of each item's product, without its discount where the feature is off."""
    is_on = wanted.flags()[BULK_DISCOUNTS]
    return [read_priced(live, wanted, is_on, item.product_id, *each) for item, each in zip(items, keys, strict=True)]


def _items(body: Mapping[str, Any]) -> tuple[list[Item], list[Fault]]:
    """The lines that a body asks for, and what is wrong with them."""
    if "items" not in body:
        item, faults = _item(body, "")
        return [item], faults
    given = body["items"]
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_ITEMS:
        seen = f"{len(given)} items" if isinstance(given, list) else given
        return [], [fault("items", f"items must be a list of 1 to {MOST_ITEMS} items", seen)]
    if alone := [name for name in ("productId", "quantity") if name in body]:
        return [], [{"field": alone[0], "message": "stands beside items: give one or the other."}]
    read = [_item(each, f"items[{at}]") for at, each in enumerate(given)]
    return [item for item, _ in read], [each for _, faults in read for each in faults]


def _item(given: Any, field: str) -> tuple[Item, list[Fault]]:
    if not isinstance(given, Mapping):
        return Item("", 0, field), [fault(field, f"{field} must be an object", given)]
    within = f"{field}." if field else ""
    n, faults = quantity(given.get("quantity"), f"{within}quantity")
    if isinstance(given.get("quantity"), str):
        # what a query spells in digits is a number in JSON
        faults = [fault(f"{within}quantity", "quantity must be a number, not a text", given["quantity"])]
    product_id = given.get("productId")
    if not isinstance(product_id, str) or not 0 < len(product_id) <= LONGEST_ID:
        faults.append(fault(f"{within}productId", f"productId must be a text of 1 to {LONGEST_ID} characters", product_id))
    return Item(str(product_id), n, f"{within}productId"), faults


def _all_priced(items: Sequence[Item], found: Sequence[Priced | None]) -> list[tuple[Priced, Decimal]]:
    """Every line's product with its price. Raises ApiError 404 where one is unknown, 400 where one has no price."""
    pairs = list(zip(items, found, strict=True))
    if None in found:
        raise refused(
            404, "Unknown product", [unknown_fault(item.product_id, item.field) for item, offer in pairs if offer is None]
        )
    offers = [(offer, offer.price) for offer in found if offer is not None]
    free = [no_price_fault(item.product_id, item.field) for item, offer in pairs if offer is not None and offer.price is None]
    if free:
        raise refused(400, "No price", free)
    return [(offer, price) for offer, price in offers if price is not None]
