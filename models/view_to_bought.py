"""View to bought: what visitors of a product's page buy within a day of viewing it."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from models import scores, sessions
from models.features import Features
from models.filling import filled
from models.popularity import LIST_SCHEMA
from models.tasks import MAX_QUERIES, SEED, HeldOut

LOOKBACK_DAYS = 180
MAX_RESULTS = 10
# chi-squared with one degree of freedom at p = .01: of a hundred products that have nothing to do with the page, one passes
LLR_GATE = 6.635
LEAST_VISITS = 3
PRIOR_VISITS = 20.0
SCHEMA = {
    **LIST_SCHEMA,
    "n_xy": pl.Int64,
    "n_x": pl.Int64,
    "n_y": pl.Int64,
    "n_visits": pl.Int64,
    "lift": pl.Float64,
    "llr": pl.Float64,
    "n_baskets": pl.Int64,
    "n_events": pl.Int64,
    "window_days": pl.Int64,
}
EVIDENCE = tuple(SCHEMA)[len(LIST_SCHEMA) :]


def view_to_bought(features: Features) -> pl.DataFrame:
    """Recommendations for every product with a page, MAX_RESULTS at most: what was bought after it, what was bought after any
    page, then as models/filling.py says.

    Visits of known customers in the last LOOKBACK_DAYS days: n_xy of the n_x that viewed the page's product were followed, within
    24 hours of that view, by an order of the same customer with the other; n_y of all n_visits were, whatever they viewed. A
    pair needs LEAST_VISITS and a log-likelihood ratio (scores.llr) of at least LLR_GATE.
    score: n_xy / n_x (0..1), shrunk towards n_y / n_visits by PRIOR_VISITS visits; n_y / n_visits where any page will do.
    """
    seen = sessions.visits(features, LOOKBACK_DAYS)
    bought = _bought(seen.rows, features.baskets)
    n_visits = seen.rows.filter("is_known")["visit_id"].n_unique()
    candidates = features.eligible()["product_id"].implode()
    of_all = bought.group_by("product_id").agg(pl.col("visit_id").n_unique().cast(pl.Int64).alias("n_y"))
    of_all = of_all.filter(pl.col("product_id").is_in(candidates)).sort(["n_y", "product_id"], descending=[True, False])
    whole = {"n_visits": n_visits, "window_days": LOOKBACK_DAYS}
    own = [
        rows.with_columns(pl.lit(value, dtype=pl.Int64).alias(name) for name, value in whole.items())
        for rows in (
            _after_page(_counted(seen, bought, of_all), n_visits),
            _after_any(features, of_all.head(MAX_RESULTS + 1), n_visits),
        )
    ]
    return filled(features, pl.concat(own, how="diagonal_relaxed"), MAX_RESULTS, SCHEMA)


def _after_page(pairs: pl.DataFrame, n_visits: int) -> pl.DataFrame:
    """Pairs that are more than chance, the best of each page."""
    n_xy, n_x, n_y = pl.col("n_xy"), pl.col("n_x"), pl.col("n_y")
    weighed = pairs.with_columns(
        scores.lift(n_xy, n_x, n_y, n_visits).round(6).alias("lift"),
        scores.llr(n_xy, n_x, n_y, n_visits).round(6).alias("llr"),
        scores.share(n_xy, n_x, n_y / n_visits, PRIOR_VISITS).clip(0, 1).round(6).alias("score"),
        pl.lit("view to purchase").alias("source"),
    )
    sure = weighed.filter((n_xy >= LEAST_VISITS) & (pl.col("llr") >= LLR_GATE))
    words = pl.format(
        "{} of {} visits bought it within a day; {} times as often as by chance", "n_xy", "n_x", pl.col("lift").round(1)
    )
    return sessions.nearest(sure.with_columns(words.alias("reason")), MAX_RESULTS)


def _after_any(features: Features, of_all: pl.DataFrame, n_visits: int) -> pl.DataFrame:
    """What visitors buy whatever they viewed, behind every page's own."""
    listed = of_all.with_columns(
        (pl.col("n_y") / n_visits).round(6).alias("score"),
        pl.lit("bought by visitors").alias("source"),
        pl.format("{} of {} visits to any page bought it within a day", "n_y", pl.lit(n_visits)).alias("reason"),
        (pl.int_range(pl.len()) + MAX_RESULTS).alias("link_rank"),
    )
    return features.shown().select(pl.col("product_id").alias("anchor_id")).join(listed, how="cross")


def bought_after_view(features: Features, split_at: datetime) -> HeldOut:
    """Page -> what the customer ordered within 24 hours of viewing it, of one random page of every later visit that has any.

    The page's own product is not asked for: nothing recommends itself.
    """
    train = features.before(split_at)
    seen = sessions.visits(features, LOOKBACK_DAYS).rows.filter(pl.col("began_at") >= split_at)
    bought = _bought(seen, features.baskets).filter(pl.col("anchor_id") != pl.col("product_id"))
    pages, wanted = train.shown()["product_id"], train.eligible()["product_id"]
    asked = bought.filter(pl.col("anchor_id").is_in(pages.implode()) & pl.col("product_id").is_in(wanted.implode()))
    views = asked.select("visit_id", "anchor_id").unique().sort("visit_id", "anchor_id")
    drawn = views.with_columns(pl.Series("draw", np.random.default_rng(SEED).random(views.height))).sort("draw")
    queries = (
        drawn.unique("visit_id", keep="first", maintain_order=True).head(MAX_QUERIES).sort("visit_id").with_row_index("query_id")
    )
    truth = asked.join(queries, on=["visit_id", "anchor_id"]).select("query_id", "product_id").sort("query_id", "product_id")
    return HeldOut(train, queries.select("query_id", "anchor_id"), truth)


def _bought(rows: pl.DataFrame, baskets: pl.DataFrame) -> pl.DataFrame:
    """visit_id, anchor_id (viewed), product_id (ordered by the visit's customer within 24 hours of the view), each once."""
    views = rows.select("visit_id", "customer_id", "first_at", pl.col("product_id").alias("anchor_id"))
    after = sessions.orders_after(views, baskets, "first_at").rename({"bought_id": "product_id"})
    return after.select("visit_id", "anchor_id", "product_id").unique()


def _counted(seen: sessions.Visits, bought: pl.DataFrame, of_all: pl.DataFrame) -> pl.DataFrame:
    """anchor_id, product_id (of `of_all`), n_xy, n_x, n_y of all pairs of different products."""
    of_page = seen.products.select(pl.col("product_id").alias("anchor_id"), pl.col("n_known").alias("n_x"))
    others = bought.filter(pl.col("anchor_id") != pl.col("product_id"))
    pairs = others.group_by("anchor_id", "product_id").agg(pl.len().cast(pl.Int64).alias("n_xy"))
    return pairs.join(of_page, on="anchor_id").join(of_all, on="product_id").sort("anchor_id", "product_id")
