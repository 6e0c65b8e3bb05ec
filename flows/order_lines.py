"""Orders and their lines, as sql/extract/order_lines gives them, put together."""

from __future__ import annotations

import polars as pl

COLUMNS = ("order_id", "customer_id", "product_id", "quantity", "unit_price_cents", "ordered_at")


def assembled(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per order line, (lines, 6), COLUMNS; sorted by instant, order, product, quantity and price.

    `rows` are orders, numbered from 1 by instant and id, and lines that name an order by its number; in any order. An order
    without lines gives no row.
    """
    heads = rows.filter(pl.col("order_id").is_not_null()).sort("order_number")
    lines = rows.filter(pl.col("order_id").is_null())
    # a product's place among all stands for its id: sorting whole numbers costs a third of sorting texts
    products = pl.Enum(lines["product_id"].drop_nulls().unique().sort())
    order = ["order_number", pl.col("product_id").cast(products).to_physical(), "quantity", "unit_price_cents"]
    lines = lines.sort(order)
    of_orders = heads.select("order_id", "customer_id", "ordered_at")[lines["order_number"] - 1]
    return pl.concat([of_orders, lines.select("product_id", "quantity", "unit_price_cents")], how="horizontal").select(COLUMNS)
