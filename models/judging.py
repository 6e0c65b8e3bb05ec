"""Judging: how good answers to a held-out task are, with intervals.

Hit rate, recall and nDCG at k over the full ranking, catalogue coverage and mean popularity; methods.md 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from models.tasks import HeldOut

N_BOOTSTRAP = 1_000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean over queries and its 95 % bootstrap interval (percentile; Efron 1979)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """One method on one task at `k`.

    hit_rate: share of queries with a wanted product among the first k. recall: share of the wanted products there, no more
    than k of them asked for. ndcg: binary gains, log2 discount (Järvelin & Kekäläinen 2002). coverage: share of the products
    that may be shown that were in some list. mean_popularity: mean over the listed products of the share (0..1) of training
    orders, or of visits where there are no orders, that have them. answered: share of queries with any product at all.
    """

    k: int
    n_queries: int
    hit_rate: Estimate
    recall: Estimate
    ndcg: Estimate
    coverage: float
    mean_popularity: float
    answered: float

    def to_json(self) -> dict[str, Any]:
        """As `upsell evaluate --json` prints it."""
        names = {
            "k": "k",
            "n_queries": "nQueries",
            "hit_rate": "hitRate",
            "recall": "recall",
            "ndcg": "ndcg",
            "coverage": "coverage",
            "mean_popularity": "meanPopularity",
            "answered": "answered",
        }
        return {names[name]: value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Comparison:
    """Hit rate of a method over a rival's: the ratio and the difference, paired by query, each with its 95 % interval."""

    ratio: Estimate
    difference: Estimate


def per_query(answers: pl.DataFrame, held_out: HeldOut, k: int) -> pl.DataFrame:
    """query_id, hit (0 or 1), recall, ndcg (0..1) of every query, unanswered ones with zeros, by query_id."""
    ranked = answers.filter(pl.col("rank") <= k).select("query_id", "product_id", "rank")
    hits = ranked.join(held_out.truth, on=["query_id", "product_id"], how="semi")
    gained = hits.group_by("query_id").agg(pl.len().alias("n_hits"), (1 / (pl.col("rank") + 1.0).log(2)).sum().alias("gain"))
    wanted = held_out.truth.group_by("query_id").agg(pl.len().clip(upper_bound=k).alias("n_wanted"))
    ideal = np.concatenate([[1.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    ideals = pl.DataFrame({"n_wanted": np.arange(k + 1, dtype=np.uint32), "ideal": ideal})
    rows = (
        held_out.queries.select("query_id")
        .join(wanted, on="query_id")
        .join(gained, on="query_id", how="left")
        .join(ideals, on="n_wanted")
        .fill_null(0)
    )
    return rows.select(
        "query_id",
        (pl.col("n_hits") > 0).cast(pl.Float64).alias("hit"),
        (pl.col("n_hits") / pl.col("n_wanted")).alias("recall"),
        (pl.col("gain") / pl.col("ideal")).alias("ndcg"),
    ).sort("query_id")


def figures(answers: pl.DataFrame, held_out: HeldOut, k: int, seed: int = 0) -> Figures:
    """Judge `answers` (query_id, rank, product_id). Raises ValueError when there is no query to judge by."""
    each = per_query(answers, held_out, k)
    if each.is_empty():
        raise ValueError("There is no held-out query to judge by.")
    shown = answers.filter(pl.col("rank") <= k).join(each.select("query_id"), on="query_id", how="semi")
    popularity = shown.join(_popularity(held_out), on="product_id", how="left")["share"].fill_null(0).mean()
    n_eligible = held_out.train.eligible().height
    hit, recall, ndcg = _bootstrapped(each.select("hit", "recall", "ndcg").to_numpy(), seed)
    return Figures(
        k=k,
        n_queries=each.height,
        hit_rate=hit,
        recall=recall,
        ndcg=ndcg,
        coverage=shown["product_id"].n_unique() / n_eligible if n_eligible else 0.0,
        mean_popularity=float(popularity) if isinstance(popularity, float) else 0.0,
        answered=shown["query_id"].n_unique() / each.height,
    )


def compare(ours: pl.DataFrame, rival: pl.DataFrame, held_out: HeldOut, k: int, seed: int = 0) -> Comparison:
    """Our hit rate over the rival's on the same queries; the ratio is inf where the rival never hits and we do."""
    mine = per_query(ours, held_out, k)["hit"].to_numpy()
    other = per_query(rival, held_out, k)["hit"].to_numpy()
    means = _resampled_means(np.column_stack([mine, other]), seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(means[:, 1] > 0, means[:, 0] / means[:, 1], np.where(means[:, 0] > 0, np.inf, 1.0))
    ratio = mine.mean() / other.mean() if other.mean() > 0 else (np.inf if mine.mean() > 0 else 1.0)
    return Comparison(_estimate(float(ratio), ratios), _estimate(float(mine.mean() - other.mean()), means[:, 0] - means[:, 1]))


def best_rival(each: Mapping[str, Figures]) -> str:
    """The rival with the highest hit rate; of equal ones the first by name."""
    return min(each, key=lambda name: (-each[name].hit_rate.value, name))


def _bootstrapped(values: np.ndarray, seed: int) -> list[Estimate]:
    """An estimate per column of `values` (queries x figures)."""
    resampled = _resampled_means(values, seed)
    return [_estimate(float(values[:, column].mean()), resampled[:, column]) for column in range(values.shape[1])]


def _resampled_means(values: np.ndarray, seed: int) -> np.ndarray:
    """N_BOOTSTRAP x columns: means of queries drawn with replacement; the columns share their draws, so they stay paired.

    Queries with equal values are drawn together, by a multinomial over the distinct ones: the same distribution, far fewer
    numbers.
    """
    distinct, counts = np.unique(values, axis=0, return_counts=True)
    n = len(values)
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=N_BOOTSTRAP)
    means: np.ndarray = drawn @ distinct / n
    return means


def _estimate(value: float, resampled: np.ndarray) -> Estimate:
    finite = resampled[np.isfinite(resampled)]
    tails = ((1 - LEVEL) / 2 * 100, (1 + LEVEL) / 2 * 100)
    low, high = np.percentile(finite, tails) if len(finite) else (value, value)
    return Estimate(round(value, 6), round(float(low), 6), round(float(high), 6))


def _popularity(held_out: HeldOut) -> pl.DataFrame:
    """product_id, share of the training orders (visits, where nothing was ordered) that have the product."""
    train = held_out.train
    events = train.baskets.select("product_id", pl.col("order_id").alias("unit"))
    if events.is_empty():
        events = train.sessions().select("product_id", pl.col("visit_id").alias("unit"))
    n_units = max(1, events["unit"].n_unique())
    return events.unique().group_by("product_id").agg((pl.len() / n_units).alias("share"))
