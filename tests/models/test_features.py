"""Windows and eligibility."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.models.invented import END, features


def test_a_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    """An event exactly lookback_days old is outside; one at the window's end is inside with age 0."""
    shop = features([("a", 7), ("b", 6.5), ("c", 0)], views=[("s", "a", 7), ("s", "b", 3.25), ("s", "c", 0)])
    assert shop.recent_baskets(7).select("product_id", "age_days").rows() == [("b", 6.5), ("c", 0.0)]
    assert shop.recent_views(7).select("product_id", "age_days").rows() == [("b", 3.25), ("c", 0.0)]


def test_age_counts_fractions_of_days() -> None:
    """Six hours are a quarter of a day."""
    shop = features([("a", 0.25)])
    assert shop.recent_baskets(1)["age_days"].to_list() == [0.25]
    assert shop.baskets["ordered_at"][0] == END - timedelta(hours=6)


def test_a_lookback_beyond_the_calendar_reads_everything() -> None:
    """No lookback is too long."""
    assert features([("a", 5000)]).recent_baskets(2**31 - 1).height == 1


@pytest.mark.parametrize(
    ("columns", "rules", "shown", "eligible"),
    [
        ({}, {}, True, True),
        ({"is_shown": False}, {}, False, False),
        ({"is_shown": None}, {}, False, False),
        ({"in_stock": False}, {}, True, False),
        ({"in_stock": False}, {"respectInventory": False}, True, True),
        ({"is_shown": False, "in_stock": True}, {"respectInventory": False}, False, False),
        ({"average_rating": 3.9}, {"minRatingToShow": 4}, True, False),
        ({"average_rating": 4.0}, {"minRatingToShow": 4}, True, True),
        ({"average_rating": None}, {"minRatingToShow": 5}, True, True),
        ({"average_rating": 0.0}, {"minRatingToShow": 0}, True, True),
    ],
)
def test_shown_and_eligible(columns: dict[str, object], rules: dict[str, object], shown: bool, eligible: bool) -> None:
    """Shown is what has a page; eligible is shown, in stock where that matters, and not badly rated."""
    shop = features(catalogue={"a": columns}, **{"global": rules})
    assert (shop.shown().height == 1, shop.eligible().height == 1) == (shown, eligible)
