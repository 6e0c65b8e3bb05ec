"""Clean rows -> one row per unit with the columns of each metric: gaps, repeats, caps and covariates."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from flows.errors import SettingsError
from flows.exposures_counts import NO_COVARIATE, NO_VALUE, NOT_FINITE, REPEATED_ROWS, REPEATS_THAT_DIFFER, Cleaning
from flows.exposures_options import QUANTILE, FileOptions, caps
from models import metrics as kinds
from models.metrics import Metric

ROW = "row"
UNIT = ("experiment_id", "unit_id")
CAPPED = {"experiment_id": pl.String, "metric": pl.String, "cap": pl.Float64, "n_capped": pl.Int64}
FIRST_EXPOSED_AT = "first_exposed_at"
KEPT = (ROW, "experiment_id", "variant", "unit_id", "exposed_at", FIRST_EXPOSED_AT)


def measured_rows(
    rows: pl.DataFrame, metrics: Sequence[Metric], own: Sequence[Metric], segments: Sequence[str], options: FileOptions
) -> pl.DataFrame:
    """The columns of each metric, its value's all null in a row that has none.

    metrics: over the columns of the file, `own`: the same over columns of their own. `NUMERATOR:wrong` tells where there is no
    value because the file has something there that is no finite number.
    """
    made = []
    for metric, numbered in zip(metrics, own, strict=True):
        names = dict(metric.columns())
        values = {role: _value(name, role, metric, options) for role, name in names.items()}
        measured = [role for role in ("num", "den") if role in names]
        complete = pl.all_horizontal(values[role].is_not_null() for role in measured)
        for role, name in numbered.columns():
            shown = pl.when(complete).then(values[role]) if role in measured else values[role]
            made.append(shown.alias(name))
        wrong = pl.any_horizontal(pl.col(f"w:{names[role]}") for role in measured)
        made.append(wrong.alias(f"{numbered.numerator}:wrong"))
    return rows.select(*KEPT, *segments, *made)


def _value(name: str, role: str, metric: Metric, options: FileOptions) -> pl.Expr:
    value = pl.col(f"v:{name}")
    if role.startswith("pre"):
        return value
    if options.missing == "zero":
        value = pl.when(~pl.col(f"w:{name}")).then(value.fill_null(0.0))
    if metric.kind == kinds.PROPORTION:
        value = (value > 0).cast(pl.Float64)
    # what comes after the window is no outcome: it adds nothing, and has no place in a quantile
    none = None if metric.kind == kinds.QUANTILE else 0.0
    return pl.when("is_late").then(pl.lit(none, dtype=pl.Float64)).otherwise(value)


def first_of_each(cleaning: Cleaning) -> None:
    """Keep one row per unit: the first by exposed_at, then by its place in the file; count the others."""
    frame = cleaning.frame.sort("exposed_at", ROW, nulls_last=True)
    first = frame.select(pl.struct(UNIT).is_first_distinct()).to_series()
    if not first.all():
        cleaning.count(frame.filter(~first), REPEATED_ROWS)
        values = [name for name in frame.columns if name not in (ROW, "exposed_at", FIRST_EXPOSED_AT)]
        new = frame.select(pl.struct(values).is_first_distinct()).to_series()
        cleaning.count(frame.filter(new & ~first), REPEATS_THAT_DIFFER)
        frame = frame.filter(first)
    cleaning.frame = frame


def summed(frame: pl.DataFrame, own: Sequence[Metric]) -> pl.DataFrame:
    """One row per unit: the sums of its rows, whether any of them was a success, and its earliest covariates and segments."""
    sums = []
    for metric in own:
        for role, name in metric.columns():
            value = pl.col(name)
            if role.startswith("pre"):
                sums.append(value.drop_nulls().first())
            elif metric.kind == kinds.PROPORTION:
                sums.append(value.max())
            else:
                sums.append(pl.when(value.count() > 0).then(value.sum()).alias(name))
        sums.append(pl.col(f"{metric.numerator}:wrong").any())
    taken = {*UNIT, *(expression.meta.output_name() for expression in sums)}
    rest = [name for name in frame.columns if name not in taken]
    ordered = frame.sort("exposed_at", ROW, nulls_last=True)
    return ordered.group_by(UNIT, maintain_order=True).agg(pl.col(rest).first(), *sums)


def count_gaps(cleaning: Cleaning, metrics: Sequence[Metric], own: Sequence[Metric]) -> None:
    """Count the units without a value, by metric (missing, or no finite number), and those with a value and no covariate."""
    for metric, numbered in zip(metrics, own, strict=True):
        no_value, wrong = pl.col(numbered.numerator).is_null(), pl.col(f"{numbered.numerator}:wrong")
        covariates = [pl.col(name).is_null() for role, name in numbered.columns() if role.startswith("pre")]
        no_covariate = pl.any_horizontal(pl.lit(False), *covariates)
        gaps = {NOT_FINITE: no_value & wrong, NO_VALUE: no_value & ~wrong, NO_COVARIATE: ~no_value & no_covariate}
        for name, condition in gaps.items():
            cleaning.count(cleaning.frame.filter(condition), name, metric.name)


def capped(
    frame: pl.DataFrame, metrics: Sequence[Metric], own: Sequence[Metric], options: FileOptions
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Numerators of means and ratios at most at their cap, and the caps (CAPPED).

    A quantile is that of the experiment's units, of all arms together, interpolated linearly: arms are capped alike. Raises
    SettingsError for a metric that is not there or takes no cap.
    """
    asked, found = caps(options.cap), [pl.DataFrame(schema=CAPPED)]
    able = {metric.name: place for place, metric in enumerate(metrics) if metric.kind in (kinds.MEAN, kinds.RATIO)}
    if strangers := sorted(set(asked) - set(able) - {""}):
        raise SettingsError(f"--cap names the metric {strangers[0]!r}: means and ratios are {', '.join(able) or 'none'}.")
    for name, place in able.items():
        # a ratio of which only the numerator is cut is another figure: it is cut where somebody asks for that
        everywhere = asked.get("") if metrics[place].kind == kinds.MEAN else None
        if (cap := asked.get(name) or everywhere) is None:
            continue
        value = pl.col(own[place].numerator)
        kind, number = cap
        limit = value.quantile(number, "linear").over("experiment_id") if kind == QUANTILE else pl.lit(number)
        frame = frame.with_columns(cap=limit)
        counted = frame.group_by("experiment_id").agg(pl.col("cap").first(), n_capped=(value > pl.col("cap")).sum())
        found.append(counted.with_columns(metric=pl.lit(name)).select(pl.col(key).cast(kind) for key, kind in CAPPED.items()))
        frame = frame.with_columns(pl.when(value > pl.col("cap")).then("cap").otherwise(value).alias(own[place].numerator))
    return frame.drop("cap", strict=False), pl.concat(found)


def with_covariates(frame: pl.DataFrame, own: Sequence[Metric]) -> pl.DataFrame:
    """A covariate that is missing is the mean of the experiment's units, of all arms together: it then tells nothing of an arm."""
    filled = []
    for metric in own:
        has_value = pl.col(metric.numerator).is_not_null()
        for role, name in metric.columns():
            if role.startswith("pre"):
                pooled = pl.when(has_value).then(name).mean().over("experiment_id")
                filled.append(pl.when(has_value).then(pl.coalesce(name, pooled, pl.lit(0.0))).alias(name))
    return frame.with_columns(filled).drop(name for name in frame.columns if name.endswith(":wrong"))
