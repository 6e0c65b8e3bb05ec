"""The night: for every company extract, derive, evaluate, train, publish; then analyse its experiments.

    rebuild(company)  Postgres -> snapshot -> features -> verdicts of the held-out days -> a built generation in the object store
    release(company)  the built generation -> Redis, past the gates, one pointer moved
    reconcile         Redis' counters of offers and claimed revenue, against Postgres (flows/reconcile.py)
    analyze_company   exposures and outcomes -> results of experiments (flows/analyze.py), whether or not a generation went live

Companies are independent: one that fails is reported, the others are published. `flows/deployments.py` runs the same as a
Prefect flow, one task per company.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import stamina

from flows.analyze import analyze_company
from flows.companies import due_companies, refusal, told_once
from flows.configs import publish_configs
from flows.derive import UNKNOWN_PRODUCTS, derive, read_features
from flows.errors import ServiceUnavailable, SettingsError
from flows.extract import extract
from flows.object_store import open_store
from flows.publish import publish
from flows.reconcile import Reconciled, reconcile
from flows.settings import Settings
from flows.train import train
from models.evaluation import evaluate, held_out_from
from models.generation import Manifest
from models.snapshot import instant

Progress = Callable[[str, int, int], None]
ATTEMPTS = 3
FIRST_YEAR, LAST_YEAR = 1900, 2199


@dataclass(frozen=True)
class CompanyNight:
    """How one company's night ended: `error` is None when `generation` is live, `analysis_error` when its experiments were
    analysed, `n_experiments` of them. Quarantined rows are counted by reason; readiness says of each judged kind how it did on the
    held-out days, or what that still takes. `reconcile_error` is None when Redis' counters agree with Postgres and accepted
    offers were held against their orders: so many, and those whose claimed revenue is above what was ordered."""

    company: str
    watermark: str
    generation: str | None
    n_payloads: int
    counts: dict[str, int]
    quarantined: dict[str, int]
    readiness: dict[str, str]
    seconds: float
    error: str | None = None
    n_experiments: int = 0
    analysis_error: str | None = None
    n_revenue_checked: int = 0
    n_revenue_mismatches: int = 0
    reconcile_error: str | None = None


def rebuild(
    settings: Settings, company: str, watermark: datetime, progress: Progress, reread: tuple[str, str] | None = None
) -> Manifest:
    """Extract, derive, evaluate and train one company up to `watermark`; returns the manifest of the built generation."""
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    snapshot = extract(settings, store, company, watermark, progress, reread)
    rows = derive(store, snapshot)
    features = read_features(store, snapshot)
    gate = settings.gates(company).quality
    evaluation = evaluate(features, held_out_from(features), gate, progress, gate_only=True)
    return train(store, snapshot, features, evaluation, rows[UNKNOWN_PRODUCTS], progress)


def release(settings: Settings, manifest: Manifest, progress: Progress, *, allow_older: bool = False) -> int:
    """Publish a built generation; returns the number of payloads."""
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    return publish(settings, store, manifest, progress, allow_older=allow_older)


def company_night(settings: Settings, company: str, watermark: datetime, progress: Progress) -> CompanyNight:
    """One company's whole night. What the operator can act on ends in the report, so that the other companies go on."""
    started = time.monotonic()
    manifest, n_payloads, analysis, agreed = None, 0, None, Reconciled(company)

    def recommend(company: str) -> None:
        nonlocal manifest, n_payloads
        wait_max = min(5.0, settings.retry_seconds)
        # every step may be run again: a store that was lost half-way is waited for, and the steps find what they had done
        for attempt in stamina.retry_context(on=ServiceUnavailable, attempts=ATTEMPTS, wait_jitter=0.1, wait_max=wait_max):
            with attempt:
                manifest = rebuild(settings, company, watermark, progress)
                n_payloads = release(settings, manifest, progress)
                publish_configs(settings, company)

    def analyze(company: str) -> None:
        nonlocal analysis
        analysis = analyze_company(settings, company, watermark, progress, with_replay=True)

    def agree(company: str) -> None:
        nonlocal agreed
        agreed = reconcile(settings, company, datetime.now(UTC))

    error, reconcile_error = refusal(settings, company, recommend), refusal(settings, company, agree)
    analysis_error = refusal(settings, company, analyze)
    return CompanyNight(
        company=company,
        watermark=instant(watermark),
        generation=manifest.id if manifest and error is None else None,
        n_payloads=n_payloads,
        counts=manifest.counts if manifest else {},
        quarantined=manifest.figures["quarantined"] if manifest else {},
        readiness=manifest.figures["readiness"] if manifest else {},
        seconds=round(time.monotonic() - started, 2),
        error=error,
        n_experiments=len(analysis.experiments) if analysis else 0,
        analysis_error=analysis_error,
        n_revenue_checked=agreed.revenue_checked,
        n_revenue_mismatches=agreed.revenue_mismatches,
        reconcile_error=reconcile_error,
    )


def night(settings: Settings, chosen: list[str] | None, watermark: datetime, progress: Progress) -> list[CompanyNight]:
    """The whole night, company by company."""
    return [company_night(settings, company, watermark, progress) for company in due_companies(settings, chosen)]


def as_of_utc(as_of: datetime | None) -> datetime:
    """The watermark of a night: `as_of` (without a zone: UTC), or now. Raises SettingsError for a year that no shop has."""
    if as_of is None:
        return datetime.now(UTC)
    if not FIRST_YEAR <= as_of.year <= LAST_YEAR:
        raise SettingsError(f"{as_of.isoformat()} cannot be used: give an instant of the years {FIRST_YEAR} to {LAST_YEAR}.")
    return as_of.replace(tzinfo=UTC) if as_of.tzinfo is None else as_of.astimezone(UTC)


def failures(nights: list[CompanyNight]) -> str | None:
    """One sentence per company and part of its night that failed, or None."""
    return told_once(why for row in nights for why in (row.error, row.reconcile_error, row.analysis_error))
