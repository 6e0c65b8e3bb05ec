"""Held-out tasks: what a kind is judged on, split by time so that nothing of the held-out days is in training.

Full ranking over everything that may be shown, no sampled negatives (Krichene & Rendle, KDD 2020).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from models.features import Features
from models.generation import WHOLE_COMPANY
from models.sessions import MAX_VISIT_PRODUCTS, MAX_VISIT_VIEWS

MAX_QUERIES = 20_000
SEED = 20_170_521


@dataclass(frozen=True)
class HeldOut:
    """A split: `train` is what a method may learn from.

    queries: query_id, anchor_id (what the list is looked up by) and, for sessions, `viewed` (product ids, oldest first; the
    last one is the anchor). truth: query_id, product_id, one row per product that was wanted, each of them eligible. A method
    answers with query_id, rank (from 1), product_id.
    """

    train: Features
    queries: pl.DataFrame
    truth: pl.DataFrame


def partners(features: Features, split_at: datetime) -> HeldOut:
    """Anchor -> partner: of every later order with two products, one random ordered pair."""
    later = features.baskets.filter(pl.col("ordered_at") >= split_at)
    return _pairs(features.before(split_at), later)


def partners_of_share(features: Features, share: float = 0.2, seed: int = SEED) -> HeldOut:
    """Anchor -> partner of a random `share` (0..1) of the orders in also-bought's lookback window: for comparing methods on
    data without a usable time. Older orders are all in training, for methods that can use them."""
    recent = features.recent_baskets(features.config.also_bought["lookbackDays"])
    orders = recent.select("order_id").unique().sort("order_id")
    held_out = orders.filter(pl.Series(np.random.default_rng(seed).random(orders.height) < share))
    train = replace(features, baskets=features.baskets.join(held_out, on="order_id", how="anti"))
    return _pairs(train, features.baskets.join(held_out, on="order_id", how="semi"))


def new_products(features: Features, split_at: datetime) -> HeldOut:
    """Known customer -> the products that they bought later for the first time."""
    return _of_customers(features, split_at, how="anti")


def next_orders(features: Features, split_at: datetime) -> HeldOut:
    """The whole shop (anchor "") -> what each later order holds, or each later visit, where nothing was ordered."""
    train = features.before(split_at)
    later = features.baskets.filter(pl.col("ordered_at") >= split_at).select(pl.col("order_id").alias("unit"), "product_id")
    if features.baskets.is_empty():
        seen = of_people(features.sessions()).filter(pl.col("viewed_at") >= split_at)
        later = seen.select(pl.col("visit_id").alias("unit"), "product_id")
    wanted = later.unique().filter(pl.col("product_id").is_in(train.eligible()["product_id"].implode()))
    units = _sampled(wanted.select("unit").unique().sort("unit"))
    truth = wanted.join(units, on="unit").select("query_id", "product_id").sort("query_id", "product_id")
    return HeldOut(train, units.select("query_id", pl.lit(WHOLE_COMPANY).alias("anchor_id")), truth)


def also_viewed(features: Features, split_at: datetime) -> HeldOut:
    """Page -> partner: of every later visit of two products, one random ordered pair."""
    train = features.before(split_at)
    later = of_people(features.sessions()).filter(pl.col("viewed_at") >= split_at)
    return _pairs(train, later.select(pl.col("visit_id").alias("order_id"), "product_id"))


def repeated_products(features: Features, split_at: datetime) -> HeldOut:
    """Known customer -> the products that they bought later once more."""
    return _of_customers(features, split_at, how="semi")


def next_views(features: Features, split_at: datetime) -> HeldOut:
    """Views of a session so far -> the next product that the session had not viewed yet; sessions that began later only."""
    return _next_views(features, split_at, repeats=False)


def next_views_with_repeats(features: Features, split_at: datetime) -> HeldOut:
    """The same, but a product that the session returns to counts as well (never the page that it is on)."""
    return _next_views(features, split_at, repeats=True)


def of_people(views: pl.DataFrame) -> pl.DataFrame:
    """Rows of Features.sessions() without visits of more than MAX_VISIT_PRODUCTS products or MAX_VISIT_VIEWS views: as for
    sessions.visits these are bots', whose next view is nobody's wish."""
    n_products, n_views = pl.col("product_id").n_unique().over("visit_id"), pl.len().over("visit_id")
    return views.filter((n_products <= MAX_VISIT_PRODUCTS) & (n_views <= MAX_VISIT_VIEWS))


def _pairs(train: Features, held_out: pl.DataFrame) -> HeldOut:
    wanted = train.eligible()["product_id"]
    pages = train.shown()["product_id"]
    lines = (
        held_out.filter(pl.col("product_id").is_in(pages.implode()))
        .select("order_id", "product_id")
        .unique()
        .sort("order_id", "product_id")
    )
    # a random order of each basket: its first product is the anchor, its second the partner
    drawn = lines.with_columns(pl.Series("draw", np.random.default_rng(SEED).random(lines.height))).sort("order_id", "draw")
    pairs = drawn.group_by("order_id", maintain_order=True).agg(
        pl.col("product_id").first().alias("anchor_id"), pl.col("product_id").slice(1, 1).first().alias("partner_id")
    )
    pairs = _sampled(pairs.filter(pl.col("partner_id").is_in(wanted.implode())).drop("order_id"))
    truth = pairs.select("query_id", pl.col("partner_id").alias("product_id"))
    return HeldOut(train, pairs.select("query_id", "anchor_id"), truth)


def _of_customers(features: Features, split_at: datetime, how: str) -> HeldOut:
    train = features.before(split_at)
    owned = train.baskets.drop_nulls("customer_id").select("customer_id", "product_id").unique()
    later = features.baskets.filter(pl.col("ordered_at") >= split_at).drop_nulls("customer_id")
    bought = (
        later.select("customer_id", "product_id")
        .unique()
        .filter(pl.col("product_id").is_in(train.eligible()["product_id"].implode()))
        .join(owned.select("customer_id").unique(), on="customer_id", how="semi")
        .join(owned, on=["customer_id", "product_id"], how="semi" if how == "semi" else "anti")
    )
    queries = _sampled(bought.select(pl.col("customer_id").alias("anchor_id")).unique().sort("anchor_id"))
    truth = bought.join(queries, left_on="customer_id", right_on="anchor_id").select("query_id", "product_id")
    return HeldOut(train, queries.select("query_id", "anchor_id"), truth.sort("query_id", "product_id"))


def _next_views(features: Features, split_at: datetime, *, repeats: bool) -> HeldOut:
    train = features.before(split_at)
    later = of_people(features.sessions()).filter(pl.col("viewed_at").min().over("visit_id") >= split_at)
    # a reload is no next view
    moved = later.filter(pl.col("product_id").ne_missing(pl.col("product_id").shift(1).over("visit_id")))
    step = moved.with_columns(pl.int_range(pl.len()).over("visit_id").alias("position"))
    wanted = (pl.col("position") > 0) & pl.col("product_id").is_in(train.eligible()["product_id"].implode())
    if not repeats:
        wanted = wanted & pl.struct("visit_id", "product_id").is_first_distinct()
    # what was viewed before is put beside the sample alone: beside every view it would be quadratic in the visits' lengths
    whole = step.group_by("visit_id", maintain_order=True).agg(pl.col("product_id").alias("whole"))
    asked = _sampled(step.filter(wanted)).join(whole, on="visit_id", maintain_order="left")
    viewed = asked.with_columns(pl.col("whole").list.head(pl.col("position")).alias("viewed"))
    queries = viewed.select("query_id", pl.col("viewed").list.last().alias("anchor_id"), "viewed")
    return HeldOut(train, queries, asked.select("query_id", "product_id"))


def _sampled(rows: pl.DataFrame) -> pl.DataFrame:
    """At most MAX_QUERIES rows, drawn by a fixed seed, numbered by `query_id`."""
    if rows.height > MAX_QUERIES:
        chosen = np.sort(np.random.default_rng(SEED).choice(rows.height, MAX_QUERIES, replace=False))
        rows = rows[chosen]
    return rows.with_row_index("query_id")
