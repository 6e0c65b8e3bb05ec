"""Session neighbours: the lists, the answer of a live session, and the choice of its weights."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import live_session, session_neighbours, tasks
from models.features import Features
from models.recommenders import faults
from models.session_neighbours import KIND, N_NEIGHBOURS, answer, answer_with_repeats, choose
from models.sessions import visits
from models.tasks import HeldOut
from tests.models.invented import END, QUICK, features, shuffled
from tests.models.visits import Visit, random_visits, shop

CHOICE = {"backward": 0.5, "popularity": 0.0, "prior": 5.0, "lagWeights": [1.0, 0.5]}


def held_out(train: Features, viewed: list[list[str]], wanted: list[str]) -> HeldOut:
    """Queries of these views so far, in order, and what came next."""
    queries = pl.DataFrame({"viewed": viewed}, schema={"viewed": pl.List(pl.String)}).with_row_index("query_id")
    queries = queries.select("query_id", pl.col("viewed").list.last().alias("anchor_id"), "viewed")
    return HeldOut(train, queries, queries.select("query_id", pl.Series("product_id", wanted)))


def chain(n: int, age_days: float) -> list[Visit]:
    """Visits that each walk a, b, c, d, e, f from another place on."""
    walks = ["abcd", "bcde", "cdef", "abc", "def"]
    return [Visit(walks[number % len(walks)], age_days=age_days) for number in range(n)]


def test_weights_by_hand() -> None:
    """One visit of a then b: .63093 from a to b, half of it back, and 5 more of which each of the two has half."""
    frame = session_neighbours.session_neighbours(replace(shop(["ab"]), choices={KIND: CHOICE}))
    assert frame.select("anchor_id", "rank", "product_id", "score", "n_xy").rows() == [
        ("a", 1, "b", round(3.13093 / 5.63093, 6), 1),
        ("b", 1, "a", round(2.815465 / 5.315465, 6), 1),
    ]
    assert frame["reason"][0] == "1 of 1 visits went on between the two"


def test_the_answer_is_the_live_scorers() -> None:
    """query by query: live_session.rank over the published lists, nothing viewed, then best sellers."""
    made = replace(shop([*chain(20, 3), Visit("a", "c1", bought="zzz")]), choices={KIND: CHOICE})
    frame = session_neighbours.session_neighbours(made)
    lists = {
        anchor: rows.sort("rank").select("product_id", "score").rows()
        for (anchor,), rows in frame.group_by("anchor_id", maintain_order=True)
    }
    given = held_out(made, [["a", "b"], ["f"], ["q"]], ["c", "e", "z"])
    found = answer(given, 3)
    expected = [product for product, _ in live_session.rank(["a", "b"], lists, {"a", "b"}, 3, (1.0, 0.5))]
    assert found.filter(pl.col("query_id") == 0).sort("rank")["product_id"].to_list() == expected
    assert found.filter(pl.col("query_id") == 2)["product_id"].to_list() == ["z"]
    assert "a" in answer_with_repeats(given, 5).filter(pl.col("query_id") == 0)["product_id"]


def test_the_grid_counts_what_the_live_scorer_hits() -> None:
    """For every choice tried, the hits of the sparse form are those of live_session.rank, one query at a time."""
    made = shop([*chain(60, 9), *chain(60, 1)])
    given = tasks.next_views(made, END - timedelta(days=5))
    asked = given.queries.join(given.truth, on="query_id", maintain_order="left")
    seen = visits(given.train, session_neighbours.LOOKBACK_DAYS)
    pairs = session_neighbours._tuning_pairs(given.train, seen, asked)
    tried = list(session_neighbours._tried(pairs, seen, asked))
    assert len(tried) == 90
    for choice, hits in tried:
        frame = session_neighbours._neighbours(pairs, seen, choice)
        lists = {anchor: rows.select("product_id", "score").rows() for (anchor,), rows in frame.group_by("anchor_id")}
        ranked = [
            [found for found, _ in live_session.rank(viewed, lists, set(viewed), session_neighbours.K, choice["lagWeights"])]
            for viewed in asked["viewed"].to_list()
        ]
        assert hits == sum(wanted in found for wanted, found in zip(asked["product_id"], ranked, strict=True))


def test_a_choice_is_made_of_enough_days() -> None:
    """With enough later visits a choice holds its fields and can be written as JSON; with few there is none."""
    made = shop([*chain(400, 9), *chain(400, 1)])
    choice = choose(made, END - timedelta(days=5))
    assert set(choice) == set(session_neighbours.DEFAULTS)
    assert choice["lagWeights"][0] == 1.0
    assert choose(shop([*chain(9, 9), *chain(9, 1)]), END - timedelta(days=5)) == {}
    assert choose(features(), END) == {}


def test_sold_out_is_no_neighbour_but_has_some() -> None:
    """A sold-out product is recommended to nobody, and still says where its visitors go; a hidden one does neither."""
    frame = session_neighbours.session_neighbours(shop(["abc"] * 3, {"b": {"in_stock": False}, "c": {"is_shown": False}}))
    assert {*frame["product_id"]} == {"a"}
    assert {*frame["anchor_id"]} == {"b"}


@QUICK
@given(seed=st.integers(0, 10_000))
def test_random_visits(seed: int) -> None:
    """Whatever the visits: publishable, at most 50 each, weights in 0..1 that sum to 1 at most, the same bits in any order."""
    made = random_visits(seed)
    frame = session_neighbours.session_neighbours(made)
    assert faults(frame, made.eligible()["product_id"]) == []
    assert frame.filter((pl.col("rank") > N_NEIGHBOURS) | ~pl.col("score").is_between(0, 1)).is_empty()
    assert frame.group_by("anchor_id").agg(pl.col("score").sum()).filter(pl.col("score") > 1 + 1e-4).is_empty()
    assert_frame_equal(frame, session_neighbours.session_neighbours(shuffled(made, seed)))


@pytest.mark.parametrize("minutes", [0, 1])
def test_visits_without_times(minutes: float) -> None:
    """All views at one instant: both directions weigh the same, and the lists are there."""
    frame = session_neighbours.session_neighbours(shop([Visit("ab", minutes=minutes)] * 5))
    assert frame.height == 2
    assert (frame["score"][0] == frame["score"][1]) == (minutes == 0)


def test_orders_stand_in_where_nobody_viewed() -> None:
    """Nobody viewed p or q, but two orders have both: they lead to each other by orders; what was viewed keeps its visits."""
    made = replace(features(["pq", "pq", "ab", "ab"], [("s", "a", 1.0), ("s", "b", 0.999)]), choices={KIND: CHOICE})
    frame = session_neighbours.session_neighbours(made)
    assert dict(frame.select("anchor_id", "source").rows()) == {"a": "session", "b": "session", "p": "orders", "q": "orders"}
    assert frame.filter(anchor_id="p").select("product_id", "n_xy", "n_x", "n_visits", "reason").rows() == [
        ("q", 2, 2, 4, "2 of 2 orders have both")
    ]
    alone = session_neighbours.session_neighbours(features(["pq"]))
    assert alone.is_empty()
