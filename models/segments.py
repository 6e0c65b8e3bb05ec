"""Segments: what each customer is like by the company's own quantiles, and the thresholds for its carts and sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from models import cart_segments as named
from models import repurchase
from models.buy_again import MIN_OWN_GAPS
from models.features import Features
from models.generation import SESSION_MS, SESSION_PRODUCTS, WHOLE_COMPANY
from models.popularity import LIST_SCHEMA

# fewer orders, gaps or visits than that have no quantiles worth the name
ENOUGH = 30
LOWER, UPPER, EXTREME = 0.25, 0.75, 0.9
CUSTOMER, COMPANY = "customer", "company"
ACTIVE, COOLING, LAPSED = "active", "cooling", "lapsed"
OPEN = ("ACTIVE", "TRIALING")
EVIDENCE = (
    "level", "segments", "n_orders", "last_order_at", "days_since_last_order", "own_interval_days", "activity",
    "order_value_cents", "spend_quantile", "line_units", "n_replenished", "has_subscription",
)  # fmt: skip
SCHEMA: dict[str, Any] = {
    **LIST_SCHEMA,
    "level": pl.String,
    "segments": pl.List(pl.String),
    "n_orders": pl.Int64,
    "last_order_at": pl.Datetime("us", "UTC"),
    "days_since_last_order": pl.Int64,
    "own_interval_days": pl.Float64,
    "activity": pl.String,
    "order_value_cents": pl.Int64,
    "spend_quantile": pl.Float64,
    "line_units": pl.Int64,
    "n_replenished": pl.Int64,
    "has_subscription": pl.Boolean,
}


def segments(features: Features) -> pl.DataFrame:
    """One row per customer who has ordered or looked at something while known, and the company's thresholds at anchor "".

    A customer's row: `source` is the segment of the
    order history that stands first, `score` the spend quantile (0 where unknown), `segments` all of them. A threshold's row:
    `source` is its name (cart_segments.THRESHOLDS), `score` its value. Ages are counted to the window's end.

    The history of orders: FIRST_TIME_BUYER has one order or none, REPEAT_CUSTOMER more; of those with an order, active are
    customers up to the median of the gaps between two days with an order of one customer, LAPSED_CUSTOMER beyond their 90 %
    quantile. LOYAL_SUBSCRIBER: a repeat customer with a running subscription. Spend: the median of the customer's order values in
    the lower quarter of all orders' values (BUDGET_CONSCIOUS), the upper (PREMIUM_BUYER) or between (VALUE_SEEKER). BULK_BUYER:
    half of their lines or more have as many units as the 90 % quantile of all lines, two at least. SUBSCRIPTION_READY: comes back
    for a product (MIN_OWN_GAPS gaps, the last not long past) to which they have not subscribed.
    """
    orders = dated_orders(features)
    limits = {**_of_orders(orders), **of_gaps(orders), **_of_visits(features)}
    told = _customers(features, orders)
    rows = told.with_columns(activity(limits), _spend_quantile(told, orders, limits)).with_columns(
        _segments(limits, _bulk_units(features))
    )
    return pl.concat([_company(limits), _worded(rows)])


def order_values(features: Features) -> pl.DataFrame:
    """order_id, customer_id, ordered_at, value_cents, units, by order.

    A basket's `amount_cents` is its value where there is such a column. Else its units are worth the product's present price,
    since baskets hold no prices: what the shop has made cheaper since, or sold at a discount, counts by its price of today.
    """
    priced = features.baskets
    if "amount_cents" not in priced.columns:
        prices = features.products.select("product_id", pl.col("price_cents").fill_null(0))
        priced = priced.join(prices, on="product_id", how="left", maintain_order="left")
        priced = priced.with_columns((pl.col("quantity") * pl.col("price_cents")).fill_null(0).alias("amount_cents"))
    return (
        priced.group_by("order_id")
        .agg(
            pl.col("customer_id").min(),
            pl.col("ordered_at").min(),
            pl.col("amount_cents").sum().cast(pl.Int64).alias("value_cents"),
            pl.col("quantity").sum().cast(pl.Int64).alias("units"),
        )
        .sort("order_id")
    )


def dated_orders(features: Features) -> pl.DataFrame:
    """`order_values`, with days_ago (whole UTC days before the window's last), oldest first per customer, and gap_days: since the
    customer's day with an order before, null on the first and for a second order of one day."""
    ago = (pl.lit(features.window_end).dt.date() - pl.col("ordered_at").dt.date()).dt.total_days()
    orders = order_values(features).with_columns(ago.alias("days_ago")).sort("customer_id", "ordered_at", "order_id")
    gap = pl.col("days_ago").shift() - pl.col("days_ago")
    same = (pl.col("customer_id") == pl.col("customer_id").shift()) & (gap > 0)
    return orders.with_columns(pl.when(same).then(gap).alias("gap_days"))


def of_gaps(orders: pl.DataFrame) -> dict[str, float]:
    """Median and 90 % quantile of the days between a customer's orders, of `dated_orders`; nothing below ENOUGH gaps."""
    gaps = orders["gap_days"].drop_nulls()
    return {named.ACTIVE_DAYS: _quantile(gaps, 0.5), named.LAPSED_DAYS: _quantile(gaps, EXTREME)} if len(gaps) >= ENOUGH else {}


def _of_orders(orders: pl.DataFrame) -> dict[str, float]:
    if orders.height < ENOUGH:
        return {}
    return {
        named.SMALL_BELOW: _quantile(orders["value_cents"], LOWER),
        named.LARGE_FROM: _quantile(orders["value_cents"], UPPER),
        named.SMALL_UNITS: _quantile(orders["units"], 0.5),
        named.LARGE_UNITS: _quantile(orders["units"], UPPER),
    }


def _of_visits(features: Features) -> dict[str, float]:
    """Thresholds of sessions; never beyond what the read API keeps of a live session."""
    visits = (
        features.sessions()
        .group_by("visit_id")
        .agg(
            pl.col("product_id").n_unique().alias("n_products"),
            (pl.col("viewed_at").max() - pl.col("viewed_at").min()).dt.total_seconds().alias("seconds"),
        )
    )
    if visits.height < ENOUGH:
        return {}
    products = _quantile(visits["n_products"], 0.5)
    many = max(_quantile(visits["n_products"], UPPER), products + 1)
    return {
        named.QUICK_PRODUCTS: products,
        named.QUICK_SECONDS: min(_quantile(visits["seconds"], 0.5), SESSION_MS / 1000),
        named.RESEARCHER_PRODUCTS: min(many, float(SESSION_PRODUCTS)),
    }


def _bulk_units(features: Features) -> float | None:
    lines = features.baskets["quantity"]
    return max(2.0, _quantile(lines, EXTREME)) if len(lines) >= ENOUGH else None


def _quantile(values: pl.Series, share: float) -> float:
    # a value that occurs, so that it can be named
    return float(values.quantile(share, "nearest") or 0)


def _customers(features: Features, orders: pl.DataFrame) -> pl.DataFrame:
    """One row per known customer: what they have ordered, come back for and subscribed to, by customer."""
    seen = pl.concat([features.views.select("customer_id"), features.baskets.select("customer_id")]).unique()
    # "" is the whole company's anchor
    seen = seen.filter(pl.col("customer_id") != "")
    bought = orders.group_by("customer_id").agg(
        pl.len().cast(pl.Int64).alias("n_orders"),
        pl.col("ordered_at").max().alias("last_order_at"),
        pl.col("days_ago").min().alias("days_since_last_order"),
        pl.col("gap_days").median().alias("own_interval_days"),
        pl.col("value_cents").quantile(0.5, "lower").cast(pl.Int64).alias("order_value_cents"),
    )
    # the higher of two middle ones: half of the lines have so many units or more
    lines = features.baskets.group_by("customer_id").agg(
        pl.col("quantity").quantile(0.5, "higher").cast(pl.Int64).alias("line_units")
    )
    open_ones = running(features.subscriptions)
    return (
        seen.join(bought, on="customer_id", how="left")
        .join(lines, on="customer_id", how="left")
        .join(_replenished(features, open_ones), on="customer_id", how="left")
        .join(open_ones.select("customer_id", pl.lit(True).alias("has_subscription")).unique(), on="customer_id", how="left")
        .with_columns(pl.col("n_orders", "n_replenished").fill_null(0), pl.col("has_subscription").fill_null(False))
        .sort("customer_id")
    )


def running(subscriptions: pl.DataFrame) -> pl.DataFrame:
    """The subscriptions that deliver, of known customers."""
    return subscriptions.filter(pl.col("status").is_in(OPEN)).drop_nulls("customer_id")


def _replenished(features: Features, subscribed: pl.DataFrame) -> pl.DataFrame:
    """customer_id, n_replenished: eligible products that the customer comes back for and gets by no subscription."""
    pairs = repurchase.purchases(repurchase.purchase_days(features))
    passed = pl.col("last_days_ago") / pl.col("own_interval_days")
    due = pairs.filter((pl.col("n_gaps") >= MIN_OWN_GAPS) & (passed <= repurchase.LAPSED_AFTER))
    due = due.join(features.eligible(), on="product_id", how="semi")
    due = due.join(subscribed, on=["customer_id", "product_id"], how="anti")
    return due.group_by("customer_id").agg(pl.len().cast(pl.Int64).alias("n_replenished"))


def activity(limits: dict[str, float]) -> pl.Expr:
    """`activity` of days_since_last_order, by the thresholds of `of_gaps`; null without an order, or without thresholds."""
    if named.ACTIVE_DAYS not in limits:
        return pl.lit(None, dtype=pl.String).alias("activity")
    since, median, last = pl.col("days_since_last_order"), limits[named.ACTIVE_DAYS], limits[named.LAPSED_DAYS]
    stage = pl.when(since <= median).then(pl.lit(ACTIVE)).when(since <= last).then(pl.lit(COOLING)).otherwise(pl.lit(LAPSED))
    return pl.when(since.is_not_null()).then(stage).alias("activity")


def _spend_quantile(told: pl.DataFrame, orders: pl.DataFrame, limits: dict[str, float]) -> pl.Series:
    """Share of all orders (0..1) that were worth less than the customer's median one; null where orders are too few."""
    if named.SMALL_BELOW not in limits:
        return pl.Series("spend_quantile", [None] * told.height, dtype=pl.Float64)
    values = orders["value_cents"].sort()
    below = values.search_sorted(told["order_value_cents"].fill_null(0), side="left") / values.len()
    return pl.select(pl.when(told["order_value_cents"].is_not_null()).then(below.round(6)).alias("spend_quantile")).to_series()


def of_history() -> dict[str, pl.Expr]:
    """Whether each of OF_HISTORY holds, in that order, by has_subscription, n_orders and `activity`."""
    n = pl.col("n_orders")
    return {
        named.LOYAL_SUBSCRIBER: pl.col("has_subscription") & (n > 1),
        named.LAPSED_CUSTOMER: pl.col("activity") == LAPSED,
        named.REPEAT_CUSTOMER: n > 1,
        named.FIRST_TIME_BUYER: n <= 1,
    }


def _segments(limits: dict[str, float], bulk_units: float | None) -> pl.Expr:
    """All segments of a customer, those of the order history first."""
    spent = pl.col("order_value_cents")
    never = pl.lit(False)
    low, high = limits.get(named.SMALL_BELOW), limits.get(named.LARGE_FROM)
    budget = spent < low if low is not None else never
    premium = (spent >= high) & (spent > low) if high is not None else never
    holds = {
        **of_history(),
        named.BUDGET_CONSCIOUS: budget,
        named.VALUE_SEEKER: ~budget & ~premium & spent.is_not_null() if low is not None else never,
        named.PREMIUM_BUYER: premium,
        named.BULK_BUYER: pl.col("line_units") >= bulk_units if bulk_units is not None else never,
        named.SUBSCRIPTION_READY: pl.col("n_replenished") > 0,
    }
    of = [pl.when(holds[name].fill_null(False)).then(pl.lit(name)) for name in named.OF_CUSTOMERS]
    return pl.concat_list(of).list.drop_nulls().alias("segments")


def _company(limits: dict[str, float]) -> pl.DataFrame:
    words = {
        named.ACTIVE_DAYS: "Half of the orders that follow another come within {:.0f} days",
        named.LAPSED_DAYS: "90 % of the orders that follow another come within {:.0f} days",
        named.SMALL_BELOW: "A quarter of the orders are worth less than {:.0f} cents",
        named.LARGE_FROM: "A quarter of the orders are worth {:.0f} cents or more",
        named.SMALL_UNITS: "Half of the orders have {:.0f} units or fewer",
        named.LARGE_UNITS: "Three quarters of the orders have {:.0f} units or fewer",
        named.QUICK_PRODUCTS: "Half of the visits look at {:.0f} products or fewer",
        named.QUICK_SECONDS: "Half of the visits look around for {:.0f} seconds or less",
        named.RESEARCHER_PRODUCTS: "About a quarter of the visits look at {:.0f} products or more",
    }
    rows = [
        {"anchor_id": WHOLE_COMPANY, "rank": rank, "product_id": "", "score": limits[name], "source": name,
         "reason": words[name].format(limits[name]), "level": COMPANY}
        for rank, name in enumerate((name for name in named.THRESHOLDS if name in limits), 1)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA)


def _worded(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.col("customer_id").alias("anchor_id"),
        pl.lit(1).alias("rank"),
        pl.lit("").alias("product_id"),
        pl.col("spend_quantile").fill_null(0).alias("score"),
        pl.col("segments").list.first().alias("source"),
        pl.concat_str([part.fill_null("") for part in _words()]).alias("reason"),
        pl.lit(CUSTOMER).alias("level"),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def _words() -> Iterator[pl.Expr]:
    yield _counted("n_orders", "order").str.replace("^0 orders$", "No order yet")
    yield pl.format(", last {} days ago", "days_since_last_order")
    yield pl.format(" ({})", "activity")
    yield pl.format("; comes every {} days", pl.col("own_interval_days").round(0).cast(pl.Int64))
    yield pl.format("; median order worth more than {} % of all", (100 * pl.col("spend_quantile")).round(0).cast(pl.Int64))
    back = pl.format("; comes back for {}", _counted("n_replenished", "product"))
    yield pl.when(pl.col("n_replenished") > 0).then(back)
    yield pl.when(pl.col("has_subscription")).then(pl.lit("; subscribed"))


def _counted(column: str, noun: str) -> pl.Expr:
    return pl.when(pl.col(column) == 1).then(pl.lit(f"1 {noun}")).otherwise(pl.format("{} " + noun + "s", column))
