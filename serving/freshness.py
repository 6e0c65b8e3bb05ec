"""How old every company's live generation is and what it covers, as Redis tells whichever process is asked.

A process's own memory would not do: it knows only the companies that it was asked for, and each process other ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from models.generation import COMPANIES_KEY, Manifest, kept_key, live_key, manifest_key
from serving.errors import ApiError, StoreAway
from serving.store import Store

MOST_COMPANIES = 10_000
POINTERS_PER_CALL = 500
# their manifests are read between the answers to requests
MANIFESTS_PER_CALL = 20


class Published(NamedTuple):
    """A company's live generation: when it was published (seconds since 1970), and by kind how many anchors have a list."""

    generation: str
    at: float
    anchors: Mapping[str, int]


class Freshness:
    """What this process read last stands while Redis is away; a manifest is read once."""

    def __init__(self, store: Store) -> None:
        self._store, self._one_at_a_time = store, asyncio.Lock()
        self._published: dict[str, Published] = {}

    async def read(self) -> Mapping[str, Published]:
        """Every company's, by its name, up to MOST_COMPANIES."""
        async with self._one_at_a_time:
            # health and log tell of a store that is away
            with suppress(ApiError):
                await self._refresh()
            return dict(self._published)

    async def _refresh(self) -> None:
        companies = sorted(_text(member) for member in await self._ask(("SMEMBERS", COMPANIES_KEY)))[:MOST_COMPANIES]
        live: dict[str, str] = {}
        for some in _parts(companies, POINTERS_PER_CALL):
            pointers = await self._ask(("MGET", *map(live_key, some)))
            live |= {company: _text(pointer) for company, pointer in zip(some, pointers, strict=True) if pointer is not None}
        self._published = {company: each for company, each in self._published.items() if company in live}
        known = {(company, each.generation) for company, each in self._published.items()}
        for part in _parts(sorted(live.items() - known), MANIFESTS_PER_CALL):
            found = await asyncio.gather(*(self._of(company, generation) for company, generation in part))
            self._published |= {company: each for (company, _), each in zip(part, found, strict=True) if each is not None}

    async def _of(self, company: str, generation: str) -> Published | None:
        """None for what cannot be read, which generations.py tells of."""
        record = await self._ask(("HGET", kept_key(company), generation))
        [document] = await self._ask(("MGET", manifest_key(company, generation)))
        try:
            published_at = datetime.fromisoformat(json.loads(record or b"{}")["publishedAt"])
            manifest = Manifest.from_json(document or b"")
        except (ValueError, TypeError, KeyError):
            return None
        return Published(
            generation, published_at.timestamp(), {kind.kind: kind.n_anchors for kind in manifest.kinds if kind.section}
        )

    async def _ask(self, command: tuple[Any, ...]) -> Any:
        reply = await self._store.ask(command)
        if isinstance(reply, Exception):
            raise StoreAway from reply
        return reply


def _parts(rows: Sequence[Any], n: int) -> list[Sequence[Any]]:
    return [rows[start : start + n] for start in range(0, len(rows), n)]


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
