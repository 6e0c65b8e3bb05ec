"""The whole `train` of a large shop beside the sum of its bare library calls: wall and CPU seconds, share per kind, peak memory.

python -m bench.training [--customers N] [--products N] [--interactions N] [--json]

The bare calls are what one writes in a notebook: implicit's cosine neighbours of orders and of visits, implicit's ALS and its
batch recommend for every customer, scikit-learn's TF-IDF with sparse_dot_topn over the catalogue. They have no evidence, no
weights by time, no eligibility, no fill, no diversity, no payload. Each side runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
from scipy import sparse

from bench.measure import cost, show
from flows import train as training
from flows.object_store import FileStore
from models.configuration import merge
from models.evaluation import Evaluation
from models.features import Features
from models.recommenders import RECOMMENDERS, Recommender
from models.snapshot import Snapshot, instant

END = datetime(2026, 6, 30, tzinfo=UTC)
VIEWS_SHARE = 0.2
ORDER_SIZE = 5
VISIT_SIZE = 4
LISTED = 20


def main() -> None:
    """Measure both sides, each in its own process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=300_000)
    arguments.add_argument("--products", type=int, default=100_000)
    arguments.add_argument("--interactions", type=int, default=10_000_000)
    arguments.add_argument("--side", choices=["ours", "bare"])
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    if given.side:
        shop = made_up(given.customers, given.products, given.interactions)
        print(json.dumps({"ours": ours, "bare": bare}[given.side](shop)))
        return
    sizes = [f"--{name}={getattr(given, name)}" for name in ("customers", "products", "interactions")]
    rows = {side: _measured(side, sizes) for side in ("ours", "bare")}
    whole = {side: next(row for row in rows[side] if row["step"] == "all of it") for side in rows}
    for side, steps in rows.items():
        for row in steps:
            row["share"] = row["CPU s"] / whole[side]["CPU s"]
            row["of bare"] = row["CPU s"] / whole["bare"]["CPU s"]
    title = f"train of {given.customers:,} customers x {given.products:,} products x {given.interactions:,} interactions"
    show(title, [{"side": side, **row} for side, steps in rows.items() for row in steps])


def ours(shop: Features) -> list[dict[str, Any]]:
    """`train` as the night calls it, and within it every kind of the registry; the rest is checks, bundles and files."""
    rows: list[dict[str, Any]] = []

    def timed(recommender: Recommender) -> Recommender:
        def recommend(features: Features) -> pl.DataFrame:
            made: list[pl.DataFrame] = []
            rows.append(_step(recommender.kind, lambda: made.append(recommender.recommend(features))))
            return made[0]

        return replace(recommender, recommend=recommend)

    snapshot = Snapshot(shop.company, instant(END), "EUR", {}, "products")
    kinds = patch.object(training, "RECOMMENDERS", tuple(timed(row) for row in RECOMMENDERS))
    with kinds, tempfile.TemporaryDirectory() as folder:
        store = FileStore(Path(folder))
        whole = _step("all of it", lambda: training.train(store, snapshot, shop, Evaluation(), 0, lambda *_: None))
    rest = {unit: whole[unit] - sum(row[unit] for row in rows) for unit in ("wall s", "CPU s")}
    return [*rows, {"step": "the rest", **rest, "peak MB": whole["peak MB"]}, whole]


def bare(shop: Features) -> list[dict[str, Any]]:
    """The library calls by themselves, on matrices that are ready."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sparse_dot_topn import sp_matmul_topn
    from threadpoolctl import threadpool_limits

    orders = _matrix(shop.baskets, "order_id")
    visits = _matrix(shop.views, "session_id")
    customers = _matrix(
        pl.concat([shop.baskets.select("customer_id", "product_id"), shop.views.select("customer_id", "product_id")])
    )
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(factors=64, iterations=12, use_gpu=False, random_state=0, num_threads=2)

    def recommend() -> None:
        for start in range(0, customers.shape[0], 10_000):
            rows = np.arange(start, min(start + 10_000, customers.shape[0]))
            model.recommend(rows, customers[rows], N=LISTED, filter_already_liked_items=True)

    def similar() -> None:
        vectors = TfidfVectorizer(dtype=np.float32).fit_transform(shop.products["name"].to_list())
        sp_matmul_topn(vectors, vectors.T.tocsr(), top_n=LISTED, sort=True, n_threads=2)

    with threadpool_limits(1, "blas"):
        rows = [
            _step("cosine of orders", lambda: CosineRecommender(K=LISTED, num_threads=2).fit(orders, show_progress=False)),
            _step("cosine of visits", lambda: CosineRecommender(K=LISTED, num_threads=2).fit(visits, show_progress=False)),
            _step("ALS", lambda: model.fit(customers, show_progress=False)),
            _step("recommend for all", recommend),
            _step("TF-IDF neighbours", similar),
        ]
    summed = {name: sum(row[name] for row in rows) for name in ("wall s", "CPU s")}
    return [*rows, {"step": "all of it", **summed, "peak MB": max(row["peak MB"] for row in rows)}]


def made_up(n_customers: int, n_products: int, n_interactions: int, seed: int = 1) -> Features:
    """A shop of a year: products by a power law, each order and visit around one of the customer's three departments."""
    rng = np.random.default_rng(seed)
    n_views = int(n_interactions * VIEWS_SHARE)
    baskets = _events(rng, n_interactions - n_views, ORDER_SIZE, n_customers, n_products)
    views = _events(rng, n_views, VISIT_SIZE, n_customers, n_products)
    ids = pl.Series("product_id", [f"p{number:06}" for number in range(n_products)])
    words = rng.integers(0, 2_000, (n_products, 4))
    names = [" ".join(f"word{word}" for word in row) for row in words]
    department = np.arange(n_products) % 100
    products = pl.DataFrame(
        {
            "product_id": ids,
            "name": names,
            "slug": ids,
            "description": pl.Series([None] * n_products, dtype=pl.String),
            "price_cents": rng.integers(100, 10_000, n_products),
            "compare_at_cents": pl.Series([None] * n_products, dtype=pl.Int64),
            "cost_cents": pl.Series([None] * n_products, dtype=pl.Int64),
            "currency": ["EUR"] * n_products,
            "image_url": pl.Series([None] * n_products, dtype=pl.String),
            "status": ["ACTIVE"] * n_products,
            "is_shown": [True] * n_products,
            "in_stock": [True] * n_products,
            "category_id": [f"c{number}" for number in department],
            "category": [f"Department {number}" for number in department],
            "average_rating": pl.Series([None] * n_products, dtype=pl.Float64),
            "n_reviews": pl.Series([0] * n_products, dtype=pl.Int64),
        }
    )
    baskets = baskets.rename({"unit": "order_id", "at": "ordered_at"}).with_columns(pl.lit(1, dtype=pl.Int64).alias("quantity"))
    views = views.rename({"unit": "session_id", "at": "viewed_at"}).with_columns(pl.lit("DIRECT").alias("source"))
    return Features(
        "bench",
        END,
        baskets.select("order_id", "customer_id", "product_id", "quantity", "ordered_at"),
        views.select("session_id", "customer_id", "product_id", "source", "viewed_at"),
        products,
        merge({}),
    )


def _events(rng: np.random.Generator, n: int, size: int, n_customers: int, n_products: int) -> pl.DataFrame:
    unit = np.arange(n) // size
    n_units = int(unit[-1]) + 1
    customer = rng.integers(0, n_customers, n_units)
    # department d holds the products d, d + 100, ...; within it the first ones sell most
    department = (customer * 7 + rng.integers(0, 3, n_units) * 31) % 100
    place = np.floor((n_products / 100) * rng.random(n) ** 3).astype(np.int64)
    product = np.minimum(department[unit] + 100 * place, n_products - 1)
    at = np.datetime64(END.replace(tzinfo=None), "us") - (rng.random(n_units) * 365 * 86_400e6).astype("timedelta64[us]")
    coded = pl.DataFrame({"unit": unit, "customer": customer[unit], "product": product, "at": at[unit]})
    return coded.unique(["unit", "product"], maintain_order=True).select(
        pl.format("u{}", "unit").alias("unit"),
        pl.format("customer-{}", "customer").alias("customer_id"),
        pl.format("p{}", pl.col("product").cast(pl.String).str.zfill(6)).alias("product_id"),
        pl.col("at").dt.replace_time_zone("UTC"),
    )


def _matrix(events: pl.DataFrame, unit: str = "customer_id") -> sparse.csr_matrix:
    rows, columns = (events[name].rank("dense").to_numpy().astype(np.int64) - 1 for name in (unit, "product_id"))
    # repeats are summed
    return sparse.csr_matrix((np.ones(events.height, np.float32), (rows, columns)))


def _step(name: str, work: Callable[[], Any]) -> dict[str, Any]:
    spent = cost(work)
    return {"step": name, "wall s": spent.wall, "CPU s": spent.cpu, "peak MB": spent.peak_mb}


def _measured(side: str, sizes: list[str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.training", *sizes, "--side", side], stdout=subprocess.PIPE, text=True, check=True
    )
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


if __name__ == "__main__":
    main()
