"""Results of a company's experiments -> one strict document each, with what was dirty, and its entry of the day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from flows.experiments_designs import day_of, designs
from flows.experiments_measure import Measured
from models import holdout
from models.decision import decide
from models.experiment_documents import documents
from models.experiment_plans import CAP_QUANTILE, Plan
from models.inference import infer, sample_ratios
from models.metrics import METRICS
from models.snapshot import instant

Document = dict[str, Any]
# metrics whose figures a cap changes
CAPPED = {metric.name for metric in METRICS if metric.numerator == "revenue_cents"}
SEVERAL = "unitsInSeveralVariants"
WARN_SHARE = 0.01


def told(
    plans: Sequence[Plan], measured: Measured, watermark: datetime, replays: Mapping[str, Document], company: str
) -> list[Document]:
    """One document per experiment, in the order of their ids. replays: by `replay_name`."""
    planned = designs(plans, measured.looks, watermark)
    results = infer(measured.moments, planned, METRICS)
    arms = measured.looks.group_by("experiment_id", "variant").agg(pl.col("n").sum())
    splits = sample_ratios(arms, planned)
    found = documents(results, decide(results, planned, splits), splits, METRICS)
    records: dict[str, list[Document]] = {}
    for record in found["results"]:
        records.setdefault(record["experiment"], []).append(record)
    decided = {row["experiment"]: row for row in found["experiments"]}
    first = {str(row["experiment_id"]): row for row in planned.unique("experiment_id").iter_rows(named=True)}
    dirty = _dirt(measured.dirty)
    caps = _caps(measured.looks)
    made = []
    for plan in sorted(plans, key=lambda plan: plan.experiment_id):
        own = records.get(plan.experiment_id, [])
        cap = caps.get(plan.experiment_id)
        _state(own, plan, cap)
        design = first[plan.experiment_id]
        document = {
            **decided[plan.experiment_id],
            **_planned(plan, watermark),
            "days": design["days"],
            "looks": design["looks"],
            "isEnded": design["is_ended"],
            "cap": cap and {**cap, "quantile": None if plan.cap_cents else CAP_QUANTILE},
            **_dirty(dirty.get(plan.experiment_id, []), decided[plan.experiment_id]["srm"]["arms"]),
            "replay": replays.get(replay_name(plan)),
            "results": own,
        }
        if plan.experiment_id == holdout.experiment_id(company):
            document["incremental"] = next((holdout.incremental(row) for row in own if _is_incremental(row)), None)
        made.append(document)
    return made


def refused(row: Mapping[str, Any], why: str, watermark: datetime) -> Document:
    """The document of an experiment whose plan cannot be read."""
    about = {"experiment": row["experiment_id"], "name": row["name"], "status": row["status"]}
    decided = {"decision": "INVALID", "winner": None, "daysLeft": None, "sentence": f"Do not read this experiment: {why}"}
    dated = {"watermark": instant(watermark), "day": day_of(watermark)}
    return {**about, **decided, "reasons": [why], "primaryMetric": row["primary_metric"], "control": None, **dated, "results": []}


def entry_of(document: Document) -> Document:
    """What is kept of a day: the decision, and of each treatment the primary metric by the reading."""
    arms = {
        row["variant"]: {
            "n": row["n"],
            "difference": row["difference"],
            "interval": row["interval"]["reading"],
            "p": row["p"]["adjusted"],
        }
        for row in document["results"]
        if row["isPrimary"] and not row["isControl"] and "segment" not in row
    }
    return {"watermark": document["watermark"], "decision": document["decision"], "arms": arms}


def short(document: Document) -> Document:
    """The document as the database and Redis hold it: segments of the primary metric alone."""
    kept = [row for row in document["results"] if "segment" not in row or row["isPrimary"]]
    return {**document, "results": kept}


def replay_name(plan: Plan) -> str:
    """What an A/A replay is of: the same for all experiments that are read alike."""
    return f"{plan.primary_metric} {plan.alpha:g} {'planned' if plan.planned_units else 'open'}"


def _planned(plan: Plan, watermark: datetime) -> Document:
    # an experiment that is over belongs to the day on which its last window closed, however often it is read again
    closed = plan.ended_at + timedelta(days=plan.window_days) if plan.ended_at else watermark
    return {
        "name": plan.name,
        "status": plan.status,
        "unit": plan.unit,
        "control": plan.control,
        "primaryMetric": plan.primary_metric,
        "alpha": plan.alpha,
        "windowDays": plan.window_days,
        "plannedUnits": plan.planned_units,
        "watermark": instant(watermark),
        "day": day_of(min(watermark, closed)),
    }


def _dirt(dirty: pl.DataFrame) -> dict[str, list[tuple[str, str, int]]]:
    found: dict[str, list[tuple[str, str, int]]] = {}
    for experiment, variant, name, n in dirty.select("experiment_id", "variant", "name", "n").rows():
        found.setdefault(experiment, []).append((variant, name, int(n)))
    return found


def _dirty(rows: Sequence[tuple[str, str, int]], arms: Sequence[Document]) -> Document:
    totals: dict[str, int] = {}
    by_variant: dict[str, dict[str, int]] = {}
    for variant, name, n in rows:
        totals[name] = totals.get(name, 0) + n
        if variant:
            by_variant.setdefault(name, {})[variant] = n
    several, units = totals.get(SEVERAL, 0), sum(row["n"] for row in arms)
    warnings = []
    if several > WARN_SHARE * (units + several):
        share = several / (units + several)
        warnings.append(f"{several:,} units ({share:.1%}) were in several variants and do not count: look at the assignment.")
    return {"dirtyRows": totals, "dirtyRowsByVariant": by_variant, "warnings": warnings}


def _caps(looks: pl.DataFrame) -> dict[str, Document]:
    capped = looks.group_by("experiment_id").agg(pl.col("cap_cents").max(), pl.col("n_capped").sum())
    return {
        str(row["experiment_id"]): {"value": row["cap_cents"] / 100, "unitsCapped": int(row["n_capped"])}
        for row in capped.iter_rows(named=True)
        if row["cap_cents"] is not None
    }


def _state(records: Sequence[Document], plan: Plan, cap: Document | None) -> None:
    for record in records:
        record["windowDays"] = plan.window_days
        record["nulls"].pop("windowDays", None)
        if cap is not None and record["metric"] in CAPPED:
            record["cap"] = cap
            record["nulls"].pop("cap", None)


def _is_incremental(record: Document) -> bool:
    return record["variant"] == holdout.OFFERS and record["metric"] == holdout.METRIC and "segment" not in record
