"""Candidates: which products a customer might like, and what each component says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from models import als, content, item_knn
from models.als import VISIT_WEIGHT, WINDOW_DAYS, ByNorm, Factors, Interactions
from models.blending import largest, standardised
from models.demand import Demand, demand
from models.features import Features

PARTS = ("als", "orders", "visits", "content", "popularity", "trend")
CUSTOMERS = 256
BY_FACTORS, BY_NEIGHBOURS, BEST_SELLERS = 200, 50, 50
# a rise is lifted by its square root when candidates are drawn
LIFT = 0.5
LEAST_INTEREST = 1e-3
LEFT_OUT = -1


@dataclass(frozen=True)
class Model:
    """Everything learnt of one company. Arrays and matrices are in the order of `known`'s customers and products.

    allowed: which products may be recommended. drawn: factors of those, lifted by trend. by_orders, by_visits, by_content:
    neighbours (products x products). best_sellers: codes of the BEST_SELLERS. n_choosers: customers with an event of the product.
    """

    known: Interactions
    allowed: np.ndarray
    factors: Factors
    drawn: ByNorm
    by_orders: sparse.csr_matrix
    by_visits: sparse.csr_matrix
    by_content: sparse.csr_matrix
    demand: Demand
    best_sellers: np.ndarray
    n_choosers: np.ndarray


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
    rules = {name: chosen[name] for name in ("factors", "regularization", "alpha") if name in chosen}
    return with_factors(features, known, als.fit(known.confidence(), **rules))


def with_factors(features: Features, known: Interactions, factors: Factors) -> Model:
    """Learn every component but the factors, which are there."""
    allowed = known.products.is_in(features.eligible()["product_id"].implode()).to_numpy()
    catalogue = features.products.unique("product_id", keep="first").sort("product_id")
    demanded = demand(features, known.products)
    lifted = factors.products * np.exp(LIFT * demanded.trend).astype(np.float32)[:, None]
    return Model(
        known=known,
        allowed=allowed,
        factors=factors,
        drawn=als.by_norm(lifted, allowed),
        by_orders=item_knn.neighbours(known.ordered, allowed),
        by_visits=item_knn.neighbours(_visits(features, known.products), allowed),
        by_content=content.neighbours(catalogue, allowed),
        demand=demanded,
        best_sellers=_best_sellers(demanded.popularity, allowed),
        n_choosers=np.bincount((known.ordered + known.visited).indices, minlength=len(known.products)),
    )


def tiles(model: Model, rows: np.ndarray, without: sparse.csr_matrix) -> Iterator[Scored]:
    """Candidates of the customers `rows`, CUSTOMERS at a time; none that `without` (customers x products) has an entry for.

    A candidate is among the BY_FACTORS best by ALS and trend, the BY_NEIGHBOURS nearest by orders, visits or content, or the
    BEST_SELLERS.
    """
    # to look a cell up in one place per cell takes a tenth of a search among sorted keys; made once, since it is large
    place = np.zeros(min(CUSTOMERS, len(rows)) * len(model.allowed), np.int32)
    for start in range(0, len(rows), CUSTOMERS):
        tile = rows[start : start + CUSTOMERS]
        yield _scored(model, tile, without[tile], place)


def _scored(model: Model, rows: np.ndarray, out: sparse.csr_matrix, place: np.ndarray) -> Scored:
    near = _near(model, rows)
    place[_keys(out)] = LEFT_OUT
    sold = np.arange(len(rows))[:, None] * len(model.allowed) + model.best_sellers
    keys = [_by_factors(model, rows, out), sold.ravel(), *(_nearest(weighed, place) for weighed, _ in near.values())]
    key = np.sort(np.concatenate(keys))
    key = key[(np.diff(key, prepend=-1) > 0) & (place[key] != LEFT_OUT)]
    place[key] = np.arange(1, len(key) + 1)
    found = {name: _values(weighed, counts, place, len(key)) for name, (weighed, counts) in near.items()}
    place[key] = place[_keys(out)] = 0
    row, product = np.divmod(key, len(model.allowed))
    interest = np.einsum("ij,ij->i", model.factors.customers[rows[row]], model.factors.products[product])
    raw = {
        "als": np.log(np.maximum(interest, LEAST_INTEREST)),
        **{name: _as_share(values, row, len(rows)) for name, (values, _) in found.items()},
        "popularity": model.demand.popularity[product],
        "trend": model.demand.trend[product],
    }
    parts = {name: standardised(values, row, len(rows)) for name, values in raw.items()}
    n_alike = {name: counts for name, (_, counts) in found.items()}
    return Scored(len(rows), row, product, parts, n_alike)


def _near(model: Model, rows: np.ndarray) -> dict[str, tuple[sparse.csr_matrix, sparse.csr_matrix]]:
    """item_knn.scores of each kind of neighbours."""
    ordered, visited = model.known.ordered[rows], model.known.visited[rows]
    history = (ordered + VISIT_WEIGHT * visited).tocsr()
    return {
        "orders": item_knn.scores(ordered, model.by_orders),
        "visits": item_knn.scores(visited, model.by_visits),
        "content": item_knn.scores(history, model.by_content),
    }


def coded(pairs: pl.DataFrame, known: Interactions) -> sparse.csr_matrix:
    """Customers x products: 1 for every pair of `pairs` (customer_id, product_id) that is known."""
    customers = known.customers.to_frame("customer_id").with_row_index("row")
    products = known.products.to_frame("product_id").with_row_index("column")
    both = pairs.select("customer_id", "product_id").join(customers, on="customer_id").join(products, on="product_id")
    cells = both.select("row", "column").unique().sort("row", "column")
    shape = (len(known.customers), len(known.products))
    ones = np.ones(cells.height, np.float32)
    return sparse.csr_matrix((ones, (cells["row"].to_numpy().astype(int), cells["column"].to_numpy().astype(int))), shape)


def _visits(features: Features, products: pl.Series) -> sparse.csr_matrix:
    """Sessions x products, everybody's: who is unknown shows as well what is viewed together."""
    columns = products.to_frame("product_id").with_row_index("column")
    views = features.recent_views(WINDOW_DAYS).select("session_id", "product_id").join(columns, on="product_id")
    cells = views.select(pl.col("session_id").rank("dense").alias("row") - 1, "column").unique().sort("row", "column")
    row, column = cells["row"].to_numpy().astype(np.int64), cells["column"].to_numpy().astype(np.int64)
    n_rows = int(row.max()) + 1 if len(row) else 0
    return sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), (n_rows, len(products)))


def _by_factors(model: Model, rows: np.ndarray, out: sparse.csr_matrix) -> np.ndarray:
    ids, _ = als.recommend_all(model.factors.customers[rows], model.drawn, BY_FACTORS, out)
    row, place = np.nonzero(ids >= 0)
    keys: np.ndarray = row * len(model.allowed) + ids[row, place]
    return keys


def _best_sellers(popularity: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    codes = np.flatnonzero(allowed)
    best: np.ndarray = codes[np.lexsort((codes, -popularity[codes]))][:BEST_SELLERS]
    return best


def _nearest(weighed: sparse.csr_matrix, place: np.ndarray) -> np.ndarray:
    key = _keys(weighed)
    left = place[key] != LEFT_OUT
    key, row = key[left], np.repeat(np.arange(weighed.shape[0]), np.diff(weighed.indptr))[left]
    nearest: np.ndarray = key[largest(weighed.data[left], row, weighed.shape[0], BY_NEIGHBOURS)]
    return nearest


def _keys(matrix: sparse.csr_matrix) -> np.ndarray:
    """row * columns + column of every entry, in the order of the entries."""
    row = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    keys: np.ndarray = row * matrix.shape[1] + matrix.indices
    return keys


def _values(weighed: sparse.csr_matrix, counts: sparse.csr_matrix, place: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What both matrices of item_knn.scores hold for the `n` candidates, 0 where there is no entry; `place` is 1 to n."""
    at = place[_keys(weighed)]
    kept = at > 0
    values, n_alike = np.zeros(n, weighed.dtype), np.zeros(n, np.int64)
    values[at[kept] - 1], n_alike[at[kept] - 1] = weighed.data[kept], counts.data[kept]
    return values, n_alike


def _as_share(values: np.ndarray, row: np.ndarray, n_rows: int) -> np.ndarray:
    """ln(1 + 20 times the share of the customer's highest), so that one near product does not dwarf the others."""
    highest = np.zeros(n_rows, values.dtype)
    np.maximum.at(highest, row, values)
    shares: np.ndarray = np.log1p(20 * values / np.where(highest > 0, highest, 1)[row])
    return shares
