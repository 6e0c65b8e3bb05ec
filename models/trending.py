"""Trending: products whose last day, of three, is busier than the shop's, shrunk so that a handful of orders is no trend."""

from __future__ import annotations

import polars as pl
from scipy.special import betaincinv

from models.features import Features
from models.generation import WHOLE_COMPANY
from models.popularity import LIST_SCHEMA, MAX_RANK

DAY_HOURS = 24
WINDOW_HOURS = 72
PRIOR_EVENTS = 10.0
LEVEL = 0.9
TREND = ("trend", "trend_low", "trend_high")
SCHEMA = {
    **LIST_SCHEMA,
    "n_day": pl.Int64,
    "n_window": pl.Int64,
    **dict.fromkeys(TREND, pl.Float64),
    "window_days": pl.Int64,
}
EVIDENCE = tuple(SCHEMA)[len(LIST_SCHEMA) :]


def trending(features: Features) -> pl.DataFrame:
    """Rising products, for the whole company (anchor "") and for each category id; only those whose trend is above 1 beyond
    chance.

    score: 1 - 1 / trend_low (0..1): the part of its last day that the shop's own rhythm does not explain.
    """
    candidates = features.eligible().select("product_id", "category_id")
    rising = trends(features).filter(pl.col("trend_low") > 1).join(candidates, on="product_id")
    lists = pl.concat(
        [
            rising.with_columns(pl.lit(WHOLE_COMPANY).alias("anchor_id")),
            rising.filter(pl.col("category_id").is_not_null()).with_columns(pl.col("category_id").alias("anchor_id")),
        ]
    ).sort(["anchor_id", "trend_low", "n_day", "product_id"], descending=[False, True, True, False])
    return (
        lists.with_columns(
            pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"),
            (1 - 1 / pl.col("trend_low")).round(6).alias("score"),
            pl.lit("trending").alias("source"),
            pl.format("Rising: {} of its {} {} of three days in the last one", "n_day", "n_window", "unit").alias("reason"),
            pl.lit(WINDOW_HOURS // DAY_HOURS, dtype=pl.Int64).alias("window_days"),
        )
        .filter(pl.col("rank") <= MAX_RANK)
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def trends(features: Features) -> pl.DataFrame:
    """product_id, n_day and n_window (events of the last 24 and 72 hours), unit ("orders", or "visits" where nothing was
    ordered in that time), trend, trend_low, trend_high; empty where all events fell on one side of the last 24 hours.

    trend: the share of a product's events that fell on the last day, over the same share of all events, so that a busy day of
    the whole shop is nobody's trend. The share is binomial with a Beta prior worth PRIOR_EVENTS events at the shop's share;
    low and high are the ends of its 90 % credible interval.
    """
    ordered = features.recent_baskets(WINDOW_HOURS // DAY_HOURS).select("product_id", "age_days")
    unit = "orders"
    if ordered.is_empty():
        visits = features.sessions().select("visit_id", "product_id", "viewed_at").unique(["visit_id", "product_id"], keep="last")
        age = (pl.lit(features.window_end) - pl.col("viewed_at")).dt.total_seconds() / 86_400
        recent = visits.with_columns(age.alias("age_days")).filter(pl.col("age_days") < WINDOW_HOURS / DAY_HOURS)
        ordered, unit = recent.select("product_id", "age_days"), "visits"
    counts = (
        ordered.group_by("product_id")
        .agg((pl.col("age_days") < 1).sum().cast(pl.Int64).alias("n_day"), pl.len().cast(pl.Int64).alias("n_window"))
        .sort("product_id")
    )
    n_day, n_window = int(counts["n_day"].sum()), int(counts["n_window"].sum())
    share = n_day / n_window if n_window else 0.0
    if not 0 < share < 1:
        return counts.clear().with_columns(pl.lit(unit).alias("unit"), *(pl.lit(0.0).alias(name) for name in TREND))
    on_day = counts["n_day"].to_numpy() + PRIOR_EVENTS * share
    before = (counts["n_window"] - counts["n_day"]).to_numpy() + PRIOR_EVENTS * (1 - share)
    tail = (1 - LEVEL) / 2
    estimates = on_day / (on_day + before), betaincinv(on_day, before, tail), betaincinv(on_day, before, 1 - tail)
    return counts.with_columns(
        pl.lit(unit).alias("unit"),
        *(pl.Series(name, shares / share).round(6) for name, shares in zip(TREND, estimates, strict=True)),
    )
