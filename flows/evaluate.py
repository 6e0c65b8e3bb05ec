"""`upsell evaluate`: every kind and every rival on a company's held-out days, from the database as it is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flows.derive import derive, read_features
from flows.errors import CheckFailed
from flows.extract import extract
from flows.object_store import open_store
from flows.settings import Settings
from models.evaluation import Evaluation, evaluate, held_out_from

Progress = Callable[[str, int, int], None]


def evaluate_company(settings: Settings, company: str, split_at: datetime | None, progress: Progress) -> Evaluation:
    """Extract what is new, then judge every kind and every rival: trained on what came before `split_at` (default: the
    company's last tenth, at most 14 days), judged on what came after. Publishes nothing.

    Where all events share one instant, only what needs no time can be judged. Raises CheckFailed where the company has no event
    at all, or none before, or none after, a given split.
    """
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    snapshot = extract(settings, store, company, datetime.now(UTC), progress)
    derive(store, snapshot)
    features = read_features(store, snapshot)
    n_events = features.baskets.height + features.views.height
    if not n_events:
        raise CheckFailed(f"{company} has no event yet: load orders or views, or wait for them.")
    before = features.before(split_at) if split_at else None
    n_before = before.baskets.height + before.views.height if before else n_events
    if split_at and not 0 < n_before < n_events:
        raise CheckFailed(
            f"{company}: {n_before:,} of {n_events:,} events lie before {split_at.isoformat()}: choose --split-at between "
            "the company's first and last event."
        )
    return evaluate(features, split_at or held_out_from(features), settings.gates(company).quality, progress)


def evaluation_table(company: str, evaluation: Evaluation) -> str:
    """An evaluation in Markdown: a row per kind, task and method."""
    lines = [
        "| company | kind | task | method | queries | hit rate | recall | nDCG | coverage | mean popularity | ours over it |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in method_rows(evaluation):
        numbers = [_interval(row[name]) for name in ("hitRate", "recall", "ndcg")]
        shares = [f"{row['coverage']:.3f}", f"{row['meanPopularity']:.3f}"]
        cells = [company, row["kind"], row["task"], row["method"], f"{row['nQueries']:,}", *numbers, *shares]
        lines.append(f"| {' | '.join(cells)} | {_interval(row['over']) if row['over'] else ''} |")
    return "\n".join(lines)


def method_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row per kind, task and method: ours first, then the rivals, the best one first."""
    rows = []
    for verdict in evaluation.verdicts:
        document = verdict.to_json()
        if document["ours"] is None:
            continue
        about = {"kind": verdict.kind, "task": verdict.task}
        rows.append({**about, "method": "ours", **document["ours"], "over": None})
        ranked = sorted(document["rivals"].items(), key=lambda item: -item[1]["hitRate"]["value"])
        for name, figures in ranked:
            rows.append({**about, "method": name, **figures, "over": asdict(verdict.against[name].ratio)})
    return rows


def _interval(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"
