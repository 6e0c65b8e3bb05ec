"""Snapshot -> Features: DuckDB over the day partitions, one Parquet file per member."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl

import sql
from flows.layout import features_key
from flows.object_store import ObjectStore, parquet_bytes, scratch
from models.configuration import merge
from models.features import MEMBERS, SUBSCRIPTIONS, Features, shown_before
from models.snapshot import Snapshot

UNKNOWN_PRODUCTS = "unknown_products"


def derive(store: ObjectStore, snapshot: Snapshot) -> dict[str, int]:
    """Derive the features of `snapshot` into the object store; returns rows per member, `unknown_products` among them."""
    watermark = datetime.fromisoformat(snapshot.watermark)
    counts = {}
    with scratch() as folder, duckdb.connect(Path(folder) / "derive.duckdb", config={"temp_directory": folder}) as duck:
        duck.execute("set timezone = 'UTC'")
        duck.execute(sql.load("features/tables"))
        products = pl.read_parquet(store.fetch(snapshot.products_key))
        duck.register("products", products)
        for member, partitions in snapshot.members.items():
            files = [str(store.fetch(row.key)) for row in partitions if row.n_rows]
            if files:
                duck.execute(f"insert into {member} by name select * from read_parquet(?)", [files])
        derived = {
            "baskets": duck.sql(sql.load("features/baskets")).pl(),
            "views": duck.sql(sql.load("features/views")).pl(),
            "products": products,
            "subscriptions": _subscriptions(store, snapshot),
            "impressions": shown_before(duck.sql(sql.load("features/impressions")).pl(), watermark),
            UNKNOWN_PRODUCTS: duck.sql(sql.load("checks/unknown_products")).pl(),
        }
    for member, frame in derived.items():
        store.put(features_key(snapshot.company, watermark, member), parquet_bytes(frame))
        counts[member] = frame.height
    return counts


def _subscriptions(store: ObjectStore, snapshot: Snapshot) -> pl.DataFrame:
    # a snapshot that was made before subscriptions were extracted names none
    if not snapshot.subscriptions_key:
        return pl.DataFrame(schema=SUBSCRIPTIONS)
    return pl.read_parquet(store.fetch(snapshot.subscriptions_key)).cast(pl.Schema(SUBSCRIPTIONS))


def read_features(store: ObjectStore, snapshot: Snapshot) -> Features:
    """The features that `derive` wrote for `snapshot`."""
    watermark = datetime.fromisoformat(snapshot.watermark)
    frames = {member: pl.read_parquet(store.fetch(features_key(snapshot.company, watermark, member))) for member in MEMBERS}
    last_events = [frames["baskets"]["ordered_at"].max(), frames["views"]["viewed_at"].max()]
    known = [moment for moment in last_events if isinstance(moment, datetime)]
    return Features(
        company=snapshot.company,
        window_end=max(known, default=watermark),
        baskets=frames["baskets"],
        views=frames["views"],
        products=frames["products"],
        subscriptions=frames["subscriptions"],
        impressions=frames["impressions"],
        config=merge(snapshot.config),
    )
