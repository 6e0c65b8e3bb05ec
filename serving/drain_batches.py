"""Batches of events into Postgres: one transaction each, as often as it takes and with the same outcome."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

import sql
from models import events

log = logging.getLogger("serving.drain")
CONNECT_SECONDS, STATEMENT_SECONDS, LOCK_SECONDS = 2, 60, 10
# what has been stored is forgotten in Redis: a server that would commit before its log is written must not here
DURABLE = "-c synchronous_commit=on"
OPTIONS = f"-c TimeZone=UTC -c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_SECONDS}s {DURABLE}"
# SQLSTATE classes of what lies in the data: of its values, of a constraint, of what a row or an index can hold
FAULTS_OF_DATA = ("22", "23", "54")
TABLES = {kind: "event_" + kind.replace("-", "_") for kind in events.COLUMNS}
COPIES = {
    kind: "copy {} ({}) from stdin".format(TABLES[kind], ", ".join(f'"{name}"' for name in (*events.COMMON, *columns)))
    for kind, columns in events.COLUMNS.items()
}
# what is stored before what changes it; each with the kinds that it is about
STATEMENTS: Sequence[tuple[str, frozenset[str]]] = (
    ("events/view", frozenset((events.VIEW,))),
    ("events/view_rejected", frozenset((events.VIEW,))),
    ("events/upsell_impression", frozenset((events.UPSELL_IMPRESSION,))),
    ("events/upsell_impression_rejected", frozenset((events.UPSELL_IMPRESSION,))),
    ("events/recommendation_impression", frozenset((events.RECOMMENDATION_IMPRESSION,))),
    ("events/recommendation_impression_rejected", frozenset((events.RECOMMENDATION_IMPRESSION,))),
    ("events/answer", frozenset((events.ACCEPT, events.DECLINE))),
    ("events/upsell_click", frozenset((events.UPSELL_CLICK,))),
    ("events/answer_rejected", frozenset((events.ACCEPT, events.DECLINE, events.UPSELL_CLICK))),
    ("events/click", frozenset((events.CLICK,))),
    ("events/add_to_cart", frozenset((events.ADD_TO_CART,))),
    ("events/list_rejected", frozenset((events.CLICK, events.ADD_TO_CART))),
)


class Waiting(NamedTuple):
    """One event as it waits in Redis: where, its kind, and its row."""

    at: str
    kind: str
    row: bytes


class Stored(NamedTuple):
    """What became of a batch: rows that it changed or added, and events that no table could hold."""

    n_rows: int = 0
    n_rejected: int = 0

    def __add__(self, other: tuple[Any, ...]) -> Stored:
        return Stored(self.n_rows + other[0], self.n_rejected + other[1])


async def connect(url: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """A connection with the tables that batches are copied into. Raises psycopg.Error."""
    connection = await psycopg.AsyncConnection.connect(url, connect_timeout=CONNECT_SECONDS, options=OPTIONS, autocommit=True)
    try:
        await connection.execute(sql.load("events/stage"))
    except BaseException:
        await connection.close()
        raise
    return connection


async def store(connection: psycopg.AsyncConnection[Any], batch: Sequence[Waiting]) -> Stored:
    """Have a batch in Postgres; an event that cannot be there is put aside in UpsellRejectedEvent with the reason.

    Raises psycopg.Error where Postgres is away or does not take any event: then some may be stored, and all may be given again.
    """
    if not batch:
        return Stored()
    try:
        async with connection.transaction():
            return await _store(connection, batch)
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(FAULTS_OF_DATA):
            raise
        if len(batch) == 1:
            return await _reject(connection, batch[0], str(error).partition("\n")[0])
    half = len(batch) // 2
    return await store(connection, batch[:half]) + await store(connection, batch[half:])


async def _store(connection: psycopg.AsyncConnection[Any], batch: Sequence[Waiting]) -> Stored:
    rows = by_kind(batch)
    unknown = [waiting for waiting in batch if waiting.kind not in COPIES]
    cursor = connection.cursor()
    for kind, lines in rows.items():
        async with cursor.copy(COPIES[kind]) as copy:
            await copy.write(b"\n".join(lines) + b"\n")
    done = Stored()
    for name, kinds in STATEMENTS:
        if not kinds.isdisjoint(rows):
            await cursor.execute(sql.load(name))
            done += (0, cursor.rowcount) if name.endswith("_rejected") else (cursor.rowcount, 0)
    for waiting in unknown:
        done += await _put_aside(cursor, waiting, "There is no event of this kind.")
    if done.n_rejected:
        log.error("Events were rejected", extra={"n": done.n_rejected, "table": "UpsellRejectedEvent"})
    return done


def by_kind(batch: Sequence[Waiting]) -> Mapping[str, list[bytes]]:
    """Rows of the known kinds, in the order in which they came."""
    rows: dict[str, list[bytes]] = {}
    for _, kind, row in batch:
        lines = rows.get(kind)
        if lines is not None:
            lines.append(row)
        elif kind in COPIES:
            rows[kind] = [row]
    return rows


async def _reject(connection: psycopg.AsyncConnection[Any], waiting: Waiting, reason: str) -> Stored:
    log.error("An event was rejected", extra={"kind": waiting.kind, "reason": reason})
    async with connection.transaction():
        return await _put_aside(connection.cursor(), waiting, reason)


async def _put_aside(cursor: psycopg.AsyncCursor[Any], waiting: Waiting, reason: str) -> Stored:
    text = waiting.row.decode("utf-8", "replace").replace("\0", "\ufffd")
    cells = text.split("\t")
    parameters = {
        "id": waiting.at,
        "kind": waiting.kind,
        "company": cells[1] if len(cells) > 1 else "",
        "event": json.dumps({"row": text}),
        "reason": reason,
    }
    await cursor.execute(sql.load("events/reject"), parameters)
    return Stored(0, cursor.rowcount)
