"""Reorder gaps: the days between one customer's purchases of one product, and what those days are evidence of."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from models.features import SUBSCRIPTIONS

NO_SUBSCRIPTIONS = pl.DataFrame(schema=SUBSCRIPTIONS)
PAIR = ("customer_id", "product_id")
# later than three times what is usual a customer has left and come back
LAPSED_AFTER = 3.0
MIN_USUAL = 10
# an open gap is evidence of how slowly something is used up only where the customer is known to come back
MIN_RETURNS = 2


def purchase_days(baskets: pl.DataFrame, subscriptions: pl.DataFrame = NO_SUBSCRIPTIONS) -> pl.DataFrame:
    """customer_id, product_id, bought_on (date), units; one row per customer, product and day with an order of it that no
    subscription made, oldest first.

    subscriptions: SUBSCRIPTIONS. A pair's orders from its first subscription on count as made by it: orders do not say.
    """
    since = subscriptions.group_by(PAIR).agg(pl.col("created_at").min())
    own = baskets.drop_nulls("customer_id").join(since, on=PAIR, how="left")
    spontaneous = own.filter(pl.col("created_at").is_null() | (pl.col("ordered_at") < pl.col("created_at")))
    return (
        spontaneous.group_by(*PAIR, pl.col("ordered_at").dt.date().alias("bought_on"))
        .agg(pl.col("quantity").sum().clip(1).cast(pl.Int64).alias("units"))
        .sort(*PAIR, "bought_on")
    )


def gaps(days: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """Rows of `purchase_days` with days (whole, >= 1, to the pair's next purchase; where there is none, days since, >= 0, to
    `end`), is_open (no next purchase), number (0 for the pair's first purchase) and n_gaps (closed ones of the pair)."""
    begins = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift()) for name in PAIR)
    ends = begins.shift(-1, fill_value=True)
    until = pl.when(ends).then(pl.lit(end).dt.date()).otherwise(pl.col("bought_on").shift(-1))
    pair = begins.cum_sum()
    return (
        days.with_columns(
            (until - pl.col("bought_on")).dt.total_days().alias("days"),
            ends.alias("is_open"),
            pair.alias("pair"),
        )
        .with_columns(
            pl.int_range(pl.len(), dtype=pl.Int64).over("pair").alias("number"),
            (pl.len().over("pair") - 1).cast(pl.Int64).alias("n_gaps"),
        )
        .drop("pair")
    )


def with_lapses(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `gaps` as evidence: days at most LAPSED_AFTER times the product's median closed gap, and is_censored where the gap
    is longer than `days` says: lapses, and open gaps.

    The company's median stands in below MIN_USUAL gaps. An open gap is dropped where it has lapsed or the pair has fewer than
    MIN_RETURNS closed ones: who has left says nothing of how fast a product is used up. So is one that has no days yet.
    """
    closed = rows.filter(~pl.col("is_open"))
    usual = closed.group_by("product_id").agg(pl.col("days").median().alias("usual"), pl.len().alias("n"))
    everywhere = closed["days"].median() if closed.height else None
    of_product = pl.when(pl.col("n") >= MIN_USUAL).then("usual").fill_null(pl.lit(everywhere, dtype=pl.Float64))
    told = rows.join(usual, on="product_id", how="left", maintain_order="left").with_columns(
        (LAPSED_AFTER * of_product).alias("lapse")
    )
    is_lapsed = (pl.col("days") > pl.col("lapse")).fill_null(False)
    return (
        told.filter((pl.col("days") > 0) & ~(pl.col("is_open") & (is_lapsed | (pl.col("n_gaps") < MIN_RETURNS))))
        .with_columns(
            pl.min_horizontal(pl.col("days").cast(pl.Float64), "lapse").alias("days"),
            (pl.col("is_open") | is_lapsed).alias("is_censored"),
        )
        .drop("usual", "n", "lapse")
    )
