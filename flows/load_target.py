"""The database side of a load: one transaction of one company, frames copied into staging tables, questions asked by name."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from psycopg import sql as psycopg_sql

import sql
from flows.connections import Connection

Progress = Callable[[str, int, int], None]
CHUNK_ROWS = 50_000
BATCH_ROWS = 250_000


@dataclass(frozen=True)
class Target:
    """Where a load goes: an open transaction, the company that everything is bound to, and who wants to see progress."""

    connection: Connection
    company: str
    progress: Progress

    def copy(self, table: str, frame: pl.DataFrame) -> None:
        """Replace a staging table's content by a frame with columns of the same names."""
        name, columns = psycopg_sql.Identifier(table), psycopg_sql.SQL(", ").join(map(psycopg_sql.Identifier, frame.columns))
        with self.connection.cursor() as cursor:
            cursor.execute(psycopg_sql.SQL("truncate {}").format(name))
            with cursor.copy(psycopg_sql.SQL("copy {} ({}) from stdin (format csv)").format(name, columns)) as copy:
                for start in range(0, frame.height, CHUNK_ROWS):
                    text = io.BytesIO()
                    frame.slice(start, CHUNK_ROWS).write_csv(text, include_header=False)
                    copy.write(text.getvalue())
            cursor.execute(psycopg_sql.SQL("analyze {}").format(name))

    def store(self, table: str, frame: pl.DataFrame, label: str, question: str, *further: str) -> int:
        """Copy a frame batch by batch and run questions on each; returns how many rows the first one changed in all.

        Postgres keeps a note in memory per row whose foreign keys it has to look up: batches bound that.
        """
        changed = 0
        self.progress(label, 0, frame.height)
        for start in range(0, frame.height, BATCH_ROWS):
            self.copy(table, frame.slice(start, BATCH_ROWS))
            changed += self.run(question)
            for after in further:
                self.run(after)
            self.progress(label, min(start + BATCH_ROWS, frame.height), frame.height)
        return changed

    def run(self, question: str, **parameters: Any) -> int:
        """Execute `sql/load/<question>.sql`; returns how many rows it changed."""
        return self.connection.execute(sql.load(f"load/{question}"), {"company": self.company, **parameters}).rowcount

    def ask(self, question: str, schema: dict[str, Any]) -> pl.DataFrame:
        """The answer of `sql/load/<question>.sql` as a frame of the given columns."""
        rows = self.connection.execute(sql.load(f"load/{question}"), {"company": self.company}).fetchall()
        return pl.DataFrame(rows, schema=schema, orient="row")
