"""Backfill: history day by day, resumed where it stopped, released once if newer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import redis

from flows import backfill as backfilling
from flows.backfill import CompanyBackfill, backfill_days
from flows.connections import postgres
from flows.errors import SettingsError
from flows.nightly import rebuild, release
from flows.object_store import ObjectStore, open_store
from flows.progress import silent
from flows.publish import built_generations, live_generation, read_manifest
from flows.settings import Settings
from tests.shops import add_order, insert, make_shop

START, END = date(2026, 4, 29), date(2026, 5, 2)
AFTER = datetime(2026, 5, 2, tzinfo=UTC)
RECORD = "shop/backfills/2026-04-29_2026-05-02.json"


@pytest.fixture
def store(settings: Settings) -> ObjectStore:
    """The store of the test's settings, with a shop of four days behind it."""
    make_shop(settings, "shop", ["abc"] * 4)
    return open_store(settings.snapshots, settings.local_dir / "cache")


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Watermarks of the days that were rebuilt."""
    seen: list[str] = []

    def watched(settings: Settings, company: str, watermark: datetime, *arguments: Any, **named: Any) -> Any:
        manifest = rebuild(settings, company, watermark, *arguments, **named)
        seen.append(f"{watermark:%m-%d}")
        return manifest

    monkeypatch.setattr(backfilling, "rebuild", watched)
    return seen


def run(settings: Settings, start: date = START, end: date = END, reason: str = "a test") -> CompanyBackfill:
    """One backfill of the shop."""
    (done,) = backfill_days(settings, start, end, ["shop"], reason, silent)
    return done


def live(settings: Settings) -> str | None:
    """The shop's live generation."""
    with redis.Redis.from_url(str(settings.redis_url)) as client:
        return live_generation(client, "shop")


def test_every_day_gets_its_generation_and_the_last_goes_live(settings: Settings, store: ObjectStore, rebuilt: list[str]) -> None:
    """[from, to): each day's watermark is the midnight that ends it; one release, of the last day."""
    done = run(settings)
    assert list(done.generations) == ["2026-04-29", "2026-04-30", "2026-05-01"]
    assert rebuilt == ["04-30", "05-01", "05-02"]
    assert built_generations(store, "shop") == list(done.generations.values())
    assert [read_manifest(store, "shop", id).counts["orders"] for id in done.generations.values()] == [2, 3, 4]
    assert (done.published, done.resumed_days, done.note) == (True, 0, "live up to 2026-05-02T00:00:00Z")
    assert live(settings) == done.generations["2026-05-01"]
    record = json.loads(store.get(RECORD) or b"")
    assert record == {"reason": "a test", "generations": done.generations, "finished": True}


def test_it_resumes_after_an_exception_in_the_middle(
    settings: Settings, store: ObjectStore, rebuilt: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days that were done are not done again, nothing is released before the end, and the result is the undisturbed one."""
    watched = backfilling.rebuild

    def breaks(settings: Settings, company: str, watermark: datetime, *arguments: Any, **named: Any) -> Any:
        if watermark == AFTER:
            raise KeyboardInterrupt
        return watched(settings, company, watermark, *arguments, **named)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(backfilling, "rebuild", breaks)
        run(settings)
    assert rebuilt == ["04-30", "05-01"]
    assert live(settings) is None
    rebuilt.clear()
    resumed = run(settings)
    assert rebuilt == ["05-02"]
    assert (resumed.resumed_days, resumed.published) == (2, True)
    rebuilt.clear()
    again = run(settings)
    assert rebuilt == ["04-30", "05-01", "05-02"]
    assert again.resumed_days == 0
    assert again.generations == resumed.generations


def test_an_older_range_does_not_replace_a_newer_live_one(settings: Settings, store: ObjectStore) -> None:
    """History is rebuilt, what is live stays, and the note says why."""
    newer = rebuild(settings, "shop", AFTER, silent)
    release(settings, newer, silent)
    done = run(settings, START, START + timedelta(days=1))
    assert not done.published
    assert f"{newer.id} is live and newer than" in done.note
    assert live(settings) == newer.id
    assert built_generations(store, "shop") == [done.generations["2026-04-29"], newer.id]


def test_a_backfill_reads_its_days_again(settings: Settings, store: ObjectStore) -> None:
    """A change that left no trace in the source's fingerprint is found."""
    before = rebuild(settings, "shop", AFTER, silent)
    with postgres(settings) as connection:
        connection.execute('delete from "OrderItem" where "orderId" = \'shop-order-0003\' and "productId" = \'shop-c\'')
    assert rebuild(settings, "shop", AFTER, silent).counts == before.counts
    done = run(settings)
    assert read_manifest(store, "shop", done.generations["2026-05-01"]).counts["basketEntries"] == 11


def test_several_companies(settings: Settings, store: ObjectStore) -> None:
    """All active companies where none is named, each with its own record."""
    make_shop(settings, "other", ["ab"])
    with postgres(settings) as connection:
        insert(connection, "Company", [{"id": "closed", "name": "n", "slug": "s", "status": "SUSPENDED"}])
        add_order(connection, "other", "late", ["other-a"], AFTER - timedelta(days=1))
    done = backfill_days(settings, END - timedelta(days=1), END, None, "a test", silent)
    assert [(row.company, row.published) for row in done] == [("other", True), ("shop", True)]
    assert store.keys("other/backfills/") == ["other/backfills/2026-05-01_2026-05-02.json"]


@pytest.mark.parametrize(
    ("start", "end", "reason", "words"),
    [
        (END, END, "r", "--from 2026-05-02 is not before --to 2026-05-02: the range is half-open"),
        (END, START, "r", "--from 2026-05-02 is not before --to 2026-04-29"),
        (START, END, "  ", "--reason is empty"),
        (START, date(2999, 1, 1), "r", "--to 2999-01-01 lies in the future"),
    ],
)
def test_a_range_that_cannot_be_is_refused(settings: Settings, start: date, end: date, reason: str, words: str) -> None:
    """The sentence shows the dates; nothing is done."""
    with pytest.raises(SettingsError, match=words):
        backfill_days(settings, start, end, ["shop"], reason, silent)
    assert not settings.local_dir.exists()


def test_an_unknown_company_is_a_sentence(settings: Settings) -> None:
    """It names the company."""
    with pytest.raises(SettingsError, match="Company 'shop' does not exist"):
        run(settings)


def test_progress_counts_the_days(settings: Settings, store: ObjectStore) -> None:
    """One step per day, then the release."""
    told: list[tuple[str, int, int]] = []
    backfill_days(settings, START, END, ["shop"], "r", lambda *step: told.append(step))
    assert [step for step in told if step[0] == "backfill shop"] == [("backfill shop", done, 3) for done in (1, 2, 3)]
    assert told[-1][0] == "publish shop"
    assert store.keys("shop/backfills/") == [RECORD]
