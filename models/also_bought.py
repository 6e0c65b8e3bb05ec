"""Also bought: what shares orders with a product, and what stands in where a product has too little evidence of its own."""

from __future__ import annotations

import polars as pl

from models import co_occurrence
from models.features import Features
from models.generation import WHOLE_COMPANY
from models.popularity import best_of

# pairs are cut by time-weighted count, then by minCoOccurrences: the surplus keeps the second cut from emptying the first
SURPLUS = 3
SCHEMA = {
    "anchor_id": pl.String,
    "rank": pl.Int64,
    "product_id": pl.String,
    "score": pl.Float64,
    "source": pl.String,
    "reason": pl.String,
    "n_xy": pl.Int64,
    "n_x": pl.Int64,
    "n_y": pl.Int64,
    "n_baskets": pl.Int64,
    "expected": pl.Float64,
    "lift": pl.Float64,
    "n_events": pl.Int64,
    "window_days": pl.Int64,
}
EVIDENCE = ("n_xy", "n_x", "n_y", "n_baskets", "expected", "lift", "n_events", "window_days")


def also_bought(features: Features) -> pl.DataFrame:
    """Recommendations for every product that has a page, `maxResults` at most, filled from its category's and then the
    company's best sellers.

    score: for co-purchases the time-weighted share (0..1) of the anchor's orders that also hold the product; for a best
    seller its own score. Co-purchases stand before best sellers whatever their scores.
    """
    rules = features.config.also_bought
    eligible = features.eligible().select("product_id", "category_id", "category")
    excluded = pl.col("category_id").is_in(rules["excludeCategories"]) | pl.col("category").is_in(rules["excludeCategories"])
    candidates = eligible.filter(~excluded.fill_null(False))
    own = _co_purchases(features, candidates["product_id"])
    fill = _fill(features, candidates)
    anchors = features.shown().select(pl.col("product_id").alias("anchor_id"))
    return (
        pl.concat([own, fill], how="diagonal_relaxed")
        .join(anchors, on="anchor_id", how="semi")
        .filter(pl.col("anchor_id") != pl.col("product_id"))
        .sort("anchor_id", "link", "link_rank", "product_id")
        .unique(["anchor_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"))
        .filter(pl.col("rank") <= rules["maxResults"])
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _co_purchases(features: Features, candidates: pl.Series) -> pl.DataFrame:
    rules = features.config.also_bought
    baskets = features.recent_baskets(rules["lookbackDays"])
    statistics = co_occurrence.pair_statistics(baskets, candidates, top_n=SURPLUS * rules["maxResults"])
    n_baskets = statistics.n_baskets
    counted = statistics.pairs.filter(pl.col("n_xy") >= rules["minCoOccurrences"]).with_columns(
        co_occurrence.expected(pl.col("n_x"), pl.col("n_y"), n_baskets).round(6).alias("expected"),
        co_occurrence.lift(pl.col("n_xy"), pl.col("n_x"), pl.col("n_y"), n_baskets).round(6).alias("lift"),
        (pl.col("w_xy") / pl.col("w_x")).clip(0, 1).round(6).alias("score"),
        pl.lit("co-purchase").alias("source"),
        pl.lit(n_baskets, dtype=pl.Int64).alias("n_baskets"),
        pl.lit(rules["lookbackDays"], dtype=pl.Int64).alias("window_days"),
        pl.lit(0).alias("link"),
    )
    words = pl.format("{} of {} orders; {} times as often as by chance", "n_xy", "n_x", pl.col("lift").round(1))
    return counted.with_columns(words.alias("reason"), pl.int_range(pl.len()).over("anchor_id").alias("link_rank"))


def _fill(features: Features, candidates: pl.DataFrame) -> pl.DataFrame:
    """Best sellers of each anchor's category (link 1) and of the company (link 2), more than enough of each."""
    best = best_of(features, candidates).rename({"anchor_id": "list_id", "rank": "link_rank"})
    pages = features.shown().select(pl.col("product_id").alias("anchor_id"), "category_id")
    by_category = pages.join(best, left_on="category_id", right_on="list_id").with_columns(
        (pl.col("source") + " of the category").alias("source"), pl.lit(1).alias("link")
    )
    company = best.filter(pl.col("list_id") == WHOLE_COMPANY).drop("list_id")
    everywhere = pages.join(company, how="cross").with_columns(
        (pl.col("source") + " of the shop").alias("source"), pl.lit(2).alias("link")
    )
    return pl.concat([by_category, everywhere]).drop("category_id")
