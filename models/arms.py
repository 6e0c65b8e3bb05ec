"""Moments and designs -> one row per arm, metric and segment, in an order in which an arm finds its control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.experiment_frames import DESIGNS, MOMENTS
from models.metrics import Metric

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Objects = NDArray[np.object_]
GROUP = ["experiment_id", "segment", "segment_value", "metric"]
THE_CONTROL, NO_CONTROL = "this is the control", "the experiment has no control"
NOT_PLANNED, UNKNOWN_METRIC = "the design has no such variant", "there is no such metric"
NUMBERS = (*(name for name, dtype in MOMENTS.items() if dtype != pl.String), "alpha", "planned_units", "share", "n_treatments")


@dataclass(frozen=True)
class Arms:
    """Rows of arms and what places them.

    frame: MOMENTS and DESIGNS of each row, sorted by GROUP, the control first. columns: NUMBERS as floats, NaN for null. metric:
    place in the metrics, 0 where there is none (`is_known`). control: the row of the control, -1 where the row is compared with
    none, and `reason` why. plan: place in `plans`, the distinct schedules of looks, -1 without one. family: a number per
    experiment and segment column; unit: one per experiment, segment value and variant.
    """

    frame: pl.DataFrame
    columns: dict[str, Floats]
    metric: Integers
    is_known: Booleans
    is_primary: Booleans
    control: Integers
    reason: Objects
    plan: Integers
    plans: list[tuple[float, ...]]
    family: Integers
    unit: Integers


def arranged(moments: pl.DataFrame, designs: pl.DataFrame, metrics: Sequence[Metric]) -> Arms:
    """Every planned variant in every group of the moments, without units too, and every variant that the moments have beside.

    ValueError for a design that names a variant twice, has two controls, or plans units without looks.
    """
    planned, plans = _planned(designs.select(list(DESIGNS)))
    known = pl.DataFrame({"metric": [metric.name for metric in metrics], "code": range(len(metrics))}, _CODES)
    expected = moments.select(GROUP).unique().join(planned, on="experiment_id")
    frame = (
        expected.join(moments.select(list(MOMENTS)), on=[*GROUP, "variant"], how="full", coalesce=True)
        .join(known, on="metric", how="left")
        .sort(*GROUP, "is_control", "variant", descending=[*(False for _ in GROUP), True, False], nulls_last=True)
        .with_columns(
            pl.col("n", "n_positive").fill_null(0),
            pl.col("is_control").fill_null(False),
            (pl.col("metric") == pl.col("primary_metric")).fill_null(False).alias("is_primary"),
        )
    )
    columns = {name: _floats(frame[name]) for name in NUMBERS}
    code, arm, plan = (frame[name].fill_null(-1).to_numpy() for name in ("code", "arm", "plan"))
    # rows of one number stand together
    changed = frame.select(pl.col(name).ne_missing(pl.col(name).shift()) for name in GROUP).to_numpy()
    family, block, group = (np.cumsum(changed[:, :size].any(axis=1), dtype=np.int64) for size in (2, 3, 4))
    control, reason = _controls(group, frame["is_control"].to_numpy(), arm >= 0, code >= 0)
    unit = block * (planned.height + 1) + arm + 1
    return Arms(
        frame, columns, np.maximum(code, 0), code >= 0, frame["is_primary"].to_numpy(), control, reason, plan, plans, family, unit
    )


_CODES = {"metric": pl.String, "code": pl.Int64}


def _planned(designs: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[float, ...]]]:
    """The designs with `share` of the traffic, `n_treatments`, `arm` (a number per row) and `plan` (the place of its looks)."""
    experiment = designs["experiment_id"].rank("dense").to_numpy().astype(np.int64)
    is_control = designs["is_control"].fill_null(False).to_numpy()
    weight = _floats(designs["weight"].fill_null(0.0))
    n_controls = np.bincount(experiment, is_control)[experiment]
    has_plan = designs["planned_units"].is_not_null()
    # planned units without looks would be read as a single look
    is_blind = has_plan & (designs["looks"].list.len().fill_null(0) == 0)
    _refuse(designs, designs.select("experiment_id", "variant").is_duplicated(), "more than one row of a variant")
    _refuse(designs, pl.Series(n_controls > 1), "more than one control")
    _refuse(designs, is_blind, "planned units and no looks")
    with np.errstate(invalid="ignore"):
        share = weight / np.bincount(experiment, weight)[experiment]
    plans = designs["looks"].filter(has_plan).unique().sort()
    places = pl.DataFrame({"looks": plans, "plan": range(len(plans))}, {"looks": pl.List(pl.Float64), "plan": pl.Int64})
    planned = designs.with_columns(
        pl.Series("share", share),
        pl.Series("n_treatments", np.bincount(experiment, ~is_control)[experiment]),
        pl.Series("arm", np.arange(designs.height)),
        pl.Series("plan", np.full(designs.height, -1)),
    )
    if len(plans):
        placed = planned.drop("plan").join(places, on="looks", how="left", maintain_order="left")
        planned = placed.with_columns(pl.when(has_plan).then("plan").otherwise(-1).alias("plan"))
    return planned, [tuple(each) for each in plans.to_list()]


def _refuse(designs: pl.DataFrame, is_wrong: pl.Series, what: str) -> None:
    if is_wrong.any():
        experiment = designs["experiment_id"].filter(is_wrong).sort()[0]
        raise ValueError(
            f"The design of the experiment {experiment} has {what}; give each variant one row, one of them the control, and with "
            "planned units the share of them at each look."
        )


def _floats(numbers: pl.Series) -> Floats:
    # null becomes NaN
    return numbers.cast(pl.Float64).to_numpy()


def _controls(group: Integers, is_control: Booleans, is_planned: Booleans, is_known: Booleans) -> tuple[Integers, Objects]:
    of_group = np.full(len(group) + 1, -1)
    of_group[group[is_control]] = np.flatnonzero(is_control)
    control = of_group[group]
    reason = np.full(len(group), None, dtype=object)
    for rows, why in (
        (control < 0, NO_CONTROL),
        (is_control, THE_CONTROL),
        (~is_planned, NOT_PLANNED),
        (~is_known, UNKNOWN_METRIC),
    ):
        reason[rows] = why
        control = np.where(rows, -1, control)
    return control, reason
