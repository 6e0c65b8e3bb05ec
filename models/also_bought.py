"""Also bought: what shares orders with a product, and what stands in where a product has too little evidence of its own."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from models import own_evidence
from models.features import Features
from models.own_evidence import Rule
from models.popularity import LIST_SCHEMA, best_of, by_page, of_pages
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
    shop = shop_of(features)
    pages = features.shown().select(pl.col("product_id").alias("anchor_id"), "category_id")
    pairs = own_evidence.counted(features, shop.candidates["product_id"], rule, shop.titles)
    return lists(shop, rule, pairs, pages)


@dataclass(frozen=True)
class Shop:
    """What is the same for every rule. candidates: product_id, category_id of what may stand in a list. popular: best_of them."""

    features: Features
    candidates: pl.DataFrame
    titles: Titles
    popular: pl.DataFrame


def shop_of(features: Features) -> Shop:
    """What also_bought makes its lists from."""
    candidates = _candidates(features)
    return Shop(features, candidates, Titles(features.products), best_of(features, candidates))


def lists(shop: Shop, rule: Rule, pairs: pl.DataFrame, pages: pl.DataFrame) -> pl.DataFrame:
    """The lists of `pages` (anchor_id, category_id) from the pairs that own_evidence.counted has found."""
    max_results = shop.features.config.also_bought["maxResults"]
    own = own_evidence.ranked(pairs.join(pages, on="anchor_id", how="semi"), rule, shop.features)
    if rule.nearby:
        lacking = _lacking(pages, own, max_results)["anchor_id"]
        near = own_evidence.similar(lacking, shop.candidates["product_id"], max_results, shop.features, shop.titles)
        own = pl.concat([own, near]).unique(["anchor_id", "product_id"], keep="first", maintain_order=True)
    else:
        # a product of no category fills from the company
        pages = pages.with_columns(pl.lit(None, dtype=pl.String).alias("category_id"))
    return (
        pl.concat([own, _best_sellers(shop, _lacking(pages, own, max_results), max_results)], how="diagonal_relaxed")
        .filter(pl.col("anchor_id") != pl.col("product_id"))
        .sort("anchor_id", "link", "link_rank")
        .unique(["anchor_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"))
        .filter(pl.col("rank") <= max_results)
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _candidates(features: Features) -> pl.DataFrame:
    """Eligible, and in no category of excludeCategories."""
    names = features.config.also_bought["excludeCategories"]
    excluded = pl.col("category_id").is_in(names) | pl.col("category").is_in(names)
    return features.eligible().filter(~excluded.fill_null(False)).select("product_id", "category_id")


def best_sellers(features: Features) -> pl.DataFrame:
    """What stands in for every page where its own evidence may not be shown: of excludeCategories nothing either."""
    return of_pages(features, _candidates(features), features.config.also_bought["maxResults"])


def _best_sellers(shop: Shop, lacking: pl.DataFrame, max_results: int) -> pl.DataFrame:
    found = by_page(shop.popular, lacking, max_results)
    return found.with_columns(pl.col("link") + len(own_evidence.SOURCES))


def _lacking(pages: pl.DataFrame, own: pl.DataFrame, max_results: int) -> pl.DataFrame:
    """Pages whose own evidence leaves room."""
    counts = own.group_by("anchor_id").agg(pl.len().alias("n_own"))
    return pages.join(counts, on="anchor_id", how="left").filter(pl.col("n_own").fill_null(0) < max_results).drop("n_own")
