"""Pair statistics against a count by hand."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import co_occurrence
from models.co_occurrence import MAX_BASKET_PRODUCTS, PairStatistics, pair_statistics
from tests.models.invented import QUICK

LETTERS = "abcdefg"
Basket = tuple[frozenset[str], float]

BASKETS = st.lists(
    st.tuples(st.frozensets(st.sampled_from(LETTERS), min_size=1), st.sampled_from([0.0, 1.0, 1.0, 7.5, 90.0, 400.0])), max_size=14
)


def frame(baskets: list[Basket]) -> pl.DataFrame:
    """The baskets as pair_statistics takes them."""
    rows = [(f"o{number:02}", letter, age) for number, (letters, age) in enumerate(baskets) for letter in sorted(letters)]
    return pl.DataFrame(rows, schema={"order_id": pl.String, "product_id": pl.String, "age_days": pl.Float64}, orient="row")


def same_day(*baskets: str) -> pl.DataFrame:
    """Baskets of age 0."""
    return frame([(frozenset(basket), 0.0) for basket in baskets])


def ids(letters: str) -> pl.Series:
    """Candidates."""
    return pl.Series(list(letters), dtype=pl.String)


def triples(statistics: PairStatistics) -> list[tuple[str, str, int]]:
    """anchor, product, n_xy in the frame's order."""
    return statistics.pairs.select("anchor_id", "product_id", "n_xy").rows()


def counted(baskets: list[Basket], candidates: str, top_n: int) -> list[tuple[str, str, int, int, int]]:
    """What must come out, counted one pair at a time."""
    sold = {letter: sum(letter in basket for basket, _ in baskets) for letter in LETTERS}
    per_weight, _ = co_occurrence._steps(max(sold.values(), default=0) or 1)
    pairs: dict[tuple[str, str], list[int]] = {}
    for basket, age in baskets:
        units = max(1, round(math.exp(-math.log(2) * age / 90) * per_weight))
        for pair in permutations(basket, 2):
            entry = pairs.setdefault(pair, [0, 0])
            entry[0] += units
            entry[1] += 1
    ranked = sorted((x, -units, -n, -sold[y], y) for (x, y), (units, n) in pairs.items() if y in candidates)
    kept = [row for place, row in enumerate(ranked) if sum(other[0] == row[0] for other in ranked[:place]) < top_n]
    return [(x, y, -n, sold[x], sold[y]) for x, _, n, _, y in kept]


@QUICK
@given(baskets=BASKETS, candidates=st.text(LETTERS, max_size=7), top_n=st.integers(1, 8))
def test_counts_equal_a_count_by_hand(baskets: list[Basket], candidates: str, top_n: int) -> None:
    """Every pair that belongs in the cut is there, in its place, with exact counts; nothing else is."""
    statistics = pair_statistics(frame(baskets), ids(candidates), top_n)
    found = statistics.pairs.select("anchor_id", "product_id", "n_xy", "n_x", "n_y").rows()
    by_anchor = sorted(found, key=lambda row: row[0])
    assert by_anchor == counted(baskets, candidates, top_n)
    assert statistics.n_baskets == len(baskets)
    assert statistics.n_capped == 0


@QUICK
@given(baskets=BASKETS)
def test_weights_are_those_of_the_half_life(baskets: list[Basket]) -> None:
    """w_xy and w_x are sums of exp(-ln 2 * age / 90), w_xy within the quantisation of one basket's weight each."""
    pairs = pair_statistics(frame(baskets), ids(LETTERS), 10).pairs
    most_sold = max((sum(letter in basket for basket, _ in baskets) for letter in LETTERS), default=1)
    step = 1 / co_occurrence._steps(most_sold or 1)[0]
    for row in pairs.rows(named=True):
        weight = {basket: 2 ** (-age / 90) for basket, age in enumerate(age for _, age in baskets)}
        both = [weight[n] for n, (basket, _) in enumerate(baskets) if {row["anchor_id"], row["product_id"]} <= basket]
        with_x = [weight[n] for n, (basket, _) in enumerate(baskets) if row["anchor_id"] in basket]
        assert row["w_xy"] == pytest.approx(sum(both), abs=step * len(both))
        assert row["w_x"] == pytest.approx(sum(with_x))


@QUICK
@given(baskets=BASKETS, seed=st.integers(0, 99), top_n=st.integers(1, 4))
def test_input_order_leaves_no_trace(baskets: list[Basket], seed: int, top_n: int) -> None:
    """Rows in any order give the identical frame."""
    rows = frame(baskets)
    mixed = rows.sample(fraction=1.0, shuffle=True, seed=seed)
    before = pair_statistics(rows, ids(LETTERS), top_n)
    after = pair_statistics(mixed, ids(LETTERS[::-1]), top_n, n_threads=1)
    assert_frame_equal(before.pairs, after.pairs)


def test_worked_example() -> None:
    """Two baskets hold a and b, one of them c as well: the stronger partner comes first."""
    pairs = pair_statistics(same_day("ab", "abc", "b"), ids("abc"), 5).pairs.sort("anchor_id", maintain_order=True)
    assert pairs.select("anchor_id", "product_id", "n_xy", "n_x", "n_y", "w_xy", "w_x").rows() == [
        ("a", "b", 2, 2, 3, 2.0, 2.0),
        ("a", "c", 1, 2, 1, 1.0, 2.0),
        ("b", "a", 2, 3, 2, 2.0, 3.0),
        ("b", "c", 1, 3, 1, 1.0, 3.0),
        ("c", "b", 1, 1, 3, 1.0, 1.0),
        ("c", "a", 1, 1, 2, 1.0, 1.0),
    ]


def test_recent_baskets_outweigh_old_ones() -> None:
    """One basket of today weighs more than one of two half-lives ago, though both count once."""
    rows = frame([(frozenset("ab"), 180.0), (frozenset("ac"), 0.0)])
    pairs = pair_statistics(rows, ids("bc"), 1).pairs.filter(anchor_id="a")
    assert pairs.select("product_id", "n_xy").rows() == [("c", 1)]
    b = pair_statistics(rows, ids("b"), 1).pairs.filter(anchor_id="a")
    assert b["w_xy"][0] == pytest.approx(0.25, abs=1e-8)


def test_equal_partners_are_cut_by_popularity_then_id() -> None:
    """Where all of a basket tie at the cut, those in more baskets stay, then those of the lower id."""
    rows = same_day("abcdefg", "g", "g", "f")
    assert [row[1] for row in triples(pair_statistics(rows, ids(LETTERS), 4)) if row[0] == "a"] == ["g", "f", "b", "c"]


def test_no_anchor_has_more_than_asked_for() -> None:
    """An anchor that is no candidate itself, and one whose partners are as strong as itself, get no extra partner."""
    for candidates in ("bcdefg", LETTERS):
        sizes = pair_statistics(same_day(LETTERS), ids(candidates), 2).pairs.group_by("anchor_id").len()
        assert sizes["len"].max() == 2


def test_ties_are_resolved_beyond_one_block_of_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anchors with a tie at the cut are counted in blocks, and every block counts."""
    rows = same_day(LETTERS, "ab")
    whole = pair_statistics(rows, ids(LETTERS), 2)
    monkeypatch.setattr(co_occurrence, "TIED_ROWS", 2)
    assert_frame_equal(pair_statistics(rows, ids(LETTERS), 2).pairs, whole.pairs)


def test_only_candidates_are_partners() -> None:
    """A product that may not be recommended still is an anchor, and never a partner."""
    found = triples(pair_statistics(same_day("abc"), ids("b"), 5))
    assert sorted(found) == [("a", "b", 1), ("c", "b", 1)]


def test_a_basket_beyond_the_cap_makes_no_pairs() -> None:
    """A wholesale list pairs nothing, yet counts as a basket and in n_x; one product fewer and it pairs."""
    crowd = [f"p{number:03}" for number in range(MAX_BASKET_PRODUCTS + 1)]
    rows = [("big", product, 0.0) for product in crowd] + [("small", product, 0.0) for product in crowd[:2]]
    schema = {"order_id": pl.String, "product_id": pl.String, "age_days": pl.Float64}
    capped = pair_statistics(pl.DataFrame(rows, schema=schema, orient="row"), pl.Series(crowd), 5)
    assert (capped.n_baskets, capped.n_capped) == (2, 1)
    assert capped.pairs.select("anchor_id", "product_id", "n_xy", "n_x", "n_y").rows() == [
        ("p000", "p001", 1, 2, 2),
        ("p001", "p000", 1, 2, 2),
    ]
    at_the_cap = pair_statistics(pl.DataFrame(rows[1:], schema=schema, orient="row"), pl.Series(crowd), 5)
    assert at_the_cap.n_capped == 0
    assert at_the_cap.pairs["anchor_id"].n_unique() == MAX_BASKET_PRODUCTS + 1


def test_nothing_in_nothing_out() -> None:
    """No basket: no pair, the same columns."""
    empty = pair_statistics(frame([]), ids("ab"), 5)
    assert (empty.pairs.height, empty.n_baskets, empty.n_capped) == (0, 0, 0)
    full = pair_statistics(same_day("ab"), ids("ab"), 5)
    assert empty.pairs.schema == full.pairs.schema


def test_single_products_make_no_pairs() -> None:
    """Baskets of one product count, and pair nothing."""
    alone = pair_statistics(same_day("a", "a", "b"), ids("ab"), 5)
    assert (alone.pairs.height, alone.n_baskets) == (0, 3)


def test_large_counts_stay_exact() -> None:
    """120,000 baskets of mixed age: counts are exact to one, weights to a millionth."""
    rng = np.random.default_rng(7)
    n = 120_000
    age, with_c = rng.uniform(0, 400, n), rng.random(n) < 0.3
    order = pl.Series(np.arange(n)).cast(pl.String)
    rows = pl.concat(
        [
            pl.DataFrame({"order_id": order, "product_id": pl.Series(["a"]).new_from_index(0, n), "age_days": age}),
            pl.DataFrame({"order_id": order, "product_id": pl.Series(["b"]).new_from_index(0, n), "age_days": age}),
            pl.DataFrame({"order_id": order, "product_id": pl.Series(["c"]).new_from_index(0, n), "age_days": age}).filter(with_c),
        ]
    )
    pairs = pair_statistics(rows, ids("abc"), 2).pairs.filter(anchor_id="a")
    assert pairs.select("product_id", "n_xy", "n_x", "n_y").rows() == [("b", n, n, n), ("c", with_c.sum(), n, with_c.sum())]
    assert pairs["w_xy"][0] == pytest.approx((2 ** (-age / 90)).sum(), rel=1e-4)


@QUICK
@given(max_count=st.integers(1, 2**22 - 1))
def test_steps_never_overflow_the_mantissa(max_count: int) -> None:
    """The largest sum of weights and counts is an integer that float64 holds exactly, and a count never reaches the weights."""
    per_weight, per_count = co_occurrence._steps(max_count)
    assert max_count < per_count
    assert max_count * (per_weight * per_count + 1) <= 2**53
    assert per_weight >= 2**8


def test_steps_refuse_what_cannot_be_exact() -> None:
    """Beyond four million baskets of one product exact counts do not fit, and the number is named."""
    with pytest.raises(ValueError, match=str(2**22)):
        co_occurrence._steps(2**22)


def test_lift_and_expected() -> None:
    """N = 10, N_X = 4, N_Y = 5, N_XY = 3: two expected by chance, 1.5 times as often."""
    row = pl.DataFrame({"n_xy": [3], "n_x": [4], "n_y": [5]}).select(
        co_occurrence.expected(pl.col("n_x"), pl.col("n_y"), 10).alias("expected"),
        co_occurrence.lift(pl.col("n_xy"), pl.col("n_x"), pl.col("n_y"), 10).alias("lift"),
    )
    assert row.row(0) == (2.0, 1.5)
