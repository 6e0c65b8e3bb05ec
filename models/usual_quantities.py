"""Usual quantities: how many of a product one order takes, by product and by customer, for a nudge that is within reach."""

from __future__ import annotations

import polars as pl

from models.bulk_quantities import WINDOW_DAYS, usual
from models.features import Features
from models.popularity import LIST_SCHEMA

EVIDENCE = ("level", "p90", "n_orders", "window_days")
SCHEMA = {**LIST_SCHEMA, "level": pl.String, "p90": pl.Int64, "n_orders": pl.Int64, "window_days": pl.Int64}
PRODUCT, CUSTOMER = "product", "customer"


def usual_quantities(features: Features) -> pl.DataFrame:
    """One row per product (its own id is the anchor, level `product`) and per customer and product that they order (level
    `customer`), where `bulk_quantities.usual` has enough orders.

    p90: units per order that nine of ten of the `n_orders` stay within. score: share of the anchor's orders that a row
    rests on, 0..1; a customer's most ordered product comes first.
    """
    rows = usual(features).with_columns(
        pl.coalesce("customer_id", "product_id").alias("anchor_id"),
        pl.when(pl.col("customer_id").is_null()).then(pl.lit(PRODUCT)).otherwise(pl.lit(CUSTOMER)).alias("level"),
        pl.lit(WINDOW_DAYS, dtype=pl.Int64).alias("window_days"),
    )
    ordered = rows.sort("anchor_id", "n_orders", "level", "product_id", descending=[False, True, True, False])
    told = ordered.with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"),
        (pl.col("n_orders") / pl.col("n_orders").sum().over("anchor_id")).round(6).alias("score"),
        pl.concat_str(pl.lit("orders of the "), "level").alias("source"),
        pl.format("nine in ten of {} orders take {} or fewer", "n_orders", "p90").alias("reason"),
    )
    return told.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
