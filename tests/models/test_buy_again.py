"""What a customer has bought, in the order in which they are likely to need it."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.buy_again import EVIDENCE, PUBLISHED, SCHEMA, buy_again
from models.recommenders import COLUMNS, faults
from tests.models.invented import QUICK, shuffled
from tests.models.shops_of_customers import random_shop, shop_of
from tests.models.test_repurchase import regulars


def test_worked_example() -> None:
    """Two orders of the only product of the only customer, one fresh and one of 180 days ago: 1.5 orders of a product that all
    come back for, no rise, no interval yet."""
    row = buy_again(shop_of([("x", "a", 0), ("x", "a", 180)])).row(0, named=True)
    assert row == {
        "anchor_id": "x",
        "rank": 1,
        "product_id": "a",
        "score": 0.6,
        "source": "bought before",
        "reason": "In 2 orders, last 0 days ago",
        "n_orders": 2,
        "last_days_ago": 0,
        "interval_days": None,
        "repeat_share": 1.0,
        "window_days": 730,
    }


def test_whose_interval_it_is() -> None:
    """A customer with two own gaps is told their own interval, one without is told the product's."""
    shop = shop_of([*regulars(40), ("x", "a", 20), ("x", "a", 30), ("x", "a", 40)])
    lists = buy_again(shop)
    assert lists.filter(anchor_id="x")["reason"].to_list() == ["In 3 orders, last 20 days ago; every 10 days"]
    one = lists.filter(anchor_id="r00")
    assert one["reason"].to_list() == ["In 2 orders, last 40 days ago; customers come back after 30 days"]
    assert lists["source"].unique().to_list() == ["due again"]


def test_what_customers_come_back_for_stands_first() -> None:
    """Of two products that a customer bought once, on one day, the one that others come back for leads."""
    others = [("z" + name, "b", age) for name in "123" for age in (5.0, 10.0)] + [("w" + name, "a", 5.0) for name in "123"]
    assert buy_again(shop_of([("x", "ab", 5), *others])).filter(anchor_id="x")["product_id"].to_list() == ["b", "a"]


@QUICK
@given(st.integers(0, 1_000))
def test_random_shops(seed: int) -> None:
    """Whatever the shop: nothing that may not be shown, only what the customer bought, the same for shuffled rows."""
    shop = random_shop(seed)
    lists = buy_again(shop)
    assert faults(lists, shop.eligible()["product_id"]) == []
    assert lists.filter(~pl.col("score").is_between(0, 1)).is_empty()
    assert lists.join(
        shop.baskets, left_on=["anchor_id", "product_id"], right_on=["customer_id", "product_id"], how="anti"
    ).is_empty()
    assert_frame_equal(lists, buy_again(shuffled(shop, seed)))


@pytest.mark.parametrize("n", [0, 1, PUBLISHED + 5])
def test_any_number_of_products(n: int) -> None:
    """No more than PUBLISHED, and the columns of every list with the evidence that is promised."""
    letters = [chr(0x100 + number) for number in range(n)]
    lists = buy_again(shop_of([("x", "".join(letters), 1.0)] if n else []))
    assert lists.height == min(n, PUBLISHED)
    assert tuple(lists.columns) == (*COLUMNS, *EVIDENCE)
    assert lists.schema == pl.Schema(SCHEMA)


def test_guests_have_no_list() -> None:
    """An order of nobody known counts for the product's trend, and makes no list."""
    shop = shop_of([("x", "a", 0)])
    assert buy_again(replace(shop, baskets=shop.baskets.with_columns(customer_id=pl.lit(None, dtype=pl.String)))).is_empty()
