"""A query's result as a frame: every value as Postgres holds it, whatever is in it, and a store that goes is one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from math import inf

import polars as pl
import pytest

from flows.connections import postgres
from flows.copy_reader import CopyReader
from flows.errors import ServiceUnavailable
from flows.settings import Settings

TEXTS = [
    "",
    None,
    "\\N",
    "a,b",
    'say "so"',
    "two\nlines",
    "\r\n",
    "tab\there",
    "back\\slash",
    "ü 漢 🙂",
    " ",
    "NULL",
    "'",
    "%s",
    "0",
]


@pytest.fixture
def reader(settings: Settings) -> Iterator[CopyReader]:
    """A reader of the test's database."""
    with postgres(settings, autocommit=True) as connection:
        yield CopyReader(settings, connection)


def test_texts_come_as_they_are(reader: CopyReader) -> None:
    """Separators, quotes, line ends, what looks like null, and the empty text beside null."""
    query = "select n::int as n, t from unnest(%(texts)s::text[]) with ordinality x (t, n)"
    assert reader.read(query, {"texts": TEXTS}).rows() == list(enumerate(TEXTS, 1))
    assert reader.read("select unnest(%(texts)s::text[]) as t", {"texts": TEXTS})["t"].to_list() == TEXTS


def test_numbers_and_truth_values(reader: CopyReader) -> None:
    """Each type is its own, with nulls, at its ends."""
    query = """
    select * from (values (2147483647, 9223372036854775807, 0.1::float8, true), (-1, -9223372036854775807, 'Infinity', false),
    (null, null, 'NaN', null), (0, 0, null, true)) x (i, b, f, t);
    """
    frame = reader.read(query, {})
    assert frame.schema == {"i": pl.Int32, "b": pl.Int64, "f": pl.Float64, "t": pl.Boolean}
    assert frame["i"].to_list() == [2147483647, -1, None, 0]
    assert frame["b"].to_list() == [9223372036854775807, -9223372036854775807, None, 0]
    assert frame["f"].is_nan().to_list() == [False, False, True, None]
    assert frame["f"].fill_nan(None).to_list() == [0.1, inf, None, None]
    assert frame["t"].to_list() == [True, False, None, True]


def test_instants_to_the_microsecond(reader: CopyReader) -> None:
    """As psycopg reads them, in UTC whatever the session's zone; the infinite ones are null."""
    moments = [
        datetime(year, 3, 1, 23, 59, 59, micro, tzinfo=UTC) for year in (1969, 1970, 2026, 2105) for micro in range(0, 10**6, 997)
    ]
    frame = reader.read("select unnest(%(moments)s::timestamptz[]) as at", {"moments": moments})
    assert frame.schema == {"at": pl.Datetime("us", "UTC")}
    assert frame["at"].to_list() == moments
    odd = ["infinity", "-infinity", None]
    assert reader.read("select unnest(%(odd)s::timestamptz[]) as at", {"odd": odd})["at"].to_list() == [None] * 3


def test_no_rows_have_columns(reader: CopyReader) -> None:
    """An empty result is an empty frame of the same types."""
    frame = reader.read("select 1::bigint as n, now() as at, true as t, 'a' as x where false", {})
    assert frame.height == 0
    assert frame.schema == {"n": pl.Int64, "at": pl.Datetime("us", "UTC"), "t": pl.Boolean, "x": pl.String}


def test_blocks_are_put_together_in_order(reader: CopyReader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small blocks give the rows in Postgres' order, a row's line ends or not."""
    monkeypatch.setattr("flows.copy_reader.BLOCK_BYTES", 100)
    frame = reader.read("select n, repeat(E'\\n,\"', n %% 7) as t from generate_series(1, 20000) n order by n", {})
    assert frame.rows() == [(n, '\n,"' * (n % 7)) for n in range(1, 20001)]


def test_an_unknown_type_is_named(reader: CopyReader) -> None:
    """A column of a type that nobody has thought of is an error, no text by chance."""
    with pytest.raises(KeyError, match="numeric"):
        reader.read("select 1.5 as n", {})


def test_an_enum_is_its_label(reader: CopyReader) -> None:
    """A platform's own type of labels reads as text."""
    reader.connection.execute("create type \"Mood\" as enum ('CALM', 'so, so')")
    query = "select unnest(array['so, so', null, 'CALM']::\"Mood\"[]) as mood"
    assert reader.read(query, {})["mood"].to_list() == ["so, so", None, "CALM"]


def test_it_reads_only(reader: CopyReader) -> None:
    """Its session may not write, and a statement has the settings' time."""
    query = "select current_setting('transaction_read_only') as r, current_setting('statement_timeout') as t"
    read_only, timeout = reader.read(query, {}).row(0)
    assert read_only == "on"
    assert timeout != "0"


def test_within_a_running_loop(reader: CopyReader) -> None:
    """A flow whose thread runs an event loop may read."""

    async def read() -> pl.DataFrame:
        return reader.read("select 1 as n", {})

    assert asyncio.run(read()).rows() == [(1,)]


def test_a_lost_connection_is_one_sentence(reader: CopyReader) -> None:
    """The server ends the session half-way: host, port and setting are named, the password is not."""
    query = "select n, case when n = 200000 then pg_terminate_backend(pg_backend_pid()) end as x from generate_series(1, 300000) n"
    with pytest.raises(ServiceUnavailable, match=r"Postgres at .* cannot be used .*DATABASE_URL") as lost:
        reader.read(query, {})
    password = reader.connection.info.password
    assert password and password not in str(lost.value)
