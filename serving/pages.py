"""The read API: recommendations of a product, bytes in and bytes out.

Each answer is built from one generation, resolved once. Common answers parse no JSON and build none: the manifest's bytes,
a fresh impression id and the stored products are joined.
"""

from __future__ import annotations

from serving.errors import ApiError, brief, invalid
from serving.lookup import Lookup
from serving.reply import HARDENED, Reply
from serving.requests import ReadRequest
from serving.sections import Live, Shown

# an impression id is fresh in each answer, so nobody may keep one unasked; asking is cheap, see the ETag
NOT_MODIFIED_HEAD = b"cache-control: private, no-cache\r\n"
JSON_HEAD = b"content-type: application/json\r\n" + NOT_MODIFIED_HEAD + HARDENED
PERSONAL_HEAD = b"content-type: application/json\r\ncache-control: private, no-store\r\n" + HARDENED


async def page(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/recommendations: the enabled sections in the page's order, or those of `sections=`."""
    fields = request.fields()
    product_id = request.path_id("product_id", "productId")
    asked = fields.get("sections", "")
    live = lookup.generations.known.get(fields["companyId"]) or await lookup.generations.load(fields["companyId"])
    shown = _chosen(live, asked) if asked else live.page
    visitor = lookup.visitor(live, fields, product_id) if len(fields) > 1 else None
    if visitor is not None and any(each.personal for each in shown):
        found, by = await lookup.fill_for(visitor, live, shown, product_id)
        if None in found and await lookup.moved_on(live):
            return await page(lookup, request)
        parts = [each.around(lookup.ids.fresh(), *made) for each, made in zip(shown, zip(found, by, strict=True), strict=True)]
        return _personal(live.whole(product_id, parts), request)
    etag = live.etag(product_id, asked)
    if request.unchanged(etag):
        return _not_modified(etag, request)
    found = lookup.cached(shown, product_id)
    if not all(found):
        found = await lookup.fill(live, shown, product_id, found)
        if None in found and await lookup.moved_on(live):
            return await page(lookup, request)
    ids = lookup.ids
    parts = [each.around(ids.fresh(), products) for each, products in zip(shown, found, strict=True)]
    return _ok(live.whole(product_id, parts), etag if None not in found else b"", request)


async def section(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/recommendations/{kind}: one section, of any kind that the live manifest shows."""
    fields = request.fields()
    product_id = request.path_id("product_id", "productId")
    kind = request.path_id("kind", "kind")
    live = lookup.generations.known.get(fields["companyId"]) or await lookup.generations.load(fields["companyId"])
    shown = live.sections.get(kind)
    if shown is None:
        raise ApiError(404, "Unknown section", f"{brief(kind)} is none of {', '.join(live.sections) or 'no sections'}.")
    visitor = lookup.visitor(live, fields, product_id) if len(fields) > 1 else None
    if visitor is not None and shown.personal and shown.enabled:
        found, by = await lookup.fill_for(visitor, live, [shown], product_id)
        if None in found and await lookup.moved_on(live):
            return await section(lookup, request)
        return _personal(shown.around(lookup.ids.fresh(), found[0], by[0]), request)
    etag = live.etag(product_id, "", kind)
    if request.unchanged(etag):
        return _not_modified(etag, request)
    found = lookup.cached([shown], product_id) if shown.enabled else [shown.nothing]
    if not all(found):
        found = await lookup.fill(live, [shown], product_id, found)
        if None in found and await lookup.moved_on(live):
            return await section(lookup, request)
    return _ok(shown.around(lookup.ids.fresh(), found[0]), etag if found[0] is not None else b"", request)


def _chosen(live: Live, asked: str) -> list[Shown]:
    names = frozenset(filter(None, asked.split(",")))
    for name in names - live.names:
        raise invalid("sections", f"names {brief(name)}, which is none of {', '.join(sorted(live.names))}.")
    chosen = [each for each in live.enabled if not names or each.type in names or each.kind in names]
    return chosen[: live.max_sections]


def _ok(body: bytes, etag: bytes, request: ReadRequest) -> Reply:
    tag = (b"etag: ", etag, b"\r\n") if etag else ()
    return Reply(200, b"".join((JSON_HEAD, *tag, b"x-request-id: ", request.request_id, b"\r\n")), body)


def _personal(body: bytes, request: ReadRequest) -> Reply:
    return Reply(200, b"%bx-request-id: %b\r\n" % (PERSONAL_HEAD, request.request_id), body)


def _not_modified(etag: bytes, request: ReadRequest) -> Reply:
    return Reply(304, b"%betag: %b\r\nx-request-id: %b\r\n" % (NOT_MODIFIED_HEAD, etag, request.request_id))
