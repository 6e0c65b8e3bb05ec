"""Exposures and orders to units and moments: ours, against the same written with window functions, as usual.

Each runs in a process of its own over the same Parquet files: CPU seconds of the work, and the peak memory of the process.

python -m bench.experiment_units [--exposures N] [--experiments N] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

import sql
from bench.measure import cost, median, show
from flows.experiments_measure import fill, open_units
from flows.moments import moments
from flows.object_store import FileStore
from models.experiment_plans import Plan
from models.metrics import METRICS
from models.snapshot import Partition, Snapshot, instant

WATERMARK = datetime(2026, 7, 1, tzinfo=UTC)
BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
SHOWN = """
select
    'experiment-' || mod(u, {experiments}) as experiment_id,
    case when mod(hash(u), 2) = 0 then 'control' else 'treatment' end as variant,
    'session-' || u as session_id,
    case when mod(u, 2) = 0 then 'customer-' || mod(u, {customers}) end as customer_id,
    case when mod(hash(i), 3) = 0 then 'CART_PAGE' else 'PRODUCT_PAGE' end as placement,
    'rule-' || mod(hash(i), 5) as subject_id,
    t as happened_at,
    case when mod(hash(i), 10) = 0 then t + interval 20 seconds end as clicked_at,
    null::timestamptz as added_at,
    case when mod(hash(i), 30) = 0 then t + interval 40 seconds end as accepted_at,
    null::timestamptz as declined_at,
    null::bigint as claimed_revenue_cents
from (
    select
        i, mod(i, {units}) as u,
        timestamptz '2026-05-01' + to_microseconds(
            ((mod(hash(mod(i, {units})), 4000000)) * 1000000 + (i // {units}) * 600000000)::bigint
        ) as t
    from range({exposures}) t(i)
)
"""
BOUGHT = """
select
    'order-' || i as order_id,
    case when mod(i, 3) > 0 then 'customer-' || mod(hash(i), {customers}) end as customer_id,
    case when mod(i, 3) = 0 then 'session-' || mod(hash(i), {units}) end as session_id,
    mod(i, 50) = 0 as is_taken_back,
    (1000 + mod(hash(i), 10000))::bigint as total_cents,
    0::bigint as discount_cents,
    2::bigint as n_items,
    timestamptz '2026-04-20' + to_seconds((mod(hash(i * 7), 6000000))::bigint) as ordered_at
from range({units} // 10) t(i)
"""
# the same units, first exposures by a window over all rows, outcomes by joining every exposure again; it counts no repeated
# rows, joins orders by customer or session and gives each to the unit exposed last
PLAIN = """
with known as (
    select e.*, d.watermark, d.window_days, d.max_per_day, d.mature_until
    from exposures e
    join designs d using (experiment_id)
    join assigned a using (experiment_id, variant)
    where e.happened_at >= d.started_at and e.happened_at < d.watermark
),
marked as (
    select
        *,
        first_value(happened_at) over unit as exposed_at,
        first_value(placement) over unit as segment_placement,
        min(variant) over (partition by experiment_id, session_id) as low,
        max(variant) over (partition by experiment_id, session_id) as high
    from known
    window unit as (partition by experiment_id, session_id order by happened_at, placement)
),
units as (
    select
        experiment_id, session_id as unit_id, min(variant) as variant, min(exposed_at) as exposed_at,
        max(customer_id) as customer_id, any_value(segment_placement) as segment_placement,
        count(*) as n_impressions,
        count(*) filter (where clicked_at < exposed_at + interval 7 days) as n_clicks,
        count(*) filter (where added_at < exposed_at + interval 7 days) as n_adds,
        count(*) filter (where accepted_at < exposed_at + interval 7 days) as n_accepts,
        count(*) filter (where declined_at < exposed_at + interval 7 days) as n_declines,
        coalesce(sum(claimed_revenue_cents) filter (where accepted_at < exposed_at + interval 7 days), 0)::bigint
            as claimed_revenue_cents
    from marked
    where low = high and happened_at < exposed_at + interval 7 days
    group by experiment_id, session_id
),
joined as (
    select
        *,
        row_number() over (
            partition by experiment_id, order_id, ordered_at >= exposed_at order by exposed_at desc, unit_id
        ) as place
    from (
        select u.*, o.* exclude (customer_id, session_id) from units u join outcomes o on o.customer_id = u.customer_id
        union
        select u.*, o.* exclude (customer_id, session_id) from units u join outcomes o on o.session_id = u.unit_id
    ) as either
    where ordered_at >= exposed_at - interval 28 days and ordered_at < exposed_at + interval 7 days
),
bought as (
    select
        experiment_id, unit_id,
        count(*) filter (where ordered_at >= exposed_at and place = 1) as n_placed_orders,
        count(*) filter (where ordered_at >= exposed_at and place = 1 and is_taken_back) as n_refunds,
        sum(total_cents) filter (where ordered_at >= exposed_at and place = 1 and not is_taken_back) as revenue_cents,
        sum(n_items) filter (where ordered_at >= exposed_at and place = 1 and not is_taken_back) as n_items,
        sum(discount_cents) filter (where ordered_at >= exposed_at and place = 1 and not is_taken_back) as discount_cents,
        count(*) filter (where ordered_at < exposed_at and not is_taken_back) as pre_n_orders,
        sum(total_cents) filter (where ordered_at < exposed_at and not is_taken_back) as pre_revenue_cents
    from joined
    group by all
),
valued as (
    select
        u.*, coalesce(b.n_placed_orders, 0) as n_placed_orders, coalesce(b.n_refunds, 0) as n_refunds,
        coalesce(b.n_placed_orders, 0) - coalesce(b.n_refunds, 0) as n_orders, coalesce(b.revenue_cents, 0) as revenue,
        coalesce(b.n_items, 0) as n_items, coalesce(b.discount_cents, 0) as discount_cents,
        coalesce(b.pre_n_orders, 0) as pre_n_orders, coalesce(b.pre_revenue_cents, 0) as pre_revenue_cents
    from units u
    left join bought b using (experiment_id, unit_id)
)
select
    *, (n_orders > 0)::integer as is_buyer,
    least(revenue, nullif(quantile_disc(revenue, 0.999) over (partition by experiment_id), 0)) as revenue_cents,
    null::varchar as reason
from valued;
"""


def main() -> None:
    """Write the files once, then run each in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--exposures", type=int, default=10_000_000)
    arguments.add_argument("--experiments", type=int, default=10_000)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.work:
        print(json.dumps(work(given.work[0], Path(given.work[1]), given.experiments)))
        return
    with tempfile.TemporaryDirectory(prefix="upsell-bench-") as folder:
        write(Path(folder), given.exposures, given.experiments)
        done: dict[str, list[dict[str, Any]]] = {"ours": [], "windows": []}
        for _ in range(given.rounds):
            for name, found in done.items():
                found.append(in_a_process(name, folder, given.experiments))
    rows = [
        {
            "what": name,
            "CPU s": median([row["cpu"] for row in found]),
            "wall s": median([row["wall"] for row in found]),
            "peak MB": median([row["peak_mb"] for row in found]),
            "units": found[0]["units"],
            "orders": found[0]["orders"],
        }
        for name, found in done.items()
    ]
    show(f"units and moments of {given.exposures:,} exposures to {given.experiments:,} experiments", rows)


def write(folder: Path, exposures: int, experiments: int) -> None:
    """Both logs as Parquet."""
    sizes = {"exposures": exposures, "experiments": experiments, "units": exposures // 2, "customers": max(exposures // 8, 1)}
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'")
        for name, query in (("exposures", SHOWN), ("orders", BOUGHT)):
            duck.execute(f"copy ({query.format(**sizes)}) to '{folder / name}.parquet' (format parquet, compression zstd)")


def in_a_process(name: str, folder: str, experiments: int) -> dict[str, Any]:
    """One work in a fresh process, whose peak memory is its own."""
    command = [sys.executable, "-m", "bench.experiment_units", "--work", name, folder, "--experiments", str(experiments)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert isinstance(found, dict)
    return found


def work(name: str, folder: Path, experiments: int) -> dict[str, Any]:
    """Units and moments over the written files; the number of units and of orders shows that both did the same."""
    plans = [plan(number) for number in range(experiments)]
    days = {member: [Partition("2026-06-01", f"{member}.parquet", 1, 0, "")] for member in ("exposures", "orders")}
    members = {f"experiment_{member}": rows for member, rows in days.items()}
    snapshot = Snapshot("bench", instant(WATERMARK), "", members, "")
    found: list[tuple[Any, ...]] = []
    query = sql.load("features/experiment_units") if name == "ours" else PLAIN

    def run() -> None:
        with open_units() as duck:
            fill(duck, FileStore(folder), snapshot, plans, WATERMARK)
            duck.execute(f"create table units as {query.rstrip().removesuffix(';')}")
            moments(duck.sql("from units where reason is null"), METRICS)
            found.extend(duck.sql("select count(*), sum(n_orders)::bigint from units").fetchall())

    spent = cost(run)
    return {"cpu": spent.cpu, "wall": spent.wall, "peak_mb": spent.peak_mb, "units": found[0][0], "orders": found[0][1]}


def plan(number: int) -> Plan:
    """An experiment of two equal arms over the whole time."""
    weights = {"control": 1.0, "treatment": 1.0}
    name = f"experiment-{number}"
    return Plan(name, name, "RUNNING", "session", "control", weights, "conversion", 0.05, BEGAN, None, None, 7.0, 500.0, None)


if __name__ == "__main__":
    main()
