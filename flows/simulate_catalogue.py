"""The simulated shop's products, and what is planted in them: popularity, pairs, substitutes, decoys, reorder intervals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ZIPF_EXPONENT = 0.8
REPLENISHABLE_SHARE = 0.2
INTERVAL_DAYS = (14.0, 75.0)
PACK_SIZES = (1, 1, 1, 1, 1, 1, 1, 6, 12)
WORDS = ("Amber", "Birch", "Cedar", "Coral", "Dune", "Ember", "Fern", "Flint", "Hazel", "Indigo", "Linen", "Moss", "Olive", "Pearl")
KINDS = ("Kitchen", "Garden", "Bath", "Office", "Pantry", "Toys", "Pets", "Lighting", "Textiles", "Coffee", "Stationery", "Candles")


@dataclass(frozen=True)
class Window:
    """The days that a shop is simulated for; `start` is an instant in UTC without a zone."""

    start: datetime
    days: int

    def at(self, at_ms: Ints) -> pl.Series:
        """Instants, from milliseconds since the start."""
        epoch_ms = (self.start - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
        return pl.Series(at_ms + epoch_ms).cast(pl.Datetime("ms"))


@dataclass(frozen=True)
class Pairs:
    """Planted partners by anchor's position (-1: none) with their conditional probability; decoys as rows of two."""

    companion: Ints
    companion_rate: Floats
    second_companion: Ints
    second_rate: Floats
    substitute: Ints
    substitute_rate: Floats
    decoys: Ints


@dataclass(frozen=True)
class Catalogue:
    """Products by position 0..n-1, with the planted truths as arrays of positions."""

    products: pl.DataFrame
    ordinary: Ints
    ordinary_share: Floats
    replenishable: Ints
    pairs: Pairs

    def draw(self, rng: np.random.Generator, size: int) -> Ints:
        """Positions of ordinary products, by their popularity."""
        edges = np.cumsum(self.ordinary_share)
        found = np.searchsorted(edges, rng.random(size) * edges[-1], side="right")
        drawn: Ints = self.ordinary[np.minimum(found, len(self.ordinary) - 1)]
        return drawn

    def with_companions(self, rng: np.random.Generator, orders: Ints, items: Ints) -> tuple[Ints, Ints]:
        """Order and product positions of order lines, with those that planted pairs add."""
        added = [(orders, items)]
        pairs = self.pairs
        for partner, rate in ((pairs.companion, pairs.companion_rate), (pairs.second_companion, pairs.second_rate)):
            bought = rng.random(len(items)) < rate[items]
            added.append((orders[bought], partner[items[bought]]))
        return np.concatenate([order for order, _ in added]), np.concatenate([item for _, item in added])


def catalogue(n_order_lines: int, rng: np.random.Generator) -> Catalogue:
    """A catalogue whose size grows with the square root of the number of order lines."""
    n_products = int(np.clip(3 * np.sqrt(n_order_lines), 40, 15_000))
    order = rng.permutation(n_products).astype(np.int64)
    n_replenishable = int(n_products * REPLENISHABLE_SHARE)
    replenishable, ordinary = order[:n_replenishable], order[n_replenishable:]
    weight: Floats = (np.arange(len(ordinary), dtype=np.float64) + 3) ** -ZIPF_EXPONENT
    share: Floats = weight / weight.sum()
    pairs = _pairs(n_products, ordinary, rng)
    interval = np.full(n_products, np.nan)
    low, high = INTERVAL_DAYS
    interval[replenishable] = np.exp(rng.uniform(np.log(low), np.log(high), n_replenishable)).round(1)
    return Catalogue(
        products=_products(ordinary, share, interval, rng),
        ordinary=ordinary,
        ordinary_share=share,
        replenishable=replenishable,
        pairs=pairs,
    )


def _pairs(n_products: int, ordinary: Ints, rng: np.random.Generator) -> Pairs:
    """Disjoint parts of the popularity order: anchors from the upper part, their companions from the lower one."""
    n_anchors = max(3, len(ordinary) // 12)
    upper, lower = ordinary[: len(ordinary) // 3], ordinary[len(ordinary) // 3 :]
    lower = rng.permutation(lower)
    anchors = rng.permutation(upper)[:n_anchors]
    second = anchors[: n_anchors // 3]
    others = rng.permutation(np.setdiff1d(upper, anchors))
    half, n_decoys = n_anchors // 2, 2 * max(1, n_anchors // 10)
    parts = np.split(lower, np.cumsum([n_anchors, len(second), half]))
    companion, rate = _planted(n_products, anchors, parts[0], rng.uniform(0.3, 0.6, n_anchors))
    second_companion, second_rate = _planted(n_products, second, parts[1], rng.uniform(0.25, 0.4, len(second)))
    substitute, substitute_rate = _planted(n_products, others[:half], parts[2], rng.uniform(0.3, 0.5, half))
    decoys = others[half : half + n_decoys].reshape(-1, 2)
    return Pairs(companion, rate, second_companion, second_rate, substitute, substitute_rate, decoys)


def _planted(n_products: int, anchors: Ints, partners: Ints, rates: Floats) -> tuple[Ints, Floats]:
    partner, rate = np.full(n_products, -1, dtype=np.int64), np.zeros(n_products)
    partner[anchors], rate[anchors] = partners, rates.round(3)
    return partner, rate


def _products(ordinary: Ints, share: Floats, interval: Floats, rng: np.random.Generator) -> pl.DataFrame:
    n_products = len(interval)
    n_categories = int(np.clip(n_products // 25, 4, len(KINDS) * 10))
    category = rng.integers(0, n_categories, n_products)
    price_cents = (np.exp(rng.normal(2.6, 0.7, n_products)) * 100).astype(np.int64) // 50 * 50 + 99
    cost_cents = (price_cents * rng.uniform(0.35, 0.7, n_products)).astype(np.int64)
    popularity = np.zeros(n_products)
    popularity[ordinary] = share
    names = [f"{KINDS[i % len(KINDS)]}{f' {i // len(KINDS) + 1}' if i >= len(KINDS) else ''}" for i in range(n_categories)]
    words = pl.Series(WORDS).gather(rng.integers(0, len(WORDS), n_products))
    frame = pl.DataFrame({
        "product_id": labels("P", n_products), "word": words, "category": pl.Series(names).gather(category),
        "price_cents": price_cents, "cost_cents": cost_cents, "popularity": popularity,
        "interval_days": pl.Series(interval).fill_nan(None), "pack_size": rng.choice(PACK_SIZES, n_products),
    })  # fmt: skip
    return frame.with_columns(title=pl.format("{} {} {}", "word", "category", pl.col("product_id").str.slice(1))).drop("word")


def labels(letter: str, n: int) -> pl.Series:
    """Ids of one letter and a number of equal width, for positions 0..n-1."""
    return pl.select(pl.lit(letter) + pl.int_range(1, n + 1).cast(pl.String).str.zfill(max(5, len(str(n))))).to_series()
