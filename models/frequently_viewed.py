"""Frequently viewed together: what visitors of a product's page also view in the same visit, with what that does to its sales."""

from __future__ import annotations

import polars as pl

from models import scores, sessions
from models.conversion_lift import LIFT, conversion_lift
from models.features import Features
from models.filling import filled
from models.popularity import LIST_SCHEMA, of_pages

MAX_RESULTS = 10
# not "co-view": also bought has a link of that name, which may stand behind this one
VIEWED_TOGETHER = "viewed together"
# the best of 0, .25, .5, 1 on six weeks of a clothing shop, where discounting popular products (.1, .25, .5) lost throughout
BY_STEP = 0.25
SCHEMA = {
    **LIST_SCHEMA,
    "n_xy": pl.Int64,
    "n_x": pl.Int64,
    "n_y": pl.Int64,
    "n_visits": pl.Int64,
    "lift": pl.Float64,
    **dict.fromkeys(LIFT, pl.Float64),
    "n_baskets": pl.Int64,
    "n_events": pl.Int64,
    "window_days": pl.Int64,
}
EVIDENCE = tuple(SCHEMA)[len(LIST_SCHEMA) :]


def frequently_viewed(features: Features) -> pl.DataFrame:
    """Recommendations for every product with a page, MAX_RESULTS at most: co-views, then as models/filling.py says.

    A co-view has at least minSessionCoViews visits with both within lookbackDays. score: sessions.closeness, both directions
    alike, closer steps counting more by BY_STEP. n_xy, n_x, n_y: visits with both, with the page's product, with the other,
    of n_visits; of orders (of n_baskets) where the source is a co-purchase. conversion_lift: of a visit with both over a visit
    with the page's product only, how much likelier its customer is to order the page's product within 24 hours, visits of
    known customers alone; the page's product, since either of two is bought more often by whoever views two.
    """
    rules = features.config.frequently_viewed
    seen = sessions.visits(features, rules["lookbackDays"])
    known = seen.products.select(pl.col("product_id").alias("anchor_id"), pl.col("n_known", "n_bought").name.suffix("_x"))
    found = co_viewed(features, seen).join(known, on="anchor_id", how="left", maintain_order="left")
    arms = [(pl.col(name), pl.col(f"{name}_x") - pl.col(name)) for name in ("n_known", "n_bought")]
    (n_with, n_without), (bought_with, bought_without) = arms
    words = pl.format("{} of {} visits; {} times as often as by chance", "n_xy", "n_x", pl.col("lift").round(1))
    own = found.with_columns(
        scores.lift(pl.col("n_xy"), pl.col("n_x"), pl.col("n_y"), seen.n).round(6).alias("lift"),
        pl.lit(VIEWED_TOGETHER).alias("source"),
        pl.lit(seen.n, dtype=pl.Int64).alias("n_visits"),
        pl.lit(rules["lookbackDays"], dtype=pl.Int64).alias("window_days"),
        *conversion_lift(n_with, bought_with, n_without, bought_without),
    ).with_columns(words.alias("reason"))
    return filled(features, own, MAX_RESULTS, SCHEMA)


def best_sellers(features: Features) -> pl.DataFrame:
    """What stands in for every page where nothing may be said of visits."""
    return of_pages(features, features.eligible(), MAX_RESULTS)


def co_viewed(features: Features, seen: sessions.Visits) -> pl.DataFrame:
    """The co-views alone, as sessions.co_views has them, with score and link_rank."""
    wanted, minimum = features.eligible()["product_id"], features.config.frequently_viewed["minSessionCoViews"]

    def strongest(pairs: pl.DataFrame) -> pl.DataFrame:
        shown = pairs.filter(pl.col("product_id").is_in(wanted.implode()))
        scored = shown.with_columns(sessions.closeness(seen).alias("score"))
        return sessions.nearest(scored.filter(pl.col("n_xy") >= minimum), MAX_RESULTS)

    return sessions.co_views(seen, strongest, BY_STEP).sort("anchor_id", "link_rank")
