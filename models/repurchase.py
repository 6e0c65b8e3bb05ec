"""Repurchase: how often customers come back for a product, and whose next purchase is due."""

from __future__ import annotations

import math

import polars as pl

from models.als import WINDOW_DAYS
from models.features import Features

HALF_LIFE_DAYS = 180.0
MIN_GAPS = 10
# a product counts as replenishable when half of its customers have come back for it
MIN_REPEAT_SHARE = 0.5
# later than three intervals a customer has moved on
LAPSED_AFTER = 3.0


def purchase_days(features: Features) -> pl.DataFrame:
    """customer_id, product_id, age_days (whole days before the window's last), n_orders of that day, gap_days since the
    customer's day before (null at the first); one row per day with an order of it in the last WINDOW_DAYS days, oldest first."""
    age = (pl.lit(features.window_end).dt.date() - pl.col("ordered_at").dt.date()).dt.total_days()
    days = (
        features.recent_baskets(WINDOW_DAYS)
        .drop_nulls("customer_id")
        .group_by("customer_id", "product_id", age.alias("age_days"))
        .agg(pl.len().cast(pl.Int64).alias("n_orders"))
        .sort("customer_id", "product_id", "age_days", descending=[False, False, True])
    )
    same = (pl.col("customer_id") == pl.col("customer_id").shift()) & (pl.col("product_id") == pl.col("product_id").shift())
    return days.with_columns(pl.when(same).then(pl.col("age_days").shift() - pl.col("age_days")).alias("gap_days"))


def purchases(days: pl.DataFrame) -> pl.DataFrame:
    """customer_id, product_id, n_orders, last_days_ago, n_gaps and own_interval_days (their median, null without one), weight
    (orders, each halving in HALF_LIFE_DAYS), by customer and product; from `purchase_days`."""
    decayed = pl.col("n_orders") * (-math.log(2) / HALF_LIFE_DAYS * pl.col("age_days")).exp()
    return (
        days.group_by("customer_id", "product_id")
        .agg(
            pl.col("n_orders").sum(),
            pl.col("age_days").min().alias("last_days_ago"),
            pl.col("gap_days").count().cast(pl.Int64).alias("n_gaps"),
            pl.col("gap_days").median().alias("own_interval_days"),
            decayed.sum().round(9).alias("weight"),
        )
        .sort("customer_id", "product_id")
    )


def intervals(days: pl.DataFrame) -> pl.DataFrame:
    """product_id, interval_days (median gap between two days on which one customer bought it; null below MIN_GAPS gaps),
    n_customers, repeat_share (0..1: those of them who have come back for it; Bhagat et al., KDD 2018), by product; from
    `purchase_days`."""
    gap = pl.col("gap_days")
    counted = days.group_by("product_id").agg(
        pl.when(gap.count() >= MIN_GAPS).then(gap.median()).alias("interval_days"),
        gap.is_null().sum().cast(pl.Int64).alias("n_customers"),
        pl.col("customer_id").filter(gap.is_not_null()).n_unique().alias("n_back"),
    )
    share = (pl.col("n_back") / pl.col("n_customers")).alias("repeat_share")
    return counted.select("product_id", "interval_days", "n_customers", share).sort("product_id")


def due(features: Features) -> pl.DataFrame:
    """customer_id, product_id that the customer may need again: replenishable, its interval passed since the customer's last
    purchase, LAPSED_AFTER intervals not."""
    days = purchase_days(features)
    often = intervals(days).filter(pl.col("interval_days").is_not_null() & (pl.col("repeat_share") >= MIN_REPEAT_SHARE))
    passed = pl.col("last_days_ago") / pl.col("interval_days")
    bought = purchases(days.join(often, on="product_id", how="semi")).join(often, on="product_id")
    return bought.filter(passed.is_between(1, LAPSED_AFTER)).select("customer_id", "product_id")
