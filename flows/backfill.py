"""Backfill: rebuild a company's history day by day, then release once, if that is newer than what is live.

What is done is recorded in the object store, so that the same command resumes where a killed one stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flows.companies import due_companies
from flows.errors import PublishRefused, SettingsError
from flows.layout import folder
from flows.nightly import rebuild, release
from flows.object_store import ObjectStore, open_store
from flows.progress import silent
from flows.publish import read_manifest
from flows.settings import Settings
from models.snapshot import instant

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class CompanyBackfill:
    """How one company's backfill ended: the generation built for each day, and whether the last one went live."""

    company: str
    generations: dict[str, str]
    resumed_days: int
    published: bool
    note: str


def backfill_days(
    settings: Settings, start: date, end: date, chosen: list[str] | None, reason: str, progress: Progress
) -> list[CompanyBackfill]:
    """Rebuild every day of [start, end) for the companies; a day's watermark is the midnight (UTC) that ends it.

    Raises SettingsError for an empty range, a missing reason or a range that ends in the future.
    """
    if start >= end:
        raise SettingsError(f"--from {start} is not before --to {end}: the range is half-open, give a later --to.")
    if not reason.strip():
        raise SettingsError("--reason is empty: say in a few words why history is rebuilt, it is kept with the record.")
    if end > datetime.now(UTC).date():
        raise SettingsError(f"--to {end} lies in the future: history ends with yesterday, give today at the latest.")
    return [_company(settings, start, end, company, reason, progress) for company in due_companies(settings, chosen)]


def _company(settings: Settings, start: date, end: date, company: str, reason: str, progress: Progress) -> CompanyBackfill:
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    key = f"{folder(company)}/backfills/{start}_{end}.json"
    record = _record(store, key, reason)
    built: dict[str, str] = record["generations"]
    resumed = len(built)
    days = [start + timedelta(days=offset) for offset in range((end - start).days)]
    for number, day in enumerate(days, start=1):
        if str(day) not in built:
            watermark = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
            manifest = rebuild(settings, company, watermark, silent, reread=(str(day), str(day)))
            built[str(day)] = manifest.id
            store.put(key, json.dumps(record, sort_keys=True).encode())
        progress(f"backfill {company}", number, len(days))
    try:
        release(settings, read_manifest(store, company, built[str(days[-1])]), progress)
        published, note = True, f"live up to {instant(datetime(end.year, end.month, end.day, tzinfo=UTC))}"
    except PublishRefused as refused:
        published, note = False, str(refused)
    store.put(key, json.dumps({**record, "finished": True}, sort_keys=True).encode())
    return CompanyBackfill(company, built, resumed, published, note)


def _record(store: ObjectStore, key: str, reason: str) -> dict[str, Any]:
    """The record of an unfinished backfill of the same range, or a new one: a finished range starts over."""
    document = store.get(key)
    record: dict[str, Any] = json.loads(document) if document else {}
    if not record or record.get("finished"):
        return {"reason": reason, "generations": {}, "finished": False}
    return record
