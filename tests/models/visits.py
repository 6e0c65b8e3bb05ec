"""Views made up for tests: visits whose products are letters, a minute apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from models.configuration import merge
from models.features import Features
from tests.models.invented import BASKET, END, VIEW, features, random_features


@dataclass(frozen=True)
class Visit:
    """A visit of `products` (letters in the order of viewing) that begins `age_days` before END; `bought` are the letters that its
    customer orders `hours` after its begin, `recommended` those reached by our own lists; `minutes` between two views."""

    products: str
    customer: str | None = None
    bought: str = ""
    hours: float = 1.0
    recommended: str = ""
    minutes: float = 1.0
    age_days: float = 2.0


def shop(
    visits: Iterable[Visit | str], catalogue: Mapping[str, Mapping[str, Any]] | None = None, **config: dict[str, Any]
) -> Features:
    """Features of these visits and of the orders that follow them, with a co-view counted from the first on."""
    views: list[tuple[str, str | None, str, str, datetime]] = []
    orders: list[tuple[str, str | None, str, int, datetime]] = []
    for number, given in enumerate(visits):
        visit = Visit(given) if isinstance(given, str) else given
        began_at = END - timedelta(days=visit.age_days)
        for place, letter in enumerate(visit.products):
            source = "RECOMMENDATION" if letter in visit.recommended else "DIRECT"
            views.append((f"s{number:04}", visit.customer, letter, source, began_at + timedelta(minutes=place * visit.minutes)))
        ordered_at = began_at + timedelta(hours=visit.hours)
        orders += [(f"o{number:04}", visit.customer, letter, 1, ordered_at) for letter in visit.bought]
    occurring: dict[str, Mapping[str, Any]] = {letter: {} for row in (*views, *orders) for letter in row[2]}
    made = features(catalogue={**occurring, **(catalogue or {})})
    return replace(
        made,
        config=merge({"frequentlyViewed": {"minSessionCoViews": 1}, **config}),
        views=pl.DataFrame(views, schema=VIEW, orient="row"),
        baskets=pl.DataFrame(orders, schema=BASKET, orient="row"),
    )


def random_visits(seed: int) -> Features:
    """A shop drawn at random, with visits of known and unknown customers that buy or do not, some with all views at one instant."""
    rng = np.random.default_rng(seed)
    made = random_features(seed)
    letters = made.products["product_id"].to_list()
    if not letters:
        return made
    visits = [
        Visit(
            products="".join(rng.choice(letters, rng.integers(1, 8))),
            customer=str(rng.choice(["c1", "c2", "c3"])) if rng.random() < 0.5 else None,
            bought="".join({*rng.choice(letters, rng.integers(0, 3))}),
            hours=float(rng.choice([1, 23, 25])),
            recommended=str(rng.choice(letters)),
            minutes=float(rng.choice([0, 1, 20, 40])),
            age_days=float(rng.choice([1, 5, 59, 90])),
        )
        for _ in range(int(rng.integers(0, 40)))
    ]
    seen = shop(visits)
    parts = {**made.config.parts, "frequentlyViewed": {**made.config.parts["frequentlyViewed"], "minSessionCoViews": 2}}
    return replace(made, views=seen.views, baskets=seen.baskets, config=replace(made.config, parts=parts))
