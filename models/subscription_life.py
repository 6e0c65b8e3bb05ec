"""Subscription life: how long subscriptions last, and which products' subscribers pause or skip, from rows that hold no end."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from models.reorder_gaps import PAIR
from models.subscriptions import FREQUENCY_DAYS, PRIOR_LIFE_DAYS

ENDED, PAUSED = ("CANCELED", "EXPIRED"), "PAUSED"
# the prior weighs as much as so many subscriptions that were seen to end
PRIOR_ENDED = 5.0
MIN_SUBSCRIPTIONS = 10


def expected_life_days(subscriptions: pl.DataFrame, end: datetime) -> float:
    """Expected life in days of the company's subscriptions; PRIOR_LIFE_DAYS where there are none.

    A row tells its age and whether it has ended, not when: current status data (Diamond & McDonald 1991). With one hazard h, an
    ended one of age a has likelihood 1 - exp(-h a), a running one exp(-h a), a paused one the half of each; h has a gamma prior
    of mean 1 / PRIOR_LIFE_DAYS and weight PRIOR_ENDED. The mode in ln h, by bisection of the decreasing score.
    """
    age = (pl.lit(end) - pl.col("created_at")).dt.total_seconds() / 86_400
    ended = pl.when(pl.col("status").is_in(ENDED)).then(1.0).when(pl.col("status") == PAUSED).then(0.5).otherwise(0.0)
    seen = subscriptions.select(age.alias("age"), ended.alias("ended")).filter(pl.col("age") > 0).sort("age", "ended")
    ages, weights = seen["age"].to_numpy(), seen["ended"].to_numpy()
    low, high = np.log(1e-6), np.log(10.0)
    for _ in range(60):
        middle = (low + high) / 2
        hazard = np.exp(middle)
        gained = (weights * ages / np.expm1(np.minimum(hazard * ages, 700))).sum() - ((1 - weights) * ages).sum()
        score = gained + PRIOR_ENDED * (1 / hazard - PRIOR_LIFE_DAYS)
        low, high = (middle, high) if score > 0 else (low, middle)
    return float(np.exp(-(low + high) / 2))


def strain(subscriptions: pl.DataFrame, baskets: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """product_id, n_subscriptions, strained_share (0..1): what subscribers paused or skipped, by product with a subscription.

    A paused subscription counts as one, a running one as the share of its due orders that did not come. Only where any orders
    of the company's subscribers came are missing ones taken for skipped.
    """
    running = subscriptions.filter(~pl.col("status").is_in(ENDED))
    steps = {name: float(days) for name, days in FREQUENCY_DAYS.items()}
    step = pl.col("frequency").replace_strict(steps, default=None, return_dtype=pl.Float64)
    age = (pl.lit(end) - pl.col("created_at")).dt.total_seconds() / 86_400
    since = running.select(*PAIR, "created_at", "status", (age / step).floor().alias("due")).sort(*PAIR, "created_at", "status")
    ordered = since.join(baskets.select(*PAIR, "order_id", "ordered_at"), on=PAIR).filter(
        pl.col("ordered_at") >= pl.col("created_at")
    )
    came = ordered.group_by(*PAIR, "created_at").agg(pl.col("order_id").n_unique().alias("came"))
    told = since.join(came, on=[*PAIR, "created_at"], how="left").with_columns(pl.col("came").fill_null(0))
    missing = (1 - pl.col("came") / pl.col("due")).clip(0, 1)
    skipped = pl.when((pl.col("due") > 0) & pl.lit(came.height > 0)).then(missing).otherwise(0.0)
    share = pl.when(pl.col("status") == PAUSED).then(1.0).otherwise(skipped)
    return (
        told.group_by("product_id")
        .agg(pl.len().cast(pl.Int64).alias("n_subscriptions"), share.sort().mean().round(6).alias("strained_share"))
        .sort("product_id")
    )
