"""How many requests a company and an address may make in a minute, over all processes.

Each process counts by itself, in a dictionary, and tells the others through Redis some times a second; so a limit is exact but for
what comes in between, and holds per process where Redis is away. An address or company is told of once it has used one part in
TOLD_OF of its limit, so that the many who ask a little cost Redis nothing: as many processes may together let that much more by.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import time
from typing import NoReturn
from urllib.parse import quote

from serving.company_documents import Documents
from serving.errors import ApiError
from serving.metrics import Metrics
from serving.store import Store

log = logging.getLogger("serving.limits")
WINDOW_SECONDS = 60
SHARE_SECONDS = 0.2
TOLD_OF = 16
# addresses beyond as many in a minute are not counted: no limit by address ends what comes from so many
MOST_COUNTED = 200_000
KEYS_PER_CALL = 500
# a window's key ends by itself, a minute after the window
ADD = """
local totals = {}
for at, key in ipairs(KEYS) do
  totals[at] = redis.call('INCRBY', key, ARGV[at])
  redis.call('EXPIRE', key, 120)
end
return totals
"""


class Counts:
    """Requests of this minute, by who made them: of all processes as far as they have told, and of this one since."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._n: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._to_tell: set[str] = set()

    def admits(self, who: str, limit: int) -> bool:
        """Whether `who` may make one more; then it is counted."""
        n = self._n.get(who, 0)
        if n >= limit:
            return False
        if n or len(self._n) < MOST_COUNTED:
            self._n[who] = n = n + 1
            if n * TOLD_OF >= limit:
                self._to_tell.add(who)
        return True

    def untold(self) -> dict[str, int]:
        """Who made how many by now, of those that the others are to know of; each is asked for once."""
        who, self._to_tell = self._to_tell, set()
        return {each: self._n[each] for each in who}

    def tell_again(self, who: list[str]) -> None:
        """They could not be told of."""
        self._to_tell.update(who)

    def own(self, who: str, n: int) -> int:
        """How many of `n` nobody has been told of."""
        return n - self._told.get(who, 0)

    def learn(self, who: str, n: int, total: int) -> None:
        """All together had made `total` when this process had counted `n`."""
        self._told[who] = total
        self._n[who] += total - n

    def clear(self) -> None:
        """Another minute begins."""
        for each in (self._n, self._told, self._to_tell):
            each.clear()


class Limits:
    """The limits of all companies, as their settings have them."""

    def __init__(self, documents: Documents, store: Store, metrics: Metrics, clock: Callable[[], float] = time) -> None:
        self._documents, self._store, self._metrics, self._clock = documents, store, metrics, clock
        self._addresses, self._companies = Counts("a"), Counts("c")
        self._window = self._now()

    def admit(self, company: str, caller: str) -> None:
        """Count a request of `caller` ("" is nobody's) to `company` ("" where it names none). Raises ApiError 429.

        An address' requests to all companies count together, against the limit of the company that is asked.
        """
        settings = self._documents.of(company).settings
        limit = settings.address_requests_per_minute
        if caller and limit and not self._admits(self._addresses, caller, limit):
            self._refuse(company, f"More than {limit} requests of one address in a minute.")
        limit = settings.requests_per_minute
        if limit and company and not self._admits(self._companies, company, limit):
            self._refuse(company, f"More than {limit} requests to this company in a minute.")

    async def share(self) -> None:
        """Tell the other processes and learn from them, for ever."""
        while True:
            await asyncio.sleep(SHARE_SECONDS)
            try:
                await self.share_once()
            except ApiError:
                # what this process counts holds meanwhile; the store's own connection tells the log
                continue
            except Exception:
                log.exception("Limits could not be shared")

    async def share_once(self) -> None:
        """Once. Raises StoreAway."""
        self._turn()
        for counts in (self._addresses, self._companies):
            await self._share(counts)

    def _admits(self, counts: Counts, who: str, limit: int) -> bool:
        # the clock is asked where it matters alone: a minute that has ended since refuses nobody
        return counts.admits(who, limit) or (self._turn() and counts.admits(who, limit))

    def _turn(self) -> bool:
        """Begin another minute, if it has come."""
        now = self._now()
        if now == self._window:
            return False
        self._window = now
        self._addresses.clear()
        self._companies.clear()
        return True

    async def _share(self, counts: Counts) -> None:
        window, rows = self._window, list(counts.untold().items())
        for start in range(0, len(rows), KEYS_PER_CALL):
            some = rows[start : start + KEYS_PER_CALL]
            keys = [f"upsell:rate:{window}:{counts.prefix}:{quote(who, safe='')}" for who, _ in some]
            try:
                totals = await self._store.ask(("EVAL", ADD, len(keys), *keys, *(counts.own(*row) for row in some)))
            except ApiError:
                if window == self._window:
                    counts.tell_again([who for who, _ in rows[start:]])
                raise
            if window != self._window:
                # what was counted before is nobody's concern any more
                return
            if isinstance(totals, list):
                for (who, n), total in zip(some, totals, strict=True):
                    counts.learn(who, n, total)

    def _now(self) -> int:
        return int(self._clock() // WINDOW_SECONDS)

    def _refuse(self, company: str, detail: str) -> NoReturn:
        self._metrics.count("limited_requests", company)
        wait = WINDOW_SECONDS - int(self._clock() % WINDOW_SECONDS)
        raise ApiError(429, "Too many requests", detail, headers={"retry-after": str(wait)})
