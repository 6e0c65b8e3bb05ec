"""The analysis of experiments: exposures and outcomes -> results, for the database, Redis and a person.

    analyze_company  snapshot -> units -> moments -> intervals, decisions -> UpsellExperiment.results, history, Redis

It runs in the night, after a generation was trained, and every hour by itself; neither waits for the other, or fails with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import stamina

from flows.companies import due_companies, refusal, told_once
from flows.errors import ServiceUnavailable
from flows.experiments_designs import day_of
from flows.experiments_documents import Document, refused, replay_name, told
from flows.experiments_extract import experiment_rows, extract_experiments
from flows.experiments_measure import Measured, measure
from flows.experiments_publish import publish_results, strict_json
from flows.layout import experiment_replay_key
from flows.object_store import ObjectStore, open_store
from flows.settings import Settings
from models.experiment_plans import Plan, plan_of
from models.metrics import BY_NAME
from models.replay import replay
from models.snapshot import Snapshot, instant

Progress = Callable[[str, int, int], None]
ATTEMPTS = 3
REPLAYS, REPLAY_LOOKS, REPLAY_SEED, LEAST_UNITS = 1_000, 14, 20_260_101, 100


@dataclass(frozen=True)
class CompanyAnalysis:
    """A company's experiments at one watermark: one document each (docs/experiments.md), exposures of experiments that it does not
    have, and rows that could not be used, by reason."""

    company: str
    watermark: str
    experiments: list[Document]
    unknown_exposures: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> Document:
        """One JSON document."""
        return {
            "company": self.company,
            "watermark": self.watermark,
            "unknownExposures": self.unknown_exposures,
            "quarantined": self.quarantined,
            "experiments": self.experiments,
        }


def analyze_company(
    settings: Settings, company: str, watermark: datetime, progress: Progress, *, with_replay: bool = False
) -> CompanyAnalysis:
    """Analyse the company's experiments up to `watermark` (exclusive) and publish the results.

    with_replay: replay the company's past units first, which takes seconds; else the last night's replays stand beside the results.
    A store that is lost half-way is waited for: every step may be run again. Raises SettingsError for a company that does not
    exist, SnapshotError, ServiceUnavailable.
    """
    for attempt in stamina.retry_context(
        on=ServiceUnavailable, attempts=ATTEMPTS, wait_jitter=0.1, wait_max=min(5.0, settings.retry_seconds)
    ):
        with attempt:
            store = open_store(settings.snapshots, settings.local_dir / "cache")
            snapshot = extract_experiments(settings, store, company, watermark, progress)
            if snapshot is not None:
                return _analyzed(settings, store, snapshot, watermark, progress, with_replay=with_replay)
    return CompanyAnalysis(company, instant(watermark), [])


def analyze_companies(
    settings: Settings, chosen: Sequence[str] | None, watermark: datetime, progress: Progress
) -> tuple[list[CompanyAnalysis], str | None]:
    """The analyses of the chosen companies, or of all active ones, and one sentence per company that failed, or None.

    All are tried, whatever becomes of the others. Raises ServiceUnavailable where it cannot be asked which ones there are.
    """
    done: list[CompanyAnalysis] = []

    def analyze(company: str) -> None:
        done.append(analyze_company(settings, company, watermark, progress))

    refusals = [refusal(settings, company, analyze) for company in due_companies(settings, chosen)]
    return done, told_once(refusals)


def _analyzed(
    settings: Settings, store: ObjectStore, snapshot: Snapshot, watermark: datetime, progress: Progress, *, with_replay: bool
) -> CompanyAnalysis:
    company, label = snapshot.company, f"analyze {snapshot.company}"
    plans, documents = _plans(experiment_rows(snapshot), watermark)
    measured = measure(store, snapshot, plans, keep_past=with_replay)
    progress(label, 1, 3)
    if with_replay:
        store.put(experiment_replay_key(company), strict_json(_replays(plans, measured)))
    stored = store.get(experiment_replay_key(company))
    replays = json.loads(stored) if stored else {}
    progress(label, 2, 3)
    documents = sorted([*documents, *told(plans, measured, watermark, replays, company)], key=lambda row: str(row["experiment"]))
    publish_results(settings, store, company, day_of(watermark), documents)
    progress(label, 3, 3)
    unknown = measured.dirty.filter(name="unknownExperiment")["n"].sum()
    return CompanyAnalysis(company, snapshot.watermark, documents, int(unknown), snapshot.quarantined)


def _plans(rows: Sequence[dict[str, Any]], watermark: datetime) -> tuple[list[Plan], list[Document]]:
    """Plans, and the documents of experiments whose plan cannot be read."""
    plans, unreadable = [], []
    for row in rows:
        try:
            plans.append(plan_of(row))
        except ValueError as why:
            unreadable.append(refused(row, str(why), watermark))
    return plans, unreadable


def _replays(plans: Sequence[Plan], measured: Measured) -> dict[str, Document]:
    """A/A replays on the company's own past units, by `replay_name`."""
    found = {}
    for plan in plans:
        units = measured.past.get(plan.primary_metric)
        name = replay_name(plan)
        if name not in found and units is not None and units.height >= LEAST_UNITS:
            metric, planned = BY_NAME[plan.primary_metric], plan.planned_units is not None
            found[name] = replay(units, metric, plan.alpha, REPLAYS, REPLAY_SEED, REPLAY_LOOKS, planned).to_json()
    return found
