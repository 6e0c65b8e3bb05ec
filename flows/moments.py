"""Units -> the moments of every metric: one DuckDB aggregation, made of what the metrics declare."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import duckdb
import polars as pl
from duckdb import ColumnExpression as Column
from duckdb import ConstantExpression as Constant
from duckdb import Expression
from duckdb import FunctionExpression as Function

from models.experiment_frames import MOMENTS
from models.metrics import QUANTILE, Metric
from models.quantiles import of_sorted

ROLES = ("num", "den", "pre_num", "pre_den")
KEYS = ("experiment_id", "variant")


def moments(units: duckdb.DuckDBPyRelation, metrics: Sequence[Metric], segments: Sequence[str] = ()) -> pl.DataFrame:
    """MOMENTS of `units` per experiment, variant and metric: over all units, then once more per value of each of the columns
    `segments`.

    units: experiment_id, variant, the `segments` (text, no null), and every column that a metric names (numbers); a unit whose
    columns of a metric are null, all of them together, does not count for it. Means are summed with a correction, variances and
    covariances are those of a sample and computed centred: plain sums, and sums of squares all the more, lose their digits at
    large offsets. A quantile's mean and variance are those of models.quantiles.of_sorted.
    """
    pairs = {pair for metric in metrics for pair in combinations([name for _, name in metric.columns()], 2)}
    names = sorted({name for metric in metrics for _, name in metric.columns()})
    keys = [*KEYS, *segments]
    wanted: list[Expression] = [*map(Column, keys)]
    for name in names:
        value = Column(name).cast("DOUBLE")
        positive = (Column(name) > Constant(0)).cast("INTEGER")
        wanted += [
            Function("count", value).alias(f"n:{name}"),
            Function("favg", value).alias(f"mean:{name}"),
            Function("var_samp", value).alias(f"var:{name}"),
            Function("sum", positive).cast("BIGINT").alias(f"positive:{name}"),
        ]
    for one, other in sorted(pairs):
        covariance = Function("covar_samp", Column(one).cast("DOUBLE"), Column(other).cast("DOUBLE"))
        wanted.append(covariance.alias(f"cov:{one}:{other}"))
    for name in sorted({metric.numerator for metric in metrics if metric.kind == QUANTILE}):
        wanted.append(Function("list_sort", Function("list", Column(name).cast("DOUBLE"))).alias(f"sorted:{name}"))
    quoted = [", ".join(f'"{name}"' for name in (*KEYS, *more)) for more in ((), *((name,) for name in segments))]
    wide = units.aggregate(wanted, f"grouping sets ({', '.join(f'({keys})' for keys in quoted)})").pl()
    return pl.concat([_of_metric(wide, metric, segments) for metric in metrics]).sort(
        "experiment_id", "segment", "segment_value", "metric", "variant"
    )


def _of_metric(wide: pl.DataFrame, metric: Metric, segments: Sequence[str]) -> pl.DataFrame:
    roles = dict(metric.columns())
    columns: dict[str, pl.Expr | pl.Series] = {}
    segment, value = pl.lit(""), pl.lit("")
    for name in segments:
        segment = pl.when(pl.col(name).is_not_null()).then(pl.lit(name)).otherwise(segment)
        value = pl.when(pl.col(name).is_not_null()).then(pl.col(name)).otherwise(value)
    columns |= {"segment": segment, "segment_value": value, "metric": pl.lit(metric.name)}
    columns["n"] = pl.col(f"n:{metric.numerator}")
    columns["n_positive"] = pl.col(f"positive:{metric.numerator}")
    for role, name in roles.items():
        columns[f"mean_{role}"] = pl.col(f"mean:{name}")
        columns[f"var_{role}"] = pl.col(f"var:{name}")
    for one, other in combinations(ROLES, 2):
        if one in roles and other in roles:
            columns[f"cov_{one}_{other}"] = pl.col(f"cov:{roles[one]}:{roles[other]}")
    if metric.kind == QUANTILE:
        columns["mean_num"], columns["var_num"] = _quantile(wide[f"sorted:{metric.numerator}"], metric)
    chosen = wide.with_columns(**columns)
    return chosen.select(
        (pl.col(name) if name in chosen.columns else pl.lit(None)).cast(dtype).alias(name) for name, dtype in MOMENTS.items()
    )


def _quantile(ordered: pl.Series, metric: Metric) -> tuple[pl.Series, pl.Series]:
    values = ordered.list.drop_nulls()
    flat = values.explode(empty_as_null=False)
    found = of_sorted(flat, values.list.len(), metric.quantile or 0.5)
    mean, variance = (pl.Series(figures).fill_nan(None) for figures in found)
    return mean, variance
