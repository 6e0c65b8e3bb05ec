"""The companies of a run: which are due, the row of each, and what is said of one that fails while the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import sql
from flows.connections import Connection, postgres
from flows.errors import SettingsError, UpsellError
from flows.settings import Settings
from models.snapshot import instant

TRACES = "failures.log"


def due_companies(settings: Settings, chosen: Sequence[str] | None) -> list[str]:
    """The companies of this run: the chosen ones, each once, or all active ones. Raises ServiceUnavailable."""
    if chosen:
        return list(dict.fromkeys(chosen))
    with postgres(settings) as connection:
        return [row["id"] for row in connection.execute(sql.load("extract/companies"))]


def company_row(connection: Connection, company: str) -> dict[str, Any]:
    """The company's currency, time zone and configuration. Raises SettingsError for a company that does not exist."""
    row = connection.execute(sql.load("extract/company"), {"company": company}).fetchone()
    if row is None:
        raise SettingsError(f"Company {company!r} does not exist: load it, or correct --company.")
    return row


def refusal(settings: Settings, company: str, work: Callable[[str], None]) -> str | None:
    """Do `work` for a company; the sentence that says why it was not done, or None."""
    try:
        work(company)
    except UpsellError as refused:
        return str(refused)
    except Exception as unforeseen:  # one company's surprise must not cost the others their turn
        log = settings.local_dir / TRACES
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{instant(datetime.now(UTC))} {company}\n{traceback.format_exc()}\n")
        first_line = str(unforeseen).partition("\n")[0]
        return f"{company}: {type(unforeseen).__name__}: {first_line}: the whole trace is in {log.name} of the local folder."
    return None


def told_once(refusals: Iterable[str | None]) -> str | None:
    """What `refusal` said, as one text, or None where nothing was refused."""
    # a store that was away is why several parts, or companies, failed
    return " ".join(dict.fromkeys(filter(None, refusals))) or None
