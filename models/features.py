"""Features: what the recommenders learn from, derived from one Snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from models.configuration import Configuration

MEMBERS = ("baskets", "views", "products", "subscriptions", "impressions")
SUBSCRIPTIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "product_id": pl.String,
    "status": pl.String,
    "frequency": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
}
IMPRESSIONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "rule_id": pl.String,
    "customer_id": pl.String,
    "placement": pl.String,
    "experiment_id": pl.String,
    "variant": pl.String,
    "viewed_at": pl.Datetime("us", "UTC"),
    "accepted_at": pl.Datetime("us", "UTC"),
    "declined_at": pl.Datetime("us", "UTC"),
}
LONGEST_LOOKBACK_DAYS = 36_525
IDLE_MINUTES = 30


@dataclass(frozen=True)
class Features:
    """One company's features.

    baskets: order_id, customer_id (or null), product_id, quantity (units), ordered_at (UTC); one row per order and product.
    views: session_id, customer_id (or null), product_id, source, viewed_at (UTC); one row per view.
    products: one row per product with name, prices in cents, category, is_shown, in_stock (sql/extract/products).
    window_end: instant of the company's last event, at which every lookback window ends. A shop that has been quiet for a
    month is judged by its last busy days, not by an empty month.
    subscriptions: SUBSCRIPTIONS; one row per subscription, its status as of the extraction.
    impressions: IMPRESSIONS; one row per offer that was shown, customer_id, experiment and variant null where there is none.
    choices: kind -> what the company's held-out days have chosen for it; empty where nothing was tried, then defaults hold.
    """

    company: str
    window_end: datetime
    baskets: pl.DataFrame
    views: pl.DataFrame
    products: pl.DataFrame
    config: Configuration
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SUBSCRIPTIONS))
    impressions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=IMPRESSIONS))

    def before(self, split_at: datetime) -> Features:
        """What was known at `split_at`: events before it, and a window that ends at the last of them."""
        baskets = self.baskets.filter(pl.col("ordered_at") < split_at)
        views = self.views.filter(pl.col("viewed_at") < split_at)
        known = [moment for moment in (baskets["ordered_at"].max(), views["viewed_at"].max()) if isinstance(moment, datetime)]
        subscriptions = self.subscriptions.filter(pl.col("created_at") < split_at)
        return replace(
            self,
            baskets=baskets,
            views=views,
            window_end=max(known, default=split_at),
            subscriptions=subscriptions,
            impressions=shown_before(self.impressions, split_at),
        )

    def sessions(self) -> pl.DataFrame:
        """Views with `visit_id` (int): a session is split where IDLE_MINUTES pass without a view. By visit, oldest view first."""
        ordered = self.views.sort("session_id", "viewed_at", "product_id", "source", "customer_id")
        idle = pl.col("viewed_at").diff() > pl.duration(minutes=IDLE_MINUTES)
        begins = pl.col("session_id").ne_missing(pl.col("session_id").shift(1)) | idle
        return ordered.with_columns(begins.fill_null(True).cum_sum().alias("visit_id"))

    def recent_baskets(self, lookback_days: int) -> pl.DataFrame:
        """Baskets of the last `lookback_days` days, with `age_days` (0 at the window's end)."""
        return _recent(self.baskets, "ordered_at", self.window_end, lookback_days)

    def recent_views(self, lookback_days: int) -> pl.DataFrame:
        """Views of the last `lookback_days` days, with `age_days` (0 at the window's end)."""
        return _recent(self.views, "viewed_at", self.window_end, lookback_days)

    def shown(self) -> pl.DataFrame:
        """Products that have a page: visible, not deleted, neither draft nor archived; sold-out ones too."""
        return self.products.filter("is_shown")

    def eligible(self) -> pl.DataFrame:
        """Products that may be recommended: shown, in stock where the company respects its inventory, well enough rated."""
        rules = self.config.everywhere
        shown = self.shown()
        if rules["respectInventory"]:
            shown = shown.filter("in_stock")
        # a product that nobody has rated is not a badly rated one
        return shown.filter(pl.col("average_rating").fill_null(5) >= rules["minRatingToShow"])


def shown_before(impressions: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """IMPRESSIONS as they were known at `moment`: what was accepted or declined later was not yet."""
    later = [pl.when(pl.col(name) < moment).then(pl.col(name)).alias(name) for name in ("accepted_at", "declined_at")]
    return impressions.filter(pl.col("viewed_at") < moment).with_columns(later)


def _recent(events: pl.DataFrame, at: str, window_end: datetime, lookback_days: int) -> pl.DataFrame:
    # a lookback has no upper bound, the calendar has
    start = window_end - timedelta(days=min(lookback_days, LONGEST_LOOKBACK_DAYS))
    age = (pl.lit(window_end) - pl.col(at)).dt.total_seconds() / 86_400
    return events.filter(pl.col(at) > start).with_columns(age.alias("age_days"))
