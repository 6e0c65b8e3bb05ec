"""Figures and their intervals, by hand and against the plain formulas."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from models.judging import best_rival, compare, figures, per_query
from models.tasks import HeldOut
from tests.models.invented import features

ANSWER = {"query_id": pl.UInt32, "rank": pl.Int64, "product_id": pl.String}


def held_out(*wanted: str) -> HeldOut:
    """A query per word: its letters are wanted. The shop has a to e, and sold a in every second order."""
    queries = pl.DataFrame(
        {"query_id": range(len(wanted)), "anchor_id": ["x"] * len(wanted)}, schema_overrides={"query_id": pl.UInt32}
    )
    rows = [(query, letter) for query, word in enumerate(wanted) for letter in word]
    truth = pl.DataFrame(rows, schema={"query_id": pl.UInt32, "product_id": pl.String}, orient="row")
    return HeldOut(features(["ab", "bc", "ad", "e"]), queries, truth)


def answers(*lists: str) -> pl.DataFrame:
    """A list of letters per query, the first one on rank 1."""
    rows = [(query, rank, letter) for query, word in enumerate(lists) for rank, letter in enumerate(word, start=1)]
    return pl.DataFrame(rows, schema=ANSWER, orient="row")


def test_by_hand() -> None:
    """Two wanted, one found on rank 2; one wanted, found on rank 1; one wanted, not found; one not answered."""
    each = per_query(answers("ca", "b", "c"), held_out("ab", "b", "a", "e"), k=3)
    assert each["hit"].to_list() == [1, 1, 0, 0]
    assert each["recall"].to_list() == [0.5, 1, 0, 0]
    first = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert each["ndcg"].to_list() == pytest.approx([first, 1, 0, 0])


def test_only_the_first_k_count_and_no_more_than_k_are_asked_for() -> None:
    """At k = 1 the second rank is not seen, and one found of three wanted is everything that one place can hold."""
    each = per_query(answers("ca", "a"), held_out("a", "abc"), k=1)
    assert each["hit"].to_list() == [0, 1]
    assert each["recall"].to_list() == [0, 1]
    assert each["ndcg"].to_list() == [0, 1]


def test_figures_of_a_list() -> None:
    """Coverage counts listed products against those that may be shown, popularity is the mean share of orders of what is listed."""
    judged = figures(answers("a", "ab"), held_out("a", "c", "e"), k=10)
    assert (judged.n_queries, judged.hit_rate.value) == (3, pytest.approx(1 / 3, abs=1e-6))
    assert judged.coverage == pytest.approx(2 / 5)
    assert judged.mean_popularity == pytest.approx((0.5 + 0.5 + 0.5) / 3)
    assert judged.answered == pytest.approx(2 / 3)


def test_the_interval_is_the_bootstraps() -> None:
    """For a share of n queries the interval agrees with the normal one, and a value that never varies has none."""
    wanted, listed = ["a"] * 400, ["a"] * 100 + ["b"] * 300
    hit = figures(answers(*listed), held_out(*wanted), k=1).hit_rate
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert (hit.low, hit.high) == (pytest.approx(0.25 - half, abs=0.01), pytest.approx(0.25 + half, abs=0.01))
    sure = figures(answers(*["a"] * 50), held_out(*["a"] * 50), k=1).hit_rate
    assert (sure.low, sure.value, sure.high) == (1, 1, 1)


def test_a_comparison_is_paired() -> None:
    """Answers that are right on the same queries differ by nothing, with an interval of no width, however few are right."""
    wanted = ["a"] * 100
    listed = ["a" if number % 3 == 0 else "b" for number in range(100)]
    same = compare(answers(*listed), answers(*listed), held_out(*wanted), k=1)
    assert (same.ratio.low, same.ratio.value, same.ratio.high) == (1, 1, 1)
    assert (same.difference.low, same.difference.high) == (0, 0)
    better = compare(answers(*["a"] * 100), answers(*listed), held_out(*wanted), k=1)
    assert better.ratio.value == pytest.approx(100 / 34)
    assert better.ratio.low < better.ratio.value < better.ratio.high


def test_a_rival_that_never_hits() -> None:
    """Over a rival without a hit the ratio is infinite where ours has one, and 1 where ours has none either."""
    wanted = ["a"] * 4
    assert math.isinf(compare(answers("a"), answers("b"), held_out(*wanted), k=1).ratio.value)
    assert compare(answers("b"), answers("b"), held_out(*wanted), k=1).ratio.value == 1


def test_no_query_is_no_figure() -> None:
    """Nothing to judge by is an error, not a zero."""
    with pytest.raises(ValueError, match="no held-out query"):
        figures(answers(), held_out(), k=10)


def test_the_same_seed_gives_the_same_interval() -> None:
    """Shuffled answers and truths are judged alike, to the last digit."""
    asked = held_out(*["ab", "c", "d"] * 20)
    given = answers(*["ac", "c", "ab"] * 20)
    order = np.random.default_rng(3).permutation(given.height)
    shuffled = HeldOut(asked.train, asked.queries, asked.truth.sample(fraction=1, shuffle=True, seed=1))
    assert figures(given, asked, 2) == figures(given[order], shuffled, 2)


def test_best_rival_is_the_first_of_equal_ones() -> None:
    """By hit rate, then by name."""
    good = figures(answers("a"), held_out("a"), 1)
    bad = figures(answers("b"), held_out("a"), 1)
    assert best_rival({"z": good, "b": good, "a": bad}) == "b"
