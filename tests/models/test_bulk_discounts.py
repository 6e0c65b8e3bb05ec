"""Bulk prices: worked examples to the cent, and the laws that hold for every price, discount and quantity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bulk_discounts import (
    DISCOUNT_TYPES,
    FIXED_AMOUNT,
    MOST_UNITS,
    PERCENTAGE,
    UNIT_PRICE,
    BulkDiscount,
    Ladder,
    Tier,
    checked,
    summed,
)
from tests.models.invented import QUICK

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def tier(least: int, kind: str, value: str, most: int | None = None) -> Tier:
    """A tier from `least` units on."""
    return Tier(least, most, kind, Decimal(value), f"from {least}")


def ladder(base: str, *tiers: Tier, currency: str = "EUR", **fields: Any) -> Ladder:
    """Prices of a product with these tiers, without a cap unless one is given."""
    discount = BulkDiscount(tiers, **{"max_discount_percent": Decimal(100), **fields})
    return Ladder(Decimal(base), currency, discount, NOW)


def amounts(prices: Ladder, quantity: int) -> tuple[str, str, str, str]:
    """Unit price, total, saving and its percent, as they are shown."""
    line = prices.line(quantity)
    return str(line.unit_price), str(line.total), str(line.saving), str(line.saving_percent)


@pytest.mark.parametrize(
    ("prices", "quantity", "shown"),
    [
        (ladder("24.99", tier(2, PERCENTAGE, "10")), 1, ("24.99", "24.99", "0.00", "0.00")),
        (ladder("24.99", tier(2, PERCENTAGE, "10")), 2, ("22.49", "44.98", "5.00", "10.00")),
        # the total comes from 9.995, not from what one is shown to cost
        (ladder("12.00", tier(10, UNIT_PRICE, "9.995")), 10, ("10.00", "99.95", "20.05", "16.71")),
        (ladder("5.00", tier(2, FIXED_AMOUNT, "7")), 3, ("0.00", "0.00", "15.00", "100.00")),
        (ladder("5.00", tier(2, FIXED_AMOUNT, "0.5")), 3, ("4.50", "13.50", "1.50", "10.00")),
        (ladder("5.00", tier(2, UNIT_PRICE, "6")), 3, ("5.00", "15.00", "0.00", "0.00")),
        (ladder("10.00", tier(2, PERCENTAGE, "50"), max_discount_percent=Decimal(30)), 3, ("7.00", "21.00", "9.00", "30.00")),
        (ladder("10.00", tier(2, UNIT_PRICE, "1"), max_discount_percent=Decimal(30)), 3, ("7.00", "21.00", "9.00", "30.00")),
        # 17.493 rounded half up would be a saving of 30.01 %
        (ladder("24.99", tier(1, PERCENTAGE, "50"), max_discount_percent=Decimal(30)), 1, ("17.50", "17.50", "7.49", "29.97")),
        (ladder("100", tier(3, PERCENTAGE, "12.5"), currency="JPY"), 3, ("88", "263", "37", "12.33")),
        (ladder("100.5", tier(3, PERCENTAGE, "10"), currency="JPY"), 3, ("91", "273", "30", "9.90")),
        (ladder("1.255", tier(3, PERCENTAGE, "10"), currency="KWD"), 3, ("1.130", "3.389", "0.376", "9.99")),
        (ladder("0.00", tier(1, PERCENTAGE, "10")), 3, ("0.00", "0.00", "0.00", "0.00")),
    ],
)
def test_worked_examples(prices: Ladder, quantity: int, shown: tuple[str, str, str, str]) -> None:
    """To the minor unit: the line's total is rounded once, half up, and the cap bounds unit price, total and saving alike."""
    assert amounts(prices, quantity) == shown


def test_the_worked_step_from_one_to_two() -> None:
    """24.99, from 1 to 2 at 10 %: the second costs 19.99, and 5.00 are saved, which is 10.0 %; the discount counts once."""
    prices = ladder("24.99", tier(2, PERCENTAGE, "10"))
    assert prices.total(2) - prices.total(1) == Decimal("19.99")
    assert (prices.line(2).saving, round(prices.line(2).saving_percent, 1)) == (Decimal("5.00"), Decimal("10.0"))


def test_gaps_keep_the_price_of_the_tier_below() -> None:
    """Between two tiers, and above the last one's end, the lower tier's price stays; below the first it is the base price."""
    prices = ladder("10", tier(20, PERCENTAGE, "20", 29), tier(5, PERCENTAGE, "10", 9))
    found = {n: prices.line(n).total / n for n in (4, 5, 9, 10, 19, 20, 29, 30, 500)}
    assert found == {4: 10, 5: 9, 9: 9, 10: 9, 19: 9, 20: 8, 29: 8, 30: 8, 500: 8}
    assert [line.tier.min_quantity if line.tier else None for line in map(prices.line, (4, 12, 40))] == [None, 5, 20]


def test_the_deepest_of_overlapping_tiers_wins() -> None:
    """Tiers that overlap, as only a row that nobody checked has them, give the lowest price, in whatever order they stand."""
    tiers = (tier(5, PERCENTAGE, "10"), tier(5, FIXED_AMOUNT, "3"), tier(8, PERCENTAGE, "20"))
    for some in (tiers, tiers[::-1]):
        line = ladder("10", *some).line(9)
        assert (line.total, line.tier) == (63, tiers[1])


def test_of_equally_deep_tiers_the_last_reached_applies() -> None:
    """Under a cap two tiers may cost the same: the line is in the one that its quantity has reached."""
    prices = ladder("10", tier(5, PERCENTAGE, "40"), tier(10, PERCENTAGE, "50"), max_discount_percent=Decimal(30))
    applied = [line.tier.min_quantity for line in (prices.line(9), prices.line(10)) if line.tier]
    assert applied == [5, 10]
    assert [step.min_quantity for step in prices.later(1)] == [5], "a tier that is no cheaper is no goal"


@pytest.mark.parametrize(
    ("at", "holds"), [(NOW - MS, False), (NOW, True), (NOW + timedelta(days=1) - MS, True), (NOW + timedelta(days=1), False)]
)
def test_validity_to_the_millisecond(at: datetime, holds: bool) -> None:
    """A discount holds from validFrom on, up to but not at validUntil."""
    discount = BulkDiscount((tier(1, PERCENTAGE, "10"),), valid_from=NOW, valid_until=NOW + timedelta(days=1))
    assert discount.holds_at(at) is holds
    assert Ladder(Decimal(10), "EUR", discount, at).total(1) == (9 if holds else 10)


def test_a_discount_that_is_off_is_none() -> None:
    """Switched off, or not there, all units cost the base price."""
    assert ladder("10", tier(1, PERCENTAGE, "10"), enabled=False).line(5).tier is None
    assert Ladder(Decimal(10), "EUR", None, NOW).total(5) == 50


@pytest.mark.parametrize(
    ("stacks", "other", "saving", "left"),
    [
        # of 100.00 the tier takes 20.00; together they may take 30.00
        (False, "15", "20.00", "80.00"),
        (False, "20", "0.00", "80.00"),
        (False, "25", "0.00", "75.00"),
        (True, "5", "20.00", "75.00"),
        (True, "15", "15.00", "70.00"),
        (True, "40", "0.00", "60.00"),
        (True, "500", "0.00", "0.00"),
    ],
)
def test_beside_another_discount(stacks: bool, other: str, saving: str, left: str) -> None:
    """Stacked, both are taken off while the cap allows; not stacked, the larger is. The other discount is never cut but by the
    price itself."""
    prices = ladder("10", tier(10, PERCENTAGE, "20"), stacks=stacks, max_discount_percent=Decimal(30))
    line = prices.line(10, Decimal(other))
    assert (str(line.saving), str(line.total)) == (saving, left)
    assert line.original_total == line.total + line.saving + line.other_discount
    assert (line.tier is not None) == bool(line.saving)


def test_ten_that_cost_less_than_nine() -> None:
    """A threshold at which the total falls is told; one at which it stays the same is none."""
    assert ladder("10", tier(10, PERCENTAGE, "20")).inversions() == [(9, 10)]
    assert ladder("10", tier(10, PERCENTAGE, "10"), tier(20, PERCENTAGE, "15")).inversions() == [(19, 20)]
    assert ladder("10", tier(1, PERCENTAGE, "10")).inversions() == []


def test_the_ladder_shows_every_rung() -> None:
    """Steps begin at one unit at the base price, and each has its unit price as it is shown."""
    prices = ladder("24.99", tier(3, PERCENTAGE, "10"), tier(10, PERCENTAGE, "25"))
    assert [(step.min_quantity, str(prices.unit_price(step))) for step in prices.steps] == [
        (1, "24.99"),
        (3, "22.49"),
        (10, "18.74"),
    ]


@pytest.mark.parametrize("quantity", [0, -1, MOST_UNITS + 1, 10**400, 1.0, True, "2", None])
def test_what_is_no_quantity_is_not_priced(quantity: Any) -> None:
    """Only whole numbers of 1..MOST_UNITS are priced, and the error is short, whatever was given."""
    with pytest.raises(ValueError, match="cannot be priced") as caught:
        checked(quantity)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("base", ["NaN", "Infinity", "-0.01", "1e400"])
def test_a_price_that_is_none_is_refused(base: str) -> None:
    """A price is a finite amount that is not negative."""
    with pytest.raises(ValueError, match="is no amount"):
        ladder(base)


VALUES = {PERCENTAGE: st.integers(0, 10**6), FIXED_AMOUNT: st.integers(0, 10**7), UNIT_PRICE: st.integers(0, 10**7)}
CURRENCIES = {"EUR": 2, "JPY": 0, "KWD": 3}


@st.composite
def tiers(draw: st.DrawFn) -> Tier:
    """Any tier, with a value of up to four decimals."""
    kind = draw(st.sampled_from(DISCOUNT_TYPES))
    value = Decimal(draw(VALUES[kind])).scaleb(-4)
    return Tier(draw(st.integers(1, 40)), draw(st.none() | st.integers(40, 60)), kind, value)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Ladder, BulkDiscount, Decimal]:
    """Prices of any product under any discount, ordered and sensible or not."""
    discount = BulkDiscount(
        tuple(draw(st.lists(tiers(), max_size=4))),
        stacks=draw(st.booleans()),
        max_discount_percent=Decimal(draw(st.integers(0, 10_000))).scaleb(-2),
    )
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    base = Decimal(draw(st.integers(0, 10**5))).scaleb(-2)
    return Ladder(base, currency, discount, NOW), discount, base


@QUICK
@given(cases(), st.integers(1, 60), st.integers(0, 10**6))
def test_laws_of_a_line(case: tuple[Ladder, BulkDiscount, Decimal], quantity: int, other_cents: int) -> None:
    """Never negative, above the base or above the cap; amounts are whole minor units that add up; the percent is that of what is
    charged; one unit more never makes a unit dearer."""
    prices, discount, _ = case
    line = prices.line(quantity)
    assert 0 <= line.total <= line.original_total == prices.base * quantity
    assert 0 <= line.unit_price <= line.original_price == prices.base
    cap = discount.max_discount_percent
    assert line.saving * 100 <= cap * line.original_total
    assert (prices.base - line.unit_price) * 100 <= cap * prices.base
    assert line.saving_percent <= cap
    assert line.total + line.saving == line.original_total
    exponents = {amount.as_tuple().exponent for amount in (line.total, line.saving, line.unit_price, line.original_total)}
    assert exponents == {-CURRENCIES[prices.currency]}
    share = line.saving * 100 / line.original_total if line.original_total else Decimal(0)
    assert line.saving_percent == share.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert prices.step(quantity + 1).parts <= prices.step(quantity).parts
    stacked = prices.line(quantity, Decimal(other_cents).scaleb(-2))
    assert stacked.total >= 0
    assert stacked.total + stacked.saving + stacked.other_discount == stacked.original_total
    assert stacked.total <= line.total


@QUICK
@given(cases())
def test_a_total_that_falls_is_flagged(case: tuple[Ladder, BulkDiscount, Decimal]) -> None:
    """The totals of 1 to 60 units rise, but exactly at the thresholds that inversions names."""
    prices = case[0]
    totals = [prices.total(quantity) for quantity in range(1, 62)]
    falls = [(n, n + 1) for n in range(1, 61) if totals[n] < totals[n - 1]]
    assert falls == prices.inversions()


@QUICK
@given(cases(), st.lists(st.integers(1, 60), max_size=8))
def test_many_lines_add_up(case: tuple[Ladder, BulkDiscount, Decimal], quantities: list[int]) -> None:
    """Totals of many lines are the sums of what the lines show, to the minor unit; no line costs nothing."""
    lines = [case[0].line(quantity) for quantity in quantities]
    sums = summed(lines)
    assert sums.total == sum(line.total for line in lines)
    assert sums.original_total - sums.saving == sums.total
    share = sums.saving * 100 / sums.original_total if sums.original_total else Decimal(0)
    assert sums.saving_percent == share.quantize(Decimal("0.01"), ROUND_HALF_UP)


@QUICK
@given(cases(), st.permutations(range(4)))
def test_the_order_of_tiers_does_not_matter(case: tuple[Ladder, BulkDiscount, Decimal], order: list[int]) -> None:
    """The same tiers in another order cost the same."""
    prices, discount, base = case
    others = tuple(discount.tiers[at] for at in order if at < len(discount.tiers))
    shuffled = BulkDiscount(others, max_discount_percent=discount.max_discount_percent)
    again = Ladder(base, prices.currency, shuffled, NOW)
    assert [again.total(n) for n in range(1, 61)] == [prices.total(n) for n in range(1, 61)]
