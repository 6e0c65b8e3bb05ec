"""Rivals of the lists for customers: best sellers, item-kNN and ALS by themselves, what a customer bought most often or last.

As in models/rivals.py each learns from all of `held_out.train` and answers with eligible products only.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from models import als, item_knn
from models.rivals import counted_products, ranked_answers
from models.tasks import HeldOut

# of a small grid the point at which ALS by itself hit most often on Online Retail
FACTORS, REGULARIZATION, ALPHA = 64, 5.0, 0.5
NEIGHBOURS = 20


def best_sellers_not_bought(held_out: HeldOut, k: int) -> pl.DataFrame:
    """The k products of most orders (of most visits, where nothing was ordered) among those that the customer has not bought."""
    train = held_out.train
    ranked = counted_products(train)
    bought = train.baskets.select("customer_id", "product_id").unique()
    lacking, width, found = held_out.queries.select("query_id", "anchor_id"), 4 * k, []
    while lacking.height:
        listed = lacking.join(ranked.head(width), how="cross").join(
            bought, left_on=["anchor_id", "product_id"], right_on=["customer_id", "product_id"], how="anti"
        )
        # who has bought most of the best sellers is looked up further down
        whole = listed.filter((pl.len().over("query_id") >= k) | pl.lit(width >= ranked.height))
        found.append(ranked_answers(whole, "n", k))
        lacking = lacking.join(whole, on="query_id", how="anti") if width < ranked.height else lacking.clear()
        width *= 4
    return pl.concat(found) if found else ranked_answers(lacking.with_columns(product_id="anchor_id", n=0), "n", k)


def item_knn_alone(held_out: HeldOut, k: int) -> pl.DataFrame:
    """The products nearest (cosine, NEIGHBOURS of each) to all that the customer has bought; none that the customer has."""
    queries, products, bought = _bought(held_out)
    own = bought[queries["row"].to_numpy().astype(np.int64)]
    near = item_knn.neighbours(bought, _shown(held_out, products), NEIGHBOURS)
    nearest = own @ near
    # what the customer has is pushed below everything else
    left = (nearest - own * (nearest.max() + 1 if nearest.nnz else 1)).tocoo()
    new = left.data > 0
    return _answers(queries, products, left.row[new], left.col[new], left.data[new], k)


def als_alone(held_out: HeldOut, k: int) -> pl.DataFrame:
    """ALS with FACTORS factors over who has bought what, each pair once; none that the customer has."""
    queries, products, bought = _bought(held_out)
    fitted = als.fit(bought, FACTORS, REGULARIZATION, ALPHA)
    rows = queries["row"].to_numpy().astype(np.int64)
    catalogue = als.by_norm(fitted.products, _shown(held_out, products))
    ids, scores = als.recommend_all(fitted.customers[rows], catalogue, k, bought[rows])
    row, place = np.nonzero(ids >= 0)
    return _answers(queries, products, row, ids[row, place], scores[row, place], k)


def most_often_bought(held_out: HeldOut, k: int) -> pl.DataFrame:
    """What the customer has bought in most orders, of equal ones the last bought."""
    return _own(held_out, k, ["n", "last_at"])


def last_bought(held_out: HeldOut, k: int) -> pl.DataFrame:
    """What the customer has bought last, of equal ones what was in more orders."""
    return _own(held_out, k, ["last_at", "n"])


def _own(held_out: HeldOut, k: int, by: list[str]) -> pl.DataFrame:
    train = held_out.train
    own = train.baskets.join(train.eligible().select("product_id"), on="product_id", how="semi").drop_nulls("customer_id")
    counted = own.group_by("customer_id", "product_id").agg(pl.len().alias("n"), pl.col("ordered_at").max().alias("last_at"))
    asked = counted.join(held_out.queries.select("query_id", "anchor_id"), left_on="customer_id", right_on="anchor_id")
    order = pl.struct(by).rank("dense").alias("score")
    return ranked_answers(asked.with_columns(order).rename({"customer_id": "anchor_id"}), "score", k)


def _bought(held_out: HeldOut) -> tuple[pl.DataFrame, pl.Series, sparse.csr_matrix]:
    """Queries with the `row` of their customer, product ids, and customers x products, 1 where the customer has bought it."""
    pairs = held_out.train.baskets.drop_nulls("customer_id").select("customer_id", "product_id").unique()
    customers = pairs.select("customer_id").unique().sort("customer_id").with_row_index("row")
    products = pairs.select("product_id").unique().sort("product_id").with_row_index("column")
    cells = pairs.join(customers, on="customer_id").join(products, on="product_id").sort("row", "column")
    coded = (cells["row"].to_numpy().astype(np.int64), cells["column"].to_numpy().astype(np.int64))
    matrix = sparse.csr_matrix((np.ones(cells.height, np.float32), coded), (customers.height, products.height))
    queries = held_out.queries.join(customers, left_on="anchor_id", right_on="customer_id").sort("query_id")
    return queries, products["product_id"], matrix


def _shown(held_out: HeldOut, products: pl.Series) -> np.ndarray:
    return products.is_in(held_out.train.eligible()["product_id"].implode()).to_numpy()


def _answers(
    queries: pl.DataFrame, products: pl.Series, row: np.ndarray, column: np.ndarray, scores: np.ndarray, k: int
) -> pl.DataFrame:
    at = pl.Series(row.astype(np.int64))
    scored = pl.DataFrame(
        {
            "query_id": queries["query_id"].gather(at),
            "anchor_id": queries["anchor_id"].gather(at),
            "product_id": products.gather(pl.Series(column.astype(np.int64))),
            "score": np.round(scores.astype(np.float64), 6),
        }
    )
    return ranked_answers(scored, "score", k)
