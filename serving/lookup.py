"""The read API: recommendations of a product, from Redis or the process's own memory, bytes in and bytes out.

Each answer is built from one generation, resolved once. Common answers parse no JSON and build none: the manifest's bytes,
a fresh impression id and the stored products are joined. Sections of references are put together (personal.py) once per page
and then lie in memory as any other, or, for a customer or a live session, for that one answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time
from typing import NamedTuple

from models.generation import split_payload
from serving import live_sessions
from serving.cache import Cache
from serving.errors import ApiError, StoreAway, brief, invalid
from serving.generations import Generations
from serving.personal import Assembly
from serving.reply import HARDENED, Identifiers, Reply
from serving.requests import ReadRequest
from serving.sections import BY_PAGE, Live, Shown
from serving.store import Store

# an impression id is fresh in each answer, so nobody may keep one unasked; asking is cheap, see the ETag
NOT_MODIFIED_HEAD = b"cache-control: private, no-cache\r\n"
JSON_HEAD = b"content-type: application/json\r\n" + NOT_MODIFIED_HEAD + HARDENED
PERSONAL_HEAD = b"content-type: application/json\r\ncache-control: private, no-store\r\n" + HARDENED


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

    def visitor(self, live: Live, fields: Mapping[str, str], product_id: str) -> Visitor | None:
        """Who asks, where the request says so; a live session has then viewed the page's product."""
        customer, session = fields.get("customerId", ""), fields.get("sessionId", "")
        if not customer and not session:
            return None
        now_ms = int(time() * 1000)
        if session:
            self.store.write(live_sessions.view(live.company, session, product_id, now_ms))
        return Visitor(customer, live_sessions.recent(live.company, session, now_ms) if session else None)

    async def fill(self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None]) -> list[bytes | None]:
        """The same, completed from the store, with the fallback where a product has none; None is left where neither has.

        Raises StoreAway.
        """
        made = [section for section, payload in zip(shown, found, strict=True) if payload is None and section.personal is not None]
        if made:
            anchor = product_id.encode()
            found, parts = await self._assemble(live, shown, product_id, found, NOBODY)
            for section, (products, _) in zip(made, parts, strict=True):
                if products or live.fallbacks:
                    self.cache.put(section.prefix + anchor, products, live.cached)
        else:
            found = await self._read(live, shown, product_id, found)
        return self._stand_in(live, shown, product_id, found)

    async def fill_for(
        self, visitor: Visitor, live: Live, shown: Sequence[Shown], product_id: str
    ) -> tuple[list[bytes | None], list[int]]:
        """Products per section and for whom they were chosen; sections of references are made for the visitor.

        Raises StoreAway where not even what everybody sees is in memory.
        """
        everybody = self.cached(shown, product_id)
        found = [None if section.personal is not None else payload for section, payload in zip(shown, everybody, strict=True)]
        try:
            found, parts = await self._assemble(live, shown, product_id, found, visitor)
        except StoreAway:
            if None in everybody:
                raise
            return self._stand_in(live, shown, product_id, everybody), [BY_PAGE] * len(shown)
        made = iter(parts)
        by = [next(made)[1] if section.personal is not None else BY_PAGE for section in shown]
        return self._stand_in(live, shown, product_id, found), by

    async def _assemble(
        self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None], visitor: Visitor
    ) -> tuple[list[bytes | None], list[tuple[bytes, int]]]:
        rules = [section.personal for section, payload in zip(shown, found, strict=True) if payload is None and section.personal]
        assembly = Assembly(live, self.cache, self.store, product_id, rules, visitor.customer)
        found = await self._read(live, shown, product_id, found, assembly, visitor.command)
        parts = await assembly.finish()
        made = iter(parts)
        return [next(made)[0] if payload is None else payload for payload in found], parts

    async def _read(
        self,
        live: Live,
        shown: Sequence[Shown],
        product_id: str,
        found: list[bytes | None],
        assembly: Assembly | None = None,
        command: live_sessions.Command | None = None,
    ) -> list[bytes | None]:
        """One read for what is missing of all sections; those of references are left to `assembly`, whose lists ride along."""
        anchor = product_id.encode()
        keys: list[bytes] = []
        fallbacks: list[bytes] = []
        for section, payload in zip(shown, found, strict=True):
            if payload is None and section.personal is None:
                keys.append(section.prefix + anchor)
            # a fallback rides along until it has been read once: from then on it stays with its generation
            fallback = section.fallback_key
            if not payload and fallback is not None and fallback not in live.fallbacks and fallback not in fallbacks:
                fallbacks.append(fallback)
        lists = assembly.lists() if assembly is not None else []
        if not keys and not fallbacks and not lists and command is None:
            return found
        pending = self.store.read(keys + fallbacks + lists, command)
        values = await pending
        n_others = len(keys) + len(fallbacks)
        for key, value in zip(fallbacks, values[len(keys) : n_others], strict=True):
            if value is not None:
                live.fallbacks[key] = split_payload(value)[0]
        if assembly is not None:
            assembly.keep(lists, values[n_others:])
            assembly.viewed = live_sessions.viewed(pending.reply, product_id)
        read = iter(values)
        return [
            self._keep(live, section, anchor, next(read)) if payload is None and section.personal is None else payload
            for section, payload in zip(shown, found, strict=True)
        ]

    def _keep(self, live: Live, section: Shown, anchor: bytes, value: bytes | None) -> bytes:
        products = section.shown(value) if value is not None else b""
        # that a payload is absent is kept only of a generation that is there: a flushed store may fill again
        if products or live.fallbacks:
            self.cache.put(section.prefix + anchor, products, live.cached)
        return products

    def _stand_in(self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None]) -> list[bytes | None]:
        if all(found):
            return found
        return [payload or _fallback(live, section, product_id) for section, payload in zip(shown, found, strict=True)]


class Visitor(NamedTuple):
    """Who asks: a customer's id, "" for a guest, and the command that reads the live session, if there is one."""

    customer: str
    command: live_sessions.Command | None


NOBODY = Visitor("", None)


def _fallback(live: Live, section: Shown, product_id: str) -> bytes | None:
    whole = live.fallbacks.get(section.fallback_key) if section.fallback_key else None
    return section.stand_in(whole, product_id) if whole is not None else None


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
