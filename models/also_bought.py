"""Also bought: what shares orders with a product, and what stands in where a product has too little evidence of its own."""

from __future__ import annotations

import polars as pl

from models import co_occurrence
from models.features import Features
from models.generation import WHOLE_COMPANY
from models.popularity import LIST_SCHEMA, best_of

# pairs are cut by time-weighted count, then by minCoOccurrences: the surplus keeps the second cut from emptying the first
SURPLUS = 3
SCHEMA = {
    **LIST_SCHEMA,
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
    pages = features.shown().select(pl.col("product_id").alias("anchor_id"), "category_id")
    own = _co_purchases(features, candidates["product_id"]).join(pages, on="anchor_id", how="semi")
    return (
        pl.concat([own, _fill(features, candidates, pages, own)], how="diagonal_relaxed")
        .filter(pl.col("anchor_id") != pl.col("product_id"))
        .sort("anchor_id", "link", "link_rank")
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
    ranked = counted.with_columns(words.alias("reason"), pl.int_range(pl.len()).over("anchor_id").alias("link_rank"))
    return ranked.filter(pl.col("link_rank") < rules["maxResults"])


def _fill(features: Features, candidates: pl.DataFrame, pages: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Best sellers for the pages whose own evidence leaves room: of the page's category, then of the company.

    Pages of a category share one list. One item more than a page shows is enough of it: what a page drops of the list, its own
    product and what it already has, leaves as many as it lacks.
    """
    max_results = features.config.also_bought["maxResults"]
    counts = own.group_by("anchor_id").agg(pl.len().alias("n_own"))
    lacking = pages.join(counts, on="anchor_id", how="left").filter(pl.col("n_own").fill_null(0) < max_results)
    categories = lacking.select("category_id").unique()
    best = best_of(features, candidates).rename({"anchor_id": "list_id", "rank": "list_rank"})
    company = best.filter(pl.col("list_id") == WHOLE_COMPANY).drop("list_id")
    links = [
        (1, " of the category", categories.join(best, left_on="category_id", right_on="list_id")),
        (2, " of the shop", categories.join(company, how="cross")),
    ]
    lists = (
        pl.concat([rows.with_columns(pl.col("source") + words, pl.lit(link).alias("link")) for link, words, rows in links])
        .sort("category_id", "link", "list_rank")
        .unique(["category_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(pl.len()).over("category_id").alias("link_rank"))
        .filter(pl.col("link_rank") <= max_results)
    )
    return (
        lacking.select("anchor_id", "category_id").join(lists, on="category_id", nulls_equal=True).drop("category_id", "list_rank")
    )
