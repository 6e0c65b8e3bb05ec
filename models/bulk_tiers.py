"""Learnt bulk tiers: drafts with their evidence, for a merchant to accept; nothing here is live by itself."""

from __future__ import annotations

import polars as pl
from scipy.special import gammaincinv

from models import bulk_quantities
from models.bulk_discounts import PERCENTAGE
from models.features import Features
from models.popularity import LIST_SCHEMA

LEAST_ORDERS = 30
# what most orders take anyway needs no discount
MOST_AT_OR_ABOVE = 0.5
# of what a discounted unit is sold for, so much must remain above its cost
MARGIN_FLOOR = 0.2
MOST_PERCENT, LEAST_PERCENT, PERCENT_STEP = 30.0, 1.0, 0.5
# without a known cost nobody knows what a discount loses: less is offered
UNKNOWN_COST_PERCENT = (3.0, 5.0, 8.0)
# an order that takes half of a tier's quantity may be talked into it
WITHIN_REACH = 0.5
# before any tier was tried: one in ten steps up, 80 % of the prior within 4 % to 18 %
STEPS_UP = (2.0, 18.0)
RANGE = (0.1, 0.9)
ORIGINS = ("just above the commonest quantity", "P75 of units per order", "P90 of units per order")
PAYS, MAY_PAY, UNLIKELY, UNKNOWN = "pays", "may pay", "unlikely to pay", "cost unknown"
EVIDENCE_SCHEMA = {
    "status": pl.String,
    "min_quantity": pl.Int64,
    "max_quantity": pl.Int64,
    "discount_type": pl.String,
    "discount_value": pl.Float64,
    "n_orders": pl.Int64,
    "n_wholesale_orders": pl.Int64,
    "pack_size": pl.Int64,
    "mode": pl.Int64,
    "p75": pl.Int64,
    "p90": pl.Int64,
    "share_at_or_above": pl.Float64,
    "n_within_reach": pl.Int64,
    "margin": pl.Float64,
    "most_discount": pl.Float64,
    "break_even_uplift": pl.Float64,
    "break_even_units": pl.Float64,
    "extra_units": pl.Float64,
    "extra_units_low": pl.Float64,
    "extra_units_high": pl.Float64,
    "outlook": pl.String,
    "window_days": pl.Int64,
}
SCHEMA = {**LIST_SCHEMA, **EVIDENCE_SCHEMA}
EVIDENCE = tuple(EVIDENCE_SCHEMA)


def bulk_tiers(features: Features) -> pl.DataFrame:
    """Up to three tiers for every shown product of at least LEAST_ORDERS retail orders in a year: SCHEMA, one row per tier, under
    the product itself, lowest quantity first; min_quantity to discount_value are a tier as the API takes it.

    Thresholds: just above the mode, at P75 and at P90 of units per order, in whole packs, each above the mode and reached by at
    most MOST_AT_OR_ABOVE of the orders; the evidence is of each tier by itself. most_discount:
    d_max = 1 - cost / (price (1 - MARGIN_FLOOR)), at most 30 %, of which the tiers get a third, two and all, in half percents;
    UNKNOWN_COST_PERCENT where there is no cost. break_even_uplift: d / (margin - d) of the units that orders at or above the tier
    take already and will now get cheaper (break_even_units). extra_units: what orders within reach would add in the window if
    each steps up with a probability of Beta(STEPS_UP), a prior and no measurement; low to high is its 80 % range. score: the
    share of orders within reach. outlook compares that range with break_even_units.
    """
    bought = bulk_quantities.lines(features)
    retail = bought.filter(~pl.col("is_wholesale"))
    wholesale = bought.group_by("product_id").agg(pl.col("is_wholesale").sum().cast(pl.Int64).alias("n_wholesale_orders"))
    goods = features.shown().filter(pl.col("price_cents") > 0).select("product_id", "price_cents", "cost_cents")
    spread = bulk_quantities.quantities(retail)
    # tiers lie above the mode: packs are learnt from what is bought there
    large = retail.join(spread.select("product_id", "mode"), on="product_id").filter(pl.col("quantity") >= pl.col("mode"))
    told = (
        spread.filter(pl.col("n_orders") >= LEAST_ORDERS)
        .join(bulk_quantities.pack_sizes(large), on="product_id")
        .join(wholesale, on="product_id")
        .join(goods, on="product_id")
        .with_columns(_days(bought).alias("window_days"), *_margins())
    )
    tiers = _thresholds(told)
    moved = tiers.join(_moves(tiers, retail), on=["product_id", "min_quantity"])
    return _worded(_with_prospects(_discounts(moved)))


def _days(bought: pl.DataFrame) -> pl.Expr:
    """The days that the orders span, at most the window."""
    oldest = bought.select(pl.col("age_days").max().ceil()).item()
    return pl.lit(min(int(oldest or 0) + 1, bulk_quantities.WINDOW_DAYS), pl.Int64)


def _margins() -> tuple[pl.Expr, pl.Expr]:
    share = pl.col("cost_cents") / pl.col("price_cents")
    most = (1 - share / (1 - MARGIN_FLOOR)).clip(0, MOST_PERCENT / 100)
    return (1 - share).alias("margin"), most.alias("most_discount")


def _thresholds(told: pl.DataFrame) -> pl.DataFrame:
    """One row per product and distinct threshold: min_quantity, origin (place in ORIGINS)."""
    pack, mode = pl.col("pack_size"), pl.col("mode")
    candidates = [(mode // pack + 1) * pack, *((pl.col(name) * 2 + pack) // (2 * pack) * pack for name in ("p75", "p90"))]
    rows = [told.with_columns(at.alias("min_quantity"), pl.lit(n, pl.Int64).alias("origin")) for n, at in enumerate(candidates)]
    above = pl.concat(rows).filter(pl.col("min_quantity") > mode)
    # where two fall together, the higher percentile says more about who gets it
    return above.sort("product_id", "min_quantity", "origin").unique(["product_id", "min_quantity"], keep="last")


def _discounts(tiers: pl.DataFrame) -> pl.DataFrame:
    """With discount_value in percent, rising with min_quantity; what gives no more than the tier below it, hardly anything, or
    something to most orders is left out."""
    needed = tiers.filter(pl.col("n_above") <= MOST_AT_OR_ABOVE * pl.col("n_orders")).sort("product_id", "min_quantity")
    step = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("product_id")
    of_margin = 100 * pl.col("most_discount") * step / len(UNKNOWN_COST_PERCENT)
    # 0.3 of a hundred is 30.000000000000004 on the way up and 29.999999999999996 on the way down
    known = ((of_margin / PERCENT_STEP).round(6).floor() * PERCENT_STEP).round(1)
    unknown = step.replace_strict(dict(enumerate(UNKNOWN_COST_PERCENT, start=1)), return_dtype=pl.Float64)
    valued = needed.with_columns(pl.coalesce(known, unknown).alias("discount_value"))
    least = pl.col("discount_value").shift(1, fill_value=0.0).over("product_id")
    return valued.filter((pl.col("discount_value") >= LEAST_PERCENT) & (pl.col("discount_value") > least))


def _moves(tiers: pl.DataFrame, retail: pl.DataFrame) -> pl.DataFrame:
    """Per tier: orders and units at or above it, orders within reach, and what they lack in units, once and squared."""
    counted = retail.group_by("product_id", "quantity").agg(pl.len().cast(pl.Int64).alias("n"))
    least, quantity, n = pl.col("min_quantity"), pl.col("quantity"), pl.col("n")
    above, near = quantity >= least, (quantity < least) & (quantity >= WITHIN_REACH * least)
    lack = (least - quantity).cast(pl.Float64)
    return (
        tiers.select("product_id", "min_quantity")
        .join(counted, on="product_id")
        .group_by("product_id", "min_quantity")
        .agg(
            n.filter(above).sum().alias("n_above"),
            (n * quantity).filter(above).sum().alias("units_above"),
            n.filter(near).sum().alias("n_within_reach"),
            (n * lack).filter(near).sum().alias("lack"),
            (n * lack**2).filter(near).sum().alias("squared_lack"),
        )
    )


def _with_prospects(tiers: pl.DataFrame) -> pl.DataFrame:
    """Evidence of what a tier gives away and may bring in; the range is that of a gamma distribution with the same mean and
    variance as the sum of steps up, whose probability is uncertain."""
    a, b = STEPS_UP
    mean, variance = a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))
    expected = mean * tiers["lack"].to_numpy()
    # E[r(1 - r)] for each order by itself, Var(r) for what is uncertain about all of them at once
    spread = (mean - variance - mean**2) * tiers["squared_lack"].to_numpy() + variance * tiers["lack"].to_numpy() ** 2
    nobody = expected <= 0
    shape = (expected**2 + nobody) / (spread + nobody)
    scale = (spread + nobody) / (expected + nobody)
    # scipy.stats has the same, and costs every command of the operator a second to import
    low, high = (gammaincinv(shape, share) * scale * ~nobody for share in RANGE)
    discount = pl.col("discount_value") / 100
    uplift = discount / (pl.col("margin") - discount)
    ranges = {"extra_units": expected, "extra_units_low": low, "extra_units_high": high}
    told = tiers.with_columns(
        *(pl.Series(name, values, dtype=pl.Float64).round(1) for name, values in ranges.items()),
        uplift.round(4).alias("break_even_uplift"),
        (uplift * pl.col("units_above")).round(1).alias("break_even_units"),
    )
    needed = pl.col("break_even_units")
    outlook = (
        pl.when(needed.is_null())
        .then(pl.lit(UNKNOWN))
        .when(needed <= pl.col("extra_units_low"))
        .then(pl.lit(PAYS))
        .when(needed <= pl.col("extra_units_high"))
        .then(pl.lit(MAY_PAY))
        .otherwise(pl.lit(UNLIKELY))
    )
    return told.with_columns(outlook.alias("outlook"))


def _worded(tiers: pl.DataFrame) -> pl.DataFrame:
    ordered = tiers.sort("product_id", "min_quantity")
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("product_id")
    following = pl.col("min_quantity").shift(-1).over("product_id", order_by="min_quantity")
    share = (100 * pl.col("n_above") / pl.col("n_orders")).round(0).cast(pl.Int64)
    reason = pl.format(
        "Of {} orders most take {}; {}% take {} or more, {} come within half of it; {}",
        "n_orders", "mode", share, "min_quantity", "n_within_reach", "outlook",
    )  # fmt: skip
    return ordered.with_columns(
        pl.col("product_id").alias("anchor_id"),
        rank.alias("rank"),
        (pl.col("n_within_reach") / pl.col("n_orders")).round(6).alias("score"),
        pl.col("origin").replace_strict(dict(enumerate(ORIGINS)), return_dtype=pl.String).alias("source"),
        reason.alias("reason"),
        pl.lit("draft").alias("status"),
        (following - 1).alias("max_quantity"),
        pl.lit(PERCENTAGE).alias("discount_type"),
        (pl.col("n_above") / pl.col("n_orders")).round(6).alias("share_at_or_above"),
        pl.col("margin", "most_discount").round(6),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
