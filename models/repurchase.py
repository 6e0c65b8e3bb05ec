"""Repurchase: how often customers come back for a product, and whose next purchase is due."""

from __future__ import annotations

import polars as pl

from models.features import Features

MIN_GAPS = 10
# a product counts as replenishable when half of its customers have come back for it
MIN_REPEAT_SHARE = 0.5
# later than three intervals a customer has moved on
LAPSED_AFTER = 3.0


def purchases(features: Features) -> pl.DataFrame:
    """customer_id, product_id, n_orders (days with an order of it), last_days_ago, own_interval_days (median gap, null after one
    day), quantity is left out; by customer and product. Orders of one day are one."""
    return (
        _days(features)
        .group_by("customer_id", "product_id")
        .agg(
            pl.len().cast(pl.Int64).alias("n_orders"),
            pl.col("age_days").min().alias("last_days_ago"),
            pl.col("gap_days").median().alias("own_interval_days"),
        )
        .sort("customer_id", "product_id")
    )


def intervals(features: Features) -> pl.DataFrame:
    """product_id, interval_days (median gap between two days on which one customer bought it; null below MIN_GAPS gaps),
    repeat_share (0..1: its customers who have come back for it; Bhagat et al., KDD 2018); by product."""
    days = _days(features)
    came_back = days.group_by("customer_id", "product_id").agg(pl.len() > 1).group_by("product_id").agg(pl.col("len").mean())
    gaps = days.group_by("product_id").agg(
        pl.when(pl.col("gap_days").count() >= MIN_GAPS).then(pl.col("gap_days").median()).alias("interval_days")
    )
    return gaps.join(came_back.rename({"len": "repeat_share"}), on="product_id").sort("product_id")


def due(features: Features) -> pl.DataFrame:
    """customer_id, product_id that the customer may need again: replenishable, its interval passed since the customer's last
    purchase, LAPSED_AFTER intervals not."""
    often = intervals(features).filter(pl.col("interval_days").is_not_null() & (pl.col("repeat_share") >= MIN_REPEAT_SHARE))
    passed = pl.col("last_days_ago") / pl.col("interval_days")
    bought = purchases(features).join(often, on="product_id")
    return bought.filter(passed.is_between(1, LAPSED_AFTER)).select("customer_id", "product_id")


def _days(features: Features) -> pl.DataFrame:
    """customer_id, product_id, age_days (whole days before the window's last), gap_days since the customer's day before."""
    age = (pl.lit(features.window_end).dt.date() - pl.col("ordered_at").dt.date()).dt.total_days()
    return (
        features.baskets.drop_nulls("customer_id")
        .select("customer_id", "product_id", age.alias("age_days"))
        .unique()
        .sort("customer_id", "product_id", "age_days", descending=[False, False, True])
        .with_columns(-pl.col("age_days").diff().over("customer_id", "product_id").alias("gap_days"))
    )
