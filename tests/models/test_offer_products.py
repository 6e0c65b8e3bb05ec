"""Products that offers attach, and the margin that they are expected to bring."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from models.offer_products import Attached, Shelf
from models.targeting_conditions import Known
from models.targeting_facts import Offer, Rule, Visit
from tests.models.visits_to_carts import product, rule, visit

SHIPPING = rule(upsell_type="FREE_SHIPPING", offer=Offer(free_shipping=True))
SHOP = {"b": product("b", "12.00"), "c": product("c", "15.00"), "d": product("d", "12.00"), "e": product("e", "9.99")}


def shelf(seen: Visit) -> Shelf:
    """Of a visit."""
    return Shelf(seen, Known(seen))


def closer(candidates: list[list[str]], **fields: Any) -> list[str]:
    """What closes a gap of 10.00: a cart of 10.00, and free shipping from 20.00."""
    seen = visit("a", **{"products": SHOP, "candidates": candidates, "free_shipping_from": Decimal(20), **fields})
    return shelf(seen).attach(SHIPPING).ids()


def test_the_cheapest_relevant_product_closes_the_gap() -> None:
    """Of what is bought with the cart: what is too cheap does not close it, of equal prices the better rank decides."""
    assert closer([["c", "b", "d", "e"]]) == ["b"]
    assert closer([["c", "b"], ["d"]]) == ["d"]
    assert closer([["e", "a", "unknown"]]) == []
    assert closer([["b"]], products={"b": product("b", "12.00", in_stock=False)}) == []
    assert closer([["b"]], free_shipping_from=None) == []


def test_what_is_free_already_is_no_offer() -> None:
    """At the threshold shipping is free; an offer of it would give nothing."""
    why_not = shelf(visit("ab", free_shipping_from=Decimal(20))).attach(SHIPPING).why_not
    assert why_not is not None
    assert why_not.field == "upsellType"


@pytest.mark.parametrize(
    ("offer", "field"),
    [
        (Offer(bonus_product="a"), "offer.bonusProduct"),
        (Offer(free_gift="a"), "offer.freeGift"),
        (Offer(bonus_product="gone"), "offer.bonusProduct"),
        (Offer(bonus_product="b", free_gift="out"), "offer.freeGift"),
    ],
)
def test_what_cannot_be_offered(offer: Offer, field: str) -> None:
    """A product of the cart, one that is sold no more, and one that is sold out."""
    seen = visit("a", products={"a": product("a"), "b": product("b"), "out": product("out", in_stock=False)})
    why_not = shelf(seen).attach(rule(offer=offer)).why_not
    assert why_not is not None
    assert why_not.field == field


@pytest.mark.parametrize(
    ("given", "rate", "expected"),
    [
        # 10.00 less 10 % less a cost of 6.00 is 3.00, half of which is accepted
        (rule(offer=Offer(Decimal(10), bonus_product="b")), 0.5, "1.5000"),
        # a present costs its cost, and shipping what shipping costs
        (rule(offer=Offer(free_gift="c", bonus_product="b")), 1.0, "-2.0000"),
        (rule(offer=Offer(free_shipping=True, bonus_product="b")), 1.0, "0.5000"),
        # without a product the cart of 10.00, which cost 6.00
        (rule(offer=Offer(Decimal(10))), 0.1, "0.3000"),
        # the product d, of a cost that nobody knows: three tenths of 20.00
        (rule(offer=Offer(bonus_product="d")), None, "6.0000"),
    ],
)
def test_expected_margin(given: Rule, rate: float | None, expected: str) -> None:
    """rate * (margin - cost of the offer), by hand."""
    products = {"a": product("a"), "b": product("b"), "c": product("c"), "d": product("d", "20.00", None)}
    held = shelf(visit("a", products=products, shipping_cost=Decimal("3.50")))
    assert str(held.expected_margin(given, held.attach(given), rate)) == expected


def test_a_cart_whose_costs_nobody_knows() -> None:
    """Its margin is the assumed one of what its units cost in the cart."""
    held = shelf(visit("a", products={}, assumed_margin=Decimal("0.4")))
    assert held.expected_margin(rule(), Attached(), 1.0) == 4
