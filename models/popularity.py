"""Best sellers: time-weighted orders per product, for the whole company and for each category."""

from __future__ import annotations

import math

import polars as pl

from models.features import Features
from models.generation import WHOLE_COMPANY

HALF_LIFE_DAYS = 30.0
MAX_RANK = 40
NOT_ASKED_FOR = "assortment"
# what every list has, before its own evidence
LIST_SCHEMA = {
    "anchor_id": pl.String,
    "rank": pl.Int64,
    "product_id": pl.String,
    "score": pl.Float64,
    "source": pl.String,
    "reason": pl.String,
}
SCHEMA = {
    **LIST_SCHEMA,
    "n_events": pl.Int64,
    "window_days": pl.Int64,
}


def popular(features: Features) -> pl.DataFrame:
    """Best sellers as recommendations: anchor "" is the whole company, any other anchor a category id.

    score: orders with the product, each weighted by exp(-ln 2 * age / 30 days), as a share (0..1) of the first in its list.
    n_events: orders in the window. Where nothing eligible was ordered, viewing sessions rank instead and `source` says so.
    Where fewer than MAX_RANK were, the rest of the assortment stands behind them in the company's list, with a score of 0.
    """
    return best_of(features, features.eligible())


def best_of(features: Features, candidates: pl.DataFrame) -> pl.DataFrame:
    """The same lists of no other products than `candidates` (product_id, category_id)."""
    window_days = int(features.config.also_bought["lookbackDays"])
    events, source = _events(features, candidates, window_days)
    age_weight = (-math.log(2) / HALF_LIFE_DAYS * pl.col("age_days")).exp()
    counted = events.group_by("product_id").agg(pl.len().cast(pl.Int64).alias("n_events"), age_weight.sum().alias("weight"))
    sold = counted.join(candidates.select("product_id", "category_id"), on="product_id")
    lists = pl.concat(
        [
            sold.with_columns(pl.lit(WHOLE_COMPANY).alias("anchor_id")),
            sold.filter(pl.col("category_id").is_not_null()).with_columns(pl.col("category_id").alias("anchor_id")),
        ]
    )
    # rounded, so that sums in another order give the same ranks
    ranked = lists.with_columns(pl.col("weight").round_sig_figs(9)).sort(
        ["anchor_id", "weight", "n_events", "product_id"], descending=[False, True, True, False]
    )
    unit = "orders" if source == "best seller" else "sessions"
    reason = pl.format("{}: {} {} in {} days", pl.lit(source.capitalize()), "n_events", pl.lit(unit), pl.lit(window_days))
    others = _others(features, candidates, sold, f"{NOT_ASKED_FOR.capitalize()}: no {unit} in {window_days} days")
    told = ranked.with_columns(pl.lit(source).alias("source"), reason.alias("reason"))
    return (
        pl.concat([told, others], how="diagonal_relaxed")
        .sort("anchor_id", maintain_order=True)
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"))
        .filter(pl.col("rank") <= MAX_RANK)
        .with_columns(
            # 0 / 0: events so old that their weight is nothing
            (pl.col("weight") / pl.col("weight").max().over("anchor_id")).fill_nan(0).round(6).alias("score"),
            pl.lit(window_days, dtype=pl.Int64).alias("window_days"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _others(features: Features, candidates: pl.DataFrame, sold: pl.DataFrame, reason: str) -> pl.DataFrame:
    """What a list of the company lacks: products without an event in the window, those with the most earlier orders first, then
    by id. A new shop, or the page of the one product that sells, would else have nothing to show."""
    earlier = features.baskets.group_by("product_id").agg(pl.len().alias("n_earlier"))
    unsold = candidates.join(sold, on="product_id", how="anti").join(earlier, on="product_id", how="left")
    lacking = unsold.with_columns(pl.col("n_earlier").fill_null(0)).sort(["n_earlier", "product_id"], descending=[True, False])
    return lacking.head(max(0, MAX_RANK - sold.height)).select(
        "product_id", pl.lit(WHOLE_COMPANY).alias("anchor_id"), pl.lit(0, dtype=pl.Int64).alias("n_events"),
        pl.lit(0.0).alias("weight"), pl.lit(NOT_ASKED_FOR).alias("source"), pl.lit(reason).alias("reason"),
    )  # fmt: skip


def _events(features: Features, candidates: pl.DataFrame, window_days: int) -> tuple[pl.DataFrame, str]:
    baskets = features.recent_baskets(window_days).join(candidates, on="product_id", how="semi")
    if not baskets.is_empty():
        return baskets.select("product_id", "age_days"), "best seller"
    sessions = features.recent_views(window_days).group_by("session_id", "product_id").agg(pl.col("age_days").min())
    return sessions.select("product_id", "age_days"), "most viewed"
