"""Lines of the log: JSON, and nothing in them that belongs to a person."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import jwt
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.logs import BLANK, JsonLines, blanked
from tests.models.invented import QUICK

EMAIL = "anna.schmidt+shop@mail.example"
TOKEN = jwt.encode({"sub": "anna"}, "a secret of the tests, longer than thirty-two bytes", "HS256")


def told(message: str = "Said", error: BaseException | None = None, **extra: Any) -> dict[str, Any]:
    """What the line of a record says."""
    record = logging.makeLogRecord({"name": "serving", "levelname": "ERROR", "msg": message, **extra})
    if error is not None:
        record.exc_info = type(error), error, error.__traceback__
    line: dict[str, Any] = json.loads(JsonLines().format(record))
    return line


def raised(error: Exception) -> Exception:
    """The same with a traceback, raised while another was handled."""
    try:
        try:
            raise error
        except Exception as first:
            raise RuntimeError("And then this.") from first
    except RuntimeError as second:
        return second


def test_a_line_is_as_it_was_given() -> None:
    """Time, level, logger, message and every extra that has a value, in their types."""
    line = told("Said %s", args=("this",), n=3, share=0.5, on=True, company="acmé", nothing=None, nested={"rows": [1, "two"]})
    at = line.pop("at")
    assert datetime.fromisoformat(at).tzinfo == UTC
    assert line == {
        **{"level": "error", "logger": "serving", "message": "Said this"},
        **{"n": 3, "share": 0.5, "on": True, "company": "acmé", "nested": {"rows": [1, "two"]}},
    }


@pytest.mark.parametrize("secret", [EMAIL, EMAIL.replace("@", "%40"), "ännä@überall.example", TOKEN, "Bearer hunter2hunter2"])
def test_persons_and_tokens_are_blanked(secret: str) -> None:
    """Wherever a record holds one: message, argument, extra, key, list, object of a library, traceback."""
    word = secret.rpartition(" ")[2]
    line = told(
        "Said %s, %s",
        args=(secret, [secret]),
        error=raised(ValueError(f"{secret!r} is wrong")),
        reason=f"as <{secret}> said",
        rows=[(secret,), {secret: {secret}}],
        thrown=KeyError(secret),
        raw=secret.encode(),
    )
    assert word not in json.dumps(line, ensure_ascii=False)
    assert line["reason"].startswith("as <") and line["reason"].endswith("> said") and BLANK in line["reason"]
    assert line["traceback"].startswith("Traceback (most recent call last):\n  File ")


@pytest.mark.parametrize("text", [f"\n{TOKEN}", f"BEARER\n{TOKEN}", f"\tbearer hunter2hunter2\n{TOKEN}", f"a\\n{EMAIL}"])
def test_what_begins_a_line(text: str) -> None:
    """JSON writes a letter for the line's end: the token behind it is seen all the same."""
    written = json.dumps(told("Said", reason=text))
    assert not any(word in written for word in (TOKEN, "hunter2", EMAIL))


@QUICK
@given(before=st.text(max_size=20), local=st.from_regex(r"[a-z0-9._+-]{1,20}", fullmatch=True), after=st.text(max_size=20))
def test_any_address_in_any_text(before: str, local: str, after: str) -> None:
    """Whatever stands around an address, none of it is left that was before the @ and behind it."""
    assert f"{local}@mail.example" not in blanked(f"{before}{local}@mail.example{after}")


@pytest.mark.parametrize(
    "text",
    [
        "Redis is away",
        "connection to server at 10.0.0.1, port 5432 failed: Connection refused",
        "GET /api/products/p-1/recommendations",
        'duplicate key value violates unique constraint "ProductBulkDiscount_pkey"',
        '  File "serving/company_documents.py", line 12, in of\n    return self._made.get(company, self._of_nobody)',
        "The generation 2026-05-01T02:00:00Z-eyrie is published.",
    ],
)
def test_what_helps_stays(text: str) -> None:
    """Sentences, addresses of machines, names of constraints, and lines of code are told as they are."""
    assert blanked(text) == text


def test_rows_of_postgres_errors_are_dropped(offers_database: str) -> None:
    """What Postgres itself says about a row: its sentence stays, the lines that name the row's values go, and so does a value that
    it could not read; what comes behind is kept."""
    statements = (
        'create temporary table one (name text primary key, "check" int check ("check" > 0))',
        "insert into one values (E'Anna\\nMaria', 1)",
    )
    with psycopg.connect(offers_database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
        for statement, sentence in (
            ("insert into one values (E'Anna\\nMaria', 1)", "duplicate key value violates unique constraint"),
            ("insert into one values (E'Anna\\nMaria', 0)", "violates check constraint"),
            ("insert into one values ('x', 'Maria'::text::int)", "invalid input syntax for type integer: ***"),
            ("select 'Maria'::text::timestamptz", "invalid input syntax for type timestamp with time zone: ***"),
            ("do $$ begin perform 'Maria'::text::uuid; end $$", "invalid input syntax for type uuid: ***"),
        ):
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(statement)
            line = told(f"Failed: {caught.value}", raised(caught.value), reason=str(caught.value), thrown=f"{caught.value!r}")
            written = json.dumps(line)
            assert "Maria" not in written and "Anna" not in written, written
            assert sentence in line["reason"]
            assert line["traceback"].endswith("RuntimeError: And then this.")
