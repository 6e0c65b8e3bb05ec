"""What cancellations leave of the order lines: the last one bought is the first one given back."""

from __future__ import annotations

import polars as pl

BUYER = ["customer_id", "product_id"]


def net(lines: pl.DataFrame, cancellations: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Match each cancellation with the most recent earlier lines of its customer and product that have units left.

    Both frames: customer_id, product_id, ordered_at, order_id, quantity > 0 (units); `lines` also line. Returns both with
    one more column: `left`, units that stay bought, and `unmatched`, units that nothing was found for. A line of the same
    instant as a cancellation counts as earlier.

    Each buyer's units lie on a stack whose height is a random walk reflected at zero. A line occupies the levels above
    the height that it found; of these, what lies below the lowest height from then on is never taken away.
    """
    columns = [*BUYER, "ordered_at", "order_id", "quantity"]
    line_rows = lines.select(*columns, "line", step=pl.col("quantity"), of_line=pl.int_range(pl.len()))
    cancelled = cancellations.select(*columns, step=-pl.col("quantity"), of_cancellation=pl.int_range(pl.len()))
    events = pl.concat([line_rows, cancelled], how="diagonal").sort(
        *BUYER, "ordered_at", "of_cancellation", "order_id", "line", nulls_last=False
    )
    walk = events.with_columns(walk=pl.col("step").cum_sum().over(BUYER)).with_columns(
        floor=pl.min_horizontal(pl.col("walk").cum_min().over(BUYER), 0)
    )
    heights = walk.with_columns(
        height=pl.col("walk") - pl.col("floor"),
        unmatched=pl.col("floor").shift(1).over(BUYER).fill_null(0) - pl.col("floor"),
    ).with_columns(lowest=pl.col("height").cum_min(reverse=True).over(BUYER))
    left = pl.max_horizontal(pl.col("lowest") - (pl.col("height") - pl.col("quantity")), 0)
    of_lines = heights.filter(pl.col("of_line").is_not_null()).with_columns(left=left).sort("of_line")["left"]
    unmatched = heights.filter(pl.col("of_cancellation").is_not_null()).sort("of_cancellation")["unmatched"]
    return lines.with_columns(of_lines), cancellations.with_columns(unmatched)
