"""Candidates: which products a customer might like, and what each component says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from models import als, content, item_knn
from models.als import VISIT_WEIGHT, WINDOW_DAYS, Factors, Interactions
from models.blending import padded, standardised
from models.features import Features

PARTS = ("als", "orders", "visits", "content", "popularity", "trend")
CUSTOMERS = 256
BY_FACTORS, BY_NEIGHBOURS, BEST_SELLERS = 200, 50, 50
RECENT_HALF_LIFE_DAYS = 7.0
COUNTED_DAYS = 30
# a rise is lifted by its square root when candidates are drawn
LIFT = 0.5
LEAST_INTEREST = 1e-3


@dataclass(frozen=True)
class Model:
    """Everything learnt of one company. Arrays and matrices are in the order of `known`'s customers and products.

    allowed: which products may be recommended. popularity: ln(1 + recent orders), each halving in RECENT_HALF_LIFE_DAYS. trend:
    ln of recent orders over what the product's share of all orders lets expect, both + 1. n_buyers: customers with an event of
    it. n_recent: orders (visits, where nothing was ordered) of the last COUNTED_DAYS days.
    """

    known: Interactions
    allowed: np.ndarray
    factors: Factors
    by_orders: sparse.csr_matrix
    by_visits: sparse.csr_matrix
    by_content: sparse.csr_matrix
    popularity: np.ndarray
    trend: np.ndarray
    n_recent: np.ndarray
    n_buyers: np.ndarray


@dataclass(frozen=True)
class Scored:
    """Candidates of some customers, by customer, then product code.

    row: number of the candidate's customer among those asked for. product: its code. parts: each of PARTS, standardised within
    the customer. n_alike: for orders, visits and content, how many of the customer's products the candidate is a neighbour of.
    """

    n_rows: int
    row: np.ndarray
    product: np.ndarray
    parts: dict[str, np.ndarray]
    n_alike: dict[str, np.ndarray]


def fit(features: Features, known: Interactions, chosen: dict[str, Any]) -> Model:
    """Learn every component; `chosen` may hold `factors`, `regularization` and `alpha` of ALS."""
    confidence = known.confidence()
    rules = {name: chosen[name] for name in ("factors", "regularization", "alpha") if name in chosen}
    allowed = known.products.is_in(features.eligible()["product_id"].implode()).to_numpy()
    catalogue = features.products.unique("product_id", keep="first").sort("product_id")
    popularity, trend, n_recent = _demand(features, known.products)
    return Model(
        known=known,
        allowed=allowed,
        factors=als.fit(confidence, **rules),
        by_orders=item_knn.neighbours(known.ordered, allowed),
        by_visits=item_knn.neighbours(_visits(features, known.products), allowed),
        by_content=content.neighbours(catalogue, allowed),
        popularity=popularity,
        trend=trend,
        n_recent=n_recent,
        n_buyers=np.bincount(confidence.indices, minlength=len(known.products)),
    )


def scored(model: Model, rows: np.ndarray, without: sparse.csr_matrix) -> Scored:
    """Candidates of the customers `rows`, none that `without` (customers x products) has an entry for.

    A candidate is among the BY_FACTORS best by ALS and trend, the BY_NEIGHBOURS nearest to the customer's orders, visits or in
    content, or the BEST_SELLERS. Nothing but a tile of CUSTOMERS is meant to be asked for at once.
    """
    n_products, out = len(model.allowed), without[rows]
    ordered, visited = model.known.ordered[rows], model.known.visited[rows]
    history = (ordered + VISIT_WEIGHT * visited).tocsr()
    near = {
        name: item_knn.scores(own, neighbours)
        for name, own, neighbours in (
            ("orders", ordered, model.by_orders),
            ("visits", visited, model.by_visits),
            ("content", history, model.by_content),
        )
    }
    keys = [_by_factors(model, rows, without), _best_sellers(model, len(rows))]
    keys += [_nearest(weighed, out) for weighed, _ in near.values()]
    key = np.unique(np.concatenate(keys))
    row, product = np.divmod(key[~np.isin(key, _keys(out))], n_products)
    interest = np.einsum("ij,ij->i", model.factors.customers[rows[row]], model.factors.products[product])
    raw = {
        "als": np.log(np.maximum(interest, LEAST_INTEREST)),
        **{name: _as_share(_values(weighed, row, product), row, len(rows)) for name, (weighed, _) in near.items()},
        "popularity": model.popularity[product],
        "trend": model.trend[product],
    }
    parts = {name: standardised(values, row, len(rows)) for name, values in raw.items()}
    n_alike = {name: _values(counts, row, product).astype(np.int64) for name, (_, counts) in near.items()}
    return Scored(len(rows), row, product, parts, n_alike)


def coded(pairs: pl.DataFrame, known: Interactions) -> sparse.csr_matrix:
    """Customers x products: 1 for every pair of `pairs` (customer_id, product_id) that is known."""
    customers = known.customers.to_frame("customer_id").with_row_index("row")
    products = known.products.to_frame("product_id").with_row_index("column")
    both = pairs.select("customer_id", "product_id").join(customers, on="customer_id").join(products, on="product_id")
    cells = both.select("row", "column").unique().sort("row", "column")
    shape = (len(known.customers), len(known.products))
    ones = np.ones(cells.height, np.float32)
    return sparse.csr_matrix((ones, (cells["row"].to_numpy().astype(int), cells["column"].to_numpy().astype(int))), shape)


def _demand(features: Features, products: pl.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    baskets, views = features.recent_baskets(WINDOW_DAYS), features.recent_views(WINDOW_DAYS)
    visits = views.group_by("session_id", "product_id").agg(pl.col("age_days").min())
    events = (visits if baskets.is_empty() else baskets).select("product_id", "age_days")
    columns = products.to_frame("product_id").with_row_index("column")
    coded = events.join(columns, on="product_id").sort("column", "age_days")
    column, age = coded["column"].to_numpy().astype(np.int64), coded["age_days"].to_numpy()
    recent = np.bincount(column, np.exp2(-age / RECENT_HALF_LIFE_DAYS), len(products))
    every = np.bincount(column, minlength=len(products))
    expected = every * (recent.sum() / max(1, every.sum()))
    n_recent = np.bincount(column[age < COUNTED_DAYS], minlength=len(products))
    return np.log1p(recent), np.log((recent + 1) / (expected + 1)), n_recent


def _visits(features: Features, products: pl.Series) -> sparse.csr_matrix:
    """Sessions x products, everybody's: who is unknown shows as well what is viewed together."""
    columns = products.to_frame("product_id").with_row_index("column")
    views = features.recent_views(WINDOW_DAYS).select("session_id", "product_id").join(columns, on="product_id")
    cells = views.select(pl.col("session_id").rank("dense").alias("row") - 1, "column").unique().sort("row", "column")
    row, column = cells["row"].to_numpy().astype(np.int64), cells["column"].to_numpy().astype(np.int64)
    n_rows = int(row.max()) + 1 if len(row) else 0
    return sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), (n_rows, len(products)))


def _by_factors(model: Model, rows: np.ndarray, without: sparse.csr_matrix) -> np.ndarray:
    allowed = np.flatnonzero(model.allowed)
    lifted = model.factors.products[allowed] * np.exp(LIFT * model.trend[allowed]).astype(np.float32)[:, None]
    factors = Factors(model.factors.customers[rows], lifted)
    ids, _ = als.recommend_all(factors, min(BY_FACTORS, len(allowed)), without=without[rows][:, allowed])
    row, place = np.nonzero(ids >= 0)
    return row * len(model.allowed) + allowed[ids[row, place]]


def _best_sellers(model: Model, n_rows: int) -> np.ndarray:
    codes = np.flatnonzero(model.allowed)
    best = codes[np.lexsort((codes, -model.popularity[codes]))][:BEST_SELLERS]
    return (np.arange(n_rows)[:, None] * len(model.allowed) + best).ravel()


def _nearest(weighed: sparse.csr_matrix, out: sparse.csr_matrix) -> np.ndarray:
    key = _keys(weighed)
    left = ~np.isin(key, _keys(out))
    row = key[left] // max(1, weighed.shape[1])
    _, at = padded(weighed.data[left], row, weighed.shape[0], BY_NEIGHBOURS)
    return key[left][at[at >= 0]]


def _keys(matrix: sparse.csr_matrix) -> np.ndarray:
    """row * columns + column of every entry, in the order of the entries."""
    row = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    return row * matrix.shape[1] + matrix.indices


def _values(matrix: sparse.csr_matrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Values of cells, 0 where there is no entry; the indices of `matrix` are sorted."""
    keys = np.append(_keys(matrix), np.iinfo(np.int64).max)
    wanted = row * matrix.shape[1] + column
    at = np.searchsorted(keys, wanted)
    return np.where(keys[at] == wanted, np.append(matrix.data, 0)[at], 0)


def _as_share(values: np.ndarray, row: np.ndarray, n_rows: int) -> np.ndarray:
    """ln(1 + 20 times the share of the customer's highest), so that one near product does not dwarf the others."""
    highest = np.zeros(n_rows, values.dtype)
    np.maximum.at(highest, row, values)
    return np.log1p(20 * values / np.where(highest > 0, highest, 1)[row])
