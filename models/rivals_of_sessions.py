"""Rivals for live sessions: what shops use to guess a visit's next page.

Each takes a HeldOut and k, learns from all visits of `held_out.train`, and answers with query_id, rank (1 to k), product_id,
eligible products only. A query without `viewed` is a session on its first page, the anchor. What the session has viewed already
is left out, as it is for us; with `repeats` only the page that it is on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from models.tasks import HeldOut, of_people

NEAREST = 500
ANSWERS = {"query_id": pl.Int64, "rank": pl.Int64, "product_id": pl.String}
Score = Callable[[Sequence[int]], np.ndarray]


@dataclass(frozen=True)
class Learnt:
    """Visits in which products are numbers: names by number, visits x products (1 where viewed; by last view), and next views."""

    names: list[str]
    incidence: sparse.csr_matrix
    next_counts: sparse.csr_matrix


def pairwise_counts(held_out: HeldOut, k: int, *, repeats: bool = False) -> pl.DataFrame:
    """Visits with the page that the session is on and the product."""
    pairs = _pairs(learnt(held_out))
    return _answers(held_out, k, lambda viewed: _row(pairs, viewed[-1]), repeats=repeats)


def pairwise_counts_of_session(held_out: HeldOut, k: int, *, repeats: bool = False) -> pl.DataFrame:
    """The same, summed over all that the session has viewed."""
    pairs = _pairs(learnt(held_out))
    return _answers(held_out, k, lambda viewed: np.asarray(pairs[sorted(set(viewed))].sum(axis=0)).ravel(), repeats=repeats)


def next_page_counts(held_out: HeldOut, k: int, *, repeats: bool = False) -> pl.DataFrame:
    """How often the product was the very next page after the one that the session is on (a first-order Markov chain)."""
    counts = learnt(held_out).next_counts
    return _answers(held_out, k, lambda viewed: _row(counts, viewed[-1]), repeats=repeats)


def session_knn(held_out: HeldOut, k: int, *, repeats: bool = False, nearest: int = NEAREST) -> pl.DataFrame:
    """Cosine-weighted sum of the `nearest` visits by cosine of the sets of products, the later of equal ones.

    sknn of Ludewig, Mauro, Latifi, Jannach (UMUAI 2020), without its sampling: every past visit is a candidate.
    """
    known = learnt(held_out)
    norms = np.sqrt(np.asarray(known.incidence.sum(axis=1)).ravel())
    by_product = known.incidence.T.tocsr()

    def score(viewed: Sequence[int]) -> np.ndarray:
        own = sorted(set(viewed))
        shared = np.asarray(by_product[own].sum(axis=0)).ravel()
        return _of_nearest(known.incidence, shared / norms / np.sqrt(len(own)), nearest)

    return _answers(held_out, k, score, repeats=repeats)


def vector_session_knn(held_out: HeldOut, k: int, *, repeats: bool = False, nearest: int = NEAREST) -> pl.DataFrame:
    """The same, where a session's products count linearly less the longer ago they were viewed (vsknn of the same paper)."""
    known = learnt(held_out)
    norms = np.sqrt(np.asarray(known.incidence.sum(axis=1)).ravel())
    by_product = known.incidence.T.tocsr()

    def score(viewed: Sequence[int]) -> np.ndarray:
        place = {product: at for at, product in enumerate(viewed, start=1)}
        weights = np.array(list(place.values())) / len(viewed)
        shared = by_product[list(place)].T @ weights
        return _of_nearest(known.incidence, shared / norms, nearest)

    return _answers(held_out, k, score, repeats=repeats)


def learnt(held_out: HeldOut) -> Learnt:
    """Everything that the training days say of visits, bots' left out as for us (their pairs are the square of a catalogue)."""
    views = of_people(held_out.train.sessions())
    names = views["product_id"].unique().sort()
    order = views.group_by("visit_id").agg(pl.col("viewed_at").max()).sort("viewed_at", "visit_id").with_row_index("row")
    coded = views.join(names.to_frame().with_row_index("column"), on="product_id", maintain_order="left")
    coded = coded.join(order.select("visit_id", "row"), on="visit_id", maintain_order="left")
    follows = coded.with_columns(pl.col("column").shift(-1).over("visit_id").alias("next")).drop_nulls("next")
    follows = follows.filter(pl.col("next") != pl.col("column"))
    incidence = _matrix(coded["row"], coded["column"], (order.height, len(names)))
    incidence.data[:] = 1.0
    return Learnt(names.to_list(), incidence, _matrix(follows["column"], follows["next"], (len(names), len(names))))


def _matrix(rows: pl.Series, columns: pl.Series, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(len(rows)), (rows.to_numpy(), columns.to_numpy())), shape=shape)


def _pairs(known: Learnt) -> sparse.csr_matrix:
    return (known.incidence.T @ known.incidence).tocsr()


def _row(matrix: sparse.csr_matrix, row: int) -> np.ndarray:
    return np.asarray(matrix[[row]].todense()).ravel()


def _of_nearest(incidence: sparse.csr_matrix, similarity: np.ndarray, nearest: int) -> np.ndarray:
    # rows stand by time: of equal visits the later is the nearer
    alike = np.flatnonzero(similarity)[::-1]
    near = np.sort(alike[np.argsort(-similarity[alike], kind="stable")[:nearest]])
    weighed: np.ndarray = incidence[near].T @ similarity[near]
    return weighed


def _answers(held_out: HeldOut, k: int, score: Score, *, repeats: bool) -> pl.DataFrame:
    names = learnt(held_out).names
    codes = {name: code for code, name in enumerate(names)}
    eligible = set(held_out.train.eligible()["product_id"])
    shown = np.array([name in eligible for name in names], dtype=bool)
    rows: list[tuple[int, int, str]] = []
    seen = pl.col("viewed") if "viewed" in held_out.queries.columns else pl.concat_list("anchor_id")
    for query, viewed in held_out.queries.select("query_id", seen).iter_rows():
        known = [codes[name] for name in viewed if name in codes]
        # a page that nobody has viewed before has no counts of its own
        if not known or (codes.get(viewed[-1]) is None and repeats):
            continue
        scores = np.where(shown, score(known).round(9), 0.0)
        scores[known[-1:] if repeats else known] = 0.0
        best = np.lexsort((np.arange(len(names)), -scores))[:k]
        rows += [(query, rank, names[code]) for rank, code in enumerate(best, start=1) if scores[code] > 0]
    return pl.DataFrame(rows, schema=ANSWERS, orient="row").with_columns(
        pl.col("query_id").cast(held_out.queries.schema["query_id"])
    )
