"""Rivals: what a shop would use instead of ours, each as simple as it is usually written.

Each takes a HeldOut and k, learns from all of `held_out.train` (no lookback, no minimum: the rival gets every advantage), and
answers with query_id, rank (1 to k), product_id, eligible products only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import sparse

from models.features import Features
from models.tasks import HeldOut

Score = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
Answer = Callable[[HeldOut, int], pl.DataFrame]
TILE = 512


def best_sellers(held_out: HeldOut, k: int) -> pl.DataFrame:
    """The k products of most orders (of most visits, where nothing was ordered); never the anchor."""
    ranked = counted_products(held_out.train)
    return ranked_answers(held_out.queries.select("query_id", "anchor_id").join(ranked.head(k + 1), how="cross"), "n", k)


def counted_products(train: Features) -> pl.DataFrame:
    """Eligible product_id, n (orders; visits, where nothing was ordered), most first, equal ones by id."""
    events = train.baskets if train.baskets.height else train.sessions().rename({"visit_id": "order_id"})
    counts = events.select("order_id", "product_id").unique().group_by("product_id").agg(pl.len().cast(pl.Int64).alias("n"))
    shown = counts.filter(pl.col("product_id").is_in(train.eligible()["product_id"].implode()))
    return shown.sort(["n", "product_id"], descending=[True, False])


def raw_counts(held_out: HeldOut, k: int) -> pl.DataFrame:
    """Partners by the number of orders that have both."""
    return _by_pairs(held_out, k, lambda both, _x, _y: both)


def cosine(held_out: HeldOut, k: int) -> pl.DataFrame:
    """Partners by N_XY / sqrt(N_X N_Y)."""
    return _by_pairs(held_out, k, lambda both, x, y: both / np.sqrt(x * y))


def ranked_answers(scored: pl.DataFrame, by: str, k: int) -> pl.DataFrame:
    """The k best of each query by column `by`, equal ones by id; never the anchor itself."""
    rows = scored.filter(pl.col("anchor_id").ne_missing(pl.col("product_id")))
    ranked = rows.sort(["query_id", by, "product_id"], descending=[False, True, False]).with_columns(
        pl.int_range(1, pl.len() + 1).over("query_id").alias("rank")
    )
    return ranked.filter(pl.col("rank") <= k).select("query_id", "rank", "product_id")


def _by_pairs(held_out: HeldOut, k: int, score: Score) -> pl.DataFrame:
    baskets = held_out.train.baskets
    products = baskets.select("product_id").unique().sort("product_id").with_row_index("column")
    orders = baskets.select("order_id").unique().with_row_index("row")
    coded = baskets.join(products, on="product_id").join(orders, on="order_id").select("row", "column").unique()
    ones = np.ones(coded.height)
    incidence = sparse.csr_matrix((ones, (coded["row"].to_numpy(), coded["column"].to_numpy())), (orders.height, products.height))
    counts = np.asarray(incidence.sum(axis=0)).ravel()
    shown = products["product_id"].is_in(held_out.train.eligible()["product_id"].implode()).to_numpy()
    anchors = products.join(held_out.queries, left_on="product_id", right_on="anchor_id", how="semi").sort("column")
    columns = anchors["column"].to_numpy()
    by_product = incidence.T.tocsr()
    found = []
    for start in range(0, len(columns), TILE):
        tile = columns[start : start + TILE]
        both = (by_product[tile] @ incidence).tocoo()
        keep = shown[both.col] & (tile[both.row] != both.col)
        x, y = tile[both.row[keep]], both.col[keep]
        found.append(pl.DataFrame({"x": x, "y": y.astype(x.dtype), "score": score(both.data[keep], counts[x], counts[y])}))
    if not found:
        return best_sellers(held_out, k).clear()
    names = products["product_id"]
    pairs = pl.concat(found).select(
        names.gather(pl.concat(found)["x"]).alias("anchor_id"), names.gather(pl.concat(found)["y"]).alias("product_id"), "score"
    )
    best = pairs.sort(["anchor_id", "score", "product_id"], descending=[False, True, False]).filter(
        pl.int_range(pl.len()).over("anchor_id") < k
    )
    return ranked_answers(held_out.queries.select("query_id", "anchor_id").join(best, on="anchor_id"), "score", k)
