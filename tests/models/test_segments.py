"""Segments of customers and thresholds of the company, by hand and on shops made up at random."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import cart_segments as named
from models.cart_segments import customer, thresholds
from models.features import Features
from models.generation import ROWS
from models.payloads import rows
from models.recommenders import COLUMNS, faults
from models.segments import ENOUGH, EVIDENCE, SCHEMA, order_values, segments
from tests.models.invented import BASKET, END, QUICK, shuffled, view_rows
from tests.models.shops_of_customers import random_shop, shop_of

PRICES = {letter: {"price_cents": 100 * 10**power} for power, letter in enumerate("lmh")}


def crowd(n: int = ENOUGH) -> list[tuple[str, str, float]]:
    """`n` customers with an order of 10.00 today and one 20 days ago; a tenth of them came 60 days ago instead."""
    return [(f"crowd-{i:03}", "m", age) for i in range(n) for age in (0.0, 60.0 if i % 10 == 0 else 20.0)]


def of(shop: Features, who: str) -> list[str]:
    """A customer's segments."""
    found = segments(shop).filter(anchor_id=who)
    assert found.height == 1
    return list(found["segments"][0])


def test_a_customers_row() -> None:
    """Every column of a customer with three orders, two of 1.00 and one of 100.00, where most orders are worth 10.00."""
    shop = shop_of([*crowd(), ("x", "l", 5), ("x", "l", 15), ("x", "h", 45)], catalogue=PRICES)
    row = segments(shop).filter(anchor_id="x").row(0, named=True)
    assert row == {
        "anchor_id": "x",
        "rank": 1,
        "product_id": "",
        "score": 0.0,
        "source": "REPEAT_CUSTOMER",
        "reason": "3 orders, last 5 days ago (active); comes every 20 days; median order worth more than 0 % of all",
        "level": "customer",
        "segments": ["REPEAT_CUSTOMER", "BUDGET_CONSCIOUS"],
        "n_orders": 3,
        "last_order_at": END - timedelta(days=5),
        "days_since_last_order": 5,
        "own_interval_days": 20.0,
        "activity": "active",
        "order_value_cents": 100,
        "spend_quantile": 0.0,
        "line_units": 1,
        "n_replenished": 0,
        "has_subscription": False,
    }


@pytest.mark.parametrize(("age", "activity"), [(20, "active"), (21, "cooling"), (60, "cooling"), (61, "lapsed")])
def test_active_cooling_lapsed(age: float, activity: str) -> None:
    """Half of the crowd's gaps are 20 days or fewer and 90 % of them 60: so long a customer is active, and beyond that lapsed."""
    # with three more gaps of 60 days the 90 % quantile lies among them
    shop = shop_of([*crowd(40), *((f"late-{i}", "m", at) for i in range(3) for at in (0.0, 60.0)), ("x", "m", age)])
    row = segments(shop).filter(anchor_id="x").row(0, named=True)
    assert row["activity"] == activity
    assert ("LAPSED_CUSTOMER" in row["segments"]) == (activity == "lapsed")
    assert row["source"] == ("LAPSED_CUSTOMER" if activity == "lapsed" else "FIRST_TIME_BUYER")


def test_first_time_and_repeat() -> None:
    """One order or none is a first time; a second order of the same day repeats; a visitor nobody knows is nobody's row."""
    views = view_rows([("s1", "m", 1.0), ("s2", "m", 1.0)]).with_columns(customer_id=pl.Series(["looks", None]))
    shop = shop_of([*crowd(), ("one", "m", 1), ("two", "m", 1), ("two", "m", 1.1)])
    shop = replace(shop, views=views)
    assert "FIRST_TIME_BUYER" in of(shop, "one")
    assert "REPEAT_CUSTOMER" in of(shop, "two")
    assert of(shop, "looks") == ["FIRST_TIME_BUYER"]
    looks = segments(shop).filter(anchor_id="looks").row(0, named=True)
    assert (looks["n_orders"], looks["last_order_at"], looks["reason"]) == (0, None, "No order yet")
    assert segments(shop).filter(pl.col("anchor_id").is_null()).is_empty()


def test_spend_is_banded_by_the_orders_quartiles() -> None:
    """Orders of 1.00, 10.00 and 100.00 in equal numbers: the lowest, the middle and the highest."""
    shop = shop_of([(f"{letter}{i:02}", letter, 1.0) for letter in "lmh" for i in range(20)], catalogue=PRICES)
    mixed = [("BUDGET_CONSCIOUS", "l"), ("VALUE_SEEKER", "m"), ("PREMIUM_BUYER", "h")]
    # the lower quartile is 1.00 itself: nobody spends less
    assert [of(shop, f"{letter}00")[-1] for _, letter in mixed] == ["VALUE_SEEKER", "VALUE_SEEKER", "PREMIUM_BUYER"]
    more = shop_of([(f"{letter}{i:02}", letter, 1.0) for letter in "lmmmmhh" for i in range(20)], catalogue=PRICES)
    assert [of(more, f"{letter}00")[-1] for _, letter in mixed] == [segment for segment, _ in mixed]


def test_bulk_buyers() -> None:
    """Nine lines of ten hold one unit; whoever mostly buys two or more buys in bulk, who did so once does not."""
    shop = shop_of(crowd())
    at = END - timedelta(days=1)
    lines = [("o1", "bulk", "m", 12, at), ("o2", "bulk", "m", 1, at), ("o3", "once", "m", 12, at), ("o4", "once", "m", 1, at),
             ("o5", "once", "m", 1, at)]  # fmt: skip
    shop = replace(shop, baskets=pl.concat([shop.baskets, pl.DataFrame(lines, schema=BASKET, orient="row")]))
    assert "BULK_BUYER" in of(shop, "bulk")
    assert "BULK_BUYER" not in of(shop, "once")


def test_subscribers() -> None:
    """Who comes back for a product is ready for a subscription, unless it is theirs already; a paused one is not running."""
    shop = shop_of([*crowd(), *(("x", "m", age) for age in (5.0, 35.0, 65.0)), ("y", "m", 1.0)])
    assert "SUBSCRIPTION_READY" in of(shop, "x")
    assert "SUBSCRIPTION_READY" not in of(shop, "y")
    own = pl.DataFrame({"customer_id": ["x", "y"], "product_id": ["m", "m"], "status": ["ACTIVE", "ACTIVE"]})
    assert of(replace(shop, subscriptions=own), "x")[0] == "LOYAL_SUBSCRIBER"
    assert "SUBSCRIPTION_READY" not in of(replace(shop, subscriptions=own), "x")
    assert "LOYAL_SUBSCRIBER" not in of(replace(shop, subscriptions=own), "y")
    assert segments(replace(shop, subscriptions=own)).filter("has_subscription")["anchor_id"].to_list() == ["x", "y"]
    paused = own.with_columns(status=pl.lit("PAUSED"))
    assert_frame_equal(segments(replace(shop, subscriptions=paused)), segments(shop))


def test_amounts_that_baskets_carry_stand_over_prices() -> None:
    """An order's own amount is its value; without one, units at the product's price of today, and nothing without a price."""
    shop = shop_of([("x", "mh", 1)], catalogue={**PRICES, "h": {"price_cents": None}})
    shop = replace(shop, baskets=shop.baskets.with_columns(quantity=pl.lit(3, dtype=pl.Int64)))
    assert order_values(shop)["value_cents"].to_list() == [3000]
    carried = replace(shop, baskets=shop.baskets.with_columns(amount_cents=pl.lit(250, dtype=pl.Int64)))
    assert order_values(carried).select("value_cents", "units").row(0) == (500, 6)


def test_thresholds_of_the_company() -> None:
    """Quartiles of the orders' worth and units, and of the visits' products and seconds, at anchor "", in words."""
    orders = [(f"{letter}{i:02}", letter, 1.0) for letter in "lmmh" for i in range(20)]
    visits = [(f"v{i:02}", "lmh"[: 1 + i % 3], 1.0) for i in range(ENOUGH)]
    found = segments(shop_of([(f"c{n}", *order[1:]) for n, order in enumerate(orders)], visits, catalogue=PRICES))
    company = found.filter(anchor_id="")
    assert thresholds(company.iter_rows(named=True)) == {
        "small cart below": 1000.0, "large cart from": 1000.0, "small cart units": 1.0, "large cart units": 1.0,
        "quick buyer products": 2.0, "quick buyer seconds": 60.0, "researcher products": 3.0,
    }  # fmt: skip
    assert company["level"].unique().to_list() == ["company"]
    assert company["reason"][0] == "A quarter of the orders are worth less than 1000 cents"


def test_too_little_to_tell() -> None:
    """Below ENOUGH orders there are no bands, no thresholds and no lapsed customers; the number of orders still is what it is."""
    found = segments(shop_of([(f"c{i}", "m", 100.0 * i) for i in range(ENOUGH - 1)]))
    assert found.filter(anchor_id="").is_empty()
    assert found["segments"].to_list() == [["FIRST_TIME_BUYER"]] * (ENOUGH - 1)
    assert found["activity"].null_count() == found.height
    assert segments(shop_of()).is_empty()


def test_the_read_api_reads_what_is_published() -> None:
    """A payload's row gives back the customer's facts."""
    shop = shop_of([*crowd(), ("x", "m", 5), ("x", "m", 15)])
    payload = rows(segments(shop).filter(anchor_id="x"), EVIDENCE)["payload"][0]
    read = customer(json.loads(payload)[0])
    assert (read.n_orders, read.last_order_at, read.segment) == (2, END - timedelta(days=5), "REPEAT_CUSTOMER")
    assert read.segments == set(of(shop, "x"))


@QUICK
@given(st.integers(0, 1_000))
def test_random_shops(seed: int) -> None:
    """Whatever the shop: the columns and faults of every kind, one row per known customer, one of the two of first time and
    repeat, at most one band, and the same for shuffled rows."""
    shop = random_shop(seed)
    found = segments(shop)
    assert faults(found, shop.products["product_id"], ROWS) == []
    assert found.schema == pl.Schema(SCHEMA)
    assert tuple(found.columns) == (*COLUMNS, *EVIDENCE)
    known = set(shop.baskets["customer_id"].drop_nulls()) | set(shop.views["customer_id"].drop_nulls())
    customers = found.filter(pl.col("anchor_id") != "")
    assert sorted(customers["anchor_id"]) == sorted(known)
    bands = {named.BUDGET_CONSCIOUS, named.VALUE_SEEKER, named.PREMIUM_BUYER}
    for of_one in customers["segments"].to_list():
        assert len({named.FIRST_TIME_BUYER, named.REPEAT_CUSTOMER} & set(of_one)) == 1
        assert len(bands & set(of_one)) <= 1
        assert set(of_one) <= set(named.OF_CUSTOMERS)
    assert_frame_equal(found, segments(shuffled(shop, seed)))
