"""How much waits in the stream, for how long, and whether Redis would still have it after a crash: asked now and then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from models.events import STREAM_KEY
from serving.errors import ApiError
from serving.store import Store

POLL_SECONDS = 1.0
# what a crash costs changes with a configuration alone
POLLS_PER_PERSISTENCE = 30
APPEND_ONLY_ADVICE = (
    "Redis keeps no append-only file: what it has not drained yet is lost when it crashes. Set `appendonly yes` and "
    "`appendfsync always` (or `everysec`, for a second at most)."
)


@dataclass
class Backlog:
    """As of the last poll; None where Redis does not tell, or was not asked yet.

    n: entries of the stream. oldest_seconds: how long the first of them has waited, 0 of none. append_fsync: always, everysec, no.
    """

    n: int = 0
    oldest_seconds: float | None = None
    append_only: bool | None = None
    append_fsync: str | None = None

    async def watch(self, store: Store) -> None:
        """Poll for ever."""
        n_polls = 0
        while True:
            try:
                await self.poll(store, n_polls % POLLS_PER_PERSISTENCE == 0)
                n_polls += 1
            except ApiError:
                # the store's own connection tells the log
                n_polls = 0
            await asyncio.sleep(POLL_SECONDS)

    async def poll(self, store: Store, persistence: bool) -> None:
        """Ask Redis now. Raises StoreAway."""
        n = await store.ask(("XLEN", STREAM_KEY))
        first = await store.ask(("XRANGE", STREAM_KEY, "-", "+", "COUNT", 1))
        if isinstance(n, int) and isinstance(first, list):
            self.n = n
            self.oldest_seconds = await _age(store, first[0][0]) if first else 0.0
        if persistence:
            info, setting = await store.ask(("INFO", "persistence")), await store.ask(("CONFIG", "GET", "appendfsync"))
            self.append_only, self.append_fsync = _append_only(info), _setting(setting)

    def check(self) -> dict[str, Any]:
        """As health shows it."""
        document: dict[str, Any] = {
            "ok": self.append_only is not False,
            "backlog": self.n,
            "oldestSeconds": self.oldest_seconds,
            "appendOnly": self.append_only,
            "appendFsync": self.append_fsync,
        }
        return document if document["ok"] else {**document, "advice": APPEND_ONLY_ADVICE}


async def _age(store: Store, entry_id: bytes) -> float | None:
    """Seconds since an entry came, by Redis' own clock, which its id is of."""
    now = await store.ask(("TIME",))
    if not isinstance(now, list):
        return None
    return max(0.0, round(int(now[0]) + int(now[1]) / 1e6 - int(entry_id.partition(b"-")[0]) / 1000, 3))


def _append_only(info: Any) -> bool | None:
    # RESP3 has a type of its own for such texts, which hiredis hands over as str
    text = info.encode() if isinstance(info, str) else info
    return b"aof_enabled:1" in text if isinstance(text, bytes) else None


def _setting(reply: Any) -> str | None:
    """The one value of CONFIG GET, where it may be asked."""
    value = next(iter(reply.values()), None) if isinstance(reply, dict) else None
    return value.decode() if isinstance(value, bytes) else None
