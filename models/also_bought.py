"""Also bought: what shares orders with a product, and what stands in where a product has too little evidence of its own."""

from __future__ import annotations

import polars as pl

from models import own_evidence
from models.features import Features
from models.generation import WHOLE_COMPANY
from models.own_evidence import Rule
from models.popularity import LIST_SCHEMA, best_of
from models.similar_titles import Titles

SCHEMA = {
    **LIST_SCHEMA,
    "n_xy": pl.Int64,
    "n_x": pl.Int64,
    "n_y": pl.Int64,
    "n_baskets": pl.Int64,
    "expected": pl.Float64,
    "lift": pl.Float64,
    "llr": pl.Float64,
    "similarity": pl.Float64,
    "n_events": pl.Int64,
    "window_days": pl.Int64,
}
EVIDENCE = tuple(name for name in SCHEMA if name not in LIST_SCHEMA)


def also_bought(features: Features) -> pl.DataFrame:
    """Recommendations for every product that has a page, `maxResults` at most: co-purchases in the window, co-purchases of all
    time, co-views, similar titles, then best sellers of the category and of the company (of the company alone, where the
    company's held-out days chose so).

    score: for a pair the chance (0..1) that another product of a basket with the anchor, drawn at random, is this one, shrunk
    and boosted as `features.choices["also-bought"]` (the fields of own_evidence.Rule) and the configuration say; the similarity
    of a title; a best seller's own. An earlier link stands before a later one whatever their scores. expected: baskets with both
    if they were independent. boostHighMargin raises a pair's score by up to half with the margin (unchanged where the cost is
    unknown); boostInStock puts what is in stock ahead within each link of own evidence.
    """
    rule = Rule(**features.choices.get("also-bought", {}))
    pages = features.shown().select(pl.col("product_id").alias("anchor_id"), "category_id")
    candidates = candidates_of(features)
    pairs = own_evidence.counted(features, candidates["product_id"], rule)
    return lists(features, rule, pairs, pages, candidates, Titles(features.products))


def candidates_of(features: Features) -> pl.DataFrame:
    """product_id, category_id of what may stand in a list: eligible, and in no category of excludeCategories."""
    names = features.config.also_bought["excludeCategories"]
    excluded = pl.col("category_id").is_in(names) | pl.col("category").is_in(names)
    return features.eligible().filter(~excluded.fill_null(False)).select("product_id", "category_id")


def lists(
    features: Features, rule: Rule, pairs: pl.DataFrame, pages: pl.DataFrame, candidates: pl.DataFrame, titles: Titles
) -> pl.DataFrame:
    """The lists of `pages` (anchor_id, category_id) from the pairs that own_evidence.counted has found."""
    max_results = features.config.also_bought["maxResults"]
    own = own_evidence.ranked(pairs.join(pages, on="anchor_id", how="semi"), rule, features, titles)
    if rule.nearby:
        lacking = _lacking(pages, own, max_results)["anchor_id"]
        near = own_evidence.similar(lacking, candidates["product_id"], max_results, features, titles)
        own = pl.concat([own, near]).unique(["anchor_id", "product_id"], keep="first", maintain_order=True)
    else:
        # a product of no category fills from the company
        pages, candidates = (
            frame.with_columns(pl.lit(None, dtype=pl.String).alias("category_id")) for frame in (pages, candidates)
        )
    return (
        pl.concat([own, _fill(features, candidates, _lacking(pages, own, max_results))], how="diagonal_relaxed")
        .filter(pl.col("anchor_id") != pl.col("product_id"))
        .sort("anchor_id", "link", "link_rank")
        .unique(["anchor_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"))
        .filter(pl.col("rank") <= max_results)
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _lacking(pages: pl.DataFrame, own: pl.DataFrame, max_results: int) -> pl.DataFrame:
    """Pages whose own evidence leaves room."""
    counts = own.group_by("anchor_id").agg(pl.len().alias("n_own"))
    return pages.join(counts, on="anchor_id", how="left").filter(pl.col("n_own").fill_null(0) < max_results).drop("n_own")


def _fill(features: Features, candidates: pl.DataFrame, lacking: pl.DataFrame) -> pl.DataFrame:
    """Best sellers for the pages whose own evidence leaves room: of the page's category, then of the company.

    Pages of a category share one list. One item more than a page shows is enough of it: what a page drops of the list, its own
    product and what it already has, leaves as many as it lacks.
    """
    max_results = features.config.also_bought["maxResults"]
    categories = lacking.select("category_id").unique()
    best = best_of(features, candidates).rename({"anchor_id": "list_id", "rank": "list_rank"})
    company = best.filter(pl.col("list_id") == WHOLE_COMPANY).drop("list_id")
    first = len(own_evidence.SOURCES)
    links = [
        (first, " of the category", categories.join(best, left_on="category_id", right_on="list_id")),
        (first + 1, " of the shop", categories.join(company, how="cross")),
    ]
    shared = (
        pl.concat([rows.with_columns(pl.col("source") + words, pl.lit(link).alias("link")) for link, words, rows in links])
        .sort("category_id", "link", "list_rank")
        .unique(["category_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(pl.len()).over("category_id").alias("link_rank"))
        .filter(pl.col("link_rank") <= max_results)
    )
    return (
        lacking.select("anchor_id", "category_id").join(shared, on="category_id", nulls_equal=True).drop("category_id", "list_rank")
    )
