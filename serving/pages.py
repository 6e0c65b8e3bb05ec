"""The read API: recommendations of a product, bytes in and bytes out.

Each answer is built from one generation, resolved once. Common answers parse no JSON and build none: the manifest's bytes,
a fresh impression id and the stored products are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

from models.flags import RECOMMENDATIONS
from serving import impressions
from serving.arrangements import arranged
from serving.company_documents import CompanyDocuments
from serving.errors import ApiError, brief, invalid
from serving.lookup import Lookup, Visitor
from serving.reply import HARDENED, Reply
from serving.requests import ReadRequest
from serving.sections import BY_PAGE, Arrangement, Live, Shown

# an impression id is fresh in each answer, so nobody may keep one unasked; asking is cheap, see the ETag
NOT_MODIFIED_HEAD = b"cache-control: private, no-cache\r\n"
JSON_HEAD = b"content-type: application/json\r\n" + NOT_MODIFIED_HEAD + HARDENED
PERSONAL_HEAD = b"content-type: application/json\r\ncache-control: private, no-store\r\n" + HARDENED
# nobody in particular, section by section
EVERYBODY = repeat(BY_PAGE)


class Asked(NamedTuple):
    """What one request is about, resolved once: of a page its sections, else one alone.

    hidden: sections that the visitor's variant hides, of which the impression has to tell as well. target: of the validator.
    """

    live: Live
    documents: CompanyDocuments
    visitor: Visitor | None
    arrangement: Arrangement
    product_id: str
    shown: Sequence[Shown]
    hidden: Sequence[Shown]
    target: tuple[str, ...]
    is_page: bool


async def page(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/recommendations: the enabled sections in the page's order, or those of `sections=`."""
    fields = request.fields()
    product_id = request.path_id("product_id", "productId")
    names = fields.get("sections", "")
    live = lookup.generations.known.get(fields["companyId"]) or await lookup.generations.load(fields["companyId"])
    documents = lookup.documents.of(live.company)
    if not documents.flags[RECOMMENDATIONS]:
        return _personal(live.whole(product_id, ()), request)
    visitor = lookup.visitor(live, fields, product_id) if len(fields) > 1 else None
    arrangement = arranged(live, documents).everybody
    if visitor is not None:
        arrangement = await lookup.arrangement(live, documents, visitor)
    shown = _chosen(arrangement, names) if names else arrangement.page
    hidden = _named(arrangement.absent, names) if arrangement.absent else ()
    asked = Asked(live, documents, visitor, arrangement, product_id, shown, hidden, (product_id, names), True)
    return await _answer(lookup, request, asked) or await page(lookup, request)


async def section(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/recommendations/{kind}: one section, of any kind that the live manifest shows."""
    fields = request.fields()
    product_id = request.path_id("product_id", "productId")
    kind = request.path_id("kind", "kind")
    live = lookup.generations.known.get(fields["companyId"]) or await lookup.generations.load(fields["companyId"])
    if kind not in live.sections:
        raise ApiError(404, "Unknown section", f"{brief(kind)} is none of {', '.join(live.sections) or 'no sections'}.")
    documents = lookup.documents.of(live.company)
    if not documents.flags[RECOMMENDATIONS]:
        return _personal(live.sections[kind].around(lookup.page_id(live.company, product_id), None), request)
    visitor = lookup.visitor(live, fields, product_id) if len(fields) > 1 else None
    arrangement = await lookup.arrangement(live, documents, visitor)
    shown = arrangement.sections[kind]
    asked = Asked(live, documents, visitor, arrangement, product_id, [shown], (), (product_id, "", kind), False)
    return await _answer(lookup, request, asked) or await section(lookup, request)


async def _answer(lookup: Lookup, request: ReadRequest, asked: Asked) -> Reply | None:
    """The reply; None where the generation has vanished meanwhile, and another one is live."""
    live, _, visitor, arrangement, product_id, shown, _, target, is_page = asked
    etag, by = b"", None
    if visitor is not None and any(each.personal and each.enabled for each in shown):
        found, by = await lookup.fill_for(visitor, live, shown, product_id)
    else:
        etag = live.etag(*target, *arrangement.tag)
        if request.unchanged(etag):
            return _not_modified(etag, request)
        found = lookup.cached(shown, product_id) if is_page or shown[0].enabled else [shown[0].nothing]
        lookup.count_reads(live.company, len(found), found.count(None))
        if not all(found):
            found = await lookup.fill(live, shown, product_id, found)
    if None in found and await lookup.moved_on(live):
        return None
    page_id = lookup.page_id(live.company, product_id)
    parts = [each.around(page_id, products, whom) for each, products, whom in zip(shown, found, by or EVERYBODY, strict=False)]
    if visitor is not None and visitor.session:
        _note(lookup, asked, page_id, found)
    body = live.whole(product_id, parts) if is_page else parts[0]
    if not etag:
        return _personal(body, request)
    return _ok(body, etag if None not in found else b"", request)


def _note(lookup: Lookup, asked: Asked, page_id: bytes, found: Sequence[bytes | None]) -> None:
    live, documents, visitor, arrangement, product_id, shown, hidden, *_ = asked
    seen = [*zip(shown, found, strict=True), *((each, None) for each in hidden)]
    impressions.note(lookup, live, documents, visitor, product_id, page_id, arrangement, seen)


def _chosen(arrangement: Arrangement, asked: str) -> Sequence[Shown]:
    for name in frozenset(filter(None, asked.split(","))) - arrangement.names:
        raise invalid("sections", f"names {brief(name)}, which is none of {', '.join(sorted(arrangement.names))}.")
    return _named(arrangement.enabled, asked)[: arrangement.max_sections]


def _named(sections: Sequence[Shown], asked: str) -> Sequence[Shown]:
    """Those that `asked` names by type or kind, all where it names none."""
    names = frozenset(filter(None, asked.split(",")))
    return [each for each in sections if each.type in names or each.kind in names] if names else sections


def _ok(body: bytes, etag: bytes, request: ReadRequest) -> Reply:
    tag = b"etag: " + etag + b"\r\n" if etag else b""
    return Reply(200, JSON_HEAD + tag + b"x-request-id: " + request.request_id + b"\r\n", body)


def _personal(body: bytes, request: ReadRequest) -> Reply:
    return Reply(200, b"%bx-request-id: %b\r\n" % (PERSONAL_HEAD, request.request_id), body)


def _not_modified(etag: bytes, request: ReadRequest) -> Reply:
    return Reply(304, b"%betag: %b\r\nx-request-id: %b\r\n" % (NOT_MODIFIED_HEAD, etag, request.request_id))
