"""Visits and co-views: worked examples, and all sums against a plain count by hand."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from itertools import combinations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import sessions
from models.features import Features
from tests.models.invented import END, QUICK, shuffled
from tests.models.visits import Visit, random_visits, shop


def pairs(made: Features, by_step: float = 1.0) -> dict[tuple[str, str], tuple[int, float, float]]:
    """(anchor, product) -> visits with both, weight after, weight before."""
    found = sessions.co_views(sessions.visits(made, 60), lambda every: every, by_step)
    return {(row[0], row[1]): row[2:] for row in found.select(found.columns[:5]).iter_rows()}


def test_a_visit_by_hand() -> None:
    """Three products weigh 1 / log2(4) = .5: neighbours get it in full, a and c, two steps apart, half of it."""
    found = pairs(shop(["abc"]))
    assert found["a", "b"] == (1, 0.5, 0.0)
    assert found["b", "a"] == (1, 0.0, 0.5)
    assert found["a", "c"] == (1, 0.25, 0.0)
    assert pairs(shop(["abc"]), by_step=0.0)["a", "c"] == (1, 0.5, 0.0)


def test_a_pair_counts_once_per_visit() -> None:
    """Reloads and returns add nothing: the first views of two products stand for them."""
    assert pairs(shop(["aabab"]))["a", "b"][0] == 1
    assert pairs(shop(["ab", "ba", "aab"]))["a", "b"][0] == 3


def test_half_an_hour_ends_a_visit() -> None:
    """Views of one session with 40 minutes between them are two visits, and share no pair."""
    apart = shop([Visit("ab", minutes=40)])
    assert pairs(apart) == {}
    assert sessions.visits(apart, 60).n == 2


def test_products_of_one_instant_have_no_order() -> None:
    """All views at one instant: each direction has half of the weight, whatever the ids."""
    found = pairs(shop([Visit("ba", minutes=0)]))
    assert found["a", "b"] == found["b", "a"]
    assert found["a", "b"] == pytest.approx((1, 0.5 / math.log2(3), 0.5 / math.log2(3)), abs=1e-6)


def test_what_we_recommended_weighs_less() -> None:
    """A pair whose later product was reached by our own list counts as a visit, with .3 of the weight."""
    own, induced = pairs(shop(["ab"]))["a", "b"], pairs(shop([Visit("ab", recommended="b")]))["a", "b"]
    assert induced[0] == own[0]
    assert induced[1] == pytest.approx(0.3 * own[1], abs=2e-6)
    assert pairs(shop([Visit("ab", recommended="a")]))["a", "b"] == own


def test_bots_count_for_nothing() -> None:
    """A visit of 51 products or 201 views is nobody's; one of 50 products or of 200 views is somebody's."""
    many = "".join(chr(0x4E00 + place) for place in range(51))
    seen = sessions.visits(shop([Visit(many, minutes=0.1), Visit(many[:50], minutes=0.1), "a" * 201, "a" * 200]), 60)
    assert (seen.n, seen.n_bots) == (2, 2)
    assert seen.rows["size"].max() == 50


def test_purchases_of_a_visit() -> None:
    """A product counts as bought if the visit's own customer orders it within 24 hours of the visit's begin, not before it."""
    made = shop(
        [
            Visit("ab", "c1", bought="a", hours=24),
            Visit("ab", "c2", bought="a", hours=24.1),
            Visit("ab", "c3", bought="a", hours=-0.1),
            Visit("ab", None, bought="a"),
        ]
    )
    counts = {row[0]: row[1:] for row in sessions.visits(made, 60).products.iter_rows()}
    assert counts == {"a": (4, 3, 1), "b": (4, 3, 0)}
    both = sessions.co_views(sessions.visits(made, 60), lambda every: every)
    assert both.select("n_known", "n_bought").rows() == [(3, 1), (3, 0)]


def test_only_the_window_counts() -> None:
    """A visit before the lookback window is not seen."""
    assert sessions.visits(shop([Visit("ab", age_days=61), Visit("ab", age_days=59)]), 60).n == 1


def test_a_customer_who_signs_in_late_is_known() -> None:
    """One view with a customer makes the whole visit that customer's."""
    made = shop(["ab"])
    late = made.views.with_columns(pl.when(pl.col("product_id") == "b").then(pl.lit("c1")).alias("customer_id"))
    seen = sessions.visits(Features(made.company, END, made.baskets, late, made.products, made.config), 60)
    assert seen.rows["customer_id"].to_list() == ["c1", "c1"]


@QUICK
@given(seed=st.integers(0, 10_000), at_once=st.sampled_from([1, 7, 10_000]))
def test_against_a_plain_count(seed: int, at_once: int) -> None:
    """In one block or in many, all sums are those of two nested loops over the visits."""
    seen = sessions.visits(random_visits(seed), 60)
    found = sessions.co_views(seen, lambda every: every, at_once=at_once)
    n_xy: Counter[tuple[str, str]] = Counter()
    forward: Counter[tuple[str, str]] = Counter()
    n_bought: Counter[tuple[str, str]] = Counter()
    for _, visit in seen.rows.group_by("visit_id"):
        for one, other in combinations(visit.rows(named=True), 2):
            for x, y in ((one, other), (other, one)):
                pair, tied = (x["product_id"], y["product_id"]), x["step"] == y["step"]
                share = 0.5 if tied else float(y["step"] > x["step"])
                later = x["recommended"] or y["recommended"] if tied else max(x, y, key=lambda row: row["step"])["recommended"]
                n_xy[pair] += 1
                n_bought[pair] += x["is_bought"]
                forward[pair] += share * x["weight"] / max(1, abs(x["step"] - y["step"])) * (0.3 if later else 1)
    assert {(row["anchor_id"], row["product_id"]): row["n_xy"] for row in found.iter_rows(named=True)} == dict(n_xy)
    for row in found.iter_rows(named=True):
        pair = (row["anchor_id"], row["product_id"])
        assert row["forward"] == pytest.approx(forward[pair], abs=1e-5)
        assert row["backward"] == pytest.approx(forward[pair[::-1]], abs=1e-5)
        assert row["n_bought"] == n_bought[pair]


@QUICK
@given(seed=st.integers(0, 10_000))
def test_rows_in_another_order_change_nothing(seed: int) -> None:
    """Shuffled views, orders and products give the same bits."""
    made = random_visits(seed)
    one, other = (sessions.co_views(sessions.visits(given, 60), lambda every: every) for given in (made, shuffled(made, seed)))
    assert_frame_equal(one, other)


def test_closeness_by_hand() -> None:
    """Pulls of 3 and 1 with 5 more that go where all visits go, .5 and .1 of them: (3 + 2.5) / 9 and (1 + .5) / 9.

    Products in 10, 2 and 8 of visits are 1.5, .3 and 1.2 times the mean: discounted by their roots.
    """
    seen = sessions.visits(shop([*["b"] * 10, *["c"] * 2, *["d"] * 8]), 60)
    table = pl.DataFrame({"anchor_id": ["a", "a"], "forward": [2.0, 1.0], "backward": [2.0, 0.0], "n_y": [10, 2]})
    assert table.select(score=sessions.closeness(seen, 0.5, 0.0, 5.0))["score"].to_list() == [0.611111, 0.166667]
    pulls = 3 / math.sqrt(1.5), 1 / math.sqrt(0.3)
    expected = [round(pull / sum(pulls), 6) for pull in pulls]
    assert table.select(score=sessions.closeness(seen, 0.5, 0.5, 0.0))["score"].to_list() == expected


def test_nearest_breaks_ties_by_visits_and_then_by_id() -> None:
    """Equal scores: more visits first, then the lesser id."""
    rows = [("a", "d", 0.5, 1), ("a", "c", 0.5, 2), ("a", "b", 0.5, 1), ("a", "e", 0.1, 9)]
    table = pl.DataFrame(rows, schema=["anchor_id", "product_id", "score", "n_xy"], orient="row")
    assert sessions.nearest(table, 3)["product_id"].to_list() == ["c", "b", "d"]


def test_orders_after_are_each_given_once() -> None:
    """Two products of one order are two rows; an order of somebody else is none."""
    made = shop([Visit("a", "c1", bought="xy"), Visit("a", "c2")])
    rows = sessions.visits(made, 60).rows.select("visit_id", "customer_id", "began_at")
    found = sessions.orders_after(rows, made.baskets, "began_at")
    assert sorted(found["bought_id"]) == ["x", "y"]
    assert (found["ordered_at"] - found["began_at"]).unique().to_list() == [timedelta(hours=1)]
