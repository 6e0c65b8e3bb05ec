"""A file of exposures, of whatever form -> the moments of its metrics, and when its units came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import polars as pl

from flows.exposures_columns import UNITS
from flows.exposures_measured import CAPPED
from flows.exposures_metrics import Asked
from flows.exposures_options import FileOptions
from flows.exposures_read import OpenFile
from flows.exposures_summaries import summaries_of
from flows.exposures_units import Units, units_of
from flows.moments import moments
from models.metrics import Metric


@dataclass(frozen=True)
class MeasuredFile:
    """What inference needs of a file, and what is to be told of it.

    moments: MOMENTS. arms: experiment_id, variant, n (units, whether or not they have values). times: experiment_id, days (since
    the first exposure, null where not known), n_units (at each look so far: a list, not falling). weights: experiment_id,
    variant, weight, as the file states them. counts: exposures_counts.COUNTS. caps: CAPPED.
    """

    asked: Asked
    moments: pl.DataFrame
    arms: pl.DataFrame
    times: pl.DataFrame
    weights: pl.DataFrame
    n_rows: int
    counts: pl.DataFrame
    caps: pl.DataFrame


def measure(file: OpenFile, options: FileOptions) -> MeasuredFile:
    """Read, clean and count a file of any form."""
    return _of_units(units_of(file, options)) if file.layout.kind == UNITS else _of_summaries(file, options)


def _of_units(units: Units) -> MeasuredFile:
    found = _moments(units.frame, units.metrics, list(units.segments))
    named = pl.col("segment").replace(units.segments)
    arms = units.frame.group_by("experiment_id", "variant").len("n").sort("experiment_id", "variant")
    nothing = pl.DataFrame(schema={"experiment_id": pl.String, "variant": pl.String, "weight": pl.Float64})
    return MeasuredFile(
        units.asked,
        found.with_columns(named),
        arms,
        _times(units.frame),
        nothing,
        units.n_rows,
        units.counts,
        units.caps,
    )


def _moments(frame: pl.DataFrame, metrics: Sequence[Metric], segments: Sequence[str]) -> pl.DataFrame:
    # one thread, so that the last digit of a sum does not depend on who came first
    with duckdb.connect(config={"threads": 1}) as duck:
        return moments(duck.from_arrow(frame.to_arrow()), metrics, segments)


def _times(frame: pl.DataFrame) -> pl.DataFrame:
    """Per experiment: days from the first exposure to the last, and the units that had come by the end of each day of exposure."""
    day = pl.col("exposed_at").dt.date()
    spans = frame.group_by("experiment_id").agg(
        days=(pl.col("exposed_at").max() - pl.col("exposed_at").min()).dt.total_milliseconds() / 86_400_000, n=pl.len()
    )
    daily = (
        frame.filter(day.is_not_null())
        .group_by("experiment_id", day.alias("day"))
        .len("n")
        .sort("experiment_id", "day")
        .group_by("experiment_id", maintain_order=True)
        .agg(n_units=pl.col("n").cum_sum().cast(pl.Int64))
    )
    undated = pl.concat_list(pl.col("n").cast(pl.Int64))
    return spans.join(daily, on="experiment_id", how="left").select(
        "experiment_id", pl.col("days").cast(pl.Float64), pl.coalesce("n_units", undated).alias("n_units")
    )


def _of_summaries(file: OpenFile, options: FileOptions) -> MeasuredFile:
    found = summaries_of(file, options)
    of_primary = found.looks.filter(pl.col("metric") == found.asked.primary)
    arms = found.moments.filter(pl.col("metric") == found.asked.primary).select("experiment_id", "variant", "n")
    elsewhere = found.moments.group_by("experiment_id", "variant").agg(pl.col("n").max())
    arms = pl.concat([arms, elsewhere.join(arms, on=["experiment_id", "variant"], how="anti")])
    times = (
        pl.concat([of_primary, found.looks.join(of_primary, on="experiment_id", how="anti")])
        .group_by("experiment_id", "metric", "days")
        .agg(pl.col("n").sum())
        .group_by("experiment_id", "days")
        .agg(pl.col("n").max())
        .sort("experiment_id", "days")
        .group_by("experiment_id", maintain_order=True)
        .agg(days=pl.col("days").max(), n_units=pl.col("n"))
    )
    caps = pl.DataFrame(schema=CAPPED)
    return MeasuredFile(found.asked, found.moments, arms, times, found.weights, found.n_rows, found.counts, caps)
