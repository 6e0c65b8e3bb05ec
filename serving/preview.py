"""What a product's page shows and why, for the company's own people: fresh from the store, and nobody's impression."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from time import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json
from models.flags import RECOMMENDATIONS
from models.generation import Manifest, manifest_key, split_extras
from serving.auth import READ, authorized
from serving.cache import Cache
from serving.lookup import NOBODY, Lookup, Visitor
from serving.pages import PERSONAL_HEAD
from serving.reply import Reply
from serving.requests import decode, identifier, query_fields
from serving.routing import settled
from serving.sections import BY_PAGE, BY_SESSION, Shown

WHOM = {BY_PAGE: "page", BY_SESSION: "session"}
CUSTOMER = "customer"
# what a product put together while it is read says of itself
LIVE_EVIDENCE = ("score", "reason", "similarityScore")
Row = dict[str, Any]


async def preview(request: Request) -> Response:
    """GET /api/admin/recommendations/preview/{product_id}: the page as `customerId` and `sessionId`, where given, would have it.

    Each product has its `evidence`, each section the kind and generation that it is of, whom it was made for, the visitor's
    variant, and the kind's figures. Raises ApiError as the page does, 401 and 403.
    """
    company = authorized(request, READ)
    product_id = identifier("productId", decode("productId", request.path_params["product_id"]))
    fields = query_fields(request.scope["query_string"].decode("latin-1"))
    document = await settled(_preview(request.state.lookup, company, product_id, fields))
    head = b"%bx-request-id: %b\r\n" % (PERSONAL_HEAD, request.state.request_id)
    return Reply(200, head, exact_json.write(document)).response()


async def _preview(lookup: Lookup, company: str, product_id: str, fields: Mapping[str, str]) -> Row:
    # asked of the store, which a cache of this process may be five minutes behind
    live = await lookup.generations.load(company)
    documents = lookup.documents.of(company)
    customer, session = fields.get("customerId", ""), fields.get("sessionId", "")
    visitor = Visitor(customer, session, int(time() * 1000)) if customer or session else None
    arrangement = await lookup.arrangement(live, documents, visitor)
    shown = arrangement.page if documents.flags[RECOMMENDATIONS] else []
    found, by = await Lookup(lookup.generations, Cache(0, 0.0), lookup.store).fill_for(visitor or NOBODY, live, shown, product_id)
    fallbacks = [each.fallback_key or b"" for each in shown]
    keys = [each.stored + product_id.encode() for each in shown]
    manifest, *payloads = await lookup.store.read([manifest_key(company, live.generation).encode(), *keys, *fallbacks])
    figures = Manifest.from_json(manifest).figures if manifest else {}
    stored = list(zip(payloads[: len(shown)], payloads[len(shown) :], strict=True))
    sections = []
    for each, products, whom, pair in zip(shown, found, by, stored, strict=True):
        trial = arrangement.trials.get(each.kind)
        sections.append(
            {
                **_section(each, products, whom, pair),
                **({"experiment": {"id": trial.experiment_id, "variant": trial.variant}} if trial else {}),
                **({"figures": figures[each.kind]} if each.kind in figures else {}),
            }
        )
    return {"productId": product_id, "generation": live.generation, "watermark": live.manifest.watermark, "sections": sections}


def _section(section: Shown, products: bytes | None, whom: int, stored: Sequence[bytes | None]) -> Row:
    """The section as the public page has it, without an impression."""
    document: Row = exact_json.read(section.around(b"", products, whom))
    del document["impressionId"]
    evidence = _evidence(stored[1], "fallback") | (_evidence(stored[0], "list") if section.personal is None else {})
    for row in document["products"]:
        own = {name: row[name] for name in LIVE_EVIDENCE if name in row}
        row["evidence"] = evidence.get(row["id"], own) if section.personal is None else own
    made = {"kind": section.kind, "generation": section.generation, "madeFor": WHOM.get(whom, CUSTOMER)}
    return made | document


def _evidence(payload: bytes | None, origin: str) -> dict[str, Row]:
    """Product -> what its list says of it; origin: whether that list is the page's own."""
    products, evidence, _ = split_extras(payload or b"[]\n[]")
    rows = zip(json.loads(products or b"[]"), exact_json.read(evidence or b"[]"), strict=False)
    return {row["id"]: {"from": origin, **why} for row, why in rows}
