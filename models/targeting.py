"""Targeting: a company's rules and one visit -> the offers to show, in order, and for every rule why it is shown or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from models import messages
from models.money import minor_units
from models.offer_products import Attached, Shelf
from models.targeting_conditions import Check, Known, checks
from models.targeting_facts import CART_PAGE, GUEST, Offered, Reason, Rule, Verdict, Visit

# what no visit changes is looked at once per set of placements; what compares no amounts and no sets goes first
STANDING, CHEAPEST = ("enabled", "placements"), ("conditions.isNewCustomer", "conditions.hasSubscription")
# sets of placements that rules are sorted out for: as many as there are of the seven
MOST_SORTED = 128


class _Compiled(NamedTuple):
    """A rule, everything that must hold, and the tests that are left where it may stand at all."""

    rule: Rule
    checks: tuple[Check, ...]
    holds: tuple[Callable[[Known], bool], ...]


class _Possible(NamedTuple):
    """A rule that applies, beside those of its priority: the most expected margin stands first, then the lower id."""

    less_margin: Decimal
    rule_id: str
    rule: Rule
    placement: str
    attached: Attached
    rate: float | None


class Targeting:
    """A company's rules, compiled once and asked for every visit; shuffled rules give the same answers.

    ValueError where two rules have one id.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        ordered = list(rules)
        ids = Counter(rule.id for rule in ordered)
        if len(ids) < len(ordered):
            raise ValueError(f"Two rules have the id {ids.most_common(1)[0][0]!r}; give each its own.")
        self._compile([_compiled(rule) for rule in ordered])

    def _compile(self, rows: Iterable[_Compiled]) -> None:
        self._classes = _classes(rows)
        self._sorted: dict[frozenset[str], list[tuple[_Compiled, ...]]] = {}

    def varied(self, rules: Iterable[Rule]) -> Targeting:
        """The same with these rules in the place of those of their ids; what stays is not compiled again."""
        own = {rule.id: _compiled(rule) for rule in rules}
        made = object.__new__(Targeting)
        made._compile([own.get(row.rule.id, row) for rows in self._classes for row in rows])
        return made

    def offers(self, visit: Visit) -> list[Offered]:
        """At most `visit.max_upsells` offers: by priority, then expected margin, then rule id.

        Nothing of the cart is offered, no product twice, and to an empty cart nothing. ValueError for a negative max_upsells.
        """
        return self._answer(visit, {})

    def trace(self, visit: Visit) -> tuple[list[Offered], list[Verdict]]:
        """The same offers, and a verdict on every rule, by priority and id."""
        told: dict[str, Reason] = {}
        offered = self._answer(visit, told)
        places = {offer.rule.id: place for place, offer in enumerate(offered, 1)}
        known = Known(visit)
        return offered, [
            Verdict(row.rule.id, places.get(row.rule.id), () if row.rule.id in places else _reasons(visit, known, row, told))
            for rows in self._classes
            for row in rows
        ]

    def _answer(self, visit: Visit, told: dict[str, Reason]) -> list[Offered]:
        """The offers; `told` gets the reason of every rule whose conditions hold and whose turn came in vain."""
        if visit.max_upsells < 0:
            raise ValueError(f"At most {visit.max_upsells} offers cannot be shown; give 0 or more.")
        offered: list[Offered] = []
        offered_by: dict[str, str] = {}
        known = Known(visit)
        shelf = Shelf(visit, known)
        for rows in self._standing(known.placements) if visit.lines else ():
            # whatever is of a later priority stands behind these
            if len(offered) >= visit.max_upsells:
                break
            possible = _possible(visit, known, shelf, rows, told)
            for row in sorted(possible, key=lambda row: row[:2]):
                twice = next((id for id in row.attached.ids() if id in offered_by), None)
                if twice is not None:
                    sentence = f"The product {twice} is offered by the rule {offered_by[twice]} already."
                    told[row.rule_id] = Reason("offer", sentence)
                elif len(offered) < visit.max_upsells:
                    offered_by.update(dict.fromkeys(row.attached.ids(), row.rule_id))
                    offered.append(_offered(visit, shelf, row, len(offered) + 1))
        return offered

    def _standing(self, asked: frozenset[str]) -> list[tuple[_Compiled, ...]]:
        """The rules that are switched on and may stand at one of the placements, anywhere where none is asked for."""
        found = self._sorted.get(asked)
        if found is None:
            if len(self._sorted) >= MOST_SORTED:
                self._sorted.clear()
            rows = [tuple([row for row in rows if _may_stand(row.rule, asked)]) for rows in self._classes]
            found = self._sorted[asked] = [each for each in rows if each]
        return found


def _may_stand(rule: Rule, asked: frozenset[str]) -> bool:
    return rule.enabled and (not asked or not rule.placements or not asked.isdisjoint(rule.placements))


def _classes(compiled: Iterable[_Compiled]) -> list[tuple[_Compiled, ...]]:
    """Rules of one priority together, the first ones first."""
    ordered = sorted(compiled, key=lambda row: (row.rule.priority, row.rule.id))
    return [tuple(group) for _, group in groupby(ordered, key=lambda row: row.rule.priority)]


def _compiled(rule: Rule) -> _Compiled:
    tests = checks(rule)
    of_visits = sorted([each for each in tests if each.field not in STANDING], key=lambda each: each.field not in CHEAPEST)
    return _Compiled(rule, tests, tuple([each.holds for each in of_visits]))


def _possible(
    visit: Visit, known: Known, shelf: Shelf, rows: tuple[_Compiled, ...], told: dict[str, Reason]
) -> Iterator[_Possible]:
    """The rules that apply and whose offer can be made."""
    segment = visit.customer.segment if visit.customer else GUEST
    for rule, _, holds in rows:
        for check in holds:
            if not check(known):
                break
        else:
            attached = shelf.attach(rule)
            if attached.why_not:
                told[rule.id] = attached.why_not
            else:
                placement = _placement(rule, visit)
                rate = visit.rates.of(rule.id, placement, segment)
                yield _Possible(-shelf.expected_margin(rule, attached, rate), rule.id, rule, placement, attached, rate)


def _offered(visit: Visit, shelf: Shelf, row: _Possible, place: int) -> Offered:
    rule, attached = row.rule, row.attached
    named = [*attached.products, attached.gift]
    values = {
        messages.FIRST_NAME: visit.customer.first_name if visit.customer else None,
        messages.DISCOUNT: _percent(rule.offer.discount_percent),
        messages.REMAINING: _amount(shelf.gap, visit.currency),
        messages.PRODUCT_NAME: next((product.name for product in named if product), None),
    }
    return Offered(
        rule=rule,
        placement=row.placement,
        message=messages.fill(rule.message, values),
        products=attached.products,
        gift=attached.gift,
        rate=row.rate,
        expected_margin=-row.less_margin,
        score=round(1 / place, 4),
    )


def _placement(rule: Rule, visit: Visit) -> str:
    """The most wanted one that the rule may stand at; where none is asked for, the rule's first, else the cart's page."""
    for asked in visit.placements:
        if not rule.placements or asked in rule.placements:
            return asked
    return rule.placements[0] if rule.placements else CART_PAGE


def _reasons(visit: Visit, known: Known, row: _Compiled, told: dict[str, Reason]) -> tuple[Reason, ...]:
    if not visit.lines:
        return (Reason("cart", "The cart is empty."),)
    failed = [check.reason(known) for check in row.checks if not check.holds(known)]
    behind = Reason("priority", f"Its conditions hold, but other offers stand before it (at most {visit.max_upsells} shown).")
    return tuple(failed) or (told.get(row.rule.id, behind),)


def _percent(percent: Decimal | None) -> str | None:
    return f"{percent.normalize():f} %" if percent else None


def _amount(gap: Decimal | None, currency: str) -> str | None:
    """What is left to spend, with the currency's decimals, rounded up: whoever spends it has spent enough."""
    if gap is None or gap <= 0:
        return None
    return f"{gap.quantize(Decimal(1).scaleb(-minor_units(currency)), 'ROUND_UP')} {currency}".strip()
