"""Impressions as acceptance is learnt from: of the offer as the rule makes it, by what the customer was when they saw it."""

from __future__ import annotations

import polars as pl

from models import holdout, segments
from models.acceptance import upsell_acceptance
from models.cart_segments import OF_HISTORY
from models.features import Features


def recommend(features: Features) -> pl.DataFrame:
    """Acceptance rates of the company (`models.acceptance.upsell_acceptance`)."""
    return upsell_acceptance(segmented(features))


def segmented(features: Features) -> pl.DataFrame:
    """Features' impressions with `segment`, the first of OF_HISTORY that held for the customer, null for a guest.

    It is what the night before the impression's UTC day knew: a customer whom an offer made come back was none who comes back
    when they saw it. Of subscriptions and of the days after which customers lapse, only today's are known.
    The arm of the permanent holdout that is shown offers is shown them as rules make them, so it is no experiment's here; what
    is logged for the other arm was shown to nobody, and stays one's.
    """
    shown = features.impressions.with_row_index("number").with_columns(pl.col("viewed_at").dt.truncate("1d").alias("day"))
    orders = segments.dated_orders(features)
    known = _orders_before(shown, orders).join(_subscribed(features), on="customer_id", how="left")
    since = (pl.col("day").dt.date() - pl.col("ordered_at").dt.date()).dt.total_days() - 1
    facts = known.with_columns(
        pl.col("n_orders").fill_null(0),
        since.alias("days_since_last_order"),
        (pl.col("subscribed_at") < pl.col("day")).fill_null(False).alias("has_subscription"),
    ).with_columns(segments.activity(segments.of_gaps(orders)))
    holds = segments.of_history()
    first = pl.coalesce(pl.when(holds[name].fill_null(False)).then(pl.lit(name)) for name in OF_HISTORY)
    segment = pl.when(pl.col("customer_id").is_not_null()).then(first).alias("segment")
    told = facts.with_columns(segment, _experiment(features.company))
    return told.sort("number").select(*features.impressions.columns, "segment")


def _orders_before(shown: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """`shown` with ordered_at of the customer's last order before the day, and n_orders up to it."""
    counted = orders.filter(pl.col("customer_id").is_not_null()).select(
        "customer_id", "ordered_at", pl.int_range(1, pl.len() + 1).over("customer_id").alias("n_orders")
    )
    return shown.sort("day").join_asof(
        counted.sort("ordered_at", maintain_order=True), left_on="day", right_on="ordered_at", by="customer_id",
        allow_exact_matches=False, coalesce=False, check_sortedness=False,
    )  # fmt: skip


def _subscribed(features: Features) -> pl.DataFrame:
    """customer_id and subscribed_at: since when the customer has had a subscription that still delivers."""
    first = pl.col("created_at").min().alias("subscribed_at")
    return segments.running(features.subscriptions).group_by("customer_id").agg(first)


def _experiment(company: str) -> pl.Expr:
    is_holdout = pl.col("experiment_id").is_in([holdout.EXPERIMENT, holdout.experiment_id(company)])
    seen = is_holdout & (pl.col("variant") == holdout.OFFERS).fill_null(False)
    return pl.when(~seen.fill_null(False)).then(pl.col("experiment_id")).alias("experiment_id")
