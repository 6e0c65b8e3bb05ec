"""Rules of a bulk discount's JSON: what is refused, with the field and a sentence, and what may be stored with a warning."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import exact_json
from models.bulk_discounts import BulkDiscount, Ladder
from models.bulk_tier_rules import read, warnings
from tests.models.invented import QUICK

PRICE = Decimal("10.00")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def tier(least: Any, most: Any, value: Any, kind: Any = "PERCENTAGE", **fields: Any) -> dict[str, Any]:
    """A tier's JSON."""
    return {"minQuantity": least, "maxQuantity": most, "discountType": kind, "discountValue": value, "label": "", **fields}


def faults(*tiers: Any, price: Decimal | None = PRICE, **fields: Any) -> dict[str, str]:
    """Field -> sentence of what is wrong."""
    discount, found = read({"tiers": list(tiers), **fields}, price)
    assert (discount is None) == bool(found)
    return {fault["field"]: fault["message"] for fault in found}


def accepted(*tiers: Any, zone: str = "UTC", **fields: Any) -> BulkDiscount:
    """The discount of a document that nothing is wrong with."""
    discount, found = read({"tiers": list(tiers), **fields}, PRICE, zone)
    assert discount is not None and found == []
    return discount


def test_what_is_read_is_what_was_sent() -> None:
    """Every field arrives; a field that is missing has the table's default."""
    discount = accepted(tier(2, 4, 5), tier(5, None, 12.5, label="a dozen"), maxDiscountPercent=40, stackWithOtherDiscounts=True)
    assert (discount.enabled, discount.stacks, discount.max_discount_percent) == (True, True, 40)
    assert [(one.min_quantity, one.max_quantity, one.discount_value, one.label) for one in discount.tiers] == [
        (2, 4, Decimal(5), ""),
        (5, None, Decimal("12.5"), "a dozen"),
    ]
    assert accepted() == BulkDiscount(())


@pytest.mark.parametrize("bad", [0, -1, 2.5, 2.0, 10**9, 10**400, True, "3", None, float("nan"), float("inf"), [], Decimal("1E+1")])
def test_a_quantity_is_a_whole_number(bad: Any) -> None:
    """Nothing but an int of a sane size is a number of units, and the fault names the tier by its place."""
    found = faults(tier(1, 2, 5), tier(bad, None, 10))
    assert list(found) == ["tiers[1].minQuantity"]
    assert "must be a whole number from 1 to 1000000" in found["tiers[1].minQuantity"]
    assert len(found["tiers[1].minQuantity"]) < 200
    if bad is not None:
        assert list(faults(tier(1, bad, 5))) == ["tiers[0].maxQuantity"]


BAD_VALUES = [-1, -0.01, 100.01, 101, float("nan"), float("inf"), 10**400, True, "10", None, [], 0.00001]
BAD_DECIMALS = ["1E+1", "1E+400", "1E-400", "NaN", "Infinity", "-0.5"]


@pytest.mark.parametrize("bad", [*BAD_VALUES, *map(Decimal, BAD_DECIMALS)])
def test_a_percentage_is_a_number_up_to_100(bad: Any) -> None:
    """Nothing negative, above 100, without end, of too many decimals, in exponent notation, or of another type."""
    assert list(faults(tier(1, None, bad))) == ["tiers[0].discountValue"]


@pytest.mark.parametrize("text", ["1e1", "1e400", "-1", "1" + "0" * 400, "0.12345"])
def test_numbers_as_they_arrive_in_json(text: str) -> None:
    """Read digit by digit, an exponent is seen and refused, and a number of any length is answered in a sentence."""
    document = exact_json.read(json.dumps({"tiers": [tier(1, None, "VALUE")]}).replace('"VALUE"', text))
    _, found = read(document, PRICE)
    assert [fault["field"] for fault in found] == ["tiers[0].discountValue"]
    assert len(found[0]["message"]) < 200


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (tier(5, 4, 5), "tiers[0].maxQuantity"),
        (tier(1, None, 5, "PERCENT"), "tiers[0].discountType"),
        (tier(1, None, 5, []), "tiers[0].discountType"),
        (tier(1, None, 5, label=7), "tiers[0].label"),
        (tier(1, None, 5, label="x" * 101), "tiers[0].label"),
        (tier(1, None, 5, discountPercent=5), "tiers[0].discountPercent"),
        (tier(1, None, 200_000_000, "FIXED_AMOUNT"), "tiers[0].discountValue"),
        ("5", "tiers[0]"),
        (None, "tiers[0]"),
    ],
)
def test_a_tier_that_cannot_be(document: Any, field: str) -> None:
    """Each part of a tier is checked, and a field that we do not know is not silently dropped."""
    assert list(faults(document)) == [field]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"enabled": 1}, "enabled"),
        ({"enabled": None}, "enabled"),
        ({"stackWithOtherDiscounts": "yes"}, "stackWithOtherDiscounts"),
        ({"maxDiscountPercent": 100.5}, "maxDiscountPercent"),
        ({"maxDiscountPercent": -1}, "maxDiscountPercent"),
        ({"maxDiscountPercent": 12.345}, "maxDiscountPercent"),
        ({"maxDiscountPercent": None}, "maxDiscountPercent"),
        ({"validFrom": "soon"}, "validFrom"),
        ({"validFrom": 20260501}, "validFrom"),
        ({"validFrom": "20260501"}, "validFrom"),
        ({"validUntil": "2026-02-30"}, "validUntil"),
        ({"validUntil": "9999-12-31"}, "validUntil"),
        ({"validFrom": "2026-05-02", "validUntil": "2026-05-01"}, "validUntil"),
        ({"validFrom": "2026-05-02T00:00Z", "validUntil": "2026-05-02T00:00Z"}, "validUntil"),
        ({"tier": []}, "tier"),
        ({"tiers": None}, "tiers"),
        ({"tiers": {"0": 1}}, "tiers"),
        ({"tiers": [tier(n, n, 5) for n in range(1, 23)]}, "tiers"),
    ],
)
def test_a_field_that_cannot_be(fields: dict[str, Any], field: str) -> None:
    """Each field of the discount is checked; a window that never opens is none."""
    assert list(faults(**fields)) == [field]


def test_every_fault_is_told_at_once() -> None:
    """A client sees all that is wrong, not the first of it."""
    assert set(faults(tier(0, None, 101), tier(3, 2, 5), enabled="no")) == {
        "enabled",
        "tiers[0].minQuantity",
        "tiers[0].discountValue",
        "tiers[1].maxQuantity",
    }


@pytest.mark.parametrize("document", [None, [], "tiers", 5])
def test_a_document_is_an_object(document: Any) -> None:
    """Anything else is one fault."""
    assert len(read(document, PRICE)[1]) == 1


@pytest.mark.parametrize(
    ("tiers", "field"),
    [
        ([tier(1, 5, 5), tier(5, None, 10)], "tiers[1].minQuantity"),
        ([tier(1, None, 5), tier(5, None, 10)], "tiers[1].minQuantity"),
        ([tier(5, None, 10), tier(1, 7, 5)], "tiers[0].minQuantity"),
        ([tier(3, 3, 5), tier(3, 3, 10)], "tiers[1].minQuantity"),
        ([tier(1, 4, 10), tier(5, None, 5)], "tiers[1].discountValue"),
        ([tier(1, 4, 3, "FIXED_AMOUNT"), tier(5, None, 2, "FIXED_AMOUNT")], "tiers[1].discountValue"),
        ([tier(1, 4, 8, "UNIT_PRICE"), tier(5, None, 9, "UNIT_PRICE")], "tiers[1].discountValue"),
        ([tier(1, 4, 20), tier(5, None, 1, "FIXED_AMOUNT")], "tiers[1].discountValue"),
        ([tier(1, 4, 7, "UNIT_PRICE"), tier(5, None, 20)], "tiers[1].discountValue"),
    ],
)
def test_tiers_that_do_not_fit_each_other(tiers: list[Any], field: str) -> None:
    """Tiers may not overlap, whatever their order, and a larger quantity never costs more per unit than a smaller one."""
    assert list(faults(*tiers)) == [field]


def test_tiers_of_different_types_need_a_price() -> None:
    """Without a price tiers of one type can be compared, tiers of two cannot."""
    assert list(faults(tier(1, 4, 5), tier(5, None, 2, "FIXED_AMOUNT"), price=None)) == ["tiers[1].discountType"]
    assert faults(tier(1, 4, 5), tier(5, None, 10), price=None) == {}
    assert faults(tier(1, 4, 5), tier(5, None, 2, "FIXED_AMOUNT")) == {}


def test_dates_are_of_the_company_s_time_zone() -> None:
    """A date begins at midnight in the company's zone, and as validUntil it ends with that day; an offset is kept."""
    berlin = accepted(validFrom="2026-03-29", validUntil="2026-03-29", zone="Europe/Berlin")
    assert berlin.valid_from == datetime(2026, 3, 28, 23, tzinfo=UTC)
    # the day on which clocks go forward has 23 hours
    assert berlin.valid_until == datetime(2026, 3, 29, 22, tzinfo=UTC)
    offset = accepted(validFrom="2026-05-01T12:00:00.1239+02:00", validUntil="2026-05-01T12:00", zone="America/New_York")
    assert offset.valid_from == datetime(2026, 5, 1, 10, 0, 0, 123_000, tzinfo=UTC)
    assert offset.valid_until == datetime(2026, 5, 1, 16, tzinfo=UTC)
    assert accepted(validFrom="2026-05-01T12:00:00.000Z", zone="Asia/Tokyo").valid_from == NOW


def test_a_zone_that_is_none_is_refused() -> None:
    """A company's time zone is one of IANA's."""
    for zone in ("Mars/Olympus", "../etc", ""):
        with pytest.raises(ValueError, match="time zone"):
            read({"tiers": []}, PRICE, zone)


def test_a_merchant_is_told_what_will_happen() -> None:
    """A total that falls at a threshold, a tier beyond the cap and a unit price above the price are stored, with a warning."""
    discount = accepted(tier(10, None, 50), tier(2, 9, 12, "UNIT_PRICE"))
    told = {(fault["field"], fault["message"].partition(";")[0]) for fault in warnings(discount, PRICE, "EUR")}
    assert {field for field, _ in told} == {"tiers[0].minQuantity", "tiers[0].discountValue", "tiers[1].discountValue"}
    assert ("tiers[0].minQuantity", "10 cost less than 9") in told
    assert warnings(accepted(tier(2, None, 10)), PRICE, "EUR") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TIER = st.fixed_dictionaries(
    {
        "minQuantity": st.integers(-2, 12) | JSON,
        "discountType": st.sampled_from(["PERCENTAGE", "FIXED_AMOUNT", "UNIT_PRICE"]) | JSON,
        "discountValue": st.integers(0, 20) | JSON,
    },
    optional={"maxQuantity": st.integers(0, 20) | JSON, "label": st.text() | JSON},
)
DOCUMENT = st.fixed_dictionaries(
    {"tiers": st.lists(TIER, max_size=3) | JSON}, optional={"validFrom": JSON, "enabled": JSON, "maxDiscountPercent": JSON}
)


@QUICK
@given(DOCUMENT | JSON)
def test_whatever_is_sent_is_read_or_refused(document: Any) -> None:
    """No document raises: it is a discount that can be charged, with rising quantities never dearer per unit, or it has faults."""
    discount, found = read(document, PRICE)
    assert (discount is None) == bool(found)
    assert all(set(fault) == {"field", "message"} and fault["message"].endswith(".") for fault in found)
    if discount is not None:
        prices = Ladder(PRICE, "EUR", discount, NOW + timedelta(days=1))
        assert all(0 <= prices.line(quantity).total <= PRICE * quantity for quantity in range(1, 21))
