"""Exposures and outcomes -> units, moments and what was dirty: DuckDB over the partitions of one snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from duckdb import CaseExpression, StarExpression
from duckdb import ColumnExpression as Column
from duckdb import ConstantExpression as Constant

import sql
from flows.experiments_extract import EXPOSURES, ORDERS
from flows.moments import moments
from flows.object_store import ObjectStore, scratch
from models import holdout
from models.experiment_plans import CAP_QUANTILE, COVARIATE_DAYS, Plan
from models.metrics import BY_NAME, METRICS
from models.snapshot import Partition, Snapshot

SEGMENTS = {"segment_placement": "placement", "segment_visitor": "visitor", "segment_customer": "customer"}
# of one experiment's latest units
REPLAY_UNITS = 100_000
DESIGN: dict[str, Any] = {
    "experiment_id": pl.String,
    "unit": pl.String,
    "started_at": pl.Datetime("us", "UTC"),
    "ended_at": pl.Datetime("us", "UTC"),
    "mature_until": pl.Datetime("us", "UTC"),
    "watermark": pl.Datetime("us", "UTC"),
    "window_days": pl.Float64,
    "covariate_days": pl.Float64,
    "max_per_day": pl.Float64,
    "cap_quantile": pl.Float64,
    "cap_cents": pl.Int64,
}


@dataclass(frozen=True)
class Measured:
    """What inference needs of a company, and what is to be told of it.

    moments: MOMENTS. looks: the answer of sql/features/experiment_looks. dirty: that of sql/checks/experiment_rows. past: by
    primary metric, the units of the experiment that has most, for the A/A replay.
    """

    moments: pl.DataFrame
    looks: pl.DataFrame
    dirty: pl.DataFrame
    past: dict[str, pl.DataFrame]


def measure(store: ObjectStore, snapshot: Snapshot, plans: Sequence[Plan], *, keep_past: bool = False) -> Measured:
    """Units, moments and counts of all experiments of a company at once; keep_past: also the units to replay."""
    watermark = datetime.fromisoformat(snapshot.watermark)
    with open_units() as duck:
        fill(duck, store, snapshot, plans, watermark)
        duck.execute("create table units as " + sql.load("features/experiment_units").rstrip().removesuffix(";"))
        looks, dirty = (duck.sql(sql.load(name)).pl() for name in ("features/experiment_looks", "checks/experiment_rows"))
        past = {metric: _past(duck, metric, group) for metric, group in _by_metric(plans).items()} if keep_past else {}
        # one thread, so that the last digit of a sum does not depend on who came first
        duck.execute("set threads = 1")
        units = duck.sql("from units where reason is null order by experiment_id, unit_id")
        found = moments(units, METRICS, list(SEGMENTS))
    return Measured(found.with_columns(pl.col("segment").replace(SEGMENTS)), looks, dirty, past)


@contextmanager
def open_units() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in a scratch folder with the empty tables that units are made of."""
    with scratch() as folder, duckdb.connect(Path(folder) / "units.duckdb", config={"temp_directory": folder}) as duck:
        duck.execute("set timezone = 'UTC'")
        duck.execute(sql.load("features/experiment_tables"))
        yield duck


def fill(
    duck: duckdb.DuckDBPyConnection, store: ObjectStore, snapshot: Snapshot, plans: Sequence[Plan], watermark: datetime
) -> None:
    """Designs, arms, exposures and outcomes of `snapshot` into the tables of `open_units`."""
    designs = pl.DataFrame([_design(plan, watermark) for plan in plans], schema=DESIGN)
    pairs = [(plan.experiment_id, variant) for plan in plans for variant in plan.weights]
    assigned = pl.DataFrame(pairs, schema={"experiment_id": pl.String, "variant": pl.String}, orient="row")
    for name, frame in (("designs", designs), ("assigned", assigned)):
        duck.from_arrow(frame.to_arrow()).insert_into(name)
    files = _files(store, snapshot.members[EXPOSURES])
    if files:
        whole = Constant(holdout.experiment_id(snapshot.company))
        named = CaseExpression(Column("experiment_id") == Constant(holdout.EXPERIMENT), whole).otherwise(Column("experiment_id"))
        read = duck.read_parquet(files)
        duck.execute("drop table exposures")
        # a view: millions of rows are read where they lie
        read.select(StarExpression(exclude=["experiment_id"]), named.alias("experiment_id")).create_view("exposures")
    if files := _files(store, snapshot.members[ORDERS]):
        duck.execute("insert into outcomes by name select * from read_parquet(?)", [files])


def _files(store: ObjectStore, partitions: Sequence[Partition]) -> list[str]:
    return [str(store.fetch(row.key)) for row in partitions if row.n_rows]


def _design(plan: Plan, watermark: datetime) -> dict[str, object]:
    return {
        **{name: getattr(plan, name) for name in DESIGN if hasattr(plan, name)},
        "mature_until": plan.mature_until(watermark),
        "watermark": watermark,
        "covariate_days": COVARIATE_DAYS,
        "cap_quantile": CAP_QUANTILE,
    }


def _by_metric(plans: Sequence[Plan]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for plan in plans:
        grouped.setdefault(plan.primary_metric, []).append(plan.experiment_id)
    return grouped


def _past(duck: duckdb.DuckDBPyConnection, metric: str, experiments: list[str]) -> pl.DataFrame:
    columns = dict.fromkeys(["exposed_at", *(name for _, name in BY_NAME[metric].columns())])
    kept = duck.sql("from units where reason is null").filter(Column("experiment_id").isin(*map(Constant, experiments)))
    sizes = kept.aggregate("experiment_id, count(*) as n", "experiment_id").order("n desc, experiment_id").limit(1).fetchone()
    if sizes is None:
        return pl.DataFrame()
    own = kept.filter(Column("experiment_id") == Constant(sizes[0])).order("exposed_at desc, unit_id").limit(REPLAY_UNITS)
    frame = own.select(*map(Column, columns)).pl()
    assert isinstance(frame, pl.DataFrame)
    return frame
