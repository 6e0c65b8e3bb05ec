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
Objects = NDArray[np.object_]
GROUP = ["experiment_id", "segment", "segment_value", "metric"]
THE_CONTROL, NO_CONTROL = "this is the control", "the experiment has no control"
NOT_PLANNED, UNKNOWN_METRIC = "the design has no such variant", "there is no such metric"
NUMBERS = (*(name for name, dtype in MOMENTS.items() if dtype != pl.String), "alpha", "planned_units", "share", "n_treatments")


@dataclass(frozen=True)
class Arms:
    """Rows of arms and what places them.

    frame: MOMENTS and DESIGNS of each row, sorted by GROUP, the control first. columns: NUMBERS as floats, NaN for null. metric:
    place in the metrics, 0 where there is none (see `reason`). control: the row of the control, -1 where the row is compared with
    none, and `reason` why. plan: place in `plans`, the distinct schedules of looks, -1 without one. family: a number per
    experiment and segment column; unit: one per experiment, segment value and variant.
    """

    frame: pl.DataFrame
    columns: dict[str, Floats]
    metric: Integers
    is_primary: NDArray[np.bool_]
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
    planned, plans = _planned(designs)
    known = pl.DataFrame({"metric": [metric.name for metric in metrics], "code": range(len(metrics))}, _CODES)
    # one query: on a thousand experiments each further one costs as much as a formula over all rows
    of_groups = moments.lazy().select(GROUP).unique().join(planned.lazy(), on="experiment_id")
    frame = (
        of_groups.join(moments.lazy().select(list(MOMENTS)), on=[*GROUP, "variant"], how="full", coalesce=True)
        .join(known.lazy(), on="metric", how="left")
        .with_columns(pl.col("n", "n_positive").fill_null(0), pl.col("is_control").fill_null(False))
        .sort(*GROUP, "is_control", "variant", descending=[*(False for _ in GROUP), True, False])
        .with_columns(
            *(pl.col(name).cast(pl.Float64).fill_null(np.nan).alias(f"as_float:{name}") for name in NUMBERS),
            *(pl.col(name).cast(pl.Int64).fill_null(-1) for name in ("code", "arm", "plan")),
            (pl.col("metric") == pl.col("primary_metric")).fill_null(False).alias("is_primary"),
            *(_numbered(GROUP[:size]).alias(name) for name, size in (("family", 2), ("block", 3), ("group", 4))),
        )
        .collect()
    )
    columns = {name: frame[f"as_float:{name}"].to_numpy() for name in NUMBERS}
    code, arm, plan, family, block, group = (frame[name].to_numpy() for name in ("code", "arm", "plan", "family", "block", "group"))
    control, reason = _controls(group, frame["is_control"].to_numpy(), arm >= 0, code >= 0)
    unit = block * (planned.height + 1) + arm + 1
    return Arms(frame, columns, np.maximum(code, 0), frame["is_primary"].to_numpy(), control, reason, plan, plans, family, unit)


_CODES = {"metric": pl.String, "code": pl.Int64}


def _planned(designs: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[float, ...]]]:
    """The designs with `share` of the traffic, `n_treatments`, `arm` (a number per row) and `plan` (the place of its looks)."""
    weight, of = pl.col("weight").fill_null(0.0), "experiment_id"
    has_plan = pl.col("planned_units").is_not_null()
    planned = (
        designs.lazy()
        .select(list(DESIGNS))
        .with_row_index("arm")
        .with_columns(
            (weight / weight.sum().over(of)).alias("share"),
            (~pl.col("is_control")).sum().over(of).alias("n_treatments"),
            pl.when(has_plan).then("looks").alias("looks"),
            pl.when(has_plan).then(pl.col("looks").rank("dense").cast(pl.Int64) - 1).alias("plan"),
            pl.col("is_control").sum().over(of).alias("n_controls"),
            pl.struct(of, "variant").is_duplicated().alias("is_twice"),
            # planned units without looks would be read as a single look
            (has_plan & (pl.col("looks").list.len().fill_null(0) == 0)).alias("is_blind"),
        )
        .collect()
    )
    for column, what in (("is_twice", "more than one row of a variant"), ("is_blind", "planned units and no looks")):
        _refuse(planned.filter(column), what)
    _refuse(planned.filter(pl.col("n_controls") > 1), "more than one control")
    if not planned["plan"].count():
        return planned, []
    looks = planned.filter(pl.col("plan") >= 0).unique("plan").sort("plan")["looks"]
    return planned, [tuple(each) for each in looks]


def _refuse(wrong: pl.DataFrame, what: str) -> None:
    if wrong.height:
        experiment = wrong["experiment_id"].sort()[0]
        raise ValueError(
            f"The design of the experiment {experiment} has {what}; give each variant one row, one of them the control, and with "
            "planned units the share of them at each look."
        )


def _numbered(names: list[str]) -> pl.Expr:
    # rows of one number stand together
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in names)
    return changed.cast(pl.Int64).cum_sum() - 1


def _controls(
    group: Integers, is_control: NDArray[np.bool_], is_planned: NDArray[np.bool_], is_known: NDArray[np.bool_]
) -> tuple[Integers, Objects]:
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
