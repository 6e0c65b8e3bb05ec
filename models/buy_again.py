"""Buy again: what a customer has bought before, the likeliest to be bought once more first."""

from __future__ import annotations

import polars as pl

from models import repurchase
from models.als import WINDOW_DAYS
from models.demand import demand
from models.features import Features
from models.popularity import LIST_SCHEMA

PUBLISHED = 20
# a product of few customers comes back as often as the company's products do: so many customers' worth
PRIOR_CUSTOMERS = 10.0
# two gaps of the customer's own say more than the product's
MIN_OWN_GAPS = 2
EVIDENCE = ("n_orders", "last_days_ago", "interval_days", "repeat_share", "window_days")
SCHEMA = {
    **LIST_SCHEMA,
    "n_orders": pl.Int64,
    "last_days_ago": pl.Int64,
    "interval_days": pl.Float64,
    "repeat_share": pl.Float64,
    "window_days": pl.Int64,
}


def buy_again(features: Features) -> pl.DataFrame:
    """Up to PUBLISHED recommendations for every customer with an order: eligible products of theirs.

    value: orders, each halving in 180 days, times the share of the product's customers who come back (shrunk to the company's),
    times the square root of the product's trend, times up to e^.5 as its interval passes. score: value / (1 + value), 0..1,
    which orders a list and is no calibrated probability. interval_days: the customer's own median gap, else the product's, null
    where neither has gaps enough. repeat_share: as counted, not shrunk.
    """
    days = repurchase.purchase_days(features)
    offered = repurchase.purchases(days).join(features.eligible().select("product_id"), on="product_id", how="semi")
    told = offered.join(_products(features, days), on="product_id", maintain_order="left")
    own = pl.when(pl.col("n_gaps") >= MIN_OWN_GAPS).then("own_interval_days")
    valued = told.with_columns(pl.coalesce(own, "interval_days").cast(pl.Float64).alias("interval_days")).with_columns(
        _value().round_sig_figs(9).alias("value")
    )
    return _worded(
        valued.sort(["customer_id", "value", "product_id"], descending=[False, True, False])
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("customer_id").alias("rank"))
        .filter(pl.col("rank") <= PUBLISHED)
    )


def _products(features: Features, days: pl.DataFrame) -> pl.DataFrame:
    """repurchase.intervals, with `comes_back` (repeat_share shrunk) and `trend`."""
    intervals = repurchase.intervals(days)
    n, share = pl.col("n_customers"), pl.col("repeat_share")
    company = (n * share).sum() / n.sum()
    trends = pl.Series("trend", demand(features, intervals["product_id"]).trend, dtype=pl.Float64)
    shrunk = (n * share + PRIOR_CUSTOMERS * company) / (n + PRIOR_CUSTOMERS)
    return intervals.with_columns(shrunk.alias("comes_back"), trends)


def _value() -> pl.Expr:
    passed = (pl.col("last_days_ago") / pl.col("interval_days").clip(1)).clip(0, 1).fill_null(0)
    return pl.col("weight") * pl.col("comes_back") * (0.5 * (pl.col("trend") + passed)).exp()


def _worded(lists: pl.DataFrame) -> pl.DataFrame:
    days = pl.col("interval_days").round(0).cast(pl.Int64)
    orders = pl.when(pl.col("n_orders") == 1).then(pl.lit("1 order")).otherwise(pl.format("{} orders", "n_orders"))
    bought = pl.format("In {}, last {} days ago", orders, "last_days_ago")
    own = pl.when(pl.col("n_gaps") >= MIN_OWN_GAPS).then(pl.format("{}; every {} days", bought, days))
    passed = pl.col("last_days_ago") / pl.col("interval_days")
    is_due = passed.is_between(1, repurchase.LAPSED_AFTER).fill_null(False)
    return lists.with_columns(
        pl.col("customer_id").alias("anchor_id"),
        (pl.col("value") / (1 + pl.col("value"))).round(6).alias("score"),
        pl.when(is_due).then(pl.lit("due again")).otherwise(pl.lit("bought before")).alias("source"),
        pl.coalesce(own, pl.format("{}; customers come back after {} days", bought, days), bought).alias("reason"),
        pl.col("repeat_share").round(6),
        pl.lit(WINDOW_DAYS).alias("window_days"),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
