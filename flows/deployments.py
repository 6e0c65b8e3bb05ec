"""The night, the analysis of experiments and the backfill as Prefect flows: what the deployments of prefect.yaml run.

They are thin: the same functions run without Prefect in `upsell nightly`, `upsell analyze` and `upsell backfill` (DECISIONS.md, 4).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact

from flows.analyze import analyze_companies
from flows.backfill import backfill_days
from flows.companies import due_companies
from flows.doors import open_services
from flows.errors import UpsellError
from flows.evaluate import evaluate_company, evaluation_table
from flows.experiment_report import analysis_report
from flows.nightly import CompanyNight, as_of_utc, company_night, failures
from flows.progress import silent
from flows.settings import Settings
from models.snapshot import instant


@task(task_run_name="{company}")
def night_of_company(settings: Settings, company: str, watermark: datetime) -> CompanyNight:
    """One company's night as a task of its own, so that Prefect shows each company."""
    return company_night(settings, company, watermark, silent)


@flow(name="nightly", log_prints=True)
def nightly(companies: list[str] | None = None, as_of: datetime | None = None) -> list[dict[str, Any]]:
    """The night of the named companies, or of all active ones. Events at or after `as_of` (default: now) are not looked at.
    Fails when any company failed, after all have been tried."""
    settings = open_services(Settings.from_env())
    watermark = as_of_utc(as_of)
    due = due_companies(settings, companies)
    nights = [future.result() for future in [night_of_company.submit(settings, company, watermark) for company in due]]
    create_markdown_artifact(key="nightly", markdown=night_table(nights), description=f"Night up to {instant(watermark)}")
    if failed := failures(nights):
        raise UpsellError(failed)
    return [asdict(row) for row in nights]


@flow(name="analyze", log_prints=True)
def analyze(companies: list[str] | None = None, as_of: datetime | None = None) -> list[dict[str, Any]]:
    """Read the experiments of the named companies, or of all active ones, and leave a table and a picture of each as artifact.
    Fails when any company failed, after all have been tried."""
    settings = open_services(Settings.from_env())
    watermark = as_of_utc(as_of)
    analyses, failed = analyze_companies(settings, companies, watermark, silent)
    reports = [analysis_report(settings, found) for found in analyses if found.experiments]
    create_markdown_artifact(
        key="experiments", markdown="\n\n".join(reports) or "No experiment runs.", description=f"Up to {instant(watermark)}"
    )
    if failed:
        raise UpsellError(failed)
    return [{"watermark": instant(watermark), "companies": len(reports)}]


@flow(name="evaluate", log_prints=True)
def evaluate(companies: list[str] | None = None, split_at: datetime | None = None) -> list[dict[str, Any]]:
    """Judge every kind and every rival on held-out days, for the named companies or all active ones; publishes nothing."""
    settings = open_services(Settings.from_env())
    split = as_of_utc(split_at) if split_at else None
    documents, tables = [], []
    for company in due_companies(settings, companies):
        evaluation = evaluate_company(settings, company, split, silent)
        documents.append({"company": company, **evaluation.to_json()})
        tables.append(evaluation_table(company, evaluation))
    create_markdown_artifact(key="evaluation", markdown="\n\n".join(tables), description="Kinds and rivals on held-out days")
    return documents


@flow(name="backfill", log_prints=True)
def backfill(start: date, end: date, reason: str, companies: list[str] | None = None) -> list[dict[str, Any]]:
    """Rebuild the days of [start, end), then release once."""
    done = backfill_days(open_services(Settings.from_env()), start, end, companies, reason, silent)
    lines = [f"| {row.company} | {len(row.generations)} | {row.resumed_days} | {row.note} |" for row in done]
    table = "\n".join(["| company | days | resumed | note |", "|---|---|---|---|", *lines])
    create_markdown_artifact(key="backfill", markdown=table, description=f"{start} to {end}: {reason}")
    return [asdict(row) for row in done]


def night_table(nights: list[CompanyNight]) -> str:
    """The night's report in Markdown: a row per company, then a line per company and kind on how ready it is."""
    head = (
        "| company | generation | payloads | orders | views | quarantined | experiments | overclaimed | seconds | error |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
    )
    ready = [f"- {row.company}, {kind}: {line}" for row in nights for kind, line in row.readiness.items()]
    table = head + "\n".join(
        f"| {row.company} | {row.generation or 'unchanged'} | {row.n_payloads:,} | {row.counts.get('orders', 0):,} "
        f"| {row.counts.get('views', 0):,} | {sum(row.quarantined.values()):,} | {row.n_experiments:,} "
        f"| {row.n_revenue_mismatches:,} of {row.n_revenue_checked:,} | {row.seconds} "
        f"| {failures([row]) or ''} |"
        for row in nights
    )
    return "\n\n".join([table, *(["\n".join(ready)] if ready else [])])
