"""View to bought: what counts as bought after a view, the gate of chance, and the task that it is judged by."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.features import Features
from models.recommenders import faults
from models.view_to_bought import MAX_RESULTS, bought_after_view, view_to_bought
from tests.models.invented import END, QUICK, features, shuffled
from tests.models.visits import Visit, random_visits, shop

OWN = "view to purchase"


def own(made: Features) -> dict[tuple[str, str], dict[str, object]]:
    """Rows of the kind's own evidence by page and product."""
    frame = view_to_bought(made).filter(pl.col("source") == OWN)
    return {(row["anchor_id"], row["product_id"]): row for row in frame.iter_rows(named=True)}


def buyers(n: int, products: str, bought: str = "", hours: float = 1.0, age_days: float = 2.0) -> list[Visit]:
    """Visits of n customers of these products' pages."""
    return [Visit(products, f"{products}{bought}{number}", bought=bought, hours=hours, age_days=age_days) for number in range(n)]


def test_evidence_by_hand() -> None:
    """8 of 10 visits of a bought y, as 10 of all 40 did: 3.2 times chance; the score is (8 + 20 * .25) / 30."""
    made = shop(buyers(8, "a", "y") + buyers(2, "a") + buyers(2, "b", "y") + buyers(28, "b"))
    row = own(made)["a", "y"]
    assert (row["n_xy"], row["n_x"], row["n_y"], row["n_visits"]) == (8, 10, 10, 40)
    assert row["lift"] == pytest.approx(3.2)
    assert row["score"] == pytest.approx(13 / 30, abs=1e-6)
    assert row["reason"] == "8 of 10 visits bought it within a day; 3.2 times as often as by chance"
    assert ("b", "y") not in own(made)


def test_what_is_chance_is_not_own_evidence() -> None:
    """As many buyers of y after a as after b: nothing to say of either page, y stands as what visitors buy."""
    made = shop(buyers(5, "a", "y") + buyers(5, "a") + buyers(5, "b", "y") + buyers(5, "b"))
    assert own(made) == {}
    frame = view_to_bought(made).filter((pl.col("anchor_id") == "a") & (pl.col("rank") == 1))
    assert frame.select("product_id", "source", "score", "reason").rows() == [
        ("y", "bought by visitors", 0.5, "10 of 20 visits to any page bought it within a day")
    ]


@pytest.mark.parametrize("hours", [24.5, -1.0])
def test_the_day_after_the_view_counts(hours: float) -> None:
    """What was bought later than a day, or before the view, was not bought after it."""
    assert own(shop(buyers(8, "a", "y", hours=hours) + buyers(20, "b"))) == {}


def test_guests_and_the_page_itself_do_not_count() -> None:
    """Visits without a customer say nothing of purchases; a page never names its own product."""
    assert own(shop([Visit("a", bought="y")] * 20 + buyers(20, "b"))) == {}
    assert ("a", "a") not in own(shop(buyers(20, "a", "a") + buyers(20, "b")))


def test_three_visits_at_least() -> None:
    """Two buyers are no evidence however rare the product."""
    assert own(shop(buyers(2, "a", "y") + buyers(60, "b"))) == {}
    assert ("a", "y") in own(shop(buyers(3, "a", "y") + buyers(60, "b")))


@QUICK
@given(seed=st.integers(0, 10_000))
def test_random_visits(seed: int) -> None:
    """Whatever the visits: publishable, short enough, scores in 0..1, and the same bits for rows in another order."""
    made = random_visits(seed)
    frame = view_to_bought(made)
    assert faults(frame, made.eligible()["product_id"]) == []
    assert frame.filter((pl.col("rank") > MAX_RESULTS) | ~pl.col("score").is_between(0, 1)).is_empty()
    assert_frame_equal(frame, view_to_bought(shuffled(made, seed)))


def test_nothing_in_nothing_out() -> None:
    """An empty shop has no lists and no queries."""
    assert view_to_bought(features()).is_empty()
    assert bought_after_view(features(), END).queries.is_empty()


def test_the_task_asks_for_what_was_bought_after_later_views() -> None:
    """One query per later visit with a purchase; nothing of the later days is in training; the page's own is not asked for."""
    made = shop([*buyers(4, "a", "xy", age_days=10), *buyers(3, "a", "ay", age_days=1), *buyers(2, "a", "a", age_days=1)])
    held_out = bought_after_view(made, END - timedelta(days=2))
    assert held_out.queries["anchor_id"].to_list() == ["a"] * 3
    assert held_out.truth["product_id"].to_list() == ["y"] * 3
    assert held_out.train.baskets["order_id"].n_unique() == 4


@QUICK
@given(seed=st.integers(0, 10_000))
def test_the_task_is_the_same_in_any_order(seed: int) -> None:
    """Shuffled rows ask the same; truth is eligible and never the page itself."""
    made = random_visits(seed)
    split_at = END - timedelta(days=30)
    one, other = (bought_after_view(given, split_at) for given in (made, shuffled(made, seed)))
    assert_frame_equal(one.queries, other.queries)
    assert_frame_equal(one.truth, other.truth)
    asked = one.truth.join(one.queries, on="query_id")
    assert asked.filter(pl.col("product_id") == pl.col("anchor_id")).is_empty()
    assert {*one.truth["product_id"]} <= {*made.eligible()["product_id"]}
