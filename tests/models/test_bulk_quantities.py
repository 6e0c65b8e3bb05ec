"""Units per order: who is a wholesale buyer, what comes in packs, and what is usual for a product and a customer."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import bulk_quantities
from tests.models.invented import QUICK, shuffled
from tests.models.shops_of_quantities import guests, random_shop, shop


def packs(*counts: tuple[int, int]) -> int:
    """The pack size that orders of (quantity, how many) teach."""
    return int(bulk_quantities.pack_sizes(bulk_quantities.lines(shop(guests("a", *counts))))["pack_size"].item())


def wholesale(*orders: tuple[str, str | None, int]) -> set[str | None]:
    """The customers who are taken for wholesale buyers."""
    bought = bulk_quantities.lines(shop(orders))
    return set(bought.filter("is_wholesale")["customer_id"])


RETAIL = [("a", f"customer-{n}", 1 + n % 3) for n in range(20)]


def test_far_above_what_others_take_is_wholesale() -> None:
    """Who takes more than twice the retail P90 (3 here), line after line, is a wholesale buyer; who does so once, or takes little
    more, is none."""
    bulky = [("a", "trader", 24)] * 5
    fond = [("a", "fond", 6)] * 9
    party = [("a", "party", 1), ("a", "party", 1), ("a", "party", 1), ("a", "party", 40), ("a", "party", 40)]
    assert wholesale(*RETAIL, *bulky, *fond, *party) == {"trader"}
    assert wholesale(*RETAIL, *bulky[:4]) == set(), "four lines say too little"


def test_one_who_orders_often_does_not_hide() -> None:
    """Each buyer counts once: a hundred orders of one trader do not move what a trader is measured by."""
    assert wholesale(*RETAIL, *[("a", "trader", 24)] * 100) == {"trader"}


def test_a_guest_is_an_order() -> None:
    """Orders without a customer are as many buyers: five large ones are five guests, and none of them usual."""
    assert wholesale(*RETAIL, *[("a", None, 24)] * 5) == set()


def test_what_is_no_longer_there_does_not_count() -> None:
    """A line of which nothing is left, or that is older than the window, is no evidence."""
    assert bulk_quantities.lines(shop([("a", None, 0), ("a", None, -2), ("a", None, 3)]))["quantity"].to_list() == [3]
    old = shop([("a", None, 3)], age_days=bulk_quantities.WINDOW_DAYS)
    assert bulk_quantities.lines(old).is_empty()


def test_mode_and_percentiles() -> None:
    """Mode: the commonest, of equally common ones the least; percentiles are quantities that occur."""
    spread = bulk_quantities.quantities(bulk_quantities.lines(shop(guests("a", (1, 4), (2, 4), (6, 1), (20, 1)))))
    assert spread.to_dicts() == [{"product_id": "a", "n_orders": 10, "p75": 2, "p90": 20, "mode": 1}]


@pytest.mark.parametrize(
    ("counts", "pack_size"),
    [
        ([(12, 10), (24, 5), (36, 1)], 12),
        ([(6, 10), (12, 5), (18, 3)], 6),
        ([(1, 10), (2, 9), (3, 8), (4, 7), (5, 6), (6, 5)], 1),
        # a quarter of all orders in dozens is no rule
        ([(1, 30), (12, 10)], 1),
        ([(12, 12), (5, 8)], 12),
        ([(12, 10), (5, 10)], 1),
        ([(7, 40)], 1),
        # half of all numbers are even: three quarters of the orders must be
        ([(2, 7), (3, 3)], 1),
        ([(2, 8), (4, 1), (3, 1)], 2),
    ],
)
def test_packs_are_learnt(counts: list[tuple[int, int]], pack_size: int) -> None:
    """A pack divides the quantities much more often than chance has it; the largest such number is the pack."""
    assert packs(*counts) == pack_size


def test_what_is_usual() -> None:
    """P90 of a product from ten retail orders on, of a customer's own from three on; a wholesale buyer has a usual quantity too."""
    usual = bulk_quantities.usual(shop([*RETAIL, *[("a", "trader", 24)] * 5, ("a", "customer-1", 5), ("a", "customer-1", 5)]))
    assert usual.to_dicts() == [
        {"product_id": "a", "customer_id": None, "p90": 3, "n_orders": 22},
        {"product_id": "a", "customer_id": "customer-1", "p90": 5, "n_orders": 3},
        {"product_id": "a", "customer_id": "trader", "p90": 24, "n_orders": 5},
    ]


@QUICK
@given(st.integers(0, 10**6))
def test_laws_of_quantities(seed: int) -> None:
    """Shuffled rows say the same; a share of at least p of the orders takes no more than a percentile; an empty shop has empty
    frames of the same columns."""
    features = random_shop(seed)
    bought = bulk_quantities.lines(features)
    mixed = shuffled(features, seed)
    assert bulk_quantities.usual(mixed).equals(bulk_quantities.usual(features))
    again = bulk_quantities.lines(mixed)
    assert bulk_quantities.pack_sizes(again).equals(bulk_quantities.pack_sizes(bought))
    spread = bulk_quantities.quantities(bought)
    assert bulk_quantities.quantities(again).equals(spread)
    for row in spread.iter_rows(named=True):
        taken = bought.filter(product_id=row["product_id"])["quantity"]
        assert row["mode"] in taken and row["p75"] in taken and row["p90"] in taken
        assert (taken <= row["p75"]).mean() >= 0.75 and (taken <= row["p90"]).mean() >= 0.9
        assert row["n_orders"] == taken.len()
    empty = replace(features, baskets=features.baskets.clear())
    assert bulk_quantities.usual(empty).schema == pl.Schema(bulk_quantities.USUAL_SCHEMA)
