"""Shops made up for tests of the lists for customers: orders and visits with the customers' names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from models.features import Features
from tests.models.invented import BASKET, END, VIEW, features, random_features

Event = tuple[str, str, float]


def shop_of(
    orders: Iterable[Event] = (),
    visits: Iterable[Event] = (),
    catalogue: Mapping[str, Mapping[str, Any]] | None = None,
    **config: dict[str, Any],
) -> Features:
    """Each order and each visit as (customer, letters of its products, age in days)."""
    bought = [
        (f"order-{number:03}", customer, letter, 1, END - timedelta(days=age))
        for number, (customer, letters, age) in enumerate(orders)
        for letter in letters
    ]
    viewed = [
        (f"session-{number:03}", customer, letter, "DIRECT", END - timedelta(days=age) + timedelta(minutes=at))
        for number, (customer, letters, age) in enumerate(visits)
        for at, letter in enumerate(letters)
    ]
    occurring = {row[2]: {} for row in (*bought, *viewed)}
    shop = features(catalogue={**occurring, **(catalogue or {})}, **config)
    baskets = pl.DataFrame(bought, schema=BASKET, orient="row")
    return replace(shop, baskets=baskets, views=pl.DataFrame(viewed, schema=VIEW, orient="row"))


def random_shop(seed: int) -> Features:
    """A random shop whose orders and sessions belong to five customers, and some to nobody known."""
    rng, shop = np.random.default_rng(seed), random_features(seed)

    def named(events: pl.DataFrame, by: str) -> pl.DataFrame:
        units = events.select(by).unique().sort(by)
        names = [None if rng.random() < 0.2 else f"customer-{rng.integers(0, 5)}" for _ in range(units.height)]
        whose = units.with_columns(pl.Series("customer_id", names, dtype=pl.String))
        return events.drop("customer_id").join(whose, on=by).select(events.columns)

    likes = {"diversityFactor": float(rng.choice([0, 0.5, 1])), "excludePurchased": bool(rng.random() < 0.7)}
    parts = {**shop.config.parts, "youMightLike": {**shop.config.you_might_like, **likes}}
    config = replace(shop.config, parts=parts)
    return replace(shop, baskets=named(shop.baskets, "order_id"), views=named(shop.views, "session_id"), config=config)


def seasons(n_customers: int = 120, seed: int = 7) -> Features:
    """A shop with two tastes: a customer buys of twelve products of one taste, again and again over 100 days."""
    rng = np.random.default_rng(seed)
    tastes = ("abcdefghijkl", "mnopqrstuvwx")
    orders = []
    for number in range(n_customers):
        for age in rng.uniform(0, 100, 4):
            letters = "".join(rng.choice(list(tastes[number % 2]), 2, replace=False))
            orders.append((f"customer-{number:03}", letters, float(age)))
    return shop_of(orders)
