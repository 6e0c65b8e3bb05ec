"""Postgres -> Parquet day partitions and a Snapshot.

A day is read again only when its fingerprint in the source has changed since the last snapshot, so that a night costs its
new and changed days. Partition files are named after their content and never edited: a killed run leaves only files that
the next one finds again. What cannot be used goes to a quarantine partition with its reason and stops nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import sql
from flows.connections import Connection, postgres
from flows.errors import SettingsError, SnapshotError
from flows.layout import partition_key, products_key, quarantine_key, snapshot_key, snapshots_prefix
from flows.object_store import ObjectStore
from flows.scanner import Scanner
from flows.settings import Settings
from models.snapshot import CONFIG_PARTS, Partition, Snapshot, instant

Progress = Callable[[str, int, int], None]
CHUNK_EVENTS = 4_000
RECONCILE_ATTEMPTS = 3


@dataclass(frozen=True)
class Member:
    """A table of events that is extracted by day: its queries and the column that orders it in time."""

    name: str
    days: str
    rows: str
    counts: str
    checks: str
    at: str


MEMBERS = (
    Member(
        "order_lines", "extract/order_days", "extract/order_lines", "extract/order_line_counts", "checks/order_lines", "ordered_at"
    ),
    Member("views", "extract/view_days", "extract/views", "extract/view_counts", "checks/views", "viewed_at"),
)


def extract(
    settings: Settings,
    store: ObjectStore,
    company: str,
    watermark: datetime,
    progress: Progress,
    reread: tuple[str, str] | None = None,
) -> Snapshot:
    """Bring the company's snapshot up to `watermark` (exclusive, UTC) and return it.

    `reread` names days [first, last] (`YYYY-MM-DD`) that are read again whatever their fingerprint. Raises SettingsError for
    a company that does not exist, SnapshotError when counts never agree with the source, ServiceUnavailable.
    """
    previous = latest_snapshot(store, company)
    # autocommit: each statement sees the newest rows, or reconciling would compare with counts of long ago
    with postgres(settings, autocommit=True) as connection, Scanner(settings, connection) as scanner:
        connection.execute("set default_transaction_read_only = on")
        row = connection.execute(sql.load("extract/company"), {"company": company}).fetchone()
        if row is None:
            raise SettingsError(f"Company {company!r} does not exist: load it, or correct --company.")
        quarantined: Counter[str] = Counter()
        members = {}
        for member in MEMBERS:
            extraction = Extraction(scanner, store, company, watermark, member)
            members[member.name] = extraction.run(connection, previous, reread, progress, quarantined)
        catalogue = scanner.read(sql.load("extract/products"), {"company": company}).sort("product_id")
    key = products_key(company, _sha(content := _parquet(catalogue)))
    store.put(key, content)
    config = {part: row[part] or {} for part in CONFIG_PARTS}
    snapshot = Snapshot(
        company=company,
        watermark=instant(watermark),
        currency=row["currency"],
        members=members,
        products_key=key,
        config=config,
        quarantined=dict(sorted(quarantined.items())),
    )
    store.put(snapshot_key(company, watermark), snapshot.to_json())
    return snapshot


def latest_snapshot(store: ObjectStore, company: str) -> Snapshot | None:
    """The snapshot with the latest watermark, or None before the first night."""
    keys = store.keys(snapshots_prefix(company))
    document = store.get(keys[-1]) if keys else None
    return Snapshot.from_json(document) if document else None


@dataclass(frozen=True)
class Extraction:
    """One member of one company: which days changed, their rows, and the partitions that result."""

    scanner: Scanner
    store: ObjectStore
    company: str
    watermark: datetime
    member: Member

    def run(
        self,
        connection: Connection,
        previous: Snapshot | None,
        reread: tuple[str, str] | None,
        progress: Progress,
        quarantined: Counter[str],
    ) -> list[Partition]:
        """Partitions of all days up to the watermark; `quarantined` gains the counts by reason."""
        bound = {"company": self.company, "watermark": self.watermark}
        source = list(connection.execute(sql.load(self.member.days), bound))
        undated = sum(row["n_events"] for row in source if row["day"] is None)
        if undated:
            quarantined[f"{self.member.name}: {self.member.at} is before 1970"] += undated
        days = {row["day"]: f"{row['n_events']}:{row['checksum']}" for row in source if row["day"] is not None}
        known = {row.day: row for row in previous.members.get(self.member.name, [])} if previous else {}
        kept = {day: known[day] for day, print_ in days.items() if day in known and known[day].fingerprint == print_}
        if reread:
            kept = {day: row for day, row in kept.items() if not reread[0] <= day <= reread[1]}
        changed = {row["day"]: row["n_events"] for row in source if row["day"] in days and row["day"] not in kept}
        read = self._read_days(connection, changed, days, progress)
        partitions = [kept.get(day) or read[day] for day in sorted(days)]
        for partition in partitions:
            if partition.n_quarantined:
                quarantined.update(self._reasons(partition))
        return partitions

    def _read_days(
        self, connection: Connection, changed: dict[str, int], days: dict[str, str], progress: Progress
    ) -> dict[str, Partition]:
        partitions: dict[str, Partition] = {}
        # Postgres works on the next chunk while this process encodes the last one
        with ThreadPoolExecutor(1) as reader:
            chunks = list(_chunks(changed, sorted(days)))
            pending = [(chunk, reader.submit(self._read, chunk[0], chunk[-1])) for chunk in chunks]
            for chunk, future in pending:
                partitions |= self._write(connection, chunk, future.result(), days)
                progress(f"extract {self.company} {self.member.name}", len(partitions), len(changed))
        return partitions

    def _read(self, first: str, last: str) -> pl.DataFrame:
        return self.scanner.read(sql.load(self.member.rows), self._range(first, last), sql.load(self.member.checks))

    def _range(self, first: str, last: str) -> dict[str, Any]:
        until = min(_midnight(last) + timedelta(days=1), self.watermark)
        return {"company": self.company, "start": _midnight(first), "until": until}

    def _write(self, connection: Connection, chunk: list[str], rows: pl.DataFrame, days: dict[str, str]) -> dict[str, Partition]:
        for _ in range(RECONCILE_ATTEMPTS):
            if rows.height == self._source_count(connection, chunk):
                break
            rows = self._read(chunk[0], chunk[-1])
        else:
            raise SnapshotError(
                f"{self.company}: {self.member.name} of {chunk[0]} to {chunk[-1]} never agree with the source's count "
                f"({rows.height} rows read): run the same command again when the import that changes them has ended."
            )
        by_day = rows.with_columns(pl.col(self.member.at).dt.date().cast(pl.String).alias("day"))
        frames = {str(day[0]): frame for day, frame in by_day.partition_by("day", include_key=False, as_dict=True).items()}
        empty = by_day.clear().drop("day")
        return {day: self._partition(day, frames.get(day, empty), days[day]) for day in chunk}

    def _source_count(self, connection: Connection, chunk: list[str]) -> int:
        row = connection.execute(sql.load(self.member.counts), self._range(chunk[0], chunk[-1])).fetchone()
        return int(row["n"]) if row else 0

    def _partition(self, day: str, frame: pl.DataFrame, fingerprint: str) -> Partition:
        usable = frame.filter(pl.col("reason").is_null()).drop("reason")
        content = _parquet(usable)
        digest = _sha(content)
        key = partition_key(self.company, self.member.name, day, digest)
        self.store.put(key, content)
        refused = frame.filter(pl.col("reason").is_not_null())
        if refused.height:
            self.store.put(quarantine_key(key), _parquet(refused))
        return Partition(day, key, usable.height, refused.height, fingerprint)

    def _reasons(self, partition: Partition) -> Counter[str]:
        refused = pl.read_parquet(self.store.fetch(quarantine_key(partition.key)), columns=["reason"])
        return Counter({f"{self.member.name}: {reason}": n for reason, n in refused["reason"].value_counts().iter_rows()})


def _chunks(changed: dict[str, int], days: list[str]) -> Iterator[list[str]]:
    """Runs of changed days, cut at CHUNK_EVENTS; no day that is unchanged lies inside a run."""
    chunk: list[str] = []
    for day in [*days, None]:
        full = day is None or day not in changed or sum(changed[one] for one in [*chunk, day]) > CHUNK_EVENTS
        if chunk and full:
            yield chunk
            chunk = []
        if day in changed:
            chunk.append(day)


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
    return buffer.getvalue()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
