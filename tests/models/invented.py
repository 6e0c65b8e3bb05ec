"""Features made up for tests: shops whose products are letters and whose baskets are strings of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from hypothesis import HealthCheck, settings

from models.configuration import merge
from models.features import Features

END = datetime(2026, 5, 1, 12, tzinfo=UTC)
# the same examples in every run, and none fails for a busy machine
QUICK = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

PRODUCT = {
    "product_id": pl.String,
    "name": pl.String,
    "slug": pl.String,
    "description": pl.String,
    "price_cents": pl.Int64,
    "compare_at_cents": pl.Int64,
    "cost_cents": pl.Int64,
    "currency": pl.String,
    "image_url": pl.String,
    "status": pl.String,
    "is_shown": pl.Boolean,
    "in_stock": pl.Boolean,
    "category_id": pl.String,
    "category": pl.String,
    "average_rating": pl.Float64,
    "n_reviews": pl.Int64,
}
INSTANT = pl.Datetime("us", "UTC")
BASKET = {
    "order_id": pl.String,
    "customer_id": pl.String,
    "product_id": pl.String,
    "quantity": pl.Int64,
    "ordered_at": INSTANT,
}
VIEW = {
    "session_id": pl.String,
    "customer_id": pl.String,
    "product_id": pl.String,
    "source": pl.String,
    "viewed_at": INSTANT,
}


def products(rows: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """A catalogue: id -> columns that differ from a plain product of 10.00 in stock, without a category."""
    plain = {
        "price_cents": 1000,
        "currency": "EUR",
        "status": "ACTIVE",
        "is_shown": True,
        "in_stock": True,
        "n_reviews": 0,
    }
    made = [{"product_id": id, "name": f"Product {id}", "slug": id, **plain, **columns} for id, columns in sorted(rows.items())]
    return pl.DataFrame(made, schema=PRODUCT)


def basket_rows(baskets: Iterable[str | tuple[str, float]]) -> pl.DataFrame:
    """One order per item: its letters, or (letters, age in days)."""
    made = []
    for number, basket in enumerate(baskets):
        letters, age_days = basket if isinstance(basket, tuple) else (basket, 0.0)
        at = END - timedelta(days=age_days)
        made += [(f"order-{number:03}", None, letter, 1, at) for letter in dict.fromkeys(letters)]
    return pl.DataFrame(made, schema=BASKET, orient="row")


def view_rows(views: Iterable[tuple[str, str, float]]) -> pl.DataFrame:
    """Views as (session, product, age in days)."""
    made = [(session, None, product, "DIRECT", END - timedelta(days=age_days)) for session, product, age_days in views]
    return pl.DataFrame(made, schema=VIEW, orient="row")


def features(
    baskets: Iterable[str | tuple[str, float]] = (),
    views: Iterable[tuple[str, str, float]] = (),
    catalogue: Mapping[str, Mapping[str, Any]] | None = None,
    **config: dict[str, Any],
) -> Features:
    """Features whose window ends at END; products that only occur in events are plain ones."""
    bought, seen = basket_rows(baskets), view_rows(views)
    occurring = {id: {} for id in {*bought["product_id"], *seen["product_id"]}}
    return Features("shop", END, bought, seen, products({**occurring, **(catalogue or {})}), merge(config))


def random_features(seed: int) -> Features:
    """A shop drawn at random: small numbers, many ties, and products in every state."""
    rng = np.random.default_rng(seed)
    letters = list("abcdefghijkl"[: rng.integers(0, 13)])
    catalogue = {
        letter: {
            "is_shown": bool(rng.random() < 0.85),
            "in_stock": bool(rng.random() < 0.8),
            "category_id": str(rng.choice(["c1", "c2"])) if rng.random() < 0.8 else None,
            "category": "Named",
            "average_rating": float(rng.integers(1, 6)) if rng.random() < 0.5 else None,
        }
        for letter in letters
    }
    ages = [0.0, 0.5, 1.0, 30.0, 89.9, 90.0, 400.0]
    n_orders = int(rng.integers(0, 25)) if letters else 0
    n_views = int(rng.integers(0, 25)) if letters else 0
    baskets = [("".join(rng.choice(letters, rng.integers(1, 6))), float(rng.choice(ages))) for _ in range(n_orders)]
    views = [(f"s{rng.integers(0, 6)}", str(rng.choice(letters)), float(rng.choice(ages))) for _ in range(n_views)]
    rules = {
        "minCoOccurrences": int(rng.integers(1, 4)),
        "maxResults": int(rng.integers(1, 8)),
        "lookbackDays": int(rng.choice([7, 90, 1000])),
        "excludeCategories": ["c2"] if rng.random() < 0.3 else [],
    }
    everywhere = {"respectInventory": bool(rng.random() < 0.7), "minRatingToShow": int(rng.choice([0, 0, 3]))}
    seen_together = {"minSessionCoViews": int(rng.integers(1, 4)), "bundleDiscountPercent": float(rng.choice([0, 7.5, 50]))}
    taste = {"excludePurchased": bool(rng.random() < 0.5), "diversityFactor": float(rng.random())}
    config = {"alsoBought": rules, "frequentlyViewed": seen_together, "youMightLike": taste, "global": everywhere}
    return with_customers(features(baskets, views, catalogue, **config), rng)


def with_customers(shop: Features, rng: np.random.Generator) -> Features:
    """The shop with a customer, or none, for every order and session."""
    customers = [None, "ann", "bob", "cid"]

    def owned(events: pl.DataFrame, unit: str) -> pl.DataFrame:
        units = events.select(unit).unique().sort(unit)
        owners = units.with_columns(pl.Series("customer_id", rng.choice(customers, units.height).tolist(), dtype=pl.String))
        return events.drop("customer_id").join(owners, on=unit, maintain_order="left").select(events.columns)

    return replace(shop, baskets=owned(shop.baskets, "order_id"), views=owned(shop.views, "session_id"))


def shuffled(shop: Features, seed: int) -> Features:
    """The same shop with its rows in another order."""
    frames = {name: getattr(shop, name).sample(fraction=1.0, shuffle=True, seed=seed) for name in ("baskets", "views", "products")}
    return replace(shop, **frames)
