"""The checklist after a deployment: schema, stores, generations, and a running API's endpoints. Reads alone, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from flows import migrate
from flows.companies import due_companies
from flows.connections import postgres, redis_client
from flows.errors import UpsellError
from flows.publish import live_generation
from flows.settings import Settings
from models.generation import Manifest, manifest_key

# a night comes each day; two hours of slack for a long one
STALE_HOURS = 26


@dataclass(frozen=True)
class Check:
    """One line of the checklist; `advice` says what to do where it does not hold, and is "" where it does."""

    part: str
    what: str
    found: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """One row of the table."""
        row = asdict(self)
        return {"ok": "missed" if self.advice else "ok", **row}


def checklist(settings: Settings, api: str | None, now: datetime | None = None) -> list[Check]:
    """Every check, in the order of what rests on what; those of the API where `api`, its address, is given."""
    from flows.verify_api import api_checks

    rows = [*_told(_schema(settings), "schema"), *_told(_redis(settings, now or datetime.now(UTC)), "redis")]
    return [*rows, *(api_checks(settings, api.rstrip("/")) if api else [])]


def missed(rows: Iterable[Check]) -> str | None:
    """One sentence per miss, each once, or None where all holds."""
    return " ".join(dict.fromkeys(row.advice for row in rows if row.advice)) or None


def _told(checks: Iterator[Check], part: str) -> Iterator[Check]:
    """The checks, and as the last one why they could not go on."""
    try:
        yield from checks
    except UpsellError as refused:
        yield Check(part, "can be asked", "no", str(refused))


def _schema(settings: Settings) -> Iterator[Check]:
    with postgres(settings) as connection:
        connection.execute("set transaction read only")
        pending = [row.name for row in migrate.status(connection) if row.applied_at is None]
        missing = migrate.verify(connection)
    advice = f"Migrations are pending ({', '.join(pending)}): run `upsell migrate up`." if pending else ""
    yield Check("schema", "migrations are applied", f"{len(pending)} pending", advice)
    for kind in ("enum", "table", "index"):
        lacking = [name.partition(" ")[2] for name in missing if name.startswith(kind)]
        names = ", ".join(lacking)
        advice = f"The schema lacks the {kind} {names}: run `upsell migrate up`, or down and up where it was changed by hand."
        yield Check("schema", f"every {kind} is there", names or "all", advice if lacking else "")


def _redis(settings: Settings, now: datetime) -> Iterator[Check]:
    with redis_client(settings) as client:
        yield Check("redis", "answers", "yes")
        yield from _persistence(client)
        for company in due_companies(settings, None):
            yield _generation(client, company, now)


def _persistence(client: redis.Redis) -> Iterator[Check]:
    info: Any = client.info("persistence")
    on = bool(info.get("aof_enabled"))
    advice = "Redis does not append to a file: set `appendonly yes`, or a crash loses events that were answered."
    yield Check("redis", "appends what it is told", "yes" if on else "no", "" if on else advice)
    written = info.get("aof_last_write_status", "ok") == "ok"
    advice = "Redis cannot write its append-only file: look at its disk and its log."
    yield Check("redis", "its last write went well", "yes" if written else "no", "" if written else advice)


def _generation(client: redis.Redis, company: str, now: datetime) -> Check:
    live = live_generation(client, company)
    document: Any = client.get(manifest_key(company, live)) if live else None
    what = f"{company} has a live generation"
    if not document:
        return Check("generations", what, "none", f"{company} has no live generation: run `upsell nightly --company {company}`.")
    hours = (now - datetime.fromisoformat(Manifest.from_json(document).watermark)).total_seconds() / 3600
    stale = (
        f"The generation of {company} is {hours:.0f} hours old: run `upsell nightly --company {company}` and see why it did not."
    )
    return Check("generations", what, f"{hours:.1f} hours old", stale if hours > STALE_HOURS else "")
