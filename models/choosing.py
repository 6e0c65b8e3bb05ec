"""Choosing: the settings of ALS and the weights of the blend that a company's own held-out days speak for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from models import als, candidates, tasks
from models.als import Factors, Interactions
from models.candidates import CUSTOMERS, PARTS, Model, Scored
from models.features import Features
from models.tasks import HeldOut
from models.you_might_like import default_weights, left_out

MIN_QUERIES = 30
MAX_CUSTOMERS = 5_000
MAX_EVENTS = 2_000_000
K = 10
# regularization and alpha belong together: the more an event weighs, the more it takes to hold it (Rendle et al., RecSys 2022)
GRID = ((5.0, 1.0), (20.0, 1.0), (20.0, 3.0))
# half of the usual: enough to tell the points apart and to weigh the parts by
ITERATIONS = 6
STEPS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
ROUNDS = 2
# what a weight must add to recall at K before it is believed
MIN_GAIN = 2e-3
# far below every blend, and still a number that sums
ABSENT = -1e9


@dataclass(frozen=True)
class Held:
    """Query customers (codes, one at least), and what they wanted (1 where they did, query customers x products)."""

    rows: np.ndarray
    wanted: sparse.csr_matrix

    def recall(self, n_hits: np.ndarray) -> float:
        """Mean share of what each wanted, no more than K asked for, that is among the K first."""
        return float(np.mean(n_hits / np.clip(np.diff(self.wanted.indptr), 1, K)))


@dataclass(frozen=True)
class Candidates:
    """What is known of the candidates of the queries that have a wanted one among them; the others find nothing anyhow.

    values: parts of PARTS and ABSENT x queries x places, float32; places that hold no candidate have ABSENT alone. hit: queries x
    places, whether it was wanted. n_wanted: per query, no more than K. n_queries: all of them, with those left out.
    """

    values: np.ndarray
    hit: np.ndarray
    n_wanted: np.ndarray
    n_queries: int

    def recall(self, weights: Mapping[str, float]) -> float:
        """Recall at K of the blend by `weights`; equal candidates of whom only some can be among the K count by their chance."""
        n, width = self.hit.shape
        row = np.array([*(weights.get(part, 0.0) for part in PARTS), 1.0], np.float32)
        blend = (row @ self.values.reshape(len(row), -1)).reshape(n, width)
        k = min(K, width)
        least = np.partition(blend, width - k, axis=1)[:, [width - k]]
        above, equal = blend > least, blend == least
        chance = (k - above.sum(axis=1)) / equal.sum(axis=1)
        n_hits = (above & self.hit).sum(axis=1) + chance * (equal & self.hit).sum(axis=1)
        return float((n_hits / self.n_wanted).sum() / self.n_queries)


def choose(features: Features, split_at: datetime) -> dict[str, Any]:
    """Settings of you-might-like by recall at K on what customers bought from `split_at` on for the first time.

    Of at most MAX_CUSTOMERS customers, from the last MAX_EVENTS order lines and views before `split_at`: `regularization` and
    `alpha` of ALS jointly from GRID, then the blend's `weights` by coordinate search. `n_queries`, `recall` and
    `recall_of_defaults` say what that rests on.
    {} where fewer than MIN_QUERIES customers bought anything new.
    """
    held_out = tasks.new_products(features, split_at)
    if held_out.queries.height < MIN_QUERIES:
        return {}
    train = _latest(held_out.train)
    known = als.interactions(train)
    held = _held(held_out, known)
    if len(held.rows) < MIN_QUERIES:
        return {}
    without = left_out(train, known)
    fits = [als.fit(known.confidence(), regularization=point[0], alpha=point[1], iterations=ITERATIONS) for point in GRID]
    recalls = [_recall_of_als(factors, held, without) for factors in fits]
    best = int(np.argmax(recalls))
    settings = {"factors": als.FACTORS, "regularization": GRID[best][0], "alpha": GRID[best][1]}
    found = _candidates(candidates.with_factors(train, known, fits[best]), held, without)
    defaults = default_weights(features.config)
    with als.LIBRARIES.limit(limits=1, user_api="blas"):
        weights = _searched(found, defaults)
    figures = {"recall": round(found.recall(weights), 6), "recall_of_defaults": round(found.recall(defaults), 6)}
    return {**settings, "weights": weights, "n_queries": len(held.rows), **figures}


def _latest(train: Features) -> Features:
    """The last MAX_EVENTS events, and those of the same instant as the first of them."""
    at = pl.concat([train.baskets["ordered_at"], train.views["viewed_at"]]).sort(descending=True)
    if len(at) <= MAX_EVENTS:
        return train
    baskets = train.baskets.filter(pl.col("ordered_at") >= at[MAX_EVENTS - 1])
    return replace(train, baskets=baskets, views=train.views.filter(pl.col("viewed_at") >= at[MAX_EVENTS - 1]))


def _held(held_out: HeldOut, known: Interactions) -> Held:
    asked = held_out.queries.sort("query_id").head(MAX_CUSTOMERS).rename({"anchor_id": "customer_id"})
    wanted = candidates.coded(asked.join(held_out.truth, on="query_id"), known)
    rows = np.flatnonzero(np.diff(wanted.indptr))
    return Held(rows, wanted[rows])


def _recall_of_als(factors: Factors, held: Held, without: sparse.csr_matrix) -> float:
    """Recall at K of ALS by itself, everything that ever happened to be in the catalogue allowed."""
    ids, _ = als.recommend_all(factors.customers[held.rows], als.by_norm(factors.products), K, without[held.rows])
    row, place = np.nonzero(ids >= 0)
    hits = np.asarray(held.wanted[row, ids[row, place]]).ravel()
    return held.recall(np.bincount(row, hits, len(held.rows)))


def _candidates(model: Model, held: Held, without: sparse.csr_matrix) -> Candidates:
    found = enumerate(candidates.tiles(model, held.rows, without))
    tiles = [_tile(each, held.wanted[number * CUSTOMERS : (number + 1) * CUSTOMERS]) for number, each in found]
    width = max(hit.shape[1] for _, hit in tiles)
    values = [np.pad(parts, ((0, 0), (0, 0), (0, width - parts.shape[2]))) for parts, _ in tiles]
    for tile, (parts, _) in zip(values, tiles, strict=True):
        tile[-1, :, parts.shape[2] :] = ABSENT
    hit = np.concatenate([np.pad(hit, ((0, 0), (0, width - hit.shape[1]))) for _, hit in tiles])
    some = np.asarray(hit.any(axis=1))
    n_wanted = np.clip(np.diff(held.wanted.indptr), 1, K)
    kept = np.ascontiguousarray(np.concatenate(values, axis=1)[:, some])
    return Candidates(kept, hit[some], n_wanted[some], len(some))


def _tile(found: Scored, wanted: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Values and hits as in Candidates, of all queries of one tile of customers."""
    sizes = np.bincount(found.row, minlength=found.n_rows)
    cell = (found.row, np.arange(len(found.row)) - np.repeat(np.cumsum(sizes) - sizes, sizes))
    values = np.zeros((len(PARTS) + 1, found.n_rows, int(sizes.max())), np.float32)
    values[-1] = ABSENT
    values[(slice(None), *cell)] = np.stack([*(found.parts[part] for part in PARTS), np.zeros(len(found.row))])
    hit = np.zeros(values.shape[1:], dtype=bool)
    hit[cell] = np.asarray(wanted[found.row, found.product]).ravel() > 0
    return values, hit


def _searched(found: Candidates, defaults: Mapping[str, float]) -> dict[str, float]:
    """The best of a coordinate search from each of three starts: ALS alone, the merchant's weights, the best other part alone."""
    others = [{part: 1.0} for part in PARTS[1:]]
    ends = [_climbed(found, start) for start in ({"als": 1.0}, defaults, max(others, key=found.recall))]
    return {part: round(weight, 6) for part, weight in max(ends, key=found.recall).items()}


def _climbed(found: Candidates, start: Mapping[str, float]) -> dict[str, float]:
    """In turn each weight whose part says anything takes its best step, if that gains MIN_GAIN; until none does, or ROUNDS."""
    spoken = [part for part, values in zip(PARTS, found.values, strict=False) if values.any()]
    weights = {part: start.get(part, 0.0) if part in spoken else 0.0 for part in PARTS}
    best = found.recall(weights)
    for _ in range(ROUNDS):
        before = weights
        for part in spoken:
            tried = [{**weights, part: step} for step in STEPS if step != weights[part]]
            recalls = [found.recall(each) for each in tried]
            at = int(np.argmax(recalls))
            if recalls[at] >= best + MIN_GAIN:
                weights, best = tried[at], recalls[at]
        if weights == before:
            break
    return weights
