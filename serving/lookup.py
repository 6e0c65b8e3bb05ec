"""The read API: recommendations of a product, from Redis or the process's own memory, bytes in and bytes out.

Each answer is built from one generation, resolved once. Common answers parse no JSON and build none: the manifest's bytes,
a fresh impression id and the stored products are joined.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.generation import split_payload
from serving.cache import Cache
from serving.errors import ApiError, brief, invalid
from serving.generations import Generations
from serving.reply import HARDENED, Identifiers, Reply
from serving.requests import ReadRequest
from serving.sections import NO_PRODUCTS, Live, Shown, without
from serving.store import Store

# an impression id is fresh in each answer, so nobody may keep one unasked; asking is cheap, see the ETag
NOT_MODIFIED_HEAD = b"cache-control: private, no-cache\r\n"
JSON_HEAD = b"content-type: application/json\r\n" + NOT_MODIFIED_HEAD + HARDENED


class Lookup:
    """What a read needs: the live generations, the cache and the store."""

    def __init__(self, generations: Generations, cache: Cache, store: Store) -> None:
        self.generations, self.cache, self.store = generations, cache, store
        self.ids = Identifiers()

    async def moved_on(self, live: Live) -> bool:
        """Whether another generation is live by now, asked of the store where one seems to have vanished."""
        try:
            return (await self.generations.load(live.company)).generation != live.generation
        except ApiError:
            # nothing can be read for it any more: an empty answer serves a shop better than an error
            return False

    def cached(self, shown: Sequence[Shown], product_id: str) -> list[bytes | None]:
        """The products of each section as far as they are in memory: None is not known, b"" is known to be empty."""
        anchor = product_id.encode()
        return [self.cache.get(section.prefix + anchor) for section in shown]

    async def fill(self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None]) -> list[bytes | None]:
        """The same, completed from the store, with the fallback where a product has none; None is left where neither has.

        Raises StoreAway.
        """
        anchor = product_id.encode()
        keys: list[bytes] = []
        fallbacks: list[bytes] = []
        for section, payload in zip(shown, found, strict=True):
            if payload is None:
                keys.append(section.prefix + anchor)
            # a fallback rides along until it has been read once: from then on it stays with its generation
            fallback = section.fallback_key
            if not payload and fallback is not None and fallback not in live.fallbacks and fallback not in fallbacks:
                fallbacks.append(fallback)
        if keys or fallbacks:
            values = await self.store.read(keys + fallbacks)
            for key, value in zip(fallbacks, values[len(keys) :], strict=True):
                if value is not None:
                    live.fallbacks[key] = split_payload(value)[0]
            read = iter(zip(keys, values, strict=False))
            found = [self._keep(live, *next(read)) if payload is None else payload for payload in found]
        if all(found):
            return found
        return [payload or _fallback(live, section, product_id) for section, payload in zip(shown, found, strict=True)]

    def _keep(self, live: Live, key: bytes, value: bytes | None) -> bytes:
        products = split_payload(value)[0] if value is not None else b""
        if products == NO_PRODUCTS:
            products = b""
        # that a payload is absent is kept only of a generation that is there: a flushed store may fill again
        if products or live.fallbacks:
            self.cache.put(key, products, live.cached)
        return products


def _fallback(live: Live, section: Shown, product_id: str) -> bytes | None:
    whole = live.fallbacks.get(section.fallback_key) if section.fallback_key else None
    return without(whole, product_id) if whole is not None else None


async def page(lookup: Lookup, request: ReadRequest) -> Reply:
    """GET /api/products/{product_id}/recommendations: the enabled sections in the page's order, or those of `sections=`."""
    fields = request.fields()
    product_id = request.path_id("product_id", "productId")
    asked = fields.get("sections", "")
    live = lookup.generations.known.get(fields["companyId"]) or await lookup.generations.load(fields["companyId"])
    shown = _chosen(live, asked) if asked else live.page
    etag = live.etag(product_id, asked)
    if request.unchanged(etag):
        return _not_modified(etag, request)
    found = lookup.cached(shown, product_id)
    if not all(found):
        found = await lookup.fill(live, shown, product_id, found)
        if None in found and await lookup.moved_on(live):
            return await page(lookup, request)
    ids = lookup.ids
    parts = [each.around(ids.fresh(), products or NO_PRODUCTS) for each, products in zip(shown, found, strict=True)]
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
    etag = live.etag(product_id, "", kind)
    if request.unchanged(etag):
        return _not_modified(etag, request)
    found: list[bytes | None] = lookup.cached([shown], product_id) if shown.enabled else [NO_PRODUCTS]
    if not all(found):
        found = await lookup.fill(live, [shown], product_id, found)
        if None in found and await lookup.moved_on(live):
            return await section(lookup, request)
    return _ok(shown.around(lookup.ids.fresh(), found[0] or NO_PRODUCTS), etag if found[0] is not None else b"", request)


def _chosen(live: Live, asked: str) -> list[Shown]:
    names = frozenset(filter(None, asked.split(",")))
    for name in names - live.names:
        raise invalid("sections", f"names {brief(name)}, which is none of {', '.join(sorted(live.names))}.")
    return [each for each in live.page if not names or each.type in names or each.kind in names]


def _ok(body: bytes, etag: bytes, request: ReadRequest) -> Reply:
    tag = (b"etag: ", etag, b"\r\n") if etag else ()
    return Reply(200, b"".join((JSON_HEAD, *tag, b"x-request-id: ", request.request_id, b"\r\n")), body)


def _not_modified(etag: bytes, request: ReadRequest) -> Reply:
    return Reply(304, b"%betag: %b\r\nx-request-id: %b\r\n" % (NOT_MODIFIED_HEAD, etag, request.request_id))
