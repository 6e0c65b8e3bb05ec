"""Co-occurrence of products in baskets: time-weighted pair statistics and the strongest partners of every product."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse
from sparse_dot_topn import sp_matmul_topn

HALF_LIFE_DAYS = 90.0
MAX_BASKET_PRODUCTS = 200
MANTISSA_BITS = 53
TIED_ROWS = 256


@dataclass(frozen=True)
class PairStatistics:
    """The strongest pairs and what is needed to judge them.

    pairs: anchor_id, product_id, n_xy (baskets with both), w_xy (the same, time-weighted), n_x, n_y, w_x; strongest w_xy
    first within an anchor. n_baskets: baskets that counted. n_capped: baskets left out of the pair counts for their size.
    """

    pairs: pl.DataFrame
    n_baskets: int
    n_capped: int


def pair_statistics(
    baskets: pl.DataFrame, candidates: pl.Series, top_n: int, half_life_days: float = HALF_LIFE_DAYS, n_threads: int = 2
) -> PairStatistics:
    """Count, for every product, the `top_n` candidates that share the most time-weighted baskets with it.

    baskets: order_id, product_id, age_days (>= 0), one row per order and product. candidates: ids of the products that may be
    recommended. A basket weighs exp(-ln 2 * age / half_life_days). Baskets of more than MAX_BASKET_PRODUCTS products
    (wholesale lists) make no pairs, since their pairs grow with the square of their size and say little of what goes together;
    they still count in n_x, n_y, w_x and n_baskets. Equal partners: the one in more baskets first, then by id, also at the cut.
    """
    products = baskets.group_by("product_id").agg(pl.len().alias("n")).sort(["n", "product_id"], descending=[True, False])
    orders = baskets.group_by("order_id").agg(pl.col("age_days").min(), pl.len().alias("size")).sort("order_id")
    if orders.is_empty():
        return PairStatistics(_no_pairs(), 0, 0)
    weights = np.exp(-math.log(2) / half_life_days * orders["age_days"].to_numpy())
    incidence = _incidence(baskets, orders, products)
    counts = products["n"].to_numpy()
    paired = np.flatnonzero(orders["size"].to_numpy() <= MAX_BASKET_PRODUCTS)
    pair_rows = incidence[paired]
    allowed = products["product_id"].is_in(candidates.implode()).to_numpy()
    steps = _steps(int(counts.max()))
    strongest = _strongest(pair_rows, weights[paired], allowed, top_n, steps, n_threads)
    anchor, partner = strongest["anchor"].to_numpy(), strongest["partner"].to_numpy()
    n_xy, w_xy = _unpacked(strongest["packed"].to_numpy(), steps)
    weighted = incidence.T @ weights
    pairs = pl.DataFrame(
        {
            "anchor_id": products["product_id"].gather(anchor),
            "product_id": products["product_id"].gather(partner),
            "n_xy": n_xy,
            "w_xy": w_xy,
            "n_x": counts[anchor].astype(np.int64),
            "n_y": counts[partner].astype(np.int64),
            "w_x": weighted[anchor],
        }
    )
    return PairStatistics(pairs, orders.height, orders.height - len(paired))


def lift(n_xy: pl.Expr, n_x: pl.Expr, n_y: pl.Expr, n_baskets: int) -> pl.Expr:
    """How many times as often as by chance two products share a basket: N * N_XY / (N_X * N_Y); 1 is chance."""
    return n_xy * n_baskets / (n_x * n_y)


def expected(n_x: pl.Expr, n_y: pl.Expr, n_baskets: int) -> pl.Expr:
    """Baskets with both products if they were independent: N_X * N_Y / N."""
    return n_x * n_y / n_baskets


def _incidence(baskets: pl.DataFrame, orders: pl.DataFrame, products: pl.DataFrame) -> sparse.csr_matrix:
    """Orders x products, 1 where the order has the product; codes follow sorted ids, so input order leaves no trace."""
    coded = (
        baskets.select("order_id", "product_id")
        .join(orders.select("order_id").with_row_index("row"), on="order_id")
        .join(products.select("product_id").with_row_index("column"), on="product_id")
        .sort("row", "column")
    )
    shape = (orders.height, products.height)
    ones = np.ones(coded.height)
    matrix = sparse.csr_matrix((ones, (coded["row"].to_numpy(), coded["column"].to_numpy())), shape=shape)
    matrix.data[:] = 1.0
    return matrix


def _steps(max_count: int) -> tuple[float, float]:
    """How one float64 holds two exact sums: units of weight (per 1.0) above, counts below.

    Both sums stay below 2**bits each; what the 53 bits of the mantissa leave is the resolution of a basket's weight.
    """
    bits = max(1, math.ceil(math.log2(max_count + 1)))
    resolution = min(30, MANTISSA_BITS - 2 * bits)
    if resolution < 8:
        raise ValueError(f"A product in {max_count} baskets is more than exact pair counts can hold.")
    return 2.0**resolution, 2.0**bits


def _strongest(
    incidence: sparse.csr_matrix, weights: np.ndarray, allowed: np.ndarray, top_n: int, steps: tuple[float, float], n_threads: int
) -> pl.DataFrame:
    """anchor, partner (columns of `incidence`) and their packed sum, `top_n` per anchor."""
    per_weight, per_count = steps
    packed_weight = np.maximum(1.0, np.round(weights * per_weight)) * per_count + 1.0
    scaled = sparse.diags(packed_weight) @ incidence @ sparse.diags(allowed.astype(np.float64))
    scaled = scaled.tocsr()
    scaled.eliminate_zeros()
    by_product = incidence.T.tocsr()
    # two more than asked for: a product is its own strongest partner, and the first one beyond the cut shows a tie
    strongest = sp_matmul_topn(by_product, scaled, top_n=top_n + 2, sort=True, n_threads=n_threads)
    found = _ranked(strongest, np.arange(incidence.shape[1]))
    # which of equal partners sp_matmul_topn keeps is chance, so anchors with a tie at the cut are counted in full
    tied = found.filter((pl.col("place") == top_n) & (pl.col("packed") == pl.col("packed").shift()))["anchor"]
    parts = [found.filter(~pl.col("anchor").is_in(tied.implode()))]
    for start in range(0, len(tied), TIED_ROWS):
        anchors = tied[start : start + TIED_ROWS].to_numpy()
        parts.append(_ranked(by_product[anchors] @ scaled, anchors).filter(pl.col("place") < top_n))
    return pl.concat(parts).filter(pl.col("place") < top_n).sort("anchor", "place")


def _ranked(sums: sparse.spmatrix, anchors: np.ndarray) -> pl.DataFrame:
    """Pairs of different products, strongest first within an anchor; `place` counts from 0. Row i of `sums` is anchors[i]."""
    entries = sums.tocoo()
    pairs = {"anchor": anchors[entries.row], "partner": entries.col.astype(np.int64), "packed": entries.data}
    return (
        pl.DataFrame(pairs)
        .filter(pl.col("anchor") != pl.col("partner"))
        .sort(["anchor", "packed", "partner"], descending=[False, True, False])
        .with_columns(pl.int_range(pl.len()).over("anchor").alias("place"))
    )


def _unpacked(packed: np.ndarray, steps: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    per_weight, per_count = steps
    n_xy = np.mod(packed, per_count).astype(np.int64)
    return n_xy, np.floor(packed / per_count) / per_weight


def _no_pairs() -> pl.DataFrame:
    whole = {"n_xy": pl.Int64, "w_xy": pl.Float64, "n_x": pl.Int64, "n_y": pl.Int64, "w_x": pl.Float64}
    return pl.DataFrame(schema={"anchor_id": pl.String, "product_id": pl.String, **whole})
