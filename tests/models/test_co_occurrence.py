"""Pair statistics against a count by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import co_occurrence
from models.co_occurrence import HALF_LIFE_DAYS, MAX_BASKET_PRODUCTS, PairStatistics, pair_statistics
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


def weight(basket: frozenset[str], age: float) -> float:
    """What one basket adds to each of its pairs."""
    return 2 ** (-age / HALF_LIFE_DAYS) / (len(basket) - 1)


def resolution(baskets: list[Basket]) -> float:
    """Units per weight of 1.0."""
    pairing = [(basket, age) for basket, age in baskets if len(basket) > 1]
    sold = [sum(letter in basket for basket, _ in pairing) for letter in LETTERS]
    sums = [sum(weight(*one) for one in pairing if letter in one[0]) for letter in LETTERS]
    return co_occurrence._steps(max(sold), max(sums))[0] if pairing else 1.0


def counted(baskets: list[Basket], candidates: str, top_n: int) -> list[tuple[str, str, int, int, int]]:
    """What must come out, counted one pair at a time."""
    sold = {letter: sum(letter in basket for basket, _ in baskets) for letter in LETTERS}
    per_weight = resolution(baskets)
    pairs: dict[tuple[str, str], list[int]] = {}
    for basket, age in baskets:
        for pair in permutations(basket, 2):
            entry = pairs.setdefault(pair, [0, 0])
            entry[0] += max(1, round(weight(basket, age) * per_weight))
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
def test_weights_are_those_of_age_and_size(baskets: list[Basket]) -> None:
    """w_xy sums exp(-ln 2 * age / half-life) / (|basket| - 1), w_x the same over all partners, share_y is w_y over all w; each
    within the quantisation of one basket's weight."""
    pairs = pair_statistics(frame(baskets), ids(LETTERS), 10).pairs
    step = 1 / resolution(baskets) + 1 / co_occurrence.UNIT
    pairing = [(basket, age) for basket, age in baskets if len(basket) > 1]
    total = sum(len(basket) * 2 ** (-age / HALF_LIFE_DAYS) for basket, age in pairing)
    for row in pairs.rows(named=True):
        both = [weight(*one) for one in pairing if {row["anchor_id"], row["product_id"]} <= one[0]]
        with_x = [2 ** (-age / HALF_LIFE_DAYS) for basket, age in pairing if row["anchor_id"] in basket]
        with_y = [2 ** (-age / HALF_LIFE_DAYS) for basket, age in pairing if row["product_id"] in basket]
        assert row["w_xy"] == pytest.approx(sum(both), abs=step * len(both))
        assert row["w_x"] == pytest.approx(sum(with_x), abs=step * len(with_x))
        assert row["share_y"] == pytest.approx(sum(with_y) / total, abs=1e-4)


@QUICK
@given(baskets=BASKETS)
def test_the_partners_of_a_product_share_all_of_its_weight(baskets: list[Basket]) -> None:
    """w_xy over all partners is w_x, so w_xy / w_x is a probability, and share_y of all products is 1."""
    pairs = pair_statistics(frame(baskets), ids(LETTERS), 10).pairs
    summed = pairs.group_by("anchor_id").agg(pl.col("w_xy").sum(), pl.col("w_x").first())
    for w_xy, w_x in summed.select("w_xy", "w_x").iter_rows():
        assert w_xy == pytest.approx(w_x, rel=1e-3)
    if pairs.height:
        assert pairs.unique("product_id")["share_y"].sum() == pytest.approx(1)


@QUICK
@given(baskets=BASKETS, seed=st.integers(0, 99), top_n=st.integers(1, 4))
def test_input_order_leaves_no_trace(baskets: list[Basket], seed: int, top_n: int) -> None:
    """Rows in any order give the identical frame."""
    rows = frame(baskets)
    mixed = rows.sample(fraction=1.0, shuffle=True, seed=seed)
    before = pair_statistics(rows, ids(LETTERS), top_n)
    after = pair_statistics(mixed, ids(LETTERS[::-1]), top_n)
    assert_frame_equal(before.pairs, after.pairs)


def test_worked_example() -> None:
    """Two baskets hold a and b, one of them c as well: the stronger partner comes first."""
    pairs = pair_statistics(same_day("ab", "abc", "b"), ids("abc"), 5).pairs.sort("anchor_id", maintain_order=True)
    assert pairs.select("anchor_id", "product_id", "n_xy", "n_x", "n_y", "w_xy", "w_x").rows() == [
        ("a", "b", 2, 2, 3, 1.5, 2.0),
        ("a", "c", 1, 2, 1, 0.5, 2.0),
        ("b", "a", 2, 3, 2, 1.5, 2.0),
        ("b", "c", 1, 3, 1, 0.5, 2.0),
        ("c", "b", 1, 1, 3, 0.5, 1.0),
        ("c", "a", 1, 1, 2, 0.5, 1.0),
    ]


def test_recent_baskets_outweigh_old_ones() -> None:
    """One basket of today weighs more than one of two half-lives ago, though both count once."""
    rows = frame([(frozenset("ab"), 2 * HALF_LIFE_DAYS), (frozenset("ac"), 0.0)])
    pairs = pair_statistics(rows, ids("bc"), 1).pairs.filter(anchor_id="a")
    assert pairs.select("product_id", "n_xy").rows() == [("c", 1)]
    b = pair_statistics(rows, ids("b"), 1).pairs.filter(anchor_id="a")
    assert b["w_xy"][0] == pytest.approx(0.25, abs=1e-8)


def test_small_baskets_outweigh_large_ones() -> None:
    """A basket of two says more of its pair than two baskets of seven, though they count more."""
    pairs = pair_statistics(same_day("abcdefg", "abcdefg", "ac"), ids("bc"), 1).pairs.filter(anchor_id="a")
    assert pairs.select("product_id", "n_xy").rows() == [("c", 3)]
    mixed = pair_statistics(same_day("abdefg", "abdefg", "ac"), ids("bc"), 2).pairs.filter(anchor_id="a")
    assert mixed.select("product_id", "n_xy").rows() == [("c", 1), ("b", 2)]


def test_orders_of_one_key_are_told_apart() -> None:
    """Rows of two orders whose keys are equal, lying mixed, come side by side by their second hash; the others stay."""
    rows, keys = np.array([4, 0, 1, 2, 3, 5], dtype=np.uint32), np.array([1, 7, 7, 7, 7, 9], dtype=np.uint64)
    second = pl.Series([20, 10, 20, 10, 33, 10], dtype=pl.UInt64)
    placed, starts = co_occurrence._told_apart(rows, keys, second)
    assert placed.to_list() == [4, 1, 3, 0, 2, 5]
    assert starts.tolist() == [0, 1, 3, 5]


@QUICK
@given(orders=st.lists(st.sampled_from(LETTERS), min_size=1), block=st.integers(1, 5))
def test_rows_of_an_order_lie_side_by_side(orders: list[str], block: int) -> None:
    """Each order is one run, whatever the size of the blocks, and its least value is found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(co_occurrence, "BLOCK", block)
        rows, starts = co_occurrence._by_order(pl.Series(orders))
        least = co_occurrence._least(pl.Series(range(len(orders))), rows, starts)
    runs = [[orders[row] for row in run] for run in np.split(rows.to_numpy(), starts[1:])]
    assert sorted(len(set(run)) for run in runs) == [1] * len(set(orders))
    assert [orders.index(run[0]) for run in runs] == least.tolist()


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


def test_a_basket_beyond_the_cap_weighs_nothing() -> None:
    """A wholesale list finds no pairs, yet every count holds it; one product fewer and it finds pairs."""
    crowd = [f"p{number:03}" for number in range(MAX_BASKET_PRODUCTS + 1)]
    rows = [("big", product, 0.0) for product in crowd] + [("small", product, 0.0) for product in crowd[:2]]
    schema = {"order_id": pl.String, "product_id": pl.String, "age_days": pl.Float64}
    capped = pair_statistics(pl.DataFrame(rows, schema=schema, orient="row"), pl.Series(crowd), 5)
    assert (capped.n_baskets, capped.n_capped) == (2, 1)
    assert capped.pairs.select("anchor_id", "product_id", "n_xy", "n_x", "n_y").rows() == [
        ("p000", "p001", 2, 2, 2),
        ("p001", "p000", 2, 2, 2),
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
    """120,000 baskets of mixed age and size: counts are exact to one, weights to a millionth."""
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
    weights = 2 ** (-age / HALF_LIFE_DAYS) / (1 + with_c)
    assert pairs["w_xy"][0] == pytest.approx(weights.sum(), rel=1e-4)


@QUICK
@given(max_count=st.integers(1, 2**22 - 1), mean=st.floats(1e-9, 1))
def test_steps_never_overflow_the_mantissa(max_count: int, mean: float) -> None:
    """The largest sum of weights and counts is an integer that float64 holds exactly, and a count never reaches the weights."""
    per_weight, per_count = co_occurrence._steps(max_count, max_count * mean)
    assert max_count < per_count
    assert (max_count * mean * per_weight + max_count) * per_count <= 2**53
    assert per_weight >= 2**8


def test_light_baskets_are_measured_more_finely() -> None:
    """Where weights are small, a basket's weight has the more digits."""
    assert co_occurrence._steps(2**20, 2.0**14)[0] > co_occurrence._steps(2**20, 2.0**20)[0]


def test_steps_refuse_what_cannot_be_exact() -> None:
    """Beyond four million baskets of one product exact counts do not fit, and the number is named."""
    with pytest.raises(ValueError, match=str(2**23)):
        co_occurrence._steps(2**23, 2.0**23)
