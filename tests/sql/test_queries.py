"""Every query says what it is, and its engine can plan it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import polars as pl
import pytest

import sql
from flows.connections import Connection, postgres
from flows.settings import Settings
from tests.models.invented import PRODUCT

HEADER = re.compile(r"-- dialect: (postgres|duckdb|polars)\n-- one row per: (.+)\n-- parameters: (.+(?:\n--   .+)*)\n")
# what a check reads as `extracted`, of the shape that its extraction has
EXTRACTED = {
    "order_lines": "order_lines",
    "views": "views",
    "impressions": "impressions",
    "experiment_exposures": "exposures",
    "experiment_orders": "(select *, false as is_foreign from outcomes)",
}
NAMES = sorted(str(path.relative_to(sql.FOLDER).with_suffix("")) for path in sql.FOLDER.rglob("*.sql"))


def statement(name: str) -> str:
    """The query without its comments."""
    return re.sub(r"--[^\n]*", "", sql.load(name)).strip()


def declared(name: str) -> set[str]:
    """Parameters that the header names; what follows a semicolon are the tables that it reads."""
    listed = HEADER.match(sql.load(name))
    assert listed is not None
    parameters = listed[3].replace("\n--", "").partition(";")[0]
    return set() if parameters == "none" else {parameter.strip() for parameter in parameters.split(",")}


def of_dialect(dialect: str, *verbs: str) -> list[str]:
    """Queries of an engine that begin with one of `verbs`; migrations have tests of their own."""
    return [
        name
        for name in NAMES
        if sql.load(name).startswith(f"-- dialect: {dialect}")
        and (not name.startswith("migrations/") or name == "migrations/catalogue")
        and statement(name).split(None, 1)[0].lower() in verbs
    ]


@pytest.mark.parametrize("name", NAMES)
def test_header(name: str) -> None:
    """A file opens with its dialect, what a row is, and its parameters; a blank comment parts them from the why."""
    text = sql.load(name)
    opened = HEADER.match(text)
    assert opened is not None
    rest = text[opened.end() :]
    assert not rest.startswith("-- ")
    assert not rest.startswith("--\n") or rest.startswith("--\n-- ")
    assert text.endswith("\n")


@pytest.mark.parametrize("name", NAMES)
def test_declared_parameters_are_the_used_ones(name: str) -> None:
    """The header names each parameter once, and no other."""
    assert declared(name) == set(re.findall(r"%\((\w+)\)s", statement(name)))
    assert not re.search(r"%[^(]|\{", re.sub(r"'[^']*'", "", statement(name)) if "migrations/" not in name else "")


@pytest.fixture
def staged(settings: Settings) -> Iterator[Connection]:
    """A migrated database in a transaction that has the tables which a load copies into."""
    with postgres(settings) as connection:
        for name in ("load/stage", "load/ledger", "events/stage"):
            if name in NAMES:
                connection.execute(sql.load(name))
        yield connection
        connection.rollback()


def test_postgres_plans_every_query(staged: Connection) -> None:
    """EXPLAIN accepts each Postgres query with its parameters bound: tables, columns and types exist."""
    names = of_dialect("postgres", "select", "with", "insert", "update", "delete")
    assert {"extract/order_lines", "extract/companies"} <= set(names)
    for name in names:
        # null is of every type
        plan = staged.execute(f"explain {sql.load(name)}", dict.fromkeys(declared(name))).fetchall()
        assert plan, name


def test_duckdb_plans_every_query() -> None:
    """EXPLAIN accepts each DuckDB query over the tables of its features and the catalogue."""
    names = of_dialect("duckdb", "select", "with")
    assert {"features/baskets", "checks/unknown_products"} <= set(names)
    with duckdb.connect() as duck:
        for tables in ("features/tables", "features/experiment_tables"):
            duck.execute(sql.load(tables))
        duck.execute("create table units as " + statement("features/experiment_units").removesuffix(";"))
        duck.register("products", pl.DataFrame(schema=PRODUCT))
        for name in names:
            assert duck.execute(f"explain {sql.load(name)}").fetchall(), name


def test_polars_runs_every_query() -> None:
    """Each check runs over rows of the shape that its extraction has, keeps them all and gives each a reason or none."""
    names = of_dialect("polars", "select")
    assert {name.removeprefix("checks/") for name in names} == set(EXTRACTED)
    with duckdb.connect() as duck:
        for tables in ("features/tables", "features/experiment_tables"):
            duck.execute(sql.load(tables))
        for member, table in EXTRACTED.items():
            # a row of nulls
            extracted = duck.sql(f"from {table} right join (select 1) on true").pl().drop("1")
            checked = pl.SQLContext(extracted=extracted).execute(sql.load(f"checks/{member}"), eager=True)
            assert isinstance(checked, pl.DataFrame)
            assert checked.schema["reason"] == pl.String
            assert checked.height == extracted.height == 1


def test_an_unknown_name_is_an_error() -> None:
    """A query that does not exist is a FileNotFoundError, not an empty string."""
    with pytest.raises(FileNotFoundError):
        sql.load("extract/nothing")


def test_ours_is_loaded_once() -> None:
    """The same name gives the same text, and paths lead below the package."""
    assert sql.load("extract/companies") is sql.load("extract/companies")
    assert (sql.FOLDER / "extract" / "companies.sql").read_text() == sql.load("extract/companies")
