"""Postgres, for what is written: a connection per piece of work, few at a time, and never a request that waits without end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row

import sql
from serving.errors import ApiError
from serving.settings import SettingsError

log = logging.getLogger("serving.database")
T = TypeVar("T")
MOST_CONNECTIONS = 4
CONNECT_SECONDS, STATEMENT_SECONDS, ANSWER_SECONDS = 2, 3, 5.0
CHECK_SECONDS = 10.0
OPTIONS = f"-c TimeZone=UTC -c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={STATEMENT_SECONDS}s"


class DatabaseAway(ApiError):
    """Raised when Postgres does not answer in time, refuses, or is not there."""

    def __init__(self, detail: str = "The database does not answer; try again shortly.") -> None:
        super().__init__(503, "Store away", detail, headers={"retry-after": "2"})


def check_address(url: str) -> None:
    """Raises SettingsError for what is no address of a Postgres, without showing it."""
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise SettingsError("DATABASE_URL is no address of the form postgresql://user:password@host:port/db.") from None


class Transaction:
    """The queries of one transaction."""

    def __init__(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        self._connection = connection

    async def rows(self, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """All rows of a query of sql/."""
        cursor = await self._connection.execute(sql.load(name), parameters)
        return await cursor.fetchall()

    async def row(self, name: str, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """The first row, or None."""
        return next(iter(await self.rows(name, parameters)), None)


class Database:
    """The platform's Postgres; `latency_seconds` is None while it is away, as the last check or piece of work found it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._slots = asyncio.Semaphore(MOST_CONNECTIONS)
        self._given_up: set[asyncio.Task[Any]] = set()
        self.latency_seconds: float | None = None

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """What `work` returns, committed; rolled back where it raises.

        Raises DatabaseAway when Postgres is away, or has not answered within ANSWER_SECONDS: whether it was committed is then
        not known.
        """
        task = asyncio.create_task(self._transaction(work))
        done, _ = await asyncio.wait({task}, timeout=ANSWER_SECONDS)
        if not done:
            # psycopg asks the server to cancel and waits for it: nobody need wait for that
            task.cancel()
            self._given_up.add(task)
            task.add_done_callback(self._forget)
            self._note(None, "no answer in time")
            raise DatabaseAway
        return task.result()

    async def watch(self) -> None:
        """Check again and again whether it is there, for ever."""
        while True:
            try:
                await self.run(_nothing)
            except ApiError:
                pass
            except Exception:
                log.exception("Watching Postgres failed")
            await asyncio.sleep(CHECK_SECONDS)

    async def _transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        try:
            async with self._slots:
                started = monotonic()
                async with await psycopg.AsyncConnection.connect(
                    self._url, row_factory=dict_row, connect_timeout=CONNECT_SECONDS, options=OPTIONS
                ) as connection:
                    latency = monotonic() - started
                    result = await work(Transaction(connection))
            self._note(latency)
            return result
        except psycopg.IntegrityError as error:
            raise ApiError(409, "Conflict", "This was changed by someone else at the same time; try again.") from error
        except psycopg.errors.UndefinedTable as error:
            self._note(None, str(error))
            raise DatabaseAway("The database has no tables for this yet; try again once it has been migrated.") from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._note(None, str(error))
            raise DatabaseAway from error

    def _note(self, latency: float | None, reason: str = "") -> None:
        if latency is None and (self.latency_seconds is not None or not self._said_away):
            log.error("Postgres is away", extra={"reason": reason.partition("\n")[0]})
        if latency is not None and self._said_away:
            log.warning("Postgres is back")
        self._said_away = latency is None
        self.latency_seconds = latency

    _said_away = False

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._given_up.discard(task)
        if not task.cancelled():
            task.exception()


async def _nothing(transaction: Transaction) -> None:
    await transaction.rows("database/alive", {})
