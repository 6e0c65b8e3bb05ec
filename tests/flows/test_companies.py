"""The companies of a run on a real Postgres: which are due, which exist, and what is said of one that fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flows.companies import company_row, due_companies, refusal, told_once
from flows.connections import postgres
from flows.embedded import free_port
from flows.errors import ServiceUnavailable, SettingsError, SnapshotError
from flows.experiments_extract import extract_experiments
from flows.extract import extract
from flows.object_store import open_store
from flows.progress import silent
from flows.settings import Settings
from tests.shops import DAY, make_shop


def test_only_active_companies_are_due(settings: Settings) -> None:
    """Without --company all active companies are due, in order; named ones are due once each, whatever their status."""
    for company, status in (("b", "ACTIVE"), ("a", "ACTIVE"), ("closed", "INACTIVE")):
        make_shop(settings, company, [])
        with postgres(settings) as connection:
            connection.execute('update "Company" set status = %s where id = %s', (status, company))
    assert due_companies(settings, None) == ["a", "b"]
    assert due_companies(settings, ["closed", "a", "closed"]) == ["closed", "a"]


def test_without_postgres_only_named_companies_are_due(settings: Settings) -> None:
    """Which companies are active cannot be asked of a Postgres that is away; those that are named need not be asked for."""
    away = replace(settings, database_url=f"postgresql://nobody@127.0.0.1:{free_port()}/none", retry_seconds=0.2)
    with pytest.raises(ServiceUnavailable):
        due_companies(away, None)
    assert due_companies(away, ["a"]) == ["a"]


def test_both_extractions_refuse_an_unknown_company(settings: Settings) -> None:
    """The night's extraction and that of the experiments say the same sentence; a company that exists has its row."""
    make_shop(settings, "shop", [])
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    for extraction in (extract, extract_experiments):
        with pytest.raises(SettingsError, match=r"^Company 'nobody' does not exist: load it, or correct --company\.$"):
            extraction(settings, store, "nobody", DAY, silent)
    with postgres(settings) as connection:
        assert company_row(connection, "shop")["id"] == "shop"
    assert extract_experiments(settings, store, "shop", DAY, silent) is None


def test_a_refusal_is_a_sentence_and_a_surprise_leaves_its_trace(settings: Settings) -> None:
    """What the operator can act on is told as it is; anything else names the company and the file with the trace, which grows."""

    def refuses(company: str) -> None:
        raise SnapshotError(f"{company} never agrees.")

    def surprises(company: str) -> None:
        raise KeyError(company)

    assert refusal(settings, "a", lambda _: None) is None
    assert refusal(settings, "a", refuses) == "a never agrees."
    assert not (settings.local_dir / "failures.log").exists()
    for company in ("a", "b"):
        told = refusal(settings, company, surprises)
        assert told == f"{company}: KeyError: '{company}': the whole trace is in failures.log of the local folder."
    assert (settings.local_dir / "failures.log").read_text().count("Traceback") == 2


def test_the_same_refusal_is_told_once() -> None:
    """Sentences stand in order, each once; nothing refused is None."""
    assert told_once(["b.", None, "a.", "b."]) == "b. a."
    assert told_once([None]) is None
    assert told_once([]) is None
