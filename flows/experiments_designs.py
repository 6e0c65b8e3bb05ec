"""Plans and how their units came -> DESIGNS: the looks so far, the days, whether the end is reached."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

import polars as pl

from models.experiment_frames import DESIGNS
from models.experiment_plans import Plan

DAY_SECONDS = 86_400


def designs(plans: Sequence[Plan], looks: pl.DataFrame, watermark: datetime) -> pl.DataFrame:
    """DESIGNS: one row per experiment and variant. looks: the answer of sql/features/experiment_looks."""
    schema: dict[str, Any] = DESIGNS
    seen = {str(key[0]): frame for key, frame in looks.partition_by("experiment_id", as_dict=True).items()}
    rows = [row for plan in plans for row in _arms(plan, seen.get(plan.experiment_id, looks.clear()), watermark)]
    return pl.DataFrame(rows, schema=schema).sort("experiment_id", "variant")


def _arms(plan: Plan, looks: pl.DataFrame, watermark: datetime) -> Iterable[dict[str, Any]]:
    shares = _shares(plan, looks)
    first = looks["first_exposed_at"].min()
    last = min(watermark, plan.ended_at or watermark)
    for variant, weight in plan.weights.items():
        yield {
            "experiment_id": plan.experiment_id,
            "variant": variant,
            "weight": weight,
            "is_control": variant == plan.control,
            "alpha": plan.alpha,
            "primary_metric": plan.primary_metric,
            # no look without a unit
            "planned_units": plan.planned_units if shares else None,
            "looks": shares,
            "days": (last - first).total_seconds() / DAY_SECONDS if isinstance(first, datetime) else None,
            "is_ended": plan.is_ended(plan.mature_until(watermark)),
        }


def _shares(plan: Plan, looks: pl.DataFrame) -> list[float] | None:
    """Shares of the planned units at each midnight that saw more of them, up to all of them."""
    if not plan.planned_units:
        return None
    daily = looks.drop_nulls("day").group_by("day").agg(pl.col("n").sum()).sort("day")
    shares: list[float] = []
    for n in accumulate(daily["n"].to_list()):
        shares.append(min(n / plan.planned_units, 1.0))
        if shares[-1] == 1.0:
            break
    return shares or None


def day_of(watermark: datetime) -> str:
    """The UTC day (`YYYY-MM-DD`) that an analysis up to `watermark` (exclusive) belongs to."""
    return datetime.fromtimestamp(watermark.timestamp() - 1e-3, UTC).date().isoformat()
