"""Files of orders, views and the like into the platform's tables: all of them in one transaction, or none."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import psycopg

import sql
from flows.connections import Connection, postgres
from flows.errors import LoadError
from flows.load_events import load_store
from flows.load_files import CompanyRow, FileReport, LoadFiles, LoadReport
from flows.load_orders import load_orders
from flows.load_products import TITLES, Catalogue, load_products
from flows.load_read import Source, open_source, quarantine, read
from flows.load_target import Progress, Target
from flows.settings import Settings

# an id names folders and keys, so "." and ".." cannot be one
COMPANY_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._-]{1,64}")
__all__ = ["CompanyRow", "FileReport", "LoadFiles", "LoadReport", "load"]


def load(
    settings: Settings,
    company: str,
    files: LoadFiles,
    *,
    progress: Progress = lambda label, done, total: None,
    company_row: CompanyRow | None = None,
) -> LoadReport:
    """Load files into the tables of one company, which is created where it is missing; the same file twice is once.

    Rows that cannot be are written below `settings.local_dir`/quarantine and counted in the report. `progress` is told
    a label, rows done and rows in all. Raises LoadError, and loads nothing, when the company's id or a file cannot be used.
    """
    if not COMPANY_ID.fullmatch(company):
        raise LoadError(
            f"The company id {company!r} cannot be used: give 1 to 64 letters, digits, dots, hyphens, underscores, not dots alone."
        )
    sources = [open_source(kind, path) for kind, path in files.given()]
    if not sources:
        raise LoadError("No file is given: name at least one, for instance --orders.")
    with postgres(settings) as connection:
        try:
            return _load_all(settings, connection, company, sources, progress, company_row or CompanyRow(company))
        except psycopg.errors.UndefinedTable as error:
            raise LoadError("The database has no platform tables: run `upsell migrate up` first.") from error
        except psycopg.DataError as error:
            raise LoadError(f"Postgres refused a value of the files ({str(error).splitlines()[0]}): correct it.") from error


def _load_all(
    settings: Settings, connection: Connection, company: str, sources: list[Source], progress: Progress, row: CompanyRow
) -> LoadReport:
    target = Target(connection, company, progress)
    for question in ("stage", "ledger"):
        connection.execute(sql.load(f"load/{question}"))
    target.run("lock")
    target.run("company", slug=company.lower(), name=row.name, currency=row.currency, timezone=row.timezone)
    target.run("ledger_forget")
    catalogue = Catalogue(pl.DataFrame(schema=TITLES))
    folder = settings.local_dir / "quarantine" / company
    report = {source.kind: _load_one(target, source, catalogue, folder) for source in sources}
    target.run("products_undated")
    return LoadReport(company, report)


def _load_one(target: Target, source: Source, catalogue: Catalogue, folder: Path) -> FileReport:
    rows = read(source)
    match source.kind:
        case "products":
            loaded, there = load_products(target, rows, catalogue)
        case "orders":
            loaded, there = load_orders(target, rows, catalogue)
        case kind:
            loaded, there = load_store(kind, target, rows, catalogue)
    kept_in = quarantine(source, rows, folder)
    return FileReport(source.path, rows.n_read, loaded, there, rows.by_reason(), kept_in, source.ignored)
