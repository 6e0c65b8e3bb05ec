"""The engine: which offers are shown, in what order, and what is said of the others."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.offer_products import Shelf
from models.targeting import Targeting
from models.targeting_conditions import Known, checks
from models.targeting_facts import Conditions, Customer, Offer, Rates, Reason, Rule, Verdict, Visit
from tests.models.invented import QUICK
from tests.models.visits_to_carts import NOW, product, random_rules, random_visit, rule, visit


def shown(rules: list[Rule], seen: Visit) -> list[str]:
    """Ids of the rules whose offers are shown."""
    return [offer.rule.id for offer in Targeting(rules).offers(seen)]


def test_an_offer() -> None:
    """A known customer's cart of 10.00 lacks 9.50 for free shipping, which b closes for 12.00."""
    given_rule = rule(
        upsell_type="FREE_SHIPPING",
        offer=Offer(Decimal("12.50"), free_shipping=True),
        message="{{firstName}}, add {{productName}} for {{discount}} off: {{remaining}} to go",
        placements=("CHECKOUT", "CART_PAGE"),
    )
    seen = visit(
        "a",
        customer=Customer(first_name="Ann", segment="REPEAT_CUSTOMER"),
        placements=("EXIT_INTENT", "CART_PAGE", "CHECKOUT"),
        rates=Rates({("r", "CART_PAGE", "REPEAT_CUSTOMER"): 0.25, ("r", "CHECKOUT", ""): 0.5}),
        products={"b": product("b", "12.00", "8.00")},
        candidates=[["b"]],
        free_shipping_from=Decimal("19.50"),
        shipping_cost=Decimal("2.00"),
        currency="EUR",
    )
    (offer,) = Targeting([given_rule]).offers(seen)
    assert offer.message == "Ann, add Product b for 12.5 % off: 9.50 EUR to go"
    assert (offer.placement, offer.rate, offer.score) == ("CART_PAGE", 0.25, 1.0)
    assert [one.id for one in offer.products] == ["b"]
    # 12.00 - 8.00 - 1.50 - 2.00, a quarter of it
    assert str(offer.expected_margin) == "0.1250"


def test_the_order() -> None:
    """Priority first, then the expected margin, then the id; three are shown unless another number is asked for."""
    rules = [
        rule("late", priority=200, offer=Offer(bonus_product="e")),
        rule("much", offer=Offer(bonus_product="b")),
        rule("less-2", offer=Offer(Decimal(10), bonus_product="c")),
        rule("less-1", offer=Offer(Decimal(10), bonus_product="d")),
        rule("first", priority=0, offer=Offer(Decimal(40), bonus_product="f")),
    ]
    assert shown(rules, visit("a")) == ["first", "much", "less-1"]
    assert shown(rules, visit("a", max_upsells=9)) == ["first", "much", "less-1", "less-2", "late"]
    assert shown(rules, visit("a", max_upsells=1)) == ["first"]
    assert shown(rules, visit("a", max_upsells=0)) == []


def test_what_is_accepted_more_often_stands_first() -> None:
    """Of equal margins the higher rate wins; a rule that nobody has seen yet is expected at the company's."""
    rules = [rule(name, offer=Offer(bonus_product=id)) for name, id in (("a", "b"), ("b", "c"), ("c", "d"))]
    rates = Rates({("", "", ""): 0.1, ("a", "", ""): 0.05, ("c", "CART_PAGE", "GUEST"): 0.2})
    offers = Targeting(rules).offers(visit("a", rates=rates))
    assert [(offer.rule.id, offer.rate) for offer in offers] == [("c", 0.2), ("b", 0.1), ("a", 0.05)]


def test_no_product_is_offered_twice() -> None:
    """The rule behind says which rule has offered its product, and the next one moves up."""
    rules = [rule("r1", priority=1, offer=Offer(bonus_product="b")), rule("r2", offer=Offer(free_gift="b")), rule("r3")]
    offers, verdicts = Targeting(rules).trace(visit("a"))
    assert [offer.rule.id for offer in offers] == ["r1", "r3"]
    assert verdicts == [
        Verdict("r1", 1),
        Verdict("r2", None, (Reason("offer", "The product b is offered by the rule r1 already."),)),
        Verdict("r3", 2),
    ]


def test_a_trace_names_everything_that_fails() -> None:
    """A rule with two conditions that fail says both; one that only came too late says so; an empty cart explains itself."""
    rules = [
        rule("r1", conditions=Conditions(cart_value_min=Decimal(50), is_new_customer=True)),
        rule("r2", priority=1),
        rule("r3", priority=2),
    ]
    _, verdicts = Targeting(rules).trace(visit("a", max_upsells=1))
    assert verdicts == [
        Verdict("r2", 1),
        Verdict("r3", None, (Reason("priority", "Its conditions hold, but other offers stand before it (at most 1 shown)."),)),
        Verdict(
            "r1",
            None,
            (
                Reason("conditions.cartValueMin", "The cart is worth 10.00; the rule wants at least 50."),
                Reason("conditions.isNewCustomer", "The rule is for new customers; this is a guest."),
            ),
        ),
    ]
    offers, verdicts = Targeting(rules).trace(visit(""))
    assert offers == []
    assert {verdict.reasons for verdict in verdicts} == {(Reason("cart", "The cart is empty."),)}


@pytest.mark.parametrize(
    ("asked", "placements", "expected"),
    [
        ((), (), "CART_PAGE"),
        ((), ("CHECKOUT", "CART_PAGE"), "CHECKOUT"),
        (("EXIT_INTENT",), (), "EXIT_INTENT"),
        (("EXIT_INTENT", "CART_PAGE", "CHECKOUT"), ("CHECKOUT", "CART_PAGE"), "CART_PAGE"),
    ],
)
def test_where_it_is_shown(asked: tuple[str, ...], placements: tuple[str, ...], expected: str) -> None:
    """At the most wanted placement that the rule may stand at."""
    (offer,) = Targeting([rule(placements=placements)]).offers(visit("a", placements=asked))
    assert offer.placement == expected


def test_what_cannot_be_asked() -> None:
    """Two rules of one id, and fewer than no offers."""
    with pytest.raises(ValueError, match="Two rules have the id 'r'"):
        Targeting([rule(), rule()])
    with pytest.raises(ValueError, match="At most -1 offers"):
        Targeting([]).offers(visit("a", max_upsells=-1))


@QUICK
@given(st.integers(0, 10_000))
def test_laws(seed: int) -> None:
    """Whatever the rules and the visit: the same for shuffled rules, never too many, nothing of the cart and nothing twice, in
    order, a verdict for every rule, a place for those that are shown and a reason for the others."""
    rng = random.Random(seed)
    rules = random_rules(rng, rng.randrange(40))
    for _ in range(5):
        seen = random_visit(rng, rules)
        offers, verdicts = Targeting(rules).trace(seen)
        assert Targeting(rng.sample(rules, len(rules))).trace(seen) == (offers, verdicts)
        assert Targeting(rules).offers(seen) == offers
        assert len(offers) <= seen.max_upsells
        # two for one is one offer
        offered = [id for offer in offers for id in {one.id for one in (*offer.products, offer.gift) if one}]
        assert not set(offered) & {line.product_id for line in seen.lines}
        assert len(offered) == len(set(offered))
        assert all(seen.products[id].in_stock for id in offered)
        order = [(offer.rule.priority, -offer.expected_margin, offer.rule.id) for offer in offers]
        assert order == sorted(order)
        assert sorted(verdict.rule_id for verdict in verdicts) == sorted(row.id for row in rules)
        places = {verdict.rule_id: verdict.place for verdict in verdicts if verdict.place}
        assert places == {offer.rule.id: place for place, offer in enumerate(offers, 1)}
        assert all(bool(verdict.reasons) == (verdict.place is None) for verdict in verdicts)


def by_the_book(rules: list[Rule], seen: Visit) -> list[tuple[str, str, Decimal]]:
    """Rule, placement and expected margin of the offers, nothing compiled and nothing skipped: every check of every rule."""
    known, possible = Known(seen), []
    shelf = Shelf(seen, known)
    for row in rules if seen.lines else ():
        attached = shelf.attach(row)
        if all(check.holds(known) for check in checks(row)) and attached.why_not is None:
            may_stand = [asked for asked in seen.placements if not row.placements or asked in row.placements]
            placement = [*may_stand, *row.placements, "CART_PAGE"][0]
            rate = seen.rates.of(row.id, placement, seen.customer.segment if seen.customer else "GUEST")
            possible.append((row.priority, -shelf.expected_margin(row, attached, rate), row.id, placement, set(attached.ids())))
    found: list[tuple[str, str, Decimal]] = []
    taken: set[str] = set()
    for _, less_margin, rule_id, placement, ids in sorted(possible, key=lambda each: each[:3]):
        if len(found) < seen.max_upsells and not ids & taken:
            found.append((rule_id, placement, -less_margin))
            taken |= ids
    return found


@QUICK
@given(st.integers(0, 10_000))
def test_compiled_is_by_the_book(seed: int) -> None:
    """Rules compiled once and asked for one visit after the other, varied ones too, offer what each visit's own reading of every
    check of every rule does, and say the same of it as rules that were never asked before."""
    rng = random.Random(seed)
    rules = random_rules(rng, rng.randrange(40))
    compiled = Targeting(rules)
    others = {row.id: row for row in random_rules(rng, len(rules)) if rng.random() < 0.2}
    varied, of_variants = compiled.varied(others.values()), [others.get(row.id, row) for row in rules]
    for _ in range(8):
        seen = random_visit(rng, rules)
        for asked, own in ((compiled, rules), (varied, of_variants)):
            offers = asked.offers(seen)
            assert [(each.rule.id, each.placement, each.expected_margin) for each in offers] == by_the_book(own, seen)
            assert offers == Targeting(own).offers(seen)


@QUICK
@given(st.integers(0, 10_000))
def test_one_rule_more_takes_no_better_place(seed: int) -> None:
    """Whoever is shown beside more rules would be shown beside fewer, unless its product was offered by one of them."""
    rng = random.Random(seed)
    rules: list[Any] = [row for row in random_rules(rng, 20) if not (row.offer.bonus_product or row.offer.free_gift)]
    rules = [row for row in rules if row.upsell_type != "FREE_SHIPPING"]
    seen = random_visit(rng, rules)
    for left_out in rules:
        others = [row for row in rules if row.id != left_out.id]
        assert set(shown(rules, seen)) - {left_out.id} <= set(shown(others, seen))


def test_rates_of_published_rows() -> None:
    """The cell, else its rule in the placement, the rule, the company; nothing where nothing is published."""
    row = {"placement": "", "segment": "", "score": 0.1}
    rates = Rates.read({"": [row], "r": [{**row, "score": 0.2}, {"placement": "CHECKOUT", "segment": "GUEST", "score": 0.3}]})
    asked = (("r", "CHECKOUT", "GUEST"), ("r", "CHECKOUT", "LAPSED_CUSTOMER"), ("x", "CHECKOUT", "GUEST"))
    assert [rates.of(*cell) for cell in asked] == [0.3, 0.2, 0.1]
    assert Rates().of("r", "CHECKOUT", "GUEST") is None


def test_the_hour_does_not_matter_beyond_the_rules() -> None:
    """A rule without dates is offered the same at any instant."""
    offers = [Targeting([rule(message="Hi")]).offers(visit("a", now=NOW.replace(year=year))) for year in (1999, 2026)]
    assert offers[0] == offers[1]
