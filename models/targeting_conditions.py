"""A rule's conditions, compiled once: each a test of what is known of a visit and the sentence on why it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from models.targeting_facts import Counts, Reason, Rule, Visit

DAY = timedelta(days=1)
_NOTHING_YET = Counts()


class Known:
    """What the conditions ask of a visit, worked out once for all rules."""

    __slots__ = (
        "categories", "counts", "days_since", "has_subscription", "is_guest", "is_new", "now", "placements", "products",
        "rests_since", "segments", "value",
    )  # fmt: skip

    def __init__(self, visit: Visit) -> None:
        lines, customer = visit.lines, visit.customer
        self.products = frozenset([line.product_id for line in lines])
        self.categories = frozenset([category for line in lines for category in line.category_ids])
        self.value = sum([line.quantity * line.unit_price for line in lines], Decimal(0))
        self.segments = visit.segments | customer.segments if customer else visit.segments
        self.is_guest = customer is None
        self.is_new = customer is not None and customer.n_orders == 0
        self.has_subscription = customer is not None and customer.has_subscription
        self.days_since = _days_since(customer.last_order_at if customer else None, visit.now)
        self.now = visit.now
        self.rests_since = visit.now - visit.cool_down
        self.placements = frozenset(visit.placements)
        self.counts = visit.counts


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold: the rule's field, the test, and the sentence for when it fails."""

    field: str
    holds: Callable[[Known], bool]
    why_not: Callable[[Known], str]

    def reason(self, known: Known) -> Reason:
        """Why it fails."""
        return Reason(self.field, self.why_not(known))


def checks(rule: Rule) -> tuple[Check, ...]:
    """What must hold for the rule to apply, the cheapest tests first."""
    return (*_standing(rule), *_conditions(rule), *_limits(rule))


def counted_on(now: datetime) -> str:
    """The UTC day (ISO 8601) that an impression at `now` (aware) counts on: the same in every process, whatever the shop's zone."""
    return now.astimezone(UTC).date().isoformat()


def _days_since(last_order_at: datetime | None, now: datetime) -> int | None:
    # an order that is younger than `now` by another machine's clock was just placed
    return None if last_order_at is None else max(0, (now - last_order_at) // DAY)


def _standing(rule: Rule) -> Iterator[Check]:
    start, end, asked = rule.valid_from, rule.valid_until, frozenset(rule.placements)
    if not rule.enabled:
        yield Check("enabled", lambda known: False, lambda known: "The rule is switched off.")
    if start is not None:
        yield Check("validFrom", lambda known: start <= known.now, lambda known: f"The rule begins at {start.isoformat()}.")
    if end is not None:
        yield Check("validUntil", lambda known: known.now < end, lambda known: f"The rule ended at {end.isoformat()}.")
    if asked:
        yield Check(
            "placements",
            lambda known: not known.placements or not asked.isdisjoint(known.placements),
            lambda known: f"The rule stands at {_listed(asked)}; asked for was {_listed(known.placements)}.",
        )


def _conditions(rule: Rule) -> Iterator[Check]:
    given = rule.conditions
    yield from _of_cart(given.cart_value_min, given.cart_value_max)
    yield from _any_of("conditions.segments", given.segments, lambda known: known.segments, "The segments are")
    yield from _any_of("conditions.hasProduct", given.has_product, lambda known: known.products, "The cart holds")
    yield from _any_of(
        "conditions.productCategories", given.product_categories, lambda known: known.categories, "The cart is of the categories"
    )
    if excluded := given.exclude_product:
        yield Check(
            "conditions.excludeProduct",
            lambda known: excluded.isdisjoint(known.products),
            lambda known: f"The cart holds {_listed(excluded & known.products)}, which the rule excludes.",
        )
    yield from _of_customer(given.is_new_customer, given.has_subscription)
    yield from _of_last_order(given.days_since_min, given.days_since_max)


def _of_cart(least: Decimal | None, most: Decimal | None) -> Iterator[Check]:
    if least is not None:
        yield Check(
            "conditions.cartValueMin",
            lambda known: known.value >= least,
            lambda known: f"The cart is worth {known.value}; the rule wants at least {least}.",
        )
    if most is not None:
        yield Check(
            "conditions.cartValueMax",
            lambda known: known.value <= most,
            lambda known: f"The cart is worth {known.value}; the rule wants at most {most}.",
        )


def _any_of(field: str, wanted: frozenset[str], of: Callable[[Known], frozenset[str]], are: str) -> Iterator[Check]:
    if wanted:
        yield Check(
            field,
            lambda known: not wanted.isdisjoint(of(known)),
            lambda known: f"{are} {_listed(of(known))}; the rule wants one of {_listed(wanted)}.",
        )


def _of_customer(is_new: bool | None, has_subscription: bool | None) -> Iterator[Check]:
    if is_new is not None:
        yield Check(
            "conditions.isNewCustomer",
            lambda known: known.is_new == is_new and not known.is_guest,
            lambda known: f"The rule is for {'new' if is_new else 'earlier'} customers; this is {_who(known)}.",
        )
    if has_subscription is not None:
        yield Check(
            "conditions.hasSubscription",
            lambda known: known.has_subscription == has_subscription,
            lambda known: f"The rule is for those {'with' if has_subscription else 'without'} a subscription.",
        )


def _of_last_order(least: int | None, most: int | None) -> Iterator[Check]:
    for field, bound, holds, word in (
        ("conditions.daysSinceLastOrder.min", least, int.__ge__, "at least"),
        ("conditions.daysSinceLastOrder.max", most, int.__le__, "at most"),
    ):
        if bound is not None:
            yield _days_check(field, bound, holds, word)


def _days_check(field: str, bound: int, holds: Callable[[int, int], bool], word: str) -> Check:
    def why_not(known: Known) -> str:
        last = "There is no earlier order" if known.days_since is None else f"The last order was {known.days_since} days ago"
        return f"{last}; the rule wants {word} {bound} days."

    return Check(field, lambda known: known.days_since is not None and holds(known.days_since, bound), why_not)


def _limits(rule: Rule) -> Iterator[Check]:
    rule_id, shown, accepted = rule.id, rule.max_impressions, rule.max_acceptances

    def counts(known: Known) -> Counts:
        return known.counts.get(rule_id, _NOTHING_YET)

    if shown is not None:
        yield Check(
            "maxImpressions",
            lambda known: counts(known).impressions_today < shown,
            lambda known: f"It was shown {counts(known).impressions_today} times today, of at most {shown}.",
        )
    if accepted is not None:
        yield Check(
            "maxAcceptances",
            lambda known: counts(known).acceptances < accepted,
            lambda known: f"It was accepted {counts(known).acceptances} times, of at most {accepted}.",
        )

    def is_rested(known: Known) -> bool:
        declined_at = counts(known).declined_at
        return declined_at is None or declined_at <= known.rests_since

    yield Check("declines", is_rested, lambda known: f"It was declined at {counts(known).declined_at}, and rests.")


def _who(known: Known) -> str:
    return "a guest" if known.is_guest else "a customer without an order" if known.is_new else "a customer with an order"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
