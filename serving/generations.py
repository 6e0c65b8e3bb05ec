"""Which generation is live for a company, known in this process and kept fresh.

With it comes what the company has decided (company_documents.py). Three ways keep both fresh: a published change is acted on at
once; once a second all known pointers and stamps are read, in case a message was lost; a company that is not known yet is looked
up by the request that asks for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import Any

from models.generation import CHANGED_CHANNEL, COMPANIES_KEY, Manifest, live_key, manifest_key
from models.published_configs import EVERYBODY
from serving import wire
from serving.cache import Cache
from serving.company_documents import Documents
from serving.company_documents import keys as document_keys
from serving.errors import ApiError, brief
from serving.sections import Live
from serving.settings import Settings
from serving.store import KEYS_PER_READ, Store

log = logging.getLogger("serving.generations")
MOST_COMPANIES = 10_000
PAUSE_SECONDS = 0.5

Mget = Callable[[Sequence[bytes]], Awaitable[list[bytes | None]]]


class Generations:
    """`known` maps a company to its live generation; absent means not looked up yet."""

    def __init__(self, settings: Settings, address: wire.Address, store: Store, cache: Cache) -> None:
        self._settings, self._address, self._store, self._cache = settings, address, store, cache
        self.known: dict[str, Live] = {}
        self.documents = Documents()
        self.n_published = 0
        self.latency_seconds: float | None = None
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    async def load(self, company: str) -> Live:
        """Resolve a company's pointer in the store now; awaited by requests, so it awaits nothing but the store.

        Raises ApiError 404 where nothing is published, StoreAway where the store or the manifest cannot be read.
        """
        (pointer,) = await self._store.read([live_key(company).encode()])
        if pointer is None:
            raise ApiError(404, "Unknown company", f"Nothing is published for the company {brief(company)}.")
        generation = pointer.decode()
        if not self._is_known(company, generation):
            unread = self.documents.unread(company)
            wanted = [key for each in unread for key in document_keys(each)]
            manifest, *values = await self._store.read([manifest_key(company, generation).encode(), *wanted])
            # many requests may have waited for the same manifest: the first one adopts it
            self.documents.adopt(unread, values)
            if not self._is_known(company, generation) and not self._adopt(company, generation, manifest):
                raise ApiError(503, "Generation unreadable", "The live generation cannot be read.", headers={"retry-after": "5"})
        return self.known[company]

    async def watch(self) -> None:
        """Listen for changes and poll, for ever; `latency_seconds` is None while the store is away."""
        while True:
            try:
                connection = await wire.connect(self._address, self._settings.store_timeout_seconds, self._on_push)
                try:
                    connection.send(("SUBSCRIBE", CHANGED_CHANNEL))
                    await self._follow(connection)
                finally:
                    connection.close()
            except (wire.Lost, wire.Refused):
                # the store's own connection tells the log
                self.latency_seconds = None
            except Exception:
                log.exception("Watching the generations failed")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, connection: wire.Connection) -> None:
        async def mget(keys: Sequence[bytes]) -> list[bytes | None]:
            values: list[bytes | None] = await connection.call("MGET", *keys)
            return values

        closed = asyncio.ensure_future(self._wake_when_closed(connection))
        try:
            polled_at = 0.0
            while True:
                self._wake.clear()
                if monotonic() - polled_at >= self._settings.poll_seconds:
                    polled_at = monotonic()
                    self.n_published = await connection.call("SCARD", COMPANIES_KEY)
                    self.latency_seconds = monotonic() - polled_at
                    await self._refresh(list(self.known), mget)
                    await self.documents.refresh(self.known, mget)
                changed, self._changed = self._changed, set()
                await self._refresh(changed & self.known.keys(), mget)
                if changed & {EVERYBODY, *self.known}:
                    await self.documents.refresh(changed & self.known.keys(), mget)
                await self._sleep_until(polled_at + self._settings.poll_seconds)
        finally:
            closed.cancel()

    async def _wake_when_closed(self, connection: wire.Connection) -> None:
        await connection.closed
        self.latency_seconds = None
        self._wake.set()

    async def _sleep_until(self, at: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, at - monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _on_push(self, message: list[Any]) -> None:
        if message[0] == b"message":
            self._changed.add(message[2].decode("utf-8", "replace"))
            self._wake.set()

    async def _refresh(self, companies: Iterable[str], mget: Mget) -> None:
        """Read pointers, then the manifests of those that moved."""
        asked = list(companies)
        for start in range(0, len(asked), KEYS_PER_READ):
            some = asked[start : start + KEYS_PER_READ]
            pointers = await mget([live_key(company).encode() for company in some])
            moved = []
            for company, pointer in zip(some, pointers, strict=True):
                if pointer is None:
                    self._drop(company)
                elif not self._is_known(company, pointer.decode()):
                    moved.append((company, pointer.decode()))
            if moved:
                manifests = await mget([manifest_key(*pair).encode() for pair in moved])
                for (company, generation), manifest in zip(moved, manifests, strict=True):
                    self._adopt(company, generation, manifest)

    def _is_known(self, company: str, generation: str) -> bool:
        live = self.known.get(company)
        return live is not None and live.generation == generation

    def _adopt(self, company: str, generation: str, document: bytes | None) -> bool:
        """Make a generation the one that requests see; a broken one leaves the earlier one in place."""
        try:
            manifest = Manifest.from_json(document or b"")
            if (manifest.company, manifest.id) != (company, generation):
                raise ValueError(f"The manifest is of {manifest.company}, {manifest.id}.")
            live = Live(company, manifest)
        except (ValueError, TypeError) as error:
            log.error(
                "A live generation cannot be read",
                extra={"company": company, "generation": generation, "reason": str(error)},
            )
            return False
        self._forget(company)
        if len(self.known) >= MOST_COMPANIES:
            self._drop(next(iter(self.known)))
        self.known[company] = live
        return True

    def _drop(self, company: str) -> None:
        self._forget(company)
        self.documents.forget(company)

    def _forget(self, company: str) -> None:
        live = self.known.pop(company, None)
        if live is not None:
            self._cache.forget(live.cached)
