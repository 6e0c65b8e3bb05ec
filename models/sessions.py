"""Sessions: visits as the co-view methods count them, and how often and how closely two products are viewed in one visit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl

from models import scores
from models.features import Features

# more than a shopper looks at in one visit: crawlers and price scrapers
MAX_VISIT_PRODUCTS = 50
MAX_VISIT_VIEWS = 200
# what our own lists have brought about says little of what shoppers look for
RECOMMENDED_WEIGHT = 0.3
PURCHASE_HOURS = 24
# weights are summed as whole numbers, so that the order of addition leaves no trace
WEIGHT_UNIT = 1_000_000
MAX_PAIRS_AT_ONCE = 4_000_000
# weighted visits of everybody that stand behind a page's own, so that a page of little evidence says what all pages say
PRIOR = 20.0
PAIR_SUMS = ("n_xy", "forward", "backward", "n_known", "n_bought")


@dataclass(frozen=True)
class Visits:
    """Visits of people, one row per visit and product.

    rows, by visit and then by first view: visit_id, product_id, step (0 at the visit's first product; products of one instant
    share a step), size (distinct products of the visit), weight (1 / log2(1 + size), 1 for a visit of one product; Hidasi's and
    Ludewig's length discount of methods.md 3), recommended (reached by our own lists only), customer_id (or null), began_at,
    first_at (instant of the first view), is_known (has a customer), is_bought (that customer ordered the product within
    PURCHASE_HOURS of the visit's begin).
    products, by id: product_id, n (visits with it), n_known, n_bought (known visits with it, and those that bought it).
    n: visits that counted. n_bots: visits left out for their size.
    """

    rows: pl.DataFrame
    products: pl.DataFrame
    n: int
    n_bots: int


def visits(features: Features, lookback_days: int) -> Visits:
    """The visits of the last `lookback_days` days; a reload counts once.

    Visits of more than MAX_VISIT_PRODUCTS products or MAX_VISIT_VIEWS views are bots' and count for nothing.
    """
    recent = replace(features, views=features.recent_views(lookback_days).drop("age_days")).sessions()
    of_visit = recent.group_by("visit_id").agg(
        pl.col("product_id").n_unique().cast(pl.Int64).alias("size"),
        pl.len().alias("n_views"),
        pl.col("viewed_at").min().alias("began_at"),
        pl.col("customer_id").min(),
    )
    people = of_visit.filter((pl.col("size") <= MAX_VISIT_PRODUCTS) & (pl.col("n_views") <= MAX_VISIT_VIEWS)).drop("n_views")
    # rows stand by visit: a running count less the count at the visit's begin, many times faster than a rank of each visit
    begins = pl.col("visit_id").ne_missing(pl.col("visit_id").shift(1))
    moment = (begins | pl.col("first_at").ne_missing(pl.col("first_at").shift(1))).cum_sum().cast(pl.Int64)
    rows = (
        recent.group_by("visit_id", "product_id")
        .agg(pl.col("viewed_at").min().alias("first_at"), pl.col("source").eq_missing("RECOMMENDATION").all().alias("recommended"))
        .join(people, on="visit_id")
        .sort("visit_id", "first_at", "product_id")
        .with_columns(
            (moment - pl.when(begins).then(moment).forward_fill()).alias("step"),
            (1 / (1 + pl.col("size").cast(pl.Float64)).log(2)).alias("weight"),
            pl.col("customer_id").is_not_null().alias("is_known"),
        )
    )
    rows = rows.with_columns(_is_bought(rows, features.baskets))
    counts = rows.group_by("product_id").agg(
        pl.len().cast(pl.Int64).alias("n"), pl.col("is_known", "is_bought").sum().cast(pl.Int64).name.replace("is_", "n_")
    )
    return Visits(rows, counts.sort("product_id"), people.height, of_visit.height - people.height)


def closeness(seen: Visits, backward: float = 1.0, popularity: float = 0.0, prior: float = PRIOR) -> pl.Expr:
    """How near a product is to its anchor, 0..1: its share of all that pulls a visit on from the anchor, of pairs of whole anchors.

    The pull is forward + backward_share * backward, over (n_y / the mean product's n)^popularity: 0 counts, .5 discounts as
    cosine does (methods.md 1). The share is shrunk towards the product's share of all visits' products by `prior` weighted
    visits (scores.share).
    """
    whole = seen.products["n"].sum()
    common = whole / max(1, seen.products.height)
    pull = (pl.col("forward") + backward * pl.col("backward")) / (pl.col("n_y") / common).pow(popularity)
    return scores.share(pull, pull.sum().over("anchor_id"), pl.col("n_y") / whole, prior).clip(0, 1).round(6)


def nearest(pairs: pl.DataFrame, top_n: int, by: str = "score") -> pl.DataFrame:
    """The `top_n` of each anchor by column `by`, equal ones by visits with both, then by id; `link_rank` counts from 0."""
    ranked = pairs.sort(["anchor_id", by, "n_xy", "product_id"], descending=[False, True, True, False])
    return ranked.with_columns(pl.int_range(pl.len()).over("anchor_id").alias("link_rank")).filter(pl.col("link_rank") < top_n)


def orders_after(rows: pl.DataFrame, baskets: pl.DataFrame, since: str) -> pl.DataFrame:
    """Rows of visits beside what the visit's customer ordered within PURCHASE_HOURS of the instant in column `since`.

    rows: customer_id, `since` and what else is wanted; the result has a row per row and ordered product `bought_id`.
    """
    bought = baskets.drop_nulls("customer_id").select("customer_id", pl.col("product_id").alias("bought_id"), "ordered_at")
    joined = rows.drop_nulls("customer_id").join(bought.unique(), on="customer_id")
    return joined.filter((pl.col("ordered_at") - pl.col(since)).is_between(timedelta(0), timedelta(hours=PURCHASE_HOURS)))


def _is_bought(rows: pl.DataFrame, baskets: pl.DataFrame) -> pl.Series:
    own = rows.select("visit_id", "product_id", "customer_id", "began_at").with_row_index("row")
    ordered = baskets.join(rows.select("customer_id").unique(), on="customer_id", how="semi")
    bought = orders_after(own, ordered, "began_at").filter(pl.col("bought_id") == pl.col("product_id"))
    return own["row"].is_in(bought["row"].unique().implode()).alias("is_bought")


def co_views(
    seen: Visits,
    keep: Callable[[pl.DataFrame], pl.DataFrame],
    by_step: float = 1.0,
    at_once: int = MAX_PAIRS_AT_ONCE,
) -> pl.DataFrame:
    """What `keep` leaves of the pairs of different products that share a visit, by anchor_id, product_id.

    keep takes all pairs of some anchors: anchor_id, product_id, n_xy (visits with both, each counted once), forward and backward
    (weighted visits in which the product came after, and before, the anchor), n_known and n_bought (of n_xy: visits with a
    customer, and those whose customer bought the anchor), n_x, n_y; it should drop what is not wanted, since no more than
    about `at_once` pairs are held in memory before it is called.

    A visit adds weight / steps^by_step (steps between the two first views, at least 1); 0.3 of it where the later product was
    reached by our own recommendations only. Products of one instant have no order: each direction gets half.
    """
    rows, names = seen.rows, seen.products["product_id"]
    coded = rows.select(
        "visit_id",
        pl.col("product_id").replace_strict(names, np.arange(len(names)), return_dtype=pl.Int64).alias("code"),
        *("step", "size", "weight", "recommended", "is_known", "is_bought"),
    )
    found = [keep(_named(pairs.sort("anchor", "partner"), seen)) for pairs in _blocks(coded, len(names), by_step, at_once)]
    return pl.concat(found).sort("anchor_id", "product_id") if found else keep(_named(_no_pairs(), seen))


def _blocks(coded: pl.DataFrame, n_products: int, by_step: float, at_once: int) -> Iterator[pl.DataFrame]:
    """All pairs of consecutive products as anchors, a block at a time."""
    made = coded.group_by("code").agg((pl.col("size") - 1).sum().alias("n_pairs")).sort("code")
    block = made["n_pairs"].cum_sum() // at_once
    for _, of_block in made.with_columns(block.alias("block")).group_by("block", maintain_order=True):
        first, last = int(of_block["code"][0]), int(of_block["code"][-1])
        partials = [_both_ways(pairs, first, last) for pairs in _by_distance(coded, by_step, whole=len(of_block) == n_products)]
        if partials:
            yield _summed(pl.concat(partials))


def _by_distance(coded: pl.DataFrame, by_step: float, *, whole: bool) -> Iterator[pl.DataFrame]:
    """earlier, later, their sums: the pairs of neighbours in a visit, of neighbours but one, and so on, each visit apart."""
    largest = coded["size"].max()
    for distance in range(1, largest if isinstance(largest, int) else 0):
        left = coded.filter(pl.col("size") > distance)
        before = left.select(pl.all().shift(distance).name.prefix("earlier_"))
        pairs = pl.concat([left, before], how="horizontal").filter(pl.col("visit_id") == pl.col("earlier_visit_id"))
        steps = pl.col("step") - pl.col("earlier_step")
        tied = steps == 0
        own = pl.when(tied).then(pl.col("recommended") | pl.col("earlier_recommended")).otherwise(pl.col("recommended"))
        weight = pl.col("weight") / steps.clip(1).cast(pl.Float64).pow(by_step) * pl.when(own).then(RECOMMENDED_WEIGHT).otherwise(1)
        half = (weight * WEIGHT_UNIT / 2).round().cast(pl.Int64)
        pairs = pairs.select(
            pl.col("earlier_code").alias("earlier"),
            pl.col("code").alias("later"),
            pl.lit(1, dtype=pl.Int64).alias("n_xy"),
            pl.when(tied).then(half).otherwise(2 * half).alias("forward"),
            pl.when(tied).then(half).otherwise(0).alias("backward"),
            pl.col("is_known").cast(pl.Int64).alias("n_known"),
            pl.col("earlier_is_bought").cast(pl.Int64).alias("earlier_bought"),
            pl.col("is_bought").cast(pl.Int64).alias("later_bought"),
        )
        yield pairs.group_by("earlier", "later").agg(pl.all().sum()) if whole else pairs


def _both_ways(pairs: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """Sums by anchor and partner, of the anchors from `first` to `last`."""
    ways = (("earlier", "later", "forward", "backward"), ("later", "earlier", "backward", "forward"))
    turned = [
        pairs.filter(pl.col(anchor).is_between(first, last)).select(
            pl.col(anchor).alias("anchor"),
            pl.col(partner).alias("partner"),
            "n_xy",
            pl.col(after).alias("forward"),
            pl.col(before).alias("backward"),
            "n_known",
            pl.col(f"{anchor}_bought").alias("n_bought"),
        )
        for anchor, partner, after, before in ways
    ]
    return _summed(pl.concat(turned))


def _summed(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.group_by("anchor", "partner").agg(pl.col(name).sum() for name in PAIR_SUMS)


def _named(pairs: pl.DataFrame, seen: Visits) -> pl.DataFrame:
    names, counts = seen.products["product_id"], seen.products["n"]
    return pairs.select(
        names.gather(pairs["anchor"]).alias("anchor_id"),
        names.gather(pairs["partner"]).alias("product_id"),
        "n_xy",
        pl.col("forward", "backward") / WEIGHT_UNIT,
        "n_known",
        "n_bought",
        counts.gather(pairs["anchor"]).alias("n_x"),
        counts.gather(pairs["partner"]).alias("n_y"),
    )


def _no_pairs() -> pl.DataFrame:
    return pl.DataFrame(schema=dict.fromkeys(("anchor", "partner", *PAIR_SUMS), pl.Int64))
