"""The result of one Postgres query as a polars frame, by COPY: asyncpg hands whole blocks of rows on, where a row cursor makes
objects of each, and a thread parses one block while Postgres makes the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import asyncpg
import polars as pl
import psycopg

from flows.connections import Connection, away
from flows.errors import ServiceUnavailable
from flows.settings import Settings

# rows wait for one another up to this many bytes: a smaller block costs a parser's start more often
BLOCK_BYTES = 4_000_000
# what of a libpq connection's parameters is handed on, beside whom it reached
SSL = ("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "ssl_min_protocol_version", "ssl_max_protocol_version")

# by type of Postgres: the expression that COPY writes of a column, what polars parses, what makes the column of it
Column = tuple[str, pl.DataType, Callable[[pl.Expr], pl.Expr]]


def _as_it_is(column: pl.Expr) -> pl.Expr:
    return column


def _instant(column: pl.Expr) -> pl.Expr:
    return pl.from_epoch(column, "us").dt.replace_time_zone("UTC")


TEXT: Column = ("{}", pl.String(), _as_it_is)
COLUMNS: dict[str, Column] = {
    **dict.fromkeys(("text", "varchar", "bpchar", "uuid"), TEXT),
    "int4": ("{}", pl.Int32(), _as_it_is),
    "int8": ("{}", pl.Int64(), _as_it_is),
    "float8": ("{}", pl.Float64(), _as_it_is),
    "bool": ("{}::int", pl.Int8(), lambda column: column.cast(pl.Boolean)),
    # a number costs either side a fraction of a text; date_part is a double, exact to the microsecond until 2106
    "timestamptz": ("case when isfinite({0}) then round(date_part('epoch', {0}) * 1000000)::bigint end", pl.Int64(), _instant),
}


def _column(of: asyncpg.Type) -> Column:
    # a platform may hold in a type of its own, an enum, what the contract calls a text
    return COLUMNS[of.name] if of.schema == "pg_catalog" else TEXT


class CopyReader:
    """Reads the platform's Postgres, a connection of its own for each query; what `connection` reaches, and as its user."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self.settings = settings
        self.connection = connection
        info, given = connection.info, connection.info.get_parameters()
        self.arguments = {
            "dsn": "postgresql://?" + urlencode({name: given[name] for name in SSL if name in given}),
            "host": info.host,
            "port": info.port,
            "user": info.user,
            "password": info.password or None,
            "database": info.dbname,
            "server_settings": {
                "statement_timeout": str(settings.statement_timeout_seconds * 1000),
                "default_transaction_read_only": "on",
                "options": given["options"],
            },
        }

    def read(self, query: str, bound: dict[str, Any]) -> pl.DataFrame:
        """Rows of a `query` with `%(name)s` parameters, in the order in which Postgres gives them.

        An instant that is infinite is null. May be called from several threads. Raises ServiceUnavailable when Postgres is lost,
        KeyError for a column of a type of Postgres' own that is not in COLUMNS.
        """
        # COPY takes no server-side parameters: psycopg binds them as literals of their types
        statement = psycopg.ClientCursor(self.connection).mogrify(query, bound).rstrip().removesuffix(";")
        try:
            # a thread of its own: the caller's may have a loop that runs
            with ThreadPoolExecutor(1) as thread:
                return thread.submit(asyncio.run, self._copied(statement)).result()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise self._away(error) from error

    async def _copied(self, statement: str) -> pl.DataFrame:
        connection = await asyncpg.connect(**self.arguments)
        try:
            prepared = await connection.prepare(statement)
            columns = {attribute.name: _column(attribute.type) for attribute in prepared.get_attributes()}
            listed = ", ".join(written.format(f'"{name}"') for name, (written, _, _) in columns.items())
            with ThreadPoolExecutor(1) as parser:
                blocks = Blocks(parser, {name: parsed for name, (_, parsed, _) in columns.items()})
                await connection.copy_from_query(f"select {listed} from ({statement}\n) extracted", output=blocks.add, format="csv")
                frame = blocks.frame()
            return frame.select(made(pl.col(name)) for name, (_, _, made) in columns.items())
        finally:
            await connection.close(timeout=5)

    def _away(self, error: Exception) -> ServiceUnavailable:
        return away("Postgres", self.settings.database_url or "", "DATABASE_URL", error)


class Blocks:
    """Rows of CSV as they come, parsed in `parser` a block at a time."""

    def __init__(self, parser: ThreadPoolExecutor, schema: dict[str, pl.DataType]) -> None:
        self.parser = parser
        self.schema = schema
        self.parsed: list[Future[pl.DataFrame]] = []
        self.waiting: list[bytes] = []
        self.n_bytes = 0

    async def add(self, rows: bytes) -> None:
        """Whole rows: a message of COPY ends where a row does."""
        self.waiting.append(rows)
        self.n_bytes += len(rows)
        if self.n_bytes >= BLOCK_BYTES:
            self._submit()

    def frame(self) -> pl.DataFrame:
        """All rows, in the order in which they came."""
        self._submit()
        return pl.concat([block.result() for block in self.parsed])

    def _submit(self) -> None:
        self.parsed.append(self.parser.submit(self._parse, self.waiting))
        self.waiting, self.n_bytes = [], 0

    def _parse(self, rows: list[bytes]) -> pl.DataFrame:
        # what COPY quotes is text, the empty one too; a field of nothing is null, as polars reads them
        return pl.read_csv(b"".join(rows), has_header=False, schema=self.schema, raise_if_empty=False)
