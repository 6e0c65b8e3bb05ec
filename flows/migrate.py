"""The schema: plain SQL files with their rollbacks, a ledger of what was applied, verification by name.

The ledger (`UpsellMigration`) also knows which relations each migration created, so that a rollback can say what rows it
drops, and never drops a table that the platform brought. It goes with the last migration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import sql as psycopg_sql

import sql
from flows.connections import Connection
from flows.errors import UpsellError

LOCK = "select pg_advisory_xact_lock(hashtext('UpsellMigration'))"


class MigrationRefused(UpsellError):
    """A rollback without confirmation."""


@dataclass(frozen=True)
class Migration:
    """One applied or pending migration: `created` holds the relations that it made, once applied."""

    name: str
    applied_at: str | None
    created: list[str]


def names() -> list[str]:
    """Names of all migrations, in order."""
    return sorted(path.name.removesuffix(".up.sql") for path in (sql.FOLDER / "migrations").glob("*.up.sql"))


def status(connection: Connection) -> list[Migration]:
    """Every migration with the instant at which it was applied, or None."""
    ledger = _ledger(connection)
    return [ledger.get(name, Migration(name, None, [])) for name in names()]


def up(connection: Connection) -> list[str]:
    """Apply what is pending, all in the connection's transaction; returns the names applied. Twice is once."""
    connection.execute(LOCK)
    connection.execute(sql.load("migrations/ledger"))
    pending = [migration.name for migration in status(connection) if migration.applied_at is None]
    for name in pending:
        before = _tables(connection)
        connection.execute(sql.load(f"migrations/{name}.up"))
        created = sorted(_tables(connection) - before)
        connection.execute('insert into "UpsellMigration" (name, created) values (%s, %s)', (name, created))
    return pending


def down(connection: Connection, *, confirmed: bool) -> dict[str, int]:
    """Roll back everything that was applied, in reverse order; returns the rows dropped per table.

    Raises MigrationRefused, naming tables and row counts, unless `confirmed`.
    """
    connection.execute(LOCK)
    applied = [migration for migration in status(connection) if migration.applied_at is not None]
    there = _tables(connection)
    rows = {table: _count(connection, table) for migration in applied for table in migration.created if table in there}
    if applied and not confirmed:
        told = ", ".join(f"{table} {count:,}" for table, count in sorted(rows.items()))
        raise MigrationRefused(f"A rollback drops these tables and their rows ({told}): repeat it with --yes to confirm.")
    for migration in reversed(applied):
        connection.execute(sql.load(f"migrations/{migration.name}.down"))
        connection.execute('delete from "UpsellMigration" where name = %s', (migration.name,))
    if applied:
        connection.execute('drop table "UpsellMigration"')
    return rows


def verify(connection: Connection) -> list[str]:
    """What is missing of the enums, tables and indexes that the migrations create; empty when all is there."""
    statements = "\n".join(sql.load(f"migrations/{name}.up") for name in names())
    expected = {
        f"{kind} {name}"
        for kind, name in re.findall(r'create (table|type|(?:unique )?index)(?: if not exists)? "(\w+)"', statements)
    }
    expected = {item.removeprefix("unique ").replace("type ", "enum ") for item in expected}
    found = {f"{row['kind']} {row['name']}" for row in connection.execute(sql.load("migrations/catalogue"))}
    return sorted(expected - found)


def _ledger(connection: Connection) -> dict[str, Migration]:
    if "UpsellMigration" not in _tables(connection):
        return {}
    rows = connection.execute('select name, created, "appliedAt"::text as applied_at from "UpsellMigration" order by name')
    return {row["name"]: Migration(row["name"], row["applied_at"], row["created"]) for row in rows}


def _tables(connection: Connection) -> set[str]:
    rows = connection.execute("select tablename from pg_tables where schemaname = current_schema()")
    return {row["tablename"] for row in rows}


def _count(connection: Connection, table: str) -> int:
    query = psycopg_sql.SQL("select count(*) as n from {}").format(psycopg_sql.Identifier(table))
    row = connection.execute(query).fetchone()
    return int(row["n"]) if row else 0
