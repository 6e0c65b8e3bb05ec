"""Offers for a cart: what targeting shows, the nudges to buy more of its lines, their subscriptions, and the company's preview."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json, holdout
from models.flags import SMART_UPSELL
from models.targeting_facts import Offered, Verdict
from serving.auth import READ, authorized
from serving.cart_answers import impression_token, offer_document, preview_document, with_margin, written_offer
from serving.cart_requests import CartRequest, cart_request
from serving.cart_visits import CartVisit, Targeted, read_cart
from serving.catalogue import live_of
from serving.errors import invalid
from serving.lookup import Lookup
from serving.pages import PERSONAL_HEAD
from serving.reply import Reply
from serving.requests import ReadRequest, query_fields
from serving.routing import settled
from serving.stored_carts import stored_cart

FAILED = "Failed to get targeted upsells"
NOTHING = b'{"upsells":[],"bulkRecommendations":[],"subscriptionOffers":[]}'


async def cart(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/upsell/cart/{cart_id}?items=: of a cart that the storefront keeps itself; the store answers alone."""
    request.failed = FAILED
    fields = request.fields()
    request.path_id("cart_id", "cartId")
    return _reply(await _offers(lookup, cart_request(fields)), request)


async def cart_of_platform(request: Request) -> Response:
    """GET /api/upsell/cart/{cart_id}: of a cart that Postgres holds."""
    request.state.failed = FAILED
    asked = ReadRequest(request.path_params, _query(request), request.scope["headers"], request.state.request_id)
    fields, cart_id = asked.fields(), asked.path_id("cart_id", "cartId")
    request.state.company = asked.company
    lookup: Lookup = request.state.lookup
    # a company that is not served is told so before its carts are looked for
    await settled(live_of(lookup, fields["companyId"]))
    filled = cart_request(fields)
    if "items" not in fields:
        filled = await stored_cart(request.state.database, filled, cart_id)
    return _reply(await settled(_offers(lookup, filled)), asked).response()


async def preview(request: Request) -> Response:
    """GET /api/admin/upsell/preview?cartId= or ?items=: the same, uncounted, with what is known and a verdict on every rule."""
    request.state.failed = FAILED
    company = authorized(request, READ)
    fields = {**query_fields(_query(request)), "companyId": company}
    lookup: Lookup = request.state.lookup
    await settled(live_of(lookup, company))
    asked = cart_request(fields)
    if "items" not in fields:
        if not fields.get("cartId"):
            raise invalid("cartId", "is required where there are no items.")
        asked = await stored_cart(request.state.database, asked, fields["cartId"])
    document = await settled(_preview(lookup, asked))
    return Response(document, 200, {"cache-control": "private, no-store"}, "application/json")


async def _offers(lookup: Lookup, request: CartRequest) -> bytes:
    if not request.items:
        await live_of(lookup, request.company)
        return NOTHING
    found = await read_cart(lookup, request)
    shown: list[bytes] = []
    if found.targeted is not None and found.targeted.visit.lines:
        targeted = found.targeted
        offered = targeted.targeting.offers(targeted.visit)
        if offered and not _is_held_out(lookup, found, offered):
            shown = [written_offer(targeted, each, impression_token(lookup, request, targeted, each)) for each in offered]
    return b"{%b}" % _lists(shown, found)


def _lists(shown: Sequence[bytes], found: CartVisit) -> bytes:
    """The three lists as members of an object; what they hold is JSON already."""
    parts = tuple([b",".join(each) for each in (shown, found.lines.nudges(found.now), found.lines.subscriptions())])
    return b'"upsells":[%b],"bulkRecommendations":[%b],"subscriptionOffers":[%b]' % parts


def _reply(document: bytes, request: ReadRequest) -> Reply:
    """Prices, stock and offers may be others with the next read: nobody keeps them."""
    return Reply(200, b"%bx-request-id: %b\r\n" % (PERSONAL_HEAD, request.request_id), document)


def _is_held_out(lookup: Lookup, found: CartVisit, offered: Sequence[Offered]) -> bool:
    """Whether the session sees none of the offers; either way it is noted that they were due."""
    request, percent = found.request, found.documents.settings.holdout_percent
    if not request.session or not percent:
        return False
    variant = _variant(found)
    lines = found.targeted.visit.lines if found.targeted else ()
    ids = [each.rule.id for each in offered]
    lookup.exposures.note(request.company, request.session, request.customer, variant, lines[0].product_id, ids, found.now)
    return variant == holdout.HOLDOUT


def _variant(found: CartVisit) -> str:
    return holdout.variant_of(found.request.company, found.request.session, found.documents.settings.holdout_percent)


async def _preview(lookup: Lookup, request: CartRequest) -> bytes:
    found = await read_cart(lookup, request, is_preview=True)
    assert found.targeted is not None
    targeted: Targeted = found.targeted
    offered: Sequence[Offered]
    verdicts: Sequence[Verdict]
    offered, verdicts = targeted.targeting.trace(targeted.visit)
    session = request.session
    told = {
        "isEnabled": found.documents.flags[SMART_UPSELL],
        "isHeldOut": bool(session) and _variant(found) == holdout.HOLDOUT,
        **preview_document(found, targeted, verdicts),
    }
    shown = [exact_json.write(with_margin(offer_document(targeted, each, ""), each)) for each in offered]
    return b"{%b,%b" % (_lists(shown, found), exact_json.write(told).removeprefix(b"{"))


def _query(request: Request) -> str:
    query: str = request.scope["query_string"].decode("latin-1")
    return query
