"""Events as rows: what Postgres' COPY makes of them is what was said."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.settings import Settings
from models import events
from models.events import COLUMNS, COMMON, Event
from tests.models.invented import QUICK

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@QUICK
@given(TEXTS, TEXTS, st.none() | TEXTS)
def test_a_row_is_one_line(id: str, company: str, text: str | None) -> None:
    """Whatever the texts hold, a row has as many cells as its kind has columns, and no end of line."""
    event = Event(events.CLICK, id, company, 1, (text, text, text))
    row = event.row()
    assert row.count(b"\t") == len(COMMON) + len(COLUMNS[events.CLICK]) - 1
    assert not {b"\n", b"\r"} & {row[at : at + 1] for at in range(len(row))}


def test_postgres_reads_what_was_said(settings: Settings) -> None:
    """Tabs, ends of lines, backslashes, quotes and an empty text arrive as they are; what is missing is null."""
    texts = ["", "plain", "tab\tend\nreturn\rback\\slash", '"quoted", {braced} and \\"both\\"', r"\N", "é – 🛒", "NULL", ","]
    rows = [
        events.recommendation_impression(f"{at}", "acme", at, text, "T", text, recommended_ids=[text, *texts])
        for at, text in enumerate(texts)
    ]
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(
            "create temp table read (i text, c text, at int, p text, t text, s text, a text, b text, v text, g text, ids text[])"
        )
        with connection.cursor().copy("copy read from stdin") as copy:
            copy.write(b"\n".join(row.row() for row in rows) + b"\n")
        found = connection.execute("select at, p, s, a, g, ids from read order by at").fetchall()
    assert found == [(at, text, text, None, None, [text, *texts]) for at, text in enumerate(texts)]


EVERY = [
    events.view("i", "acme", 1, "p", "s", "c", events.SEARCH, "q", 12),
    events.upsell_impression("i", "acme", 1, "r", "cart", "s", "CHECKOUT", b'{"a":1}', "c", "e", "v"),
    events.recommendation_impression("i", "acme", 1, "p", "T", "s", "c", "e", "v", "g1", ["a", "b"]),
    events.accept("i", "acme", 1, Decimal("5.10")),
    events.decline("i", "acme", 1),
    events.upsell_click("i", "acme", 1),
    events.click("i", "acme", 1, "p", "T", "q"),
    events.add_to_cart("i", "acme", 1, "p", "T"),
]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: event.kind)
def test_columns_are_those_of_the_kind(event: Event) -> None:
    """A builder gives each column of its kind a value, and the document names them."""
    assert len(event.columns) == len(COLUMNS[event.kind])
    document = event.document()
    assert tuple(document) == (*COMMON, *COLUMNS[event.kind])
    assert None not in document.values()


def test_every_kind_has_a_builder() -> None:
    """No kind is without one."""
    assert {event.kind for event in EVERY} == set(COLUMNS)


def test_what_came_about_together_waits_together() -> None:
    """An entry's fields are kind and row in turn."""
    first, second = events.decline("i", "acme", 1), events.upsell_click("j", "acme", 2)
    assert events.fields([first, second]) == [events.DECLINE, b"i\tacme\t1", events.UPSELL_CLICK, b"j\tacme\t2"]
