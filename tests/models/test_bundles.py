"""Bundles: what they hold, how often it was viewed together, and money to the cent."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models.bundles import MAX_BUNDLES, SCHEMA, bundles, discounted
from models.features import Features
from models.frequently_viewed import VIEWED_TOGETHER, co_viewed, frequently_viewed
from models.sessions import visits
from tests.models.invented import QUICK, features, shuffled
from tests.models.visits import Visit, random_visits, shop


def made_of(made: Features) -> pl.DataFrame:
    """The bundles of a shop's co-views, which are all that they are made of."""
    own = co_viewed(made, visits(made, made.config.frequently_viewed["lookbackDays"]))
    return bundles(made, own.with_columns(pl.lit(VIEWED_TOGETHER).alias("source"), (pl.col("link_rank") + 1).alias("rank")))


def of_page(made: Features, anchor: str) -> list[tuple[list[str], int]]:
    """Products and co-view frequency of a page's bundles."""
    return made_of(made).filter(pl.col("anchor_id") == anchor).sort("bundle_rank").select("product_ids", "co_view_frequency").rows()


def test_a_bundle_is_what_whole_visits_viewed() -> None:
    """a with b and c was viewed by four visits, d with a by three others: a bundle of three, then one of two."""
    made = shop(["abc"] * 4 + ["ad"] * 3)
    assert of_page(made, "a") == [(["a", "b", "c"], 4), (["a", "d"], 3)]


def test_partners_that_were_never_viewed_together_make_no_bundle() -> None:
    """b and c both go with a, in different visits: two bundles of two, although three were allowed."""
    made = shop(["ab"] * 4 + ["ac"] * 3)
    assert of_page(made, "a") == [(["a", "b"], 4), (["a", "c"], 3)]


def test_the_minimum_holds_for_the_whole_bundle() -> None:
    """Two visits with all three are too few where three are asked for."""
    made = shop(["ab"] * 3 + ["abc"] * 2 + ["ac"], frequentlyViewed={"minSessionCoViews": 3})
    assert of_page(made, "a") == [(["a", "b"], 5), (["a", "c"], 3)]


def test_the_size_holds() -> None:
    """maxBundleSize 2 makes pairs, 4 makes a bundle of four; no partner stands in two bundles."""
    made = shop(["abcd"] * 4, frequentlyViewed={"minSessionCoViews": 1, "maxBundleSize": 2})
    assert [products for products, _ in of_page(made, "a")] == [["a", "b"], ["a", "c"], ["a", "d"]]
    assert of_page(shop(["abcd"] * 4, frequentlyViewed={"minSessionCoViews": 1, "maxBundleSize": 4}), "a") == [(list("abcd"), 4)]


@pytest.mark.parametrize("column", [{"in_stock": False}, {"price_cents": None}, {"price_cents": 0}, {"currency": "USD"}])
@pytest.mark.parametrize("respect", [True, False])
def test_only_what_can_be_bought_together(column: dict[str, object], respect: bool) -> None:
    """Sold out, without a price or in another currency: neither a partner nor the page of a bundle, whatever the settings."""
    made = shop(["ab"] * 4, {"b": column}, **{"global": {"respectInventory": respect}})
    assert made_of(made).is_empty()


def test_a_page_that_cannot_be_bought_has_none() -> None:
    """A sold-out page has no bundle, also where no product has a currency."""
    made = shop(["abc"] * 4, {"a": {"in_stock": False, "currency": None}, "b": {"currency": None}, "c": {"currency": None}})
    assert made_of(made)["anchor_id"].unique().sort().to_list() == ["b", "c"]


def test_money_by_hand() -> None:
    """3.33 and 2.05 at 10 % off: 2.997 is 3.00, 1.845 is 1.85, half up per line; .53 saved of 5.38."""
    made = shop(["ab"] * 4, {"a": {"price_cents": 333}, "b": {"price_cents": 205}})
    row = made_of(made).row(0, named=True)
    assert (row["individual_cents"], row["bundle_cents"], row["savings_cents"]) == (538, 485, 53)
    assert row["discount_percent"] == 10.0


@pytest.mark.parametrize(
    ("cents", "percent", "left"), [(5, 10, 5), (15, 10, 14), (100, 12.5, 88), (1000, 33.3, 667), (999, 0, 999), (1, 50, 1)]
)
def test_a_line_is_rounded_half_up(cents: int, percent: float, left: int) -> None:
    """4.5 cents are 5, 13.5 are 14, 87.5 are 88, a percentage is meant as written."""
    assert discounted(cents, percent) == left


@QUICK
@given(cents=st.integers(0, 10**9), hundredths=st.integers(0, 5000))
def test_a_discount_is_exact(cents: int, hundredths: int) -> None:
    """Never half a cent from the exact price, never more than the price, and whole basis points round as whole numbers do."""
    left = discounted(cents, hundredths / 100)
    assert abs(Decimal(left) - Decimal(cents) * (10_000 - hundredths) / 10_000) <= Decimal("0.5")
    assert left <= cents
    assert left == (cents * (10_000 - hundredths) + 5_000) // 10_000


def test_conversion_lift_of_a_bundle() -> None:
    """Visits with all of it against visits with none of the partners; those with some of them say nothing."""
    whole = [Visit("abc", f"c{n}", bought="a" if n % 2 else "") for n in range(40)]
    alone = [Visit("a", f"d{n}", bought="" if n % 10 else "a") for n in range(60)]
    some = [Visit("ab", f"e{n}", bought="a") for n in range(20)]
    row = made_of(shop(whole + alone + some)).filter(pl.col("anchor_id") == "a").row(0, named=True)
    rates = (20 + 20 * 0.26) / 60, (6 + 20 * 0.26) / 80
    assert (row["product_ids"], row["co_view_frequency"]) == (["a", "b", "c"], 40)
    assert row["conversion_lift"] == pytest.approx(rates[0] / rates[1] - 1, abs=1e-6)


@QUICK
@given(seed=st.integers(0, 10_000))
def test_random_visits(seed: int) -> None:
    """Whatever the visits: the page's own is first, nothing twice, enough visits, savings add up, the same bits in any order."""
    made = random_visits(seed)
    found = made_of(made)
    assert dict(found.schema) == SCHEMA
    for row in found.iter_rows(named=True):
        products = row["product_ids"]
        assert products[0] == row["anchor_id"]
        assert 2 <= len(products) == len(set(products)) <= 3
        assert row["co_view_frequency"] >= 2
        assert 1 <= row["bundle_rank"] <= MAX_BUNDLES
        assert row["bundle_cents"] + row["savings_cents"] == row["individual_cents"] == 1000 * len(products)
    assert_frame_equal(found, made_of(shuffled(made, seed)))


def test_what_fills_a_list_makes_no_bundle() -> None:
    """The whole list of a page gives the bundles of its co-views, and a page without co-views has none."""
    made = shop(["abc"] * 4, {"z": {}})
    frame = frequently_viewed(made)
    assert "z" in frame["anchor_id"]
    assert_frame_equal(bundles(made, frame), made_of(made))


def test_no_visits_no_bundles() -> None:
    """An empty shop, and one without views, have none."""
    for made in (features(), features(["ab"] * 9)):
        assert made_of(made).is_empty()
        assert dict(made_of(made).schema) == SCHEMA
