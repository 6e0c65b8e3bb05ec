"""Learnt tiers: thresholds, discounts and evidence worked out by hand, and drafts that the API would accept as they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from models import bulk_tier_rules, bulk_tiers
from models.bulk_tiers import MARGIN_FLOOR, MAY_PAY, PAYS, UNKNOWN, UNLIKELY
from models.generation import ROWS
from models.recommenders import faults
from tests.models.invented import QUICK, shuffled
from tests.models.shops_of_quantities import guests, random_shop, shop


def drafts(*counts: tuple[int, int], **product: Any) -> list[dict[str, Any]]:
    """Drafts for one product from its orders as (quantity, how many)."""
    return bulk_tiers.bulk_tiers(shop(guests("a", *counts), {"a": product})).to_dicts()


SPREAD = ((1, 50), (2, 20), (3, 10), (5, 12), (8, 8))


def test_thresholds_from_the_distribution() -> None:
    """100 orders, most of them 1: just above the mode 2, P75 3, P90 5; each tier ends where the next begins."""
    tiers = drafts(*SPREAD)
    assert [(row["rank"], row["min_quantity"], row["max_quantity"], row["source"]) for row in tiers] == [
        (1, 2, 2, "just above the commonest quantity"),
        (2, 3, 4, "P75 of units per order"),
        (3, 5, None, "P90 of units per order"),
    ]
    assert [(row["mode"], row["p75"], row["p90"], row["n_orders"], row["pack_size"]) for row in tiers] == [(1, 3, 5, 100, 1)] * 3
    assert [(row["share_at_or_above"], row["n_within_reach"]) for row in tiers] == [(0.5, 50), (0.3, 20), (0.2, 10)]
    assert {row["anchor_id"] for row in tiers} == {row["product_id"] for row in tiers} == {"a"}
    assert {row["status"] for row in tiers} == {"draft"}


def test_without_a_cost_little_is_offered() -> None:
    """Nobody knows what it loses: 3, 5 and 8 percent, and no word on whether it pays."""
    tiers = drafts(*SPREAD)
    assert [row["discount_value"] for row in tiers] == [3.0, 5.0, 8.0]
    assert {row["outlook"] for row in tiers} == {UNKNOWN}
    assert {row["break_even_units"] for row in tiers} == {row["margin"] for row in tiers} == {None}


def test_discounts_end_at_the_margin_floor() -> None:
    """Cost 6.00 of 10.00: d_max = 1 - 6 / (10 * .8) = 25 %, of which a third, two and all, in half percents."""
    tiers = drafts(*SPREAD, cost_cents=600)
    assert [row["discount_value"] for row in tiers] == [8.0, 16.5, 25.0]
    assert [row["most_discount"] for row in tiers] == [0.25] * 3
    top = tiers[-1]
    # 20 orders at 5 or more take 12 * 5 + 8 * 8 = 124 units; .25 / (.4 - .25) of them must be added
    assert top["break_even_uplift"] == pytest.approx(0.25 / 0.15, abs=1e-4)
    assert top["break_even_units"] == pytest.approx(124 * 0.25 / 0.15, abs=0.05)


def test_what_leaves_no_margin_has_no_tiers() -> None:
    """A product that earns hardly more than the floor, or is sold below cost, gets no draft; a free one of no cost up to 30 %."""
    assert drafts(*SPREAD, cost_cents=795) == []
    assert drafts(*SPREAD, cost_cents=1500) == []
    assert [row["discount_value"] for row in drafts(*SPREAD, cost_cents=0)] == [10.0, 20.0, 30.0]


def test_thresholds_are_whole_packs() -> None:
    """Of what is bought by the dozen, tiers are dozens; packs are learnt from orders that take at least what is commonest."""
    dozens = drafts((12, 40), (24, 15), (40, 5))
    assert [(row["pack_size"], row["min_quantity"]) for row in dozens] == [(12, 24)]
    cartons = drafts((1, 8), (2, 8), (3, 8), (10, 30), (20, 6))
    assert [(row["pack_size"], row["min_quantity"]) for row in cartons] == [(10, 20)]


def test_what_most_orders_take_needs_no_discount() -> None:
    """The commonest quantity is 1, but six of ten orders take 2 or more: the tier at 2 is left out, the later ones stay."""
    assert [row["min_quantity"] for row in drafts((1, 40), (2, 30), (6, 20), (9, 10))] == [6, 9]


def test_wholesale_buyers_set_no_thresholds() -> None:
    """Traders' orders are counted, and neither move the percentiles nor stand among the orders within reach."""
    retail = [("a", f"customer-{n}", quantity) for n, (_, _, quantity) in enumerate(guests("a", *SPREAD))]
    traders = [("a", f"trader-{n % 5}", 240) for n in range(50)]
    alone, beside = (bulk_tiers.bulk_tiers(shop(orders)) for orders in (retail, retail + traders))
    assert beside["n_wholesale_orders"].to_list() == [50] * 3
    assert beside.drop("n_wholesale_orders").equals(alone.drop("n_wholesale_orders"))


@pytest.mark.parametrize(
    ("counts", "product"),
    [
        (((1, 20), (2, 9)), {}),
        (((1, 40),), {"is_shown": False}),
        (((1, 30), (2, 9)), {"price_cents": 0}),
        (((1, 30), (2, 9)), {"price_cents": None}),
    ],
)
def test_no_drafts_without_evidence_or_page(counts: tuple[tuple[int, int], ...], product: dict[str, Any]) -> None:
    """Too few orders, a product without a page, one that costs nothing: nothing is proposed."""
    assert drafts(*counts, **product) == []


def test_the_range_of_extra_units() -> None:
    """Forty orders of 1 lack one unit each for a tier of 2. One in ten is expected to step up; the range holds what the prior and
    chance together allow, and is never below nothing. Nobody within reach: nothing."""
    two = drafts((1, 40), (2, 5))[0]
    assert (two["n_within_reach"], two["extra_units"]) == (40, 4.0)
    # the beta-binomial's own 10 % and 90 % points, rounded outwards by at most a unit
    low, high = (40 * float(beta.ppf(share, *bulk_tiers.STEPS_UP)) for share in bulk_tiers.RANGE)
    assert 0 <= two["extra_units_low"] <= low
    assert high <= two["extra_units_high"] <= high + 2
    far = drafts((1, 40), (50, 5))[-1]
    assert (far["min_quantity"], far["n_within_reach"]) == (50, 0)
    assert (far["extra_units"], far["extra_units_low"], far["extra_units_high"]) == (0.0, 0.0, 0.0)


def test_the_outlook_compares_what_it_costs_with_what_it_may_bring() -> None:
    """A tier that hardly anybody has reached yet and many may pays; one that gives a discount to half of the orders does not."""
    found = {
        drafts((1, 400), (2, 1), cost_cents=100)[0]["outlook"],
        drafts((1, 90), (2, 15), cost_cents=400)[0]["outlook"],
        drafts((1, 20), (2, 10), (40, 9), cost_cents=600)[-1]["outlook"],
    }
    assert found == {PAYS, MAY_PAY, UNLIKELY}


def test_an_empty_shop_has_no_drafts() -> None:
    """The frame keeps its columns."""
    frame = bulk_tiers.bulk_tiers(shop([]))
    assert (frame.height, frame.schema) == (0, pl.Schema(bulk_tiers.SCHEMA))


@QUICK
@given(st.integers(0, 10**6))
def test_every_draft_would_be_accepted(seed: int) -> None:
    """Shuffled rows give the same frame; it passes the contract of its form; the tiers of a product pass the rules of the API, rise
    in quantity and discount, and leave the margin floor where the cost is known."""
    features = random_shop(seed)
    frame = bulk_tiers.bulk_tiers(features)
    assert frame.equals(bulk_tiers.bulk_tiers(shuffled(features, seed)))
    assert faults(frame, features.eligible()["product_id"], ROWS) == []
    for (product_id,), rows in frame.group_by("product_id"):
        product = features.products.row(by_predicate=pl.col("product_id") == product_id, named=True)
        price = Decimal(product["price_cents"]) / 100
        names = ("min_quantity", "max_quantity", "discount_type", "discount_value")
        tiers = [
            dict(zip(("minQuantity", "maxQuantity", "discountType", "discountValue"), row, strict=True))
            for row in rows.select(names).rows()
        ]
        discount, wrong = bulk_tier_rules.read({"tiers": tiers}, price)
        assert wrong == [] and discount is not None
        assert rows["min_quantity"].is_sorted() and rows["min_quantity"].n_unique() == rows.height
        assert rows["discount_value"].is_sorted() and rows["discount_value"].n_unique() == rows.height
        assert ((rows["extra_units_low"] <= rows["extra_units"]) & (rows["extra_units"] <= rows["extra_units_high"])).all()
        if product["cost_cents"] is not None:
            left = product["price_cents"] * (1 - rows["discount_value"] / 100)
            assert ((left - product["cost_cents"]) / left >= MARGIN_FLOOR - 1e-9).all()
