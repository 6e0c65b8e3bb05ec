"""What customers were when they saw an offer, by hand and against the segments of the night before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import holdout
from models.acceptance import upsell_acceptance
from models.acceptance_calibration import calibration
from models.acceptance_impressions import recommend, segmented
from models.evaluation import held_out_from
from models.features import IMPRESSIONS, SUBSCRIPTIONS, Features, shown_before
from models.segments import ENOUGH, segments
from tests.models.invented import END, QUICK, shuffled
from tests.models.shops_of_customers import random_shop, shop_of


def shown(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Impressions of rule r on the cart's page: `age` in days; the other columns of IMPRESSIONS as they are given."""
    plain = {"rule_id": "r", "placement": "CART_PAGE"}
    made = [{**plain, **row, "viewed_at": END - timedelta(days=row.get("age", 0))} for row in rows]
    return pl.DataFrame(made, schema=IMPRESSIONS)


def seen_by(shop: Features, *views: tuple[str | None, float]) -> list[str | None]:
    """The segments of impressions, each by (customer, age in days)."""
    impressions = shown([{"customer_id": customer, "age": age} for customer, age in views])
    return segmented(replace(shop, impressions=impressions))["segment"].to_list()


def test_what_a_customer_was_not_what_they_became() -> None:
    """Orders 10 and 4 days ago: before both a first-time buyer, between them one who has bought once, afterwards one who comes
    back. An order of the impression's own day is not known to the night before it."""
    shop = shop_of([("ann", "a", 10), ("ann", "a", 4)])
    views = [("ann", age) for age in (12, 10, 9, 4, 3)]
    assert seen_by(shop, *views) == [*["FIRST_TIME_BUYER"] * 4, "REPEAT_CUSTOMER"]


def test_guests_and_those_nobody_has_seen() -> None:
    """A guest has no segment, a customer without orders is a first-time buyer, as the API has it."""
    assert seen_by(shop_of([("ann", "a", 10)]), (None, 0), ("new", 0)) == [None, "FIRST_TIME_BUYER"]


def test_lapsed() -> None:
    """Nine tenths of the orders follow within 20 days: whoever was away for longer has lapsed, and had not before."""
    crowd = [(f"crowd-{i}", "a", age) for i in range(ENOUGH) for age in (100.0, 80.0)]
    shop = shop_of([*crowd, ("ann", "a", 90), ("ann", "a", 60)])
    assert seen_by(shop, ("ann", 39), ("ann", 38)) == ["REPEAT_CUSTOMER", "LAPSED_CUSTOMER"]


def test_subscribers() -> None:
    """A subscription counts from the day after it began, of those who come back."""
    began = {"status": "ACTIVE", "frequency": "MONTHLY", "product_id": "a", "created_at": END - timedelta(days=2)}
    rows = [{**began, "customer_id": customer} for customer in ("ann", "bob")] + [
        {**began, "customer_id": "cid", "status": "EXPIRED"}
    ]
    orders = [(customer, "a", age) for customer in ("ann", "cid") for age in (9, 8)]
    shop = replace(shop_of([*orders, ("bob", "a", 9)]), subscriptions=pl.DataFrame(rows, schema=SUBSCRIPTIONS))
    views = [("ann", 2.0), ("ann", 1.0), ("bob", 1.0), ("cid", 1.0)]
    assert seen_by(shop, *views) == ["REPEAT_CUSTOMER", "LOYAL_SUBSCRIBER", "FIRST_TIME_BUYER", "REPEAT_CUSTOMER"]


@QUICK
@given(
    seed=st.integers(0, 10**6), ages=st.lists(st.sampled_from([0.0, 0.4, 1.0, 31.0, 90.5, 399.0, 401.0]), min_size=1, max_size=9)
)
def test_the_night_before_says_the_same(seed: int, ages: list[float]) -> None:
    """The segment is the one that the segments published the night before put first, whatever the shop and the order of rows."""
    shop = random_shop(seed)
    customers = [f"customer-{number % 6}" for number in range(len(ages))]
    shop = replace(shop, impressions=shown([{"customer_id": who, "age": age} for who, age in zip(customers, ages, strict=True)]))
    for customer, viewed_at, segment in segmented(shop).select("customer_id", "viewed_at", "segment").rows():
        assert isinstance(viewed_at, datetime)
        before = segments(shop.before(viewed_at.replace(hour=0, minute=0, second=0, microsecond=0)))
        known = before.filter(pl.col("anchor_id") == customer, pl.col("level") == "customer")
        assert segment == (known["source"][0] if known.height else "FIRST_TIME_BUYER")
    assert_frame_equal(segmented(shop), segmented(shuffled(shop, seed)))


@pytest.mark.parametrize("id", [holdout.EXPERIMENT, holdout.experiment_id("shop")])
def test_the_permanent_holdout_is_no_variant(id: str) -> None:
    """Offers to its arm OFFERS count, what stands for the other arm does not, nor what belongs to any other experiment."""
    arms = [(id, holdout.OFFERS), (id, holdout.HOLDOUT), (id, None), ("other", holdout.OFFERS), (None, None)]
    shop = replace(
        shop_of(), impressions=shown([{"experiment_id": experiment, "variant": variant} for experiment, variant in arms])
    )
    assert segmented(shop)["experiment_id"].is_null().to_list() == [True, False, False, False, True]
    assert recommend(shop).filter(level="company")["n_viewed"].to_list() == [2]


def test_rates_by_segment() -> None:
    """Rows of the kind stand under the company and its rules, and tell the segments of the impressions apart."""
    accepted = END + timedelta(minutes=1)
    rows: list[dict[str, Any]] = [{"customer_id": "ann", "accepted_at": accepted}, {"customer_id": "ann"}, {"customer_id": None}]
    frame = recommend(replace(shop_of([("ann", "a", 9), ("ann", "a", 8)]), impressions=shown(rows)))
    assert set(frame["anchor_id"]) == {"", "r"}
    cells = frame.filter(level="rule, placement and segment").sort("segment")
    assert cells.select("segment", "n_viewed", "n_accepted").rows() == [("GUEST", 1, 0), ("REPEAT_CUSTOMER", 2, 1)]


def test_what_was_not_known_yet() -> None:
    """Known at an instant is what was viewed before it, without the answers that came at it or later."""
    rows: list[dict[str, Any]] = [
        {"age": 3, "accepted_at": END - timedelta(days=2), "declined_at": END},
        {"age": 2, "accepted_at": END - timedelta(days=1)},
        {"age": 1},
    ]
    shop = replace(shop_of([("ann", "a", 2)]), impressions=shown(rows))
    at = END - timedelta(days=1)
    known = shop.before(at).impressions
    assert_frame_equal(known, shown_before(shop.impressions, at))
    assert known.select("accepted_at", "declined_at").rows() == [(END - timedelta(days=2), None), (None, None)]


def test_the_figures_say_how_far_off() -> None:
    """Calibration over the held-out days of a shop whose offers are all accepted, then never: off by nearly one."""
    early: list[dict[str, Any]] = [{"age": 9.0, "accepted_at": END - timedelta(days=9)}] * 200
    shop = replace(shop_of([("ann", "a", 10), ("ann", "a", 0)]), impressions=shown([*early, *[{"age": 0.1}] * 100]))
    figures = calibration(segmented(shop), held_out_from(shop)).to_json()
    assert figures["heldOutImpressions"] == 100
    assert figures["error"] > 0.9 > figures["byChance"]
    assert calibration(segmented(shop_of()), END).to_json()["error"] is None
    assert upsell_acceptance(segmented(shop_of())).is_empty()
