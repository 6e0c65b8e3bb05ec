"""Features made up for tests of bulk tiers: orders of one product each, with the quantities that a test is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from models.configuration import merge
from models.features import Features
from tests.models import invented

Order = tuple[str, str | None, int]


def shop(orders: Iterable[Order], catalogue: Mapping[str, Mapping[str, Any]] | None = None, age_days: float = 0.0) -> Features:
    """One order per (product, customer or None, quantity); products that are not in the catalogue are plain ones of 10.00."""
    at = invented.END - timedelta(days=age_days)
    rows = [(f"order-{n:05}", customer, product, quantity, at) for n, (product, customer, quantity) in enumerate(orders)]
    baskets = pl.DataFrame(rows, schema=invented.BASKET, orient="row")
    products = invented.products({**{id: {} for id in baskets["product_id"].unique()}, **(catalogue or {})})
    return Features("shop", invented.END, baskets, invented.view_rows([]), products, merge({}))


def guests(product: str, *counts: tuple[int, int]) -> list[Order]:
    """Orders of guests, as (quantity, how many orders)."""
    return [(product, None, quantity) for quantity, n in counts for _ in range(n)]


def random_shop(seed: int) -> Features:
    """Few products in every state, many orders of them, some of customers who take ten times as many."""
    rng = np.random.default_rng(seed)
    products = list("abcde"[: rng.integers(0, 6)])
    factors = {f"customer-{n}": int(rng.choice([1, 1, 1, 10])) for n in range(8)}
    packs = {product: int(rng.choice([1, 6, 12])) for product in products}
    orders: list[Order] = []
    for product in products:
        for _ in range(int(rng.integers(0, 90))):
            customer = str(rng.choice(list(factors))) if rng.random() < 0.6 else None
            units = packs[product] * int(1 + rng.poisson(rng.choice([0.2, 3]))) * factors.get(customer or "", 1)
            orders.append((product, customer, units))
    catalogue = {
        product: {
            "price_cents": [1000, 1, 0, None, 99_999][int(rng.integers(0, 5))],
            "cost_cents": [None, 0, 400, 790, 5000][int(rng.integers(0, 5))],
            "is_shown": bool(rng.random() < 0.9),
        }
        for product in products
    }
    return shop(orders, catalogue)
