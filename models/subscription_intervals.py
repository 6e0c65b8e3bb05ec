"""Subscription intervals: how often each customer needs each product again, how sure that is, and the frequency that fits."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from models import reorder_prediction as prediction
from models import subscription_frequency as frequency
from models.als import WINDOW_DAYS
from models.buy_again import PRIOR_CUSTOMERS
from models.features import LONGEST_LOOKBACK_DAYS, Features
from models.popularity import LIST_SCHEMA
from models.reorder_estimates import LEVELS, Estimates, coded, estimate
from models.reorder_gaps import LAPSED_AFTER, PAIR, gaps, purchase_days
from models.scores import share
from models.subscription_life import MIN_SUBSCRIPTIONS, expected_life_days, strain
from models.subscriptions import CATEGORY, MERCHANT, PERSONAL, PRODUCT

MIN_OWN_GAPS, MIN_GAPS = 2, 30
# a frequency is reliable as far as the gap is likely to lie within this factor of its expectation
TOLERATED = 1.5
MOST_STRAINED = 0.25
NOT_ENOUGH = "not enough data"
KNOWN = {PERSONAL: LEVELS, PRODUCT: ("product", "category"), CATEGORY: ("category",), MERCHANT: ()}
EVIDENCE_SCHEMA = {
    "level": pl.String,
    "expected_interval_days": pl.Float64,
    "low_days": pl.Float64,
    "high_days": pl.Float64,
    "n_gaps": pl.Int64,
    "units": pl.Float64,
    "n_customers": pl.Int64,
    "repeat_probability": pl.Float64,
    "recommended_frequency": pl.String,
    "next_order_on": pl.String,
    "n_subscriptions": pl.Int64,
    "strained_share": pl.Float64,
    "life_days": pl.Float64,
    "window_days": pl.Int64,
}
EVIDENCE = tuple(EVIDENCE_SCHEMA)
SCHEMA = {**LIST_SCHEMA, **EVIDENCE_SCHEMA}


def subscription_intervals(features: Features) -> pl.DataFrame:
    """One row per eligible product (its own id is the anchor) and per customer and eligible product with MIN_OWN_GAPS gaps.

    level says whose gaps the figures are of: personal; of the product or category from MIN_GAPS gaps on; else of the merchant,
    null below MIN_GAPS gaps in all. expected_interval_days: median, for `units` (the median bought); low_days to high_days:
    80 %. repeat_probability: 0..1. next_order_on: ISO date, null for products and for customers who have lapsed.
    score: 0..1, the probability of a gap within a factor TOLERATED of the expected one, for products times repeat_probability.
    Where a fourth of what a product's subscribers are due is paused or skipped, one frequency rarer is recommended.
    """
    end, subscriptions = features.window_end, features.subscriptions
    days = purchase_days(features.recent_baskets(WINDOW_DAYS), subscriptions)
    categories = features.products.select("product_id", "category_id")
    rows = coded(gaps(days, end), categories)
    learnt = estimate(rows)
    products = _products(features, rows)
    personal = _personal(rows, products)
    figured = [
        _figures(part.filter(pl.col("level") == level), learnt, level, end)
        for part, levels in ((products, (PRODUCT, CATEGORY, MERCHANT)), (personal, (PERSONAL,)))
        for level in levels
    ]
    strained = strain(subscriptions, features.baskets, end)
    told = pl.concat(figured, how="diagonal_relaxed").join(strained, on="product_id", how="left")
    return _worded(_rarer(told), expected_life_days(subscriptions, end))


def repeat_probability(n_back: pl.Expr, n_customers: pl.Expr, prior: pl.Expr | float) -> pl.Expr:
    """Share (0..1) of a product's customers who bought it more than once (RCP; Bhagat et al., KDD 2018), shrunk to `prior` as if
    PRIOR_CUSTOMERS more were known to come back as often as that."""
    shrunk = pl.lit(prior) if isinstance(prior, float) else prior
    return share(n_back, n_customers, shrunk, PRIOR_CUSTOMERS)


def _products(features: Features, rows: pl.DataFrame) -> pl.DataFrame:
    """Eligible products with codes, n_gaps of the level that its evidence allows, n_customers, repeat_probability, units."""
    firsts = pl.col("number") == 0
    counted = rows.group_by("product_id").agg(
        pl.col("product").first(),
        (~pl.col("is_open")).sum().cast(pl.Int64).alias("own_gaps"),
        firsts.sum().cast(pl.Int64).alias("n_customers"),
        (firsts & (pl.col("n_gaps") > 0)).sum().cast(pl.Int64).alias("n_back"),
        pl.col("units").median().alias("units"),
    )
    everything = features.products.select("product_id", "category_id").join(counted, on="product_id", how="left").sort("product_id")
    codes = rows.select("product_id", "category").unique()
    named = everything.join(codes, on="product_id", how="left", maintain_order="left").with_columns(
        pl.col("own_gaps", "n_customers", "n_back").fill_null(0),
        pl.col("product").fill_null(-1),
        pl.col("category").max().over("category_id").fill_null(-1),
    )
    n_back, n_customers, total = (int(named[name].sum()) for name in ("n_back", "n_customers", "own_gaps"))
    company = n_back / n_customers if n_customers else 0.0
    of_category = repeat_probability(_in_category("n_back"), _in_category("n_customers"), company)
    levelled = named.with_columns(
        of_category.alias("prior"), pl.when(pl.col("category") >= 0).then(_in_category("own_gaps")).otherwise(0).alias("near_gaps")
    ).with_columns(
        repeat_probability(pl.col("n_back"), pl.col("n_customers"), pl.col("prior")).alias("repeat_probability"),
        pl.when(pl.col("own_gaps") >= MIN_GAPS).then(pl.lit(PRODUCT)).when(pl.col("near_gaps") >= MIN_GAPS).then(pl.lit(CATEGORY))
        .otherwise(pl.lit(MERCHANT)).alias("level"),
    )  # fmt: skip
    shown = levelled.join(features.eligible().select("product_id"), on="product_id", how="semi", maintain_order="left")
    counts = {PRODUCT: pl.col("own_gaps"), CATEGORY: pl.col("near_gaps"), MERCHANT: pl.lit(total)}
    n_gaps = pl.coalesce(*(pl.when(pl.col("level") == level).then(count) for level, count in counts.items()))
    return shown.with_columns(
        n_gaps.cast(pl.Int64).alias("n_gaps"),
        pl.col("units").fill_null(1.0),
        pl.col("product_id").alias("anchor_id"),
        pl.lit(-1, dtype=pl.Int64).alias("customer"),
        pl.lit(-1, dtype=pl.Int64).alias("pair"),
    )


def _in_category(column: str) -> pl.Expr:
    """A count over the product's category; over the product alone where it has none."""
    return pl.when(pl.col("category_id").is_not_null()).then(pl.col(column).sum().over("category_id")).otherwise(pl.col(column))


def _personal(rows: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Pairs with gaps enough of eligible products; last_on and open_days of their last purchase."""
    own = rows.filter(pl.col("n_gaps") >= MIN_OWN_GAPS)
    pairs = own.group_by(PAIR).agg(
        *(pl.col(name).first() for name in (*LEVELS, "n_gaps")),
        pl.col("units").median(),
        pl.col("bought_on").max().alias("last_on"),
        pl.col("days").filter("is_open").first().cast(pl.Float64).alias("open_days"),
    )
    told = pairs.join(products.select("product_id", "n_customers", "repeat_probability"), on="product_id").sort(PAIR)
    return told.with_columns(pl.col("customer_id").alias("anchor_id"), pl.lit(PERSONAL).alias("level"))


def _figures(rows: pl.DataFrame, learnt: Estimates | None, level: str, end: datetime) -> pl.DataFrame:
    """The rows of one level with the figures that its evidence carries."""
    enough = MIN_OWN_GAPS if level == PERSONAL else MIN_GAPS
    if learnt is None or rows.is_empty() or (level == MERCHANT and rows["n_gaps"].item(0) < enough):
        return rows.with_columns(pl.lit(0.0).alias("reliability"))
    mean, sd = learnt.predict(rows, KNOWN[level])
    own_gaps = rows["n_gaps"].to_numpy() if level == PERSONAL else np.zeros(rows.height, dtype=np.int64)
    low, high = learnt.range_of(mean, sd, own_gaps)
    figured = rows.with_columns(
        pl.Series("expected_interval_days", np.exp(mean)),
        pl.Series("low_days", low),
        pl.Series("high_days", high),
        pl.Series("frequency", frequency.best(mean, sd)),
        pl.Series("reliability", prediction.probability_within(TOLERATED, sd)),
    )
    if level != PERSONAL:
        return figured
    until = prediction.quantile(mean, sd, 0.5, rows["open_days"].to_numpy())
    next_on = pl.col("last_on") + pl.duration(
        days=pl.lit(pl.Series("until", until).round(0).clip(0, LONGEST_LOOKBACK_DAYS).cast(pl.Int64))
    )
    is_there = pl.col("open_days") <= LAPSED_AFTER * pl.col("expected_interval_days")
    return figured.with_columns(pl.when(is_there).then(next_on.dt.to_string("%Y-%m-%d")).alias("next_order_on"))


def _rarer(rows: pl.DataFrame) -> pl.DataFrame:
    """One frequency rarer where subscribers pause and skip."""
    is_strained = (pl.col("n_subscriptions") >= MIN_SUBSCRIPTIONS) & (pl.col("strained_share") > MOST_STRAINED)
    step = is_strained.fill_null(False).cast(pl.Int64)
    column = pl.col("frequency") if "frequency" in rows.columns else pl.lit(None, dtype=pl.Int64)
    return rows.with_columns(
        (column + step).clip(0, len(frequency.FREQUENCIES) - 1).alias("frequency"), is_strained.alias("is_strained")
    )


def _worded(rows: pl.DataFrame, life_days: float) -> pl.DataFrame:
    absent = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in EVIDENCE_SCHEMA.items() if name not in rows.columns]
    names = pl.Series(frequency.FREQUENCIES)
    told = rows.with_columns(*absent).with_columns(
        pl.when(pl.col("level") == PERSONAL).then("reliability").otherwise(pl.col("reliability") * pl.col("repeat_probability"))
        .round(6).alias("score"),
        pl.col("frequency").replace_strict(dict(enumerate(names)), default=None, return_dtype=pl.String)
        .alias("recommended_frequency"),
        *(pl.col(name).round(2) for name in ("expected_interval_days", "low_days", "high_days")),
        pl.col("repeat_probability").round(6),
        pl.col("n_subscriptions").fill_null(0),
        pl.col("strained_share").fill_null(0.0),
        pl.lit(round(life_days, 2)).alias("life_days"),
        pl.lit(WINDOW_DAYS).alias("window_days"),
    )  # fmt: skip
    is_known = pl.col("expected_interval_days").is_not_null()
    ranked = told.with_columns(
        pl.when(is_known).then("level").otherwise(pl.lit(NOT_ENOUGH)).alias("source"), _reason(is_known).alias("reason")
    ).sort(["anchor_id", "level", "score", "product_id"], descending=[False, False, True, False])
    return ranked.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank")).select(
        pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()
    )


def _reason(is_known: pl.Expr) -> pl.Expr:
    days = pl.format(
        "about every {} days (80 %: {} to {})",
        *(pl.col(name).round(0).cast(pl.Int64) for name in ("expected_interval_days", "low_days", "high_days")),
    )
    whose = {
        PERSONAL: pl.format("Bought {}, after {} gaps of the customer's own", days, "n_gaps"),
        PRODUCT: pl.format("Bought again {}, after {} gaps of its {} customers", days, "n_gaps", "n_customers"),
        CATEGORY: pl.format("Its category is bought again {}, after {} gaps", days, "n_gaps"),
        MERCHANT: pl.format("The shop's products are bought again {}, after {} gaps", days, "n_gaps"),
    }
    said = pl.coalesce(*(pl.when(is_known & (pl.col("level") == level)).then(words) for level, words in whose.items()))
    strained = (
        pl.when(pl.col("is_strained").fill_null(False)).then(pl.lit("; subscribers pause or skip, so rarer")).otherwise(pl.lit(""))
    )
    return pl.coalesce(said + strained, pl.format("Not enough data: {} gaps", "n_gaps"))
