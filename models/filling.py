"""Filling: what stands behind a kind's own evidence, so that a page that has room for a list is never without one."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from models.also_bought import also_bought
from models.configuration import Configuration
from models.features import Features


def filled(features: Features, own: pl.DataFrame, max_results: int, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    """`own` (anchor_id, product_id, link_rank from 0, score, source, reason, its evidence) of every product with a page, then what
    is also bought with it, then best sellers of its category and of the shop; `max_results` at most, as `schema` says.

    Nothing for a shop without a view: its pages would say what also bought says. The links behind `own` are those of
    models/also_bought.py with their own minimum and window, without its excluded categories: these are a rule of that section
    alone.
    """
    if features.views.is_empty():
        return pl.DataFrame(schema=schema)
    behind = also_bought(_unrestricted(features, max_results)).with_columns(
        pl.lit(1).alias("link"), pl.col("rank").alias("link_rank")
    )
    pages = features.shown().select(pl.col("product_id").alias("anchor_id"))
    first = (
        own.filter(pl.col("anchor_id") != pl.col("product_id"))
        .join(pages, on="anchor_id", how="semi")
        .with_columns(pl.lit(0).alias("link"))
    )
    return (
        pl.concat([first, behind.drop("rank")], how="diagonal_relaxed")
        .sort("anchor_id", "link", "link_rank")
        .unique(["anchor_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank"))
        .filter(pl.col("rank") <= max_results)
        .select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    )


def _unrestricted(features: Features, max_results: int) -> Features:
    parts = features.config.parts
    rules = {**parts["alsoBought"], "maxResults": max_results, "excludeCategories": []}
    return replace(features, config=Configuration({**parts, "alsoBought": rules}))
