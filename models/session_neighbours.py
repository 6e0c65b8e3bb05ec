"""Session neighbours: where a visit goes from a product, as lists that a live session is ranked by while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import product
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from models import co_occurrence, live_session, scores, sessions, tasks
from models.features import Features
from models.generation import WHOLE_COMPANY
from models.popularity import LIST_SCHEMA, best_of
from models.tasks import HeldOut

KIND = "session-neighbours"
LOOKBACK_DAYS = 365
N_NEIGHBOURS = 50
OF_ORDERS = 20
LEAST_ORDERS = 2
DEFAULTS: dict[str, Any] = {
    "backward": 0.5,
    "popularity": 0.0,
    "prior": sessions.PRIOR,
    "lagWeights": list(live_session.LAG_WEIGHTS),
}
BACKWARD = (0.2, 0.5, 1.0)
POPULARITY = (0.0, 0.25, 0.5)
PRIOR = (20.0, 100.0)
LAG_DECAY = (0.03, 0.1, 0.3, 0.6, 1.0)
N_LAGS = 5
LEAST_LAG_WEIGHT = 0.01
ENOUGH_QUERIES = 300
MAX_QUERIES = 3_000
K = 20
SCHEMA = {**LIST_SCHEMA, "n_xy": pl.Int64, "n_x": pl.Int64, "n_y": pl.Int64, "n_visits": pl.Int64, "window_days": pl.Int64}
ANSWERS = {"query_id": pl.Int64, "rank": pl.Int64, "product_id": pl.String}
EVIDENCE = tuple(SCHEMA)[len(LIST_SCHEMA) :]


def session_neighbours(features: Features) -> pl.DataFrame:
    """At most N_NEIGHBOURS for every product with a page that somebody viewed beside others, at most OF_ORDERS of those that were
    ordered beside others for the products that nobody did; a product without either has no list.

    score: the weight that models/live_session.py adds up, sessions.closeness with the choice's `backward`, `popularity` and
    `prior`; of orders the chance (0..1) that another product of an order with the anchor is this one (scores.share). The choice's
    `lagWeights` say what each of a session's last products counts. n_visits: visits, or orders where these are the source.
    """
    choice = chosen(features)
    seen = sessions.visits(features, LOOKBACK_DAYS)
    pages, wanted = features.shown()["product_id"], features.eligible()["product_id"]
    found = sessions.co_views(seen, lambda pairs: _neighbours(_between(pairs, pages, wanted), seen, choice))
    of_visits = found.with_columns(
        pl.lit("session").alias("source"),
        pl.format("{} of {} visits went on between the two", "n_xy", "n_x").alias("reason"),
        pl.lit(seen.n).alias("n_visits"),
    )
    of_orders = _of_orders(features).join(found, on="anchor_id", how="anti").filter(pl.col("anchor_id").is_in(pages.implode()))
    return (
        pl.concat([of_visits, of_orders], how="diagonal_relaxed")
        .sort("anchor_id", "link_rank")
        .with_columns((pl.col("link_rank") + 1).alias("rank"), pl.lit(LOOKBACK_DAYS).alias("window_days"))
        .select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    )


def _of_orders(features: Features) -> pl.DataFrame:
    """Pairs of at least LEAST_ORDERS orders, as the columns of SCHEMA, with link_rank for rank."""
    wanted = features.eligible()["product_id"]
    statistics = co_occurrence.pair_statistics(features.recent_baskets(LOOKBACK_DAYS), wanted, OF_ORDERS)
    likely = scores.share(pl.col("w_xy"), pl.col("w_x"), pl.col("share_y"), sessions.PRIOR)
    pairs = statistics.pairs.filter(pl.col("n_xy") >= LEAST_ORDERS).with_columns(
        likely.round(6).alias("score"),
        pl.lit("orders").alias("source"),
        pl.format("{} of {} orders have both", "n_xy", "n_x").alias("reason"),
        pl.lit(statistics.n_baskets).alias("n_visits"),
    )
    return sessions.nearest(pairs, OF_ORDERS)


def chosen(features: Features) -> dict[str, Any]:
    """The company's choice over DEFAULTS; lagWeights are those of a session's last products, the latest first."""
    return {**DEFAULTS, **features.choices.get(KIND, {})}


def answer(held_out: HeldOut, k: int, *, repeats: bool = False) -> pl.DataFrame:
    """query_id, rank, product_id: live_session.rank over the lists learnt from `held_out.train`, then best sellers.

    A product that the session has viewed is not shown again; with `repeats` only the page that it is on is left out.
    """
    frame = session_neighbours(held_out.train)
    listed = frame.group_by("anchor_id", maintain_order=True).agg("product_id", "score")
    neighbours = {row[0]: list(zip(row[1], row[2], strict=True)) for row in listed.iter_rows()}
    lag_weights = chosen(held_out.train)["lagWeights"]
    popular = best_of(held_out.train, held_out.train.eligible()).filter(pl.col("anchor_id") == WHOLE_COMPANY)
    fill = popular.sort("rank")["product_id"].to_list()
    rows = []
    for query, anchor, viewed in held_out.queries.select("query_id", "anchor_id", "viewed").iter_rows():
        exclude = {anchor} if repeats else set(viewed)
        best = [found for found, _ in live_session.rank(viewed, neighbours, exclude, k, lag_weights)]
        best += [found for found in fill if found not in exclude and found not in best][: k - len(best)]
        rows += [(query, rank, found) for rank, found in enumerate(best, start=1)]
    return pl.DataFrame(rows, schema=ANSWERS, orient="row").with_columns(
        pl.col("query_id").cast(held_out.queries.schema["query_id"])
    )


def answer_with_repeats(held_out: HeldOut, k: int) -> pl.DataFrame:
    """`answer` for tasks.next_views_with_repeats."""
    return answer(held_out, k, repeats=True)


def choose(features: Features, split_at: datetime) -> dict[str, Any]:
    """The choice with the best hit rate at K of the next product not viewed yet, of visits that begin from `split_at` on.

    BACKWARD x POPULARITY x PRIOR x LAG_DECAY are tried on at most MAX_QUERIES queries; {} with fewer than ENOUGH_QUERIES.
    """
    held_out = tasks.next_views(features, split_at)
    every = -(-held_out.queries.height // MAX_QUERIES)
    if held_out.queries.height < ENOUGH_QUERIES or held_out.train.views.is_empty():
        return {}
    asked = held_out.queries.filter(pl.col("query_id") % every == 0).join(held_out.truth, on="query_id", maintain_order="left")
    seen = sessions.visits(held_out.train, LOOKBACK_DAYS)
    pairs = _tuning_pairs(held_out.train, seen, asked)
    tried = [(hits, choice) for choice, hits in _tried(pairs, seen, asked)]
    return max(tried, key=lambda row: row[0])[1]


def _between(pairs: pl.DataFrame, pages: pl.Series, wanted: pl.Series) -> pl.DataFrame:
    return pairs.filter(pl.col("anchor_id").is_in(pages.implode()) & pl.col("product_id").is_in(wanted.implode()))


def _neighbours(pairs: pl.DataFrame, seen: sessions.Visits, choice: dict[str, Any]) -> pl.DataFrame:
    score = sessions.closeness(seen, choice["backward"], choice["popularity"], choice["prior"])
    weighed = pairs.with_columns(score.alias("score"))
    return sessions.nearest(weighed.filter(pl.col("score") > 0), N_NEIGHBOURS)


def _tuning_pairs(train: Features, seen: sessions.Visits, asked: pl.DataFrame) -> pl.DataFrame:
    """Pairs of the products that the queries have viewed last; a surplus of them, since each choice cuts them its own way."""
    last = asked.select(pl.col("viewed").list.tail(4 * N_LAGS).explode().unique())["viewed"]
    wanted = train.eligible()["product_id"]

    def surplus(pairs: pl.DataFrame) -> pl.DataFrame:
        summed = _between(pairs, last, wanted).with_columns((pl.col("forward") + pl.col("backward")).round(6).alias("both"))
        return sessions.nearest(summed, 8 * N_NEIGHBOURS, by="both")

    return sessions.co_views(seen, surplus)


def _tried(pairs: pl.DataFrame, seen: sessions.Visits, asked: pl.DataFrame) -> Iterator[tuple[dict[str, Any], int]]:
    """Each choice of the grid and how many of the queries it hits."""
    names = pl.concat([pairs["anchor_id"], pairs["product_id"], asked["product_id"], asked["viewed"].explode()]).unique().sort()
    codes = {name: code for code, name in enumerate(names)}
    # codes sort as ids do, in a fraction of the time
    coded = pairs.with_columns(
        pl.col("anchor_id", "product_id").replace_strict(names, np.arange(len(names)), return_dtype=pl.Int64)
    )
    n, n_asked = len(names), asked.height
    viewed = asked["viewed"].to_list()
    known = _cells([{codes[name] for name in one} for one in viewed])[1]
    last = [[codes[name] for name in live_session.last_viewed(one, N_LAGS)] for one in viewed]
    lags = [sparse.csr_matrix(_cells([set(one[lag : lag + 1]) for one in last]), shape=(n_asked, n)) for lag in range(N_LAGS)]
    asking = [
        (lag_weights, sum(weight * lag for weight, lag in zip(lag_weights, lags, strict=False)).tocsr())
        for lag_weights in map(_lag_weights, LAG_DECAY)
    ]
    target = np.array([codes[name] for name in asked["product_id"]])
    for backward, popularity, prior in product(BACKWARD, POPULARITY, PRIOR):
        weighing = {"backward": backward, "popularity": popularity, "prior": prior}
        cut = _neighbours(coded, seen, weighing)
        places = [cut[column].to_numpy() for column in ("anchor_id", "product_id")]
        weights = sparse.csr_matrix((cut["score"].to_numpy(), places), shape=(n, n))
        for lag_weights, last_viewed in asking:
            yield {**weighing, "lagWeights": lag_weights}, _hits(last_viewed @ weights, target, known)


def _lag_weights(decay: float) -> list[float]:
    weights = [round(decay**lag, 6) for lag in range(N_LAGS)]
    return [weight for weight in weights if weight >= LEAST_LAG_WEIGHT]


def _cells(columns: list[set[int]]) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Ones in the given columns of each row, as scipy takes them."""
    rows = np.repeat(np.arange(len(columns)), [len(one) for one in columns])
    flat = np.array([column for one in columns for column in sorted(one)], dtype=np.int64)
    return np.ones(len(flat)), (rows, flat)


def _hits(scores: sparse.csr_matrix, target: np.ndarray, known: tuple[np.ndarray, np.ndarray]) -> int:
    """Rows whose target has a score that fewer than K columns beat, by more or by an earlier place; `known` cells beat nothing."""
    scores.data = scores.data.round(live_session.DECIMALS)
    wanted = np.asarray(scores[np.arange(len(target)), target]).ravel()
    row = np.repeat(np.arange(len(target)), np.diff(scores.indptr))

    def above(row: np.ndarray, column: np.ndarray, score: np.ndarray) -> np.ndarray:
        beats = (score > wanted[row]) | ((score == wanted[row]) & (column < target[row]))
        return np.bincount(row[beats], minlength=len(target))

    n_above = above(row, scores.indices, scores.data) - above(*known, np.asarray(scores[known]).ravel())
    return int(((wanted > 0) & (n_above < K)).sum())
