"""Demand: how much each product is ordered, and which are rising."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from models.als import WINDOW_DAYS
from models.features import Features
from models.popularity import HALF_LIFE_DAYS

RISING_HALF_LIFE_DAYS = 7.0
COUNTED_DAYS = 30


@dataclass(frozen=True)
class Demand:
    """Per product, popularity: ln(1 + orders), an order halving in 30 days; trend: ln of its orders, halving in 7 days, over what
    its share of all orders lets expect, both + 1; n_recent: orders of the last COUNTED_DAYS days. unit: "orders", or "visits"
    where these stand in for them."""

    popularity: np.ndarray
    trend: np.ndarray
    n_recent: np.ndarray
    unit: str


def demand(features: Features, products: pl.Series) -> Demand:
    """What was ordered of `products` (ids, sorted) in the last WINDOW_DAYS days; what was visited, where nothing was ordered."""
    baskets, views = features.recent_baskets(WINDOW_DAYS), features.recent_views(WINDOW_DAYS)
    visits = views.group_by("session_id", "product_id").agg(pl.col("age_days").min())
    events = (visits if baskets.is_empty() else baskets).select("product_id", "age_days")
    placed = events.join(products.to_frame("product_id").with_row_index("column"), on="product_id").sort("column", "age_days")
    column, age, n = placed["column"].to_numpy().astype(np.int64), placed["age_days"].to_numpy(), len(products)
    rising, lately = (np.bincount(column, np.exp2(-age / days), n) for days in (RISING_HALF_LIFE_DAYS, HALF_LIFE_DAYS))
    every = np.bincount(column, minlength=n)
    expected = every * (rising.sum() / max(1, every.sum()))
    n_recent = np.bincount(column[age < COUNTED_DAYS], minlength=n)
    unit = "visits" if baskets.is_empty() else "orders"
    return Demand(np.log1p(lately), np.log((rising + 1) / (expected + 1)), n_recent, unit)
