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
from models.als import Interactions
from models.candidates import CUSTOMERS, PARTS, Model
from models.features import Features
from models.tasks import HeldOut
from models.you_might_like import default_weights, left_out

MIN_QUERIES = 30
MAX_CUSTOMERS = 5_000
MAX_EVENTS = 2_000_000
K = 10
# regularization and alpha belong together: the more an event weighs, the more it takes to hold it (Rendle et al., RecSys 2022)
GRID = ((5.0, 1.0), (20.0, 1.0), (20.0, 3.0), (40.0, 3.0))
# half of the usual: enough to tell the points apart
ITERATIONS = 6
STEPS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
ROUNDS = 2
# what a weight must add to recall at K before it is believed
MIN_GAIN = 5e-4


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
    """Query customers x places: the parts of their candidates and whether they were wanted; 0 in places that hold none."""

    parts: dict[str, np.ndarray]
    hit: np.ndarray
    held: Held

    def recall(self, weights: Mapping[str, float]) -> float:
        """Recall at K of the blend by `weights`."""
        values = sum((weights[part] * self.parts[part] for part in PARTS if weights.get(part)), np.zeros_like(self.parts["als"]))
        # places without a candidate stand behind all others
        values = np.where(self.hit < 0, -np.inf, values)
        k = min(K, values.shape[1])
        best = np.argpartition(values, values.shape[1] - k, axis=1)[:, values.shape[1] - k :]
        return self.held.recall(np.maximum(np.take_along_axis(self.hit, best, axis=1), 0).sum(axis=1))


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
    regularization, alpha = max(GRID, key=lambda point: _recall_of_als(known, held, without, *point))
    settings = {"factors": als.FACTORS, "regularization": regularization, "alpha": alpha}
    found = _candidates(candidates.fit(train, known, settings), held, without)
    defaults = default_weights(features.config)
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


def _recall_of_als(known: Interactions, held: Held, without: sparse.csr_matrix, regularization: float, alpha: float) -> float:
    """Recall at K of ALS by itself, everything that ever happened to be in the catalogue allowed."""
    factors = als.fit(known.confidence(), regularization=regularization, alpha=alpha, iterations=ITERATIONS)
    ids, _ = als.recommend_all(factors.customers[held.rows], als.by_norm(factors.products), K, without[held.rows])
    row, place = np.nonzero(ids >= 0)
    hits = np.asarray(held.wanted[row, ids[row, place]]).ravel()
    return held.recall(np.bincount(row, hits, len(held.rows)))


def _candidates(model: Model, held: Held, without: sparse.csr_matrix) -> Candidates:
    tiles = []
    for start in range(0, len(held.rows), CUSTOMERS):
        tile = slice(start, start + CUSTOMERS)
        tiles.append((candidates.scored(model, held.rows[tile], without), held.wanted[tile]))
    width = max(int(np.bincount(found.row, minlength=1).max()) for found, _ in tiles)
    parts: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    hits = []
    for found, wanted in tiles:
        sizes = np.bincount(found.row, minlength=found.n_rows)
        cell = (found.row, np.arange(len(found.row)) - np.repeat(np.cumsum(sizes) - sizes, sizes))
        for part in PARTS:
            parts[part].append(np.zeros((found.n_rows, width), np.float32))
            parts[part][-1][cell] = found.parts[part]
        hits.append(np.full((found.n_rows, width), -1, np.int8))
        hits[-1][cell] = np.asarray(wanted[found.row, found.product]).ravel()
    return Candidates({part: np.concatenate(rows) for part, rows in parts.items()}, np.concatenate(hits), held)


def _searched(found: Candidates, defaults: Mapping[str, float]) -> dict[str, float]:
    """The best of a coordinate search from each of three starts: ALS alone, the merchant's weights, the best other part alone."""
    others = [{part: 1.0} for part in PARTS[1:]]
    ends = [_climbed(found, start) for start in ({"als": 1.0}, defaults, max(others, key=found.recall))]
    return {part: round(weight, 6) for part, weight in max(ends, key=found.recall).items()}


def _climbed(found: Candidates, start: Mapping[str, float]) -> dict[str, float]:
    """In turn each weight whose part says anything takes its best step, if that gains MIN_GAIN."""
    spoken = [part for part in PARTS if found.parts[part].any()]
    weights = {part: start.get(part, 0.0) if part in spoken else 0.0 for part in PARTS}
    best = found.recall(weights)
    for part in ROUNDS * spoken:
        tried = [{**weights, part: step} for step in STEPS]
        recalls = [found.recall(each) for each in tried]
        at = int(np.argmax(recalls))
        if recalls[at] >= best + MIN_GAIN:
            weights, best = tried[at], recalls[at]
    return weights
