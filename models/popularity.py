"""Best sellers: time-weighted orders per product, for the whole company and for each category."""

from __future__ import annotations

import math

import polars as pl

from models.features import Features
from models.generation import WHOLE_COMPANY

HALF_LIFE_DAYS = 30.0
MAX_RANK = 40
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
    candidates = features.eligible()
    best = best_of(features, candidates)
    return pl.concat([best, _others(features, candidates, best.filter(pl.col("anchor_id") == WHOLE_COMPANY))])


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
    unit = pl.lit("orders" if source == "best seller" else "sessions")
    return (
        ranked.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"))
        .filter(pl.col("rank") <= MAX_RANK)
        .with_columns(
            # 0 / 0: events so old that their weight is nothing
            (pl.col("weight") / pl.col("weight").max().over("anchor_id")).fill_nan(0).round(6).alias("score"),
            pl.lit(source).alias("source"),
            pl.format("{}: {} {} in {} days", pl.lit(source.capitalize()), "n_events", unit, pl.lit(window_days)).alias("reason"),
            pl.lit(window_days, dtype=pl.Int64).alias("window_days"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _others(features: Features, candidates: pl.DataFrame, best: pl.DataFrame) -> pl.DataFrame:
    """What the company's list lacks: products without an event in the window, those with the most earlier orders first, then by
    id. A new shop, or the page of the one product that sells, would else have nothing to show."""
    window_days = int(features.config.also_bought["lookbackDays"])
    earlier = features.baskets.group_by("product_id").agg(pl.len().cast(pl.Int64).alias("n_earlier"))
    unsold = candidates.join(best, on="product_id", how="anti").join(earlier, on="product_id", how="left")
    ranked = unsold.sort([pl.col("n_earlier").fill_null(0), "product_id"], descending=[True, False])
    columns = {
        "anchor_id": pl.lit(WHOLE_COMPANY),
        "rank": best.height + pl.int_range(1, pl.len() + 1),
        "product_id": pl.col("product_id"),
        "score": pl.lit(0.0),
        "source": pl.lit("assortment"),
        "reason": pl.format("In the assortment; not asked for in {} days", pl.lit(window_days)),
        "n_events": pl.lit(0),
        "window_days": pl.lit(window_days),
    }
    lacking = ranked.head(max(0, MAX_RANK - best.height))
    return lacking.select(columns[name].cast(dtype).alias(name) for name, dtype in SCHEMA.items())


def of_pages(features: Features, candidates: pl.DataFrame, max_results: int) -> pl.DataFrame:
    """Best sellers as recommendations of every product that has a page: of its category, then of the company; never its own."""
    pages = features.shown().select(pl.col("product_id").alias("anchor_id"), "category_id")
    return (
        by_page(best_of(features, candidates), pages, max_results)
        .filter(pl.col("anchor_id") != pl.col("product_id"))
        .sort("anchor_id", "link_rank")
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"))
        .filter(pl.col("rank") <= max_results)
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def by_page(best: pl.DataFrame, pages: pl.DataFrame, max_results: int) -> pl.DataFrame:
    """Rows of `best` (as best_of has them) for `pages` (anchor_id, category_id), with link (0 of the category, 1 of the shop), said
    by the source, and link_rank from 0 over both.

    Pages of a category share one list. One item more than a page shows is enough of it: what a page drops of the list, its own
    product and what it already has, leaves as many as it lacks.
    """
    categories = pages.select("category_id").unique()
    best = best.rename({"anchor_id": "list_id", "rank": "list_rank"})
    company = best.filter(pl.col("list_id") == WHOLE_COMPANY).drop("list_id")
    links = [
        (0, " of the category", categories.join(best, left_on="category_id", right_on="list_id")),
        (1, " of the shop", categories.join(company, how="cross")),
    ]
    shared = (
        pl.concat([rows.with_columns(pl.col("source") + words, pl.lit(link).alias("link")) for link, words, rows in links])
        .sort("category_id", "link", "list_rank")
        .unique(["category_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(pl.len()).over("category_id").alias("link_rank"))
        .filter(pl.col("link_rank") <= max_results)
    )
    return (
        pages.select("anchor_id", "category_id").join(shared, on="category_id", nulls_equal=True).drop("category_id", "list_rank")
    )


def _events(features: Features, candidates: pl.DataFrame, window_days: int) -> tuple[pl.DataFrame, str]:
    baskets = features.recent_baskets(window_days).join(candidates, on="product_id", how="semi")
    if not baskets.is_empty():
        return baskets.select("product_id", "age_days"), "best seller"
    sessions = features.recent_views(window_days).group_by("session_id", "product_id").agg(pl.col("age_days").min())
    return sessions.select("product_id", "age_days"), "most viewed"
