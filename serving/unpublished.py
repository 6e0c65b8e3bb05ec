"""Configurations that Postgres holds and Redis does not: what a crash left between the two, and what the platform wrote."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

from models import exact_json
from models.published_configs import (
    COMPANY_FOLDERS,
    FOLDERS,
    PENDING_KEY,
    POLLED_KEY,
    POLLER_KEY,
    document,
    publish_command,
    publish_company_command,
    version_of,
)
from serving.database import Database, Transaction
from serving.durable_writes import tell
from serving.errors import ApiError
from serving.store import Store

log = logging.getLogger("serving.configs")
# a write that was noted longer ago than it may take has ended, one way or the other
SETTLED_SECONDS = 10.0
# clocks of the platform and of Postgres may differ, transactions may be long
OVERLAP, LONGEST_GAP = timedelta(minutes=5), timedelta(days=1)
NOTES_PER_POLL = 500


class Unpublished:
    """The poll; of all processes on one Redis, one does it at a time."""

    def __init__(
        self, database: Database, store: Store, seconds: float, deferred: Callable[[str], None] = lambda company: None
    ) -> None:
        """deferred: told of the company of each write that the poll had to publish."""
        self._database, self._store, self._seconds, self._deferred = database, store, seconds, deferred

    async def watch(self) -> None:
        """Poll for ever."""
        while True:
            try:
                if await tell(self._store, ("SET", POLLER_KEY, "1", "NX", "PX", max(1, int(900 * self._seconds)))):
                    await self.poll()
            except ApiError:
                # whichever store is away has been told to the log
                pass
            except Exception:
                log.exception("Publishing configurations failed")
            await asyncio.sleep(self._seconds)

    async def poll(self) -> None:
        """Publish what was noted and has not been confirmed, and every row updated since the last poll."""
        started_ms = int(time() * 1000)
        until = started_ms - int(1000 * min(SETTLED_SECONDS, self._seconds))
        for note in await tell(self._store, ("ZRANGEBYSCORE", PENDING_KEY, "-inf", until, "LIMIT", 0, NOTES_PER_POLL)):
            await self._settle(note)
        polled = await tell(self._store, ("GET", POLLED_KEY))
        now = datetime.fromtimestamp(started_ms / 1000, UTC)
        last = datetime.fromtimestamp(int(polled) / 1000, UTC) if polled else now - LONGEST_GAP
        for resource, folder in FOLDERS.items():
            rows = await self._database.run(_updated_since(folder, max(last - OVERLAP, now - LONGEST_GAP)))
            await self._publish(resource, rows)
        for resource, folder in COMPANY_FOLDERS.items():
            for row in await self._database.run(_changed_since(folder, max(last - OVERLAP, now - LONGEST_GAP))):
                await self._database.run(self._publishing(row["companyId"], resource, folder))
        await tell(self._store, ("SET", POLLED_KEY, started_ms))

    async def _settle(self, note: bytes) -> None:
        """Publish what Postgres now holds of one configuration, a deletion where it holds none."""
        _, company, resource, product_id = json.loads(note)
        if resource in COMPANY_FOLDERS:
            await self._database.run(self._publishing(company, resource, COMPANY_FOLDERS[resource]))
            await tell(self._store, ("ZREM", PENDING_KEY, note))
            self._deferred(company)
            return
        target = {"company": company, "product": product_id, "since": None}

        async def work(transaction: Transaction) -> tuple[dict[str, Any] | None, datetime]:
            alive = await transaction.row("database/alive", {})
            assert alive is not None
            # its instant is read first: a row that is put later is younger
            return await transaction.row(f"{FOLDERS[resource]}/published", target), alive["at"]

        row, at = await self._database.run(work)
        version = version_of(row["updatedAt"] if row else at)
        stored = exact_json.write(document(row)) if row else b""
        is_news = await tell(self._store, publish_command(company, resource, product_id, version, stored))
        # a deletion that something newer stands above may be settled by a later poll
        if is_news or row:
            await tell(self._store, ("ZREM", PENDING_KEY, note))
        if is_news:
            self._deferred(company)

    async def _publish(self, resource: str, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            written = exact_json.write(document(row))
            target = row["companyId"], resource, row["productId"]
            await tell(self._store, publish_command(*target, version_of(row["updatedAt"]), written))

    def _publishing(self, company: str, resource: str, folder: str) -> Any:
        async def work(transaction: Transaction) -> None:
            # whoever writes the resource waits: so the later version is that of the later rows
            await transaction.rows("company_resources/lock", {"company": company, "resource": resource})
            clock = await transaction.row("company_resources/version", {"company": company})
            assert clock is not None
            rows = await transaction.rows(f"{folder}/published", {"company": company, "row": None})
            await tell(self._store, publish_company_command(company, resource, version_of(clock["at"]), rows))

        return work


def _changed_since(folder: str, since: datetime) -> Any:
    async def work(transaction: Transaction) -> list[dict[str, Any]]:
        return await transaction.rows(f"{folder}/changed", {"since": since})

    return work


def _updated_since(folder: str, since: datetime) -> Any:
    async def work(transaction: Transaction) -> list[dict[str, Any]]:
        return await transaction.rows(f"{folder}/published", {"company": None, "product": None, "since": since})

    return work
