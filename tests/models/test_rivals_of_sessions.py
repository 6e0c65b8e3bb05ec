"""The rivals of live sessions, each by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from models import tasks
from models.rivals_of_sessions import (
    learnt,
    next_page_counts,
    pairwise_counts,
    pairwise_counts_of_session,
    session_knn,
    vector_session_knn,
)
from models.tasks import HeldOut
from tests.models.invented import END, features
from tests.models.visits import Visit, shop

EVERY = [pairwise_counts, pairwise_counts_of_session, next_page_counts, session_knn, vector_session_knn]
Rival = Callable[..., pl.DataFrame]


def asked(viewed: list[str], visits: list[Visit | str]) -> HeldOut:
    """One query after these visits."""
    queries = pl.DataFrame({"query_id": [0], "anchor_id": viewed[-1:], "viewed": [viewed]})
    return HeldOut(shop(visits), queries, pl.DataFrame({"query_id": [0], "product_id": ["z"]}))


def ranked(rival: Rival, viewed: list[str], visits: list[Visit | str], **more: object) -> list[str]:
    """The products of a rival's answer."""
    return rival(asked(viewed, visits), 5, **more).sort("rank")["product_id"].to_list()


def test_pairwise_counts() -> None:
    """b is with c twice and with d once; a is with d twice, which only the whole session's counts see."""
    visits: list[Visit | str] = ["bc", "cb", "bd", "ad", "da", "ab"]
    assert ranked(pairwise_counts, ["a", "b"], visits) == ["c", "d"]
    assert ranked(pairwise_counts_of_session, ["a", "b"], visits) == ["d", "c"]
    assert ranked(pairwise_counts, ["a", "b"], visits, repeats=True) == ["c", "a", "d"]


def test_a_page_is_a_session_of_one() -> None:
    """A query that only has an anchor is answered as a session that has viewed nothing else."""
    held_out = asked(["b"], ["bc", "cb", "bd"])
    pages = HeldOut(held_out.train, held_out.queries.drop("viewed"), held_out.truth)
    assert pairwise_counts(pages, 5).rows() == pairwise_counts(held_out, 5).rows()


def test_next_page_counts() -> None:
    """Only the very next page counts, in its direction, reloads left out."""
    assert ranked(next_page_counts, ["b"], ["bbc", "bd", "bd", "ab", "bac"]) == ["d", "a", "c"]


def test_nearest_sessions() -> None:
    """The visit that shares both products is the nearest: its c stands before the d of a visit that shares one of two."""
    visits: list[Visit | str] = ["abc", "bd"]
    assert ranked(session_knn, ["a", "b"], visits) == ["c", "d"]
    assert ranked(session_knn, ["a", "b"], visits, nearest=1) == ["c"]


def test_later_views_count_more_for_the_vector() -> None:
    """A session that went from a to b: what goes with b stands before what goes with a."""
    assert ranked(vector_session_knn, ["a", "b"], ["ac", "bd"]) == ["d", "c"]


@pytest.mark.parametrize("rival", EVERY)
def test_only_what_may_be_shown_and_is_new(rival: Rival) -> None:
    """Nothing viewed, sold out or hidden is answered; a page that nobody has seen before has no answer of its own."""
    made = shop([*[Visit("abcd", age_days=9)] * 3, *["abq", "qa"]], {"c": {"in_stock": False}, "d": {"is_shown": False}})
    held_out = tasks.next_views_with_repeats(made, END - timedelta(days=5))
    for repeats in (False, True):
        found = rival(held_out, 5, repeats=repeats).join(held_out.queries, on="query_id")
        assert {*found["product_id"]} <= {"a", "b"}
        gone = pl.col("product_id").is_in(pl.col("viewed")) if not repeats else pl.col("product_id") == pl.col("anchor_id")
        assert found.filter(gone).is_empty()


@pytest.mark.parametrize("rival", EVERY)
def test_nothing_in_nothing_out(rival: Rival) -> None:
    """Without visits there is no answer."""
    assert rival(tasks.next_views(features(), END), 5).is_empty()


def test_bots_teach_nothing() -> None:
    """A visit to a whole catalogue leaves no pairs, which would be the square of it."""
    crawl = Visit("".join(chr(0x4E00 + number) for number in range(60)))
    known = learnt(asked(["a"], ["ab", crawl]))
    assert known.names == ["a", "b"] and known.incidence.shape == (1, 2)
