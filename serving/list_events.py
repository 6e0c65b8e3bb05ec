"""POST of what visitors do with products: looked at, clicked in a list, put into the cart from one.

The id of a shown list carries the page's product, signed, so that a click needs no record of the page.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from models import events
from models.generation import PRODUCT, SESSION_MS, SESSION_PRODUCTS, payload_prefix, session_key
from models.impression_ids import UPSELL, derived_nonce
from serving import events_scripts as scripts
from serving.errors import unknown_product
from serving.event_requests import Said, answered, said_in, unknown_impression

# kinds of the contract: one that is withheld today may have been shown yesterday
EVER_SHOWN = {kind: kind.upper().replace("-", "_") for kind in ("also-bought", "you-might-like", "frequently-viewed")}


async def view(request: Request) -> Response:
    """POST /api/recommendations/view: a product's page was looked at; the live session knows it with the next page."""
    said = await said_in(request)
    body = said.body
    product_id, session, customer = body.id("productId"), body.id("sessionId"), body.optional_id("customerId")
    source, source_product_id, seconds = body.source(), body.optional_id("sourceProductId"), body.seconds("duration")
    body.done()
    live = await said.live()
    id = derived_nonce(said.company, said.key, said.fingerprint).hex() if said.key else said.lookup.ids.fresh().decode()
    event = events.view(id, said.company, said.at, product_id, session, customer, source, source_product_id, seconds)
    keys = session_key(said.company, session), payload_prefix(said.company, live.generation, PRODUCT) + product_id
    own = said.at, product_id, SESSION_PRODUCTS, SESSION_MS
    reply = await said.submit(scripts.VIEW, event, said.once_by_key(""), keys, *own)
    if reply == scripts.UNKNOWN:
        raise unknown_product(product_id)
    said.first_answer(reply, "")
    if reply == scripts.DONE:
        said.counted("views")
    return answered()


async def click(request: Request) -> Response:
    """POST /api/recommendations/click: a product of a shown list was; of an offer's impression, the offer."""
    said = await said_in(request)
    body = said.body
    id, clicked = body.impression(), body.id("clickedProductId")
    body.done()
    if said.signer().read(UPSELL, said.company, id) is not None:
        event = events.upsell_click(id, said.company, said.at)
    else:
        event = events.click(id, said.company, said.at, *await _listed(said, id), clicked)
    if await said.submit(scripts.PLAIN, event, said.once_of(id, event.kind), []) == scripts.DONE:
        said.counted("clicks")
        said.told("Recommendation clicked", productId=clicked)
    return answered()


async def add_to_cart(request: Request) -> Response:
    """POST /api/recommendations/add-to-cart: a product of a shown list was put into the cart."""
    said = await said_in(request)
    body = said.body
    id = body.impression()
    body.optional_id("productId")
    body.done()
    event = events.add_to_cart(id, said.company, said.at, *await _listed(said, id))
    await said.submit(scripts.PLAIN, event, said.once_of(id, event.kind), [])
    return answered()


async def _listed(said: Said, id: str) -> tuple[str, str]:
    """Product of the page and type of the list that an id is of. Raises ApiError 404."""
    read = said.signer().read_page(said.company, id)
    if read is None:
        raise unknown_impression()
    product_id, kind = read
    section = (await said.live()).sections.get(kind)
    # the kind behind the dot is not signed: a list that the company never shows was never issued
    type = section.type if section is not None else EVER_SHOWN.get(kind)
    if type is None:
        raise unknown_impression()
    return product_id, type
