"""Usual quantities as they are published: a row per product, and one per customer and product."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl

from models.usual_quantities import usual_quantities
from tests.models.invented import END, features


def test_products_and_customers() -> None:
    """Ten orders make a product's quantity known, three of them one customer's; fewer make neither."""
    shop = features(["a"] * 10 + ["b"] * 2)
    quantities = [1, 1, 1, 1, 1, 1, 1, 1, 6, 6, 3, 3]
    customers = ["ann"] * 3 + ["bob"] * 2 + [None] * 5 + ["ann"] * 2
    baskets = shop.baskets.with_columns(
        pl.Series("quantity", quantities, dtype=pl.Int64),
        pl.Series("customer_id", customers, dtype=pl.String),
        pl.lit(END - timedelta(days=1)).alias("ordered_at"),
    )
    frame = usual_quantities(replace(shop, baskets=baskets))
    assert frame.select("anchor_id", "level", "product_id", "p90", "n_orders").rows() == [
        ("a", "product", "a", 6, 10),
        ("ann", "customer", "a", 1, 3),
    ]
    assert frame["reason"][0] == "nine in ten of 10 orders take 6 or fewer"
