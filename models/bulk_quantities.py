"""How many of a product one order takes: retail buyers apart from wholesale ones, pack sizes, and what is usual for whom."""

from __future__ import annotations

import polars as pl

from models.features import Features

# a year has every season once
WINDOW_DAYS = 365
WHOLESALE_TIMES = 2.0
LEAST_LINES = 5
LEAST_BUYERS = 10
PACK_SIZES = (2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 18, 20, 24, 25, 30, 36, 40, 48, 50, 60, 72, 80, 96, 100, 120, 144)
# half of the way from chance to always
PACK_AGREEMENT = 0.5
P75, P90 = 0.75, 0.9
LEAST_ORDERS = 10
LEAST_OWN_ORDERS = 3
USUAL_SCHEMA = {"product_id": pl.String, "customer_id": pl.String, "p90": pl.Int64, "n_orders": pl.Int64}


def lines(features: Features) -> pl.DataFrame:
    """Lines of the last WINDOW_DAYS days that took at least one unit: product_id, customer_id, buyer, quantity, age_days,
    is_wholesale. Cancelled units are gone before: extraction reads what is left of an order. buyer: the customer, or a guest's
    order.

    Wholesale is a buyer of at least LEAST_LINES lines whose median line is more than WHOLESALE_TIMES the product's retail P90: the
    90th percentile over its buyers' own medians, where each buyer counts once, so that a few who order much and often do not
    raise what they are measured by. Products of fewer than LEAST_BUYERS buyers have no say.
    """
    recent = features.recent_baskets(WINDOW_DAYS).filter(pl.col("quantity") > 0)
    bought = recent.with_columns(pl.coalesce("customer_id", "order_id").alias("buyer"))
    voted = bought.group_by("product_id", "buyer").agg(pl.col("quantity").median())
    usual = voted.group_by("product_id").agg(_percentile(P90).alias("retail"), pl.len().alias("n_buyers"))
    compared = bought.join(usual.filter(pl.col("n_buyers") >= LEAST_BUYERS), on="product_id")
    far_above = (pl.len() >= LEAST_LINES) & ((pl.col("quantity") / pl.col("retail")).median() > WHOLESALE_TIMES)
    wholesale = compared.group_by("buyer").agg(far_above.alias("is_wholesale"))
    # customers and orders may be called the same, but then the one buyer's lines are judged together, and stay so
    joined = bought.join(wholesale, on="buyer", how="left").with_columns(pl.col("is_wholesale").fill_null(False))
    return joined.select("product_id", "customer_id", "buyer", "quantity", "age_days", "is_wholesale")


def quantities(retail: pl.DataFrame) -> pl.DataFrame:
    """One row per product: n_orders, mode (the least of equally common quantities), p75 and p90 (a quantity that occurs)."""
    counted = retail.group_by("product_id", "quantity").agg(pl.len().alias("n"))
    commonest = counted.sort("product_id", "n", "quantity", descending=[False, True, False]).group_by("product_id").first()
    spread = retail.group_by("product_id").agg(
        pl.len().cast(pl.Int64).alias("n_orders"), _percentile(P75).alias("p75"), _percentile(P90).alias("p90")
    )
    modes = commonest.select("product_id", pl.col("quantity").alias("mode"))
    return spread.join(modes, on="product_id").sort("product_id")


def pack_sizes(retail: pl.DataFrame) -> pl.DataFrame:
    """One row per product: pack_size, the largest of PACK_SIZES that divides the quantities of its orders clearly more often than
    by chance, else 1.

    Every g-th number is a multiple of g, so agreement is chance-corrected as Cohen's kappa (Educational and Psychological
    Measurement 20(1), 1960): (share of multiples - 1/g) / (1 - 1/g), which must reach PACK_AGREEMENT.
    """
    counted = retail.group_by("product_id", "quantity").agg(pl.len().alias("n"))
    found = counted.group_by("product_id").agg(pl.max_horizontal(1, *map(_if_packed, PACK_SIZES)).cast(pl.Int64).alias("pack_size"))
    return found.sort("product_id")


def usual(features: Features) -> pl.DataFrame:
    """What a nudge may ask for (models/bulk_nudges.Reach): USUAL_SCHEMA, P90 of units per order; of a product's retail orders
    where customer_id is null, there from LEAST_ORDERS on, and of each customer's own orders of it, from LEAST_OWN_ORDERS on."""
    bought = lines(features)
    p90, n_orders = _percentile(P90).alias("p90"), pl.len().alias("n_orders")
    products = bought.filter(~pl.col("is_wholesale")).group_by("product_id").agg(p90, n_orders)
    known = bought.filter(pl.col("customer_id").is_not_null())
    customers = known.group_by("product_id", "customer_id").agg(p90, n_orders)
    enough = [
        products.filter(pl.col("n_orders") >= LEAST_ORDERS).with_columns(pl.lit(None, pl.String).alias("customer_id")),
        customers.filter(pl.col("n_orders") >= LEAST_OWN_ORDERS),
    ]
    rows = [frame.select(pl.col(name).cast(dtype) for name, dtype in USUAL_SCHEMA.items()) for frame in enough]
    return pl.concat(rows).sort("product_id", "customer_id", nulls_last=False)


def _if_packed(size: int) -> pl.Expr:
    share = pl.col("n").filter(pl.col("quantity") % size == 0).sum() / pl.col("n").sum()
    return pl.when((share - 1 / size) / (1 - 1 / size) >= PACK_AGREEMENT).then(size)


def _percentile(share: float) -> pl.Expr:
    """Of a quantity: one that occurs, so that as many orders took no more."""
    return pl.col("quantity").quantile(share, "higher").ceil().cast(pl.Int64)
