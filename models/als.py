"""Implicit feedback by alternating least squares: confidences, factors, and the best products of every customer in tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import ThreadpoolController

from models.features import Features

FACTORS = 64
REGULARIZATION = 20.0
ALPHA = 1.0
ITERATIONS = 12
SEED = 20_080_521
WINDOW_DAYS = 730
HALF_LIFE_DAYS = 60.0
# an old event keeps half of its weight: taste outlives a season
KEPT = 0.5
# a visit says less than an order
VISIT_WEIGHT = 0.2
USERS, ITEMS = 256, 2048
# below so many entries threads cost more than they save
SMALL = 500_000
# found once: to look for the libraries takes longer than to search a small shop
LIBRARIES = ThreadpoolController()


@dataclass(frozen=True)
class Interactions:
    """What known customers did, coded by sorted ids so that the order of rows leaves no trace.

    customers, products: ids; a customer has an event, a product need not. ordered, visited: customers x products, float32,
    time-weighted orders and visits with the product, each event KEPT to 1. n_events: order lines and views of each customer.
    """

    customers: pl.Series
    products: pl.Series
    ordered: sparse.csr_matrix
    visited: sparse.csr_matrix
    n_events: np.ndarray

    def confidence(self) -> sparse.csr_matrix:
        """log2(1 + orders + VISIT_WEIGHT * visits), float32: a fresh order is 1 (log scaling: Hu, Koren, Volinsky 2008, eq. 6)."""
        summed = (self.ordered + VISIT_WEIGHT * self.visited).tocsr().astype(np.float32)
        summed.data = np.log2(1 + summed.data)
        summed.sort_indices()
        return summed


def interactions(features: Features, window_days: int = WINDOW_DAYS) -> Interactions:
    """The events of known customers with products of the catalogue in the last `window_days` days."""
    catalogue = features.products.select("product_id").unique().sort("product_id").with_row_index("column")
    baskets = _known(features.recent_baskets(window_days), catalogue)
    views = _known(features.recent_views(window_days), catalogue)
    customers = pl.concat([baskets["customer_id"], views["customer_id"]]).unique().sort().rename("customer_id")
    rows = customers.to_frame().with_row_index("row")
    lines, seen = (events.join(rows, on="customer_id").sort("row", "column", "age_days") for events in (baskets, views))
    visits = seen.group_by("row", "column", "session_id").agg(pl.col("age_days").min()).sort("row", "column", "age_days")
    shape = (len(customers), catalogue.height)
    n_events = np.bincount(np.concatenate([lines["row"], seen["row"]]).astype(np.int64), minlength=shape[0])
    return Interactions(customers, catalogue["product_id"], _weighed(lines, shape), _weighed(visits, shape), n_events)


@dataclass(frozen=True)
class Factors:
    """customers x f and products x f, float32; the score of a pair is their dot product, about 0 (no interest) to 1."""

    customers: np.ndarray
    products: np.ndarray


def fit(
    confidence: sparse.csr_matrix,
    factors: int = FACTORS,
    regularization: float = REGULARIZATION,
    alpha: float = ALPHA,
    iterations: int = ITERATIONS,
) -> Factors:
    """Factors of confidences 1 + alpha * `confidence` (Hu, Koren, Volinsky 2008), by conjugate gradient from a fixed seed.

    `regularization` is not scaled by frequency. A row or column without an entry has factors of zero.
    """
    if confidence.nnz == 0:
        return Factors(*(np.zeros((n, factors), np.float32) for n in confidence.shape))
    weights = confidence.copy()
    # `implicit` takes 1 + alpha * r itself, and less than 1 would count against the product
    weights.data = (1 + alpha * weights.data).astype(np.float32)
    n_threads = 1 if weights.nnz < SMALL else 0
    with LIBRARIES.limit(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors, regularization, alpha=1.0, iterations=iterations, random_state=SEED, num_threads=n_threads
        )
        model.fit(weights, show_progress=False)
    return Factors(model.user_factors, model.item_factors)


@dataclass(frozen=True)
class ByNorm:
    """Products by falling norm, from `by_norm`: their factors, norms and codes, and the place of every code (-1 for none)."""

    products: np.ndarray
    norms: np.ndarray
    codes: np.ndarray
    place: np.ndarray


def by_norm(products: np.ndarray, allowed: np.ndarray | None = None) -> ByNorm:
    """Prepare the factors (products x f) of all products, or of those that are `allowed` (one boolean each), for recommend_all."""
    codes = np.arange(len(products)) if allowed is None else np.flatnonzero(allowed)
    norms = np.linalg.norm(products[codes], axis=1)
    order = np.lexsort((codes, -norms))
    place = np.full(len(products), -1)
    place[codes[order]] = np.arange(len(codes))
    return ByNorm(np.ascontiguousarray(products[codes[order]]), norms[order], codes[order], place)


def recommend_all(
    customers: np.ndarray, catalogue: ByNorm, n: int, without: sparse.csr_matrix | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The `n` products of highest score for each row of `customers` (factors): product codes, best first, and their scores.

    without: customers x products whose entries are left out. Places that no product fills hold code -1 and score -inf.
    Products are scanned by falling norm in tiles of ITEMS, customers in tiles of USERS: a tile only gives what beats the
    customers' n-th best so far, and the scan ends where norm times norm cannot (Cauchy-Schwarz), so memory is that of a tile.
    """
    ids = np.full((len(customers), n), -1, np.int64)
    scores = np.full((len(customers), n), -np.inf, np.float32)
    with LIBRARIES.limit(limits=1, user_api="blas"):
        for start in range(0, len(customers), USERS):
            tile = slice(start, start + USERS)
            left_out = None if without is None else _placed(without[tile], catalogue.place)
            found, scores[tile] = _scan(customers[tile], catalogue, n, left_out)
            ids[tile] = np.where(found >= 0, np.append(catalogue.codes, -1)[found], -1)
    return ids, scores


def _known(events: pl.DataFrame, catalogue: pl.DataFrame) -> pl.DataFrame:
    return events.drop_nulls("customer_id").join(catalogue, on="product_id")


def _weighed(events: pl.DataFrame, shape: tuple[int, int]) -> sparse.csr_matrix:
    weights = KEPT + (1 - KEPT) * np.exp2(-events["age_days"].to_numpy() / HALF_LIFE_DAYS)
    coded = (events["row"].to_numpy().astype(np.int64), events["column"].to_numpy().astype(np.int64))
    matrix = sparse.csr_matrix((weights.astype(np.float32), coded), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _placed(left_out: sparse.csr_matrix, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and place of every entry, by place, so that a tile finds its own by bisection."""
    entries = left_out.tocoo()
    at = place[entries.col]
    by_place = np.argsort(at, kind="stable")
    by_place = by_place[at[by_place] >= 0]
    return entries.row[by_place], at[by_place]


def _scan(
    customers: np.ndarray, catalogue: ByNorm, n: int, left_out: tuple[np.ndarray, np.ndarray] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Places and scores of the n best products of each customer of one tile, best first."""
    best = np.full((len(customers), n), -np.inf, np.float32)
    found = np.full((len(customers), n), -1, np.int64)
    reach = np.linalg.norm(customers, axis=1)
    for start in range(0, len(catalogue.codes), ITEMS):
        if np.all(reach * catalogue.norms[start] < best[:, -1]):
            break
        tile = customers @ catalogue.products[start : start + ITEMS].T
        if left_out is not None:
            first, last = np.searchsorted(left_out[1], (start, start + ITEMS))
            tile[left_out[0][first:last], left_out[1][first:last] - start] = -np.inf
        best, found = _merged(best, found, tile, start)
    return found, best


def _merged(best: np.ndarray, found: np.ndarray, tile: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """The n best of what was found and of a tile of scores, best first; of equal ones the earlier."""
    n = best.shape[1]
    if start == 0:
        # nothing is found yet, so that everything beats it
        return _best(tile, np.broadcast_to(np.arange(tile.shape[1]), tile.shape), n)
    row, column = np.divmod(np.flatnonzero(tile > best[:, -1:]), tile.shape[1])
    if len(row) == 0:
        return best, found
    counts = np.bincount(row, minlength=len(best))
    offset = n + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    wide = np.full((len(best), n + int(counts.max())), -np.inf, np.float32)
    codes = np.full(wide.shape, -1, np.int64)
    wide[:, :n], codes[:, :n] = best, found
    wide[row, offset], codes[row, offset] = tile[row, column], start + column
    return _best(wide, codes, n)


def _best(scores: np.ndarray, codes: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n best columns of each row, best first, padded with -inf and -1 where there are fewer."""
    width = scores.shape[1]
    if width > n:
        # sorted, so that equal scores keep the order of their columns
        kept = np.sort(np.argpartition(scores, width - n, axis=1)[:, width - n :], axis=1)
        scores, codes = np.take_along_axis(scores, kept, 1), np.take_along_axis(codes, kept, 1)
    ranked = np.argsort(-scores, axis=1, kind="stable")
    scores, codes = np.take_along_axis(scores, ranked, 1), np.take_along_axis(codes, ranked, 1)
    missing = ((0, 0), (0, max(0, n - width)))
    scores = np.pad(scores, missing, constant_values=-np.inf)
    return scores, np.where(np.isfinite(scores), np.pad(codes, missing, constant_values=-1), -1)
