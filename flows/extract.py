"""Postgres -> Parquet day partitions and a Snapshot.

A day is read again only when its fingerprint in the source has changed since the last snapshot, so that a night costs its
new and changed days. Partition files are named after their content and never edited: a killed run leaves only files that
the next one finds again. What cannot be used goes to a quarantine partition with its reason and stops nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import sql
from flows.companies import company_row
from flows.connections import Connection, postgres
from flows.copy_reader import CopyReader
from flows.errors import SnapshotError
from flows.layout import partition_key, quarantine_key, snapshot_key, snapshots_prefix, table_key
from flows.object_store import ObjectStore, parquet_bytes
from flows.order_lines import assembled
from flows.settings import Settings
from models.snapshot import CONFIG_PARTS, Partition, Snapshot, instant

Progress = Callable[[str, int, int], None]
# events read at once: Postgres scans all lines for every range that is no small part of them, so few ranges, but more than one,
# that it may read the next while this process writes the last
MIN_CHUNK_EVENTS, MAX_CHUNK_EVENTS, CHUNKS = 20_000, 200_000, 2
RECONCILE_ATTEMPTS = 3
WRITERS = 4
# part of every fingerprint: raised when a partition's columns change, it makes every day be read again
COLUMNS_VERSION = 1


@dataclass(frozen=True)
class Member:
    """A table of events that is extracted by day: its queries, the column of its instant, the one that names the event where
    several rows make one (the lines of an order), and what makes sorted rows of those that were read."""

    name: str
    days: str
    rows: str
    counts: str
    checks: str
    at: str
    event: str | None = None
    assemble: Callable[[pl.DataFrame], pl.DataFrame] | None = None


MEMBERS = (
    Member(
        name="order_lines",
        days="extract/order_days",
        rows="extract/order_lines",
        counts="extract/order_line_counts",
        checks="checks/order_lines",
        at="ordered_at",
        event="order_id",
        assemble=assembled,
    ),
    Member(
        name="views",
        days="extract/view_days",
        rows="extract/views",
        counts="extract/view_counts",
        checks="checks/views",
        at="viewed_at",
    ),
    Member(
        name="impressions",
        days="extract/impression_days",
        rows="extract/impressions",
        counts="extract/impression_counts",
        checks="checks/impressions",
        at="viewed_at",
    ),
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
    with postgres(settings, autocommit=True) as connection, ThreadPoolExecutor(1) as beside:
        connection.execute("set default_transaction_read_only = on")
        row = company_row(connection, company)
        reader = CopyReader(settings, connection)
        bound = {"company": company, "watermark": watermark}
        products, subscriptions = (
            beside.submit(reader.read, sql.load(f"extract/{name}"), bound) for name in ("products", "subscriptions")
        )
        quarantined: Counter[str] = Counter()
        members = {}
        for member in MEMBERS:
            extraction = Extraction(reader, store, company, watermark, member)
            members[member.name] = extraction.run(connection, previous, reread, progress, quarantined)
        tables = {
            "products": products.result().sort("product_id"),
            "subscriptions": subscriptions.result().sort(pl.all()),
        }
    keys = {name: _put_table(store, company, name, frame) for name, frame in tables.items()}
    config = {part: row[part] or {} for part in CONFIG_PARTS}
    snapshot = Snapshot(
        company=company,
        watermark=instant(watermark),
        currency=row["currency"],
        timezone=row["timezone"],
        members=members,
        products_key=keys["products"],
        subscriptions_key=keys["subscriptions"],
        config=config,
        quarantined=dict(sorted(quarantined.items())),
    )
    store.put(snapshot_key(company, watermark), snapshot.to_json())
    return snapshot


def _put_table(store: ObjectStore, company: str, name: str, frame: pl.DataFrame) -> str:
    content = parquet_bytes(frame)
    key = table_key(company, name, _sha(content))
    store.put(key, content)
    return key


def latest_snapshot(store: ObjectStore, company: str) -> Snapshot | None:
    """The snapshot with the latest watermark, or None before the first night."""
    keys = store.keys(snapshots_prefix(company))
    document = store.get(keys[-1]) if keys else None
    return Snapshot.from_json(document) if document else None


@dataclass(frozen=True)
class Extraction:
    """One member of one company: which days changed, their rows, and the partitions that result."""

    reader: CopyReader
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
        source = {row["day"]: row for row in connection.execute(sql.load(self.member.days), bound)}
        if undated := source.pop(None, None):
            quarantined[f"{self.member.name}: {self.member.at} is before 1970"] += undated["n_events"]
        kept = self._unchanged(source, previous, reread)
        read = self._read_days(connection, source, kept, progress)
        partitions = [kept.get(day) or read[day] for day in sorted(source)]
        for partition in partitions:
            if partition.n_quarantined:
                quarantined.update(self._reasons(partition))
        return partitions

    def _unchanged(
        self, source: dict[str, dict[str, Any]], previous: Snapshot | None, reread: tuple[str, str] | None
    ) -> dict[str, Partition]:
        known = previous.members.get(self.member.name, []) if previous else []
        first, last = reread or ("", "")
        return {
            row.day: row
            for row in known
            if row.day in source and row.fingerprint == _fingerprint(source[row.day]) and not first <= row.day <= last
        }

    def _read_days(
        self, connection: Connection, source: dict[str, dict[str, Any]], kept: dict[str, Partition], progress: Progress
    ) -> dict[str, Partition]:
        partitions: dict[str, Partition] = {}
        n_changed = len(source.keys() - kept.keys())
        # Postgres works on the next chunk while this process encodes the last one; never more than that one ahead
        with ThreadPoolExecutor(1) as thread:
            ahead: tuple[list[str], Future[pl.DataFrame]] | None = None
            for chunk in [*_chunks(source, kept), None]:
                current, ahead = ahead, (chunk, thread.submit(self._read, chunk[0], chunk[-1])) if chunk else None
                if current is not None:
                    days, rows = current[0], current[1].result()
                    partitions |= self._write(days, self._reconciled(connection, days, rows, source), source)
                    progress(f"extract {self.company} {self.member.name}", len(partitions), n_changed)
        return partitions

    def _read(self, first: str, last: str) -> pl.DataFrame:
        """The rows of a range of days, sorted, with the reason of each that cannot be used."""
        rows = self.reader.read(sql.load(self.member.rows), self._range(first, last))
        at = self.member.at
        ordered = self.member.assemble(rows) if self.member.assemble else rows.sort(at, pl.exclude(at))
        checked = pl.SQLContext(extracted=ordered).execute(sql.load(self.member.checks), eager=True)
        assert isinstance(checked, pl.DataFrame)
        return checked

    def _range(self, first: str, last: str) -> dict[str, Any]:
        until = min(_midnight(last) + timedelta(days=1), self.watermark)
        return {"company": self.company, "start": _midnight(first), "until": until}

    def _reconciled(
        self, connection: Connection, days: list[str], rows: pl.DataFrame, source: dict[str, dict[str, Any]]
    ) -> pl.DataFrame:
        """`rows`, or what a later reading gives, once it is as many as the source counts."""
        n_events = rows[self.member.event].n_unique() if self.member.event else rows.height
        if n_events == sum(source[day]["n_counted"] for day in days):
            return rows
        # orders without lines, or the source has changed since it was counted: the exact count decides
        for _ in range(RECONCILE_ATTEMPTS):
            count = connection.execute(sql.load(self.member.counts), self._range(days[0], days[-1])).fetchone()
            if count and count["n"] == rows.height:
                return rows
            rows = self._read(days[0], days[-1])
        raise SnapshotError(
            f"{self.company}: {self.member.name} of {days[0]} to {days[-1]} never agree with the source's count "
            f"({rows.height} rows read): run the same command again when the import that changes them has ended."
        )

    def _write(self, days: list[str], rows: pl.DataFrame, source: dict[str, dict[str, Any]]) -> dict[str, Partition]:
        dated = rows.with_columns(day=pl.col(self.member.at).dt.date())
        usable = dated.filter(pl.col("reason").is_null()).drop("reason")
        good, bad = _by_day(usable), _by_day(dated.filter(pl.col("reason").is_not_null()))
        none = usable.clear().drop("day")
        with ThreadPoolExecutor(WRITERS) as writers:
            written = writers.map(lambda day: self._partition(day, good.get(day, none), bad.get(day), source[day]), days)
            return dict(zip(days, written, strict=True))

    def _partition(self, day: str, usable: pl.DataFrame, refused: pl.DataFrame | None, source: dict[str, Any]) -> Partition:
        content = parquet_bytes(usable)
        quarantine = b"" if refused is None else parquet_bytes(refused)
        # named after both: the day up to another watermark may have the same usable rows beside other refused ones
        key = partition_key(self.company, self.member.name, day, _sha(content + quarantine))
        self.store.put(key, content)
        if quarantine:
            self.store.put(quarantine_key(key), quarantine)
        return Partition(day, key, usable.height, 0 if refused is None else refused.height, _fingerprint(source))

    def _reasons(self, partition: Partition) -> Counter[str]:
        refused = pl.read_parquet(self.store.fetch(quarantine_key(partition.key)), columns=["reason"])
        return Counter({f"{self.member.name}: {reason}": n for reason, n in refused["reason"].value_counts().iter_rows()})


def _chunks(source: dict[str, dict[str, Any]], kept: dict[str, Partition]) -> Iterator[list[str]]:
    """Runs of changed days of about half of all changed events; no unchanged day lies inside a run."""
    n_changed = sum(row["n_events"] for day, row in source.items() if day not in kept)
    limit = min(max(n_changed // CHUNKS, MIN_CHUNK_EVENTS), MAX_CHUNK_EVENTS)
    chunk: list[str] = []
    n_events = 0
    for day in sorted(source):
        if chunk and (day in kept or n_events >= limit):
            yield chunk
            chunk, n_events = [], 0
        if day not in kept:
            chunk.append(day)
            n_events += source[day]["n_events"]
    if chunk:
        yield chunk


def _fingerprint(day: dict[str, Any]) -> str:
    return f"{COLUMNS_VERSION}:{day['n_events']}:{day['checksum']}"


def _by_day(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(day[0]): frame for day, frame in rows.partition_by("day", include_key=False, as_dict=True).items()}


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
