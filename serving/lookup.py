"""What sections show, from the process's own memory or from Redis.

Sections of references are put together (personal.py) once per page and then lie in memory as any other, or, for a customer or a
live session, for that one answer.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from time import time
from typing import Any, NamedTuple

from models.generation import PRODUCT, payload_prefix, split_payload
from models.impression_ids import Signer
from serving import live_sessions
from serving.arrangements import arranged, for_visitor
from serving.cache import Cache
from serving.company_documents import CompanyDocuments, Documents
from serving.errors import ApiError, StoreAway
from serving.generations import Generations
from serving.personal import Assembly, at_present
from serving.reply import Identifiers
from serving.sections import BY_PAGE, Arrangement, Live, Shown, objects
from serving.store import Pending, Store


class Visitor(NamedTuple):
    """Who asks, and when (ms since 1970): a customer's id, "" for a guest, a session's, "" for none."""

    customer: str
    session: str
    at: int

    def command(self, live: Live) -> live_sessions.Command | None:
        """The command that reads the live session, if there is one."""
        return live_sessions.recent(live.company, self.session, self.at) if self.session else None


NOBODY = Visitor("", "", 0)


class Lookup:
    """What a read needs: the live generations, the cache and the store."""

    def __init__(self, generations: Generations, cache: Cache, store: Store) -> None:
        self.generations, self.cache, self.store = generations, cache, store
        self.ids = Identifiers()
        self.documents: Documents = generations.documents
        # each None until who makes it has: app.py
        self.intake: Any = None
        self.signer: Signer | None = None
        self.metrics: Any = None
        self.rule_sets: Any = None
        self.exposures: Any = None

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
        held = self.cache.get
        return [held(section.prefix + anchor) for section in shown]

    def count_reads(self, company: str, n: int, n_missing: int) -> None:
        """Have `n` reads counted, `n_missing` of which memory could not answer."""
        if self.metrics is not None:
            if n > n_missing:
                self.metrics.count("cache_hits", company, n - n_missing)
            if n_missing:
                self.metrics.count("cache_misses", company, n_missing)

    def page_id(self, company: str, product_id: str) -> bytes:
        """What the impression ids of an answer begin with: signed, as soon as Redis has been reached once."""
        fresh = self.ids.fresh()
        return self.signer.page(company, product_id, unhexlify(fresh)) if self.signer is not None else fresh

    async def arrangement(self, live: Live, documents: CompanyDocuments, visitor: Visitor | None) -> Arrangement:
        """The sections as the company has them by now, and as the visitor's variants do."""
        if visitor is None:
            return arranged(live, documents).everybody
        now = datetime.fromtimestamp(visitor.at / 1000, UTC)
        return await for_visitor(live, documents, self.store, visitor.customer, visitor.session, now)

    def visitor(self, live: Live, fields: Mapping[str, str], product_id: str) -> Visitor | None:
        """Who asks, where the request says so; a live session has then viewed the page's product."""
        customer, session = fields.get("customerId", ""), fields.get("sessionId", "")
        if not customer and not session:
            return None
        now_ms = int(time() * 1000)
        if session:
            self.store.write(live_sessions.view(live.company, session, product_id, now_ms))
        return Visitor(customer, session, now_ms)

    def fill(
        self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None]
    ) -> Coroutine[Pending, None, list[bytes | None]]:
        """The same, completed from the store, with the fallback where a product has none; None is left where neither has.

        Raises StoreAway.
        """
        for section, payload in zip(shown, found, strict=True):
            if payload is None and section.personal is not None:
                return self._fill_for_everybody(live, shown, product_id, found)
        return self._fill_plain(live, shown, product_id, found)

    async def _fill_plain(
        self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None]
    ) -> list[bytes | None]:
        anchor = product_id.encode()
        missing = [at for at, payload in enumerate(found) if payload is None]
        keys = [shown[at].stored + anchor for at in missing]
        fallbacks = _unread_fallbacks(live, shown, found)
        if keys or fallbacks:
            values = await self.store.read(keys + fallbacks)
            _keep_fallbacks(live, fallbacks, values[len(keys) :])
            await self._keep_sections(live, shown, anchor, missing, values, found)
        return found if all(found) else _stand_in(live, shown, product_id, found)

    async def _fill_for_everybody(
        self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None]
    ) -> list[bytes | None]:
        anchor = product_id.encode()
        made = [section for section, payload in zip(shown, found, strict=True) if payload is None and section.personal is not None]
        found, parts = await self._assemble(live, shown, product_id, found, NOBODY)
        for section, (products, _) in zip(made, parts, strict=True):
            if products or live.fallbacks:
                self.cache.put(section.prefix + anchor, products, live.cached)
        return found

    async def fill_for(
        self, visitor: Visitor, live: Live, shown: Sequence[Shown], product_id: str
    ) -> tuple[list[bytes | None], list[int]]:
        """Products per section and for whom they were chosen; sections of references are made for the visitor.

        Raises StoreAway where not even what everybody sees is in memory.
        """
        everybody = self.cached(shown, product_id)
        plain = [payload for section, payload in zip(shown, everybody, strict=True) if section.personal is None]
        self.count_reads(live.company, len(plain), plain.count(None))
        found = [None if section.personal is not None else payload for section, payload in zip(shown, everybody, strict=True)]
        try:
            found, parts = await self._assemble(live, shown, product_id, found, visitor)
        except StoreAway:
            if None in everybody:
                raise
            return _stand_in(live, shown, product_id, everybody), [BY_PAGE] * len(shown)
        made = iter(parts)
        return found, [next(made)[1] if section.personal is not None else BY_PAGE for section in shown]

    async def _assemble(
        self, live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None], visitor: Visitor
    ) -> tuple[list[bytes | None], list[tuple[bytes, int]]]:
        rules = [section.personal for section, payload in zip(shown, found, strict=True) if payload is None and section.personal]
        assembly = Assembly(live, self.cache, self.store, product_id, rules, visitor.customer)
        found = await self._read(live, shown, product_id, found, assembly, visitor.command(live))
        parts = await assembly.finish()
        self.count_reads(live.company, assembly.n_wanted, assembly.n_missing)
        made = iter(parts)
        found = [next(made)[0] if payload is None else payload for payload in found]
        return _stand_in(live, shown, product_id, found), parts

    async def _read(
        self,
        live: Live,
        shown: Sequence[Shown],
        product_id: str,
        found: list[bytes | None],
        assembly: Assembly,
        command: live_sessions.Command | None,
    ) -> list[bytes | None]:
        """One read for what is missing of all sections; those of references, and what stands in, are left to `assembly`, whose
        lists ride along."""
        anchor = product_id.encode()
        missing = [at for at, payload in enumerate(found) if payload is None and shown[at].personal is None]
        keys = [shown[at].stored + anchor for at in missing]
        fallbacks = _unread_fallbacks(live, shown, found)
        lists = assembly.lists()
        if not keys and not fallbacks and not lists and command is None:
            return found
        pending = self.store.read(keys + fallbacks + lists, command)
        values = await pending
        n_others = len(keys) + len(fallbacks)
        _keep_fallbacks(live, fallbacks, values[len(keys) : n_others])
        assembly.keep(lists, values[n_others:])
        assembly.viewed = live_sessions.viewed(pending.reply, product_id)
        await self._keep_sections(live, shown, anchor, missing, values, found)
        return found

    async def _keep_sections(
        self,
        live: Live,
        shown: Sequence[Shown],
        anchor: bytes,
        missing: Sequence[int],
        values: list[bytes | None],
        found: list[bytes | None],
    ) -> None:
        """Put the first of `values` where `found` misses them."""
        for at in missing:
            if shown[at].is_aged:
                values = await self._present(live, [shown[at] for at in missing], values[: len(missing)])
                break
        for at, value in zip(missing, values, strict=False):
            found[at] = self._keep(live, shown[at], anchor, value)

    async def _present(self, live: Live, sections: Sequence[Shown], values: list[bytes | None]) -> list[bytes | None]:
        """The same payloads, those of another generation with this one's products, and without what it does not sell any more."""
        aged = {
            at: objects(split_payload(value)[0])
            for at, (section, value) in enumerate(zip(sections, values, strict=True))
            if section.is_aged and value is not None
        }
        if aged:
            prefix = payload_prefix(live.company, live.generation, PRODUCT)
            named = list(dict.fromkeys(id for rows in aged.values() for id, _ in rows))
            sold = dict(zip(named, await self.store.read([(prefix + id).encode() for id in named]), strict=True)) if named else {}
            for at, rows in aged.items():
                values[at] = b"[%b]" % b",".join(filter(None, (at_present(row, sold[id]) for id, row in rows)))
        return values

    def _keep(self, live: Live, section: Shown, anchor: bytes, value: bytes | None) -> bytes:
        products = section.shown(value) if value is not None else b""
        # that a payload is absent is kept only of a generation that is there: a flushed store may fill again
        if products or live.fallbacks:
            self.cache.put(section.prefix + anchor, products, live.cached)
        return products


def _unread_fallbacks(live: Live, shown: Sequence[Shown], found: Sequence[bytes | None]) -> list[bytes]:
    """Keys of what may stand in: they ride along until they have been read once, and then stay with their generation."""
    keys: list[bytes] = []
    for section, payload in zip(shown, found, strict=True):
        key = section.fallback_key
        if not payload and key is not None and key not in live.fallbacks and key not in keys:
            keys.append(key)
    return keys


def _keep_fallbacks(live: Live, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
    for key, value in zip(keys, values, strict=True):
        if value is not None:
            live.fallbacks[key] = split_payload(value)[0]


def _stand_in(live: Live, shown: Sequence[Shown], product_id: str, found: list[bytes | None]) -> list[bytes | None]:
    return [payload or _fallback(live, section, product_id) for section, payload in zip(shown, found, strict=True)]


def _fallback(live: Live, section: Shown, product_id: str) -> bytes | None:
    best = live.best_of(section.fallback_key)
    return section.stand_in(best, product_id) if best is not None else None
