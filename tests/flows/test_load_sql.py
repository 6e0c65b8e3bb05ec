"""The questions of sql/load: each says what it is, and Postgres understands it."""

from __future__ import annotations

import re

import pytest

import sql
from flows.connections import Connection, postgres
from flows.settings import Settings

NAMES = sorted(path.stem for path in (sql.FOLDER / "load").glob("*.sql"))
NOT_EXPLAINABLE = {"stage", "ledger"}


def test_every_question_has_its_header() -> None:
    """Dialect, grain and parameters stand on the first lines, and the parameters are those of the text."""
    for name in NAMES:
        dialect, grain, parameters, *body = sql.load(f"load/{name}").splitlines()
        assert dialect == "-- dialect: postgres" and grain.startswith("-- one row per: ")
        told = parameters.removeprefix("-- parameters: ").split(", ")
        used = sorted(set(re.findall(r"%\((\w+)\)s", "\n".join(body))))
        assert used == sorted(set(told) - {"none"}), name


def test_postgres_plans_every_question(settings: Settings) -> None:
    """EXPLAIN accepts each file once the staging tables and the ledger are there."""

    def explained(connection: Connection, name: str) -> bool:
        text = sql.load(f"load/{name}")
        bound = dict.fromkeys(re.findall(r"%\((\w+)\)s", text))
        return bool(connection.execute(f"explain {text}", {**bound, "company": "x"}).fetchall())

    with postgres(settings) as connection:
        for name in sorted(NOT_EXPLAINABLE):
            connection.execute(sql.load(f"load/{name}"))
        assert all(explained(connection, name) for name in NAMES if name not in NOT_EXPLAINABLE)


@pytest.mark.parametrize("name", ["stage", "ledger"])
def test_twice_in_one_transaction(settings: Settings, name: str) -> None:
    """The ledger may be there already; staging tables of one transaction are gone in the next."""
    for _ in range(2):
        with postgres(settings) as connection:
            connection.execute(sql.load(f"load/{name}"))
