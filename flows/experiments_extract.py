"""What the analysis of experiments reads of Postgres: its own members and its own snapshots, apart from the recommendations'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

import sql
from flows.companies import company_row
from flows.connections import Connection, postgres
from flows.copy_reader import CopyReader
from flows.extract import Extraction, Member
from flows.layout import experiment_snapshot_key, experiment_snapshots_prefix
from flows.object_store import ObjectStore
from flows.settings import Settings
from models import company_settings, exact_json, holdout
from models.snapshot import Snapshot, instant

Progress = Callable[[str, int, int], None]
INSTANTS = ("started_at", "ended_at")
EXPOSURES, ORDERS = "experiment_exposures", "experiment_orders"
MEMBERS = (
    Member(
        name=EXPOSURES,
        days="extract/experiment_exposure_days",
        rows="extract/experiment_exposures",
        counts="extract/experiment_exposure_counts",
        checks="checks/experiment_exposures",
        at="happened_at",
    ),
    Member(
        name=ORDERS,
        days="extract/experiment_order_days",
        rows="extract/experiment_orders",
        counts="extract/experiment_order_counts",
        checks="checks/experiment_orders",
        at="ordered_at",
    ),
)


def extract_experiments(
    settings: Settings, store: ObjectStore, company: str, watermark: datetime, progress: Progress
) -> Snapshot | None:
    """The company's exposures and orders up to `watermark` (exclusive, UTC), and in `config["experiments"]` its experiments; None
    for a company that has none, of which nothing else is read.

    Days that have not changed since the last analysis are not read again. Raises SettingsError for a company that does not exist,
    SnapshotError when counts never agree with the source, ServiceUnavailable.
    """
    bound = {"company": company, "holdout": holdout.EXPERIMENT, "holdout_id": holdout.experiment_id(company)}
    with postgres(settings, autocommit=True) as connection:
        company_row(connection, company)
        there = connection.execute(sql.load("extract/experiment_there"), bound).fetchone()
        if there is None or not (there["has_experiments"] or there["has_holdout"]):
            return None
        if there["has_holdout"]:
            _ensure_holdout(connection, company)
        experiments = connection.execute(sql.load("extract/experiments"), {"company": company}).fetchall()
        previous = latest_experiments(store, company)
        quarantined: Counter[str] = Counter()
        reader = CopyReader(settings, connection)
        members = {
            member.name: Extraction(reader, store, company, watermark, member).run(
                connection, previous, None, progress, quarantined
            )
            for member in MEMBERS
        }
    config = {"experiments": [_plain(row) for row in experiments]}
    snapshot = Snapshot(company, instant(watermark), "", members, "", config, dict(sorted(quarantined.items())))
    store.put(experiment_snapshot_key(company, watermark), snapshot.to_json())
    return snapshot


def latest_experiments(store: ObjectStore, company: str) -> Snapshot | None:
    """The snapshot of the latest day that was analysed, or None."""
    keys = store.keys(experiment_snapshots_prefix(company))
    document = store.get(keys[-1]) if keys else None
    return Snapshot.from_json(document) if document else None


def experiment_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The experiments as sql/extract/experiments gives them."""
    rows = snapshot.config["experiments"]
    return [{**row, **{name: row[name] and datetime.fromisoformat(row[name]) for name in INSTANTS}} for row in rows]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{name: row[name] and instant(row[name]) for name in INSTANTS}}


def _ensure_holdout(connection: Connection, company: str) -> None:
    stored = connection.execute(sql.load("settings/published"), {"company": company}).fetchone()
    given = exact_json.read(stored["settings"]) if stored else {}
    shares = holdout.weights(company_settings.read(given).settings.holdout_percent)
    connection.execute(
        sql.load("analyze/holdout"),
        {
            "company": company,
            "experiment": holdout.experiment_id(company),
            "name": holdout.NAME,
            "control": Jsonb({"id": holdout.HOLDOUT, "unit": "session"}),
            "variants": Jsonb([{"id": variant} for variant in shares]),
            "weights": Jsonb(shares),
            "metric": holdout.METRIC,
        },
    )
