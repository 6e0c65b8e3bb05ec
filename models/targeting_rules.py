"""What a targeting rule's JSON must satisfy before it is stored or applied: each fault with its field and a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from models.bulk_fields import Fault, amount, fault, time_zone, window
from models.cart_segments import SEGMENTS
from models.targeting_facts import DEFAULT_PRIORITY, PLACEMENTS, UPSELL_TYPES, URGENCIES, Conditions, Offer, Rule

FIELDS = (
    "name", "description", "priority", "enabled", "conditions", "upsellType", "offer", "message", "urgency", "placements",
    "maxImpressions", "maxAcceptances", "validFrom", "validUntil",
)  # fmt: skip
# what an answer of ours carries besides, so that a client may send back what it got
OF_THE_ROW = ("id", "companyId", "createdAt", "updatedAt", "warnings")
CONDITIONS = (
    "segments", "cartValueMin", "cartValueMax", "productCategories", "hasProduct", "excludeProduct", "isNewCustomer",
    "hasSubscription", "daysSinceLastOrder",
)  # fmt: skip
OFFER = ("discountPercent", "freeShipping", "freeGift", "bonusProduct")
LONGEST_NAME, LONGEST_TEXT, LONGEST_ID = 200, 1_000, 200
MOST_LISTED = 500
# an integer of Postgres
LARGEST_COUNT = 2**31 - 1
LARGEST_VALUE = 100_000_000
LONGEST_DAYS = 36_525


T = TypeVar("T")


class Read(NamedTuple):
    """The rule, or None and what is wrong with its document."""

    rule: Rule | None
    faults: list[Fault]


def read(document: Any, zone: str = "UTC") -> Read:
    """The rule that a JSON object (FIELDS; all but `name` and `upsellType` have a default) describes.

    zone: the company's (IANA), which dates and instants without an offset are in; a date as validUntil is that day's end.
    ValueError where there is no such zone. What is null, and an empty list of conditions, is not given. A fault is {"field":
    "conditions.cartValueMin", "message": a sentence}.
    """
    if not isinstance(document, Mapping):
        return Read(None, [fault("", "The rule must be an object", document)])
    form = _Form(document, "")
    form.only((*FIELDS, *OF_THE_ROW), "a rule")
    (valid_from, valid_until), wrong = window(document, time_zone(zone))
    form.faults += wrong
    form.text("description", LONGEST_TEXT)
    rule = Rule(
        id=form.text("id", LONGEST_ID),
        name=form.text("name", LONGEST_NAME, least=1),
        upsell_type=form.one_of("upsellType", UPSELL_TYPES),
        priority=form.whole("priority", DEFAULT_PRIORITY) or 0,
        enabled=form.flag("enabled") is not False,
        conditions=_conditions(form),
        offer=_offer(form),
        message=form.text("message", LONGEST_TEXT),
        urgency=form.one_of("urgency", URGENCIES, URGENCIES[0]),
        placements=form.listed("placements", PLACEMENTS),
        max_impressions=form.whole("maxImpressions"),
        max_acceptances=form.whole("maxAcceptances"),
        valid_from=valid_from,
        valid_until=valid_until,
    )
    return Read(None, form.faults) if form.faults else Read(rule, [])


def products_named(rule: Rule) -> list[tuple[str, str]]:
    """(field, product id) of every product that must be the company's own, in the order of the fields."""
    conditions, offer = rule.conditions, rule.offer
    named = [("conditions.hasProduct", id) for id in sorted(conditions.has_product)]
    named += [("conditions.excludeProduct", id) for id in sorted(conditions.exclude_product)]
    single = (("offer.freeGift", offer.free_gift), ("offer.bonusProduct", offer.bonus_product))
    return [*named, *((field, id) for field, id in single if id is not None)]


def _conditions(rule: _Form) -> Conditions:
    form = rule.part("conditions", CONDITIONS, "a rule's conditions")
    days = form.part("daysSinceLastOrder", ("min", "max"), "daysSinceLastOrder")
    given = Conditions(
        segments=frozenset(form.listed("segments", SEGMENTS)),
        cart_value_min=form.decimal("cartValueMin", LARGEST_VALUE),
        cart_value_max=form.decimal("cartValueMax", LARGEST_VALUE),
        product_categories=frozenset(form.listed("productCategories")),
        has_product=frozenset(form.listed("hasProduct")),
        exclude_product=frozenset(form.listed("excludeProduct")),
        is_new_customer=form.flag("isNewCustomer"),
        has_subscription=form.flag("hasSubscription"),
        days_since_min=days.whole("min", most=LONGEST_DAYS),
        days_since_max=days.whole("max", most=LONGEST_DAYS),
    )
    rule.faults += form.faults + days.faults or list(_impossible(given))
    return given


def _impossible(given: Conditions) -> Iterator[Fault]:
    """Conditions of which no cart can meet all."""
    for field, least, most in (
        ("conditions.cartValueMax", given.cart_value_min, given.cart_value_max),
        ("conditions.daysSinceLastOrder.max", given.days_since_min, given.days_since_max),
    ):
        if least is not None and most is not None and most < least:
            yield fault(field, f"{field.rpartition('.')[2]} must not be below the minimum {least}", most)
    if given.has_product and given.has_product <= given.exclude_product:
        yield {"field": "conditions.excludeProduct", "message": "excludeProduct excludes all that hasProduct asks for."}
    if given.is_new_customer and (given.days_since_min is not None or given.days_since_max is not None):
        yield {"field": "conditions.daysSinceLastOrder", "message": "A new customer has no last order to count days from."}


def _offer(rule: _Form) -> Offer:
    form = rule.part("offer", OFFER, "an offer")
    given = Offer(
        discount_percent=form.decimal("discountPercent", 100),
        free_shipping=form.flag("freeShipping") is True,
        free_gift=form.text("freeGift", LONGEST_ID) or None,
        bonus_product=form.text("bonusProduct", LONGEST_ID) or None,
    )
    rule.faults += form.faults
    return given


class _Form:
    """One object of the document: reads fields by name and gathers what is wrong with them."""

    def __init__(self, given: Mapping[str, Any], at: str) -> None:
        self._given, self._at = given, at
        self.faults: list[Fault] = []

    def only(self, known: Sequence[str], what: str) -> None:
        for name in sorted(str(name) for name in self._given if name not in known):
            self.faults.append({"field": f"{self._at}{name:.40}", "message": f"{name!r:.40} is no field of {what}."})

    def part(self, name: str, known: Sequence[str], what: str) -> _Form:
        given = self._given.get(name)
        form = _Form(given if isinstance(given, Mapping) else {}, f"{self._at}{name}.")
        if given is not None and not isinstance(given, Mapping):
            form.faults.append(fault(f"{self._at}{name}", f"{name} must be an object", given))
        form.only(known, what)
        return form

    def text(self, name: str, most: int, least: int = 0) -> str:
        given = self._given.get(name)
        if given is None and least == 0:
            return ""
        if not isinstance(given, str) or not least <= len(given.strip()) or len(given) > most:
            return self._wrong(name, f"must be a text of {least} to {most} characters", "")
        return given

    def flag(self, name: str) -> bool | None:
        given = self._given.get(name)
        if given is None or isinstance(given, bool):
            return given
        return self._wrong(name, "must be true or false", None)

    def whole(self, name: str, default: int | None = None, most: int = LARGEST_COUNT) -> int | None:
        given = self._given.get(name)
        if given is None:
            return default
        if type(given) is not int or not 0 <= given <= most:
            return self._wrong(name, f"must be a whole number from 0 to {most}", default)
        return given

    def decimal(self, name: str, most: int) -> Decimal | None:
        given = self._given.get(name)
        if given is None:
            return None
        value, wrong = amount(given, f"{self._at}{name}", most, 2)
        self.faults += wrong
        return value

    def one_of(self, name: str, known: Sequence[str], default: str = "") -> str:
        given = self._given.get(name)
        if given is None and default:
            return default
        if not isinstance(given, str) or given not in known:
            return self._wrong(name, f"must be one of {', '.join(known)}", default)
        return given

    def listed(self, name: str, known: Sequence[str] = ()) -> tuple[str, ...]:
        """Texts of a list, each once, in its order."""
        given = self._given.get(name)
        if given is None:
            return ()
        if not isinstance(given, list) or len(given) > MOST_LISTED:
            return self._wrong(name, f"must be a list of at most {MOST_LISTED}", ())
        for number, value in enumerate(given):
            if not isinstance(value, str) or (value not in known if known else not 1 <= len(value) <= LONGEST_ID):
                wanted = f"one of {', '.join(known)}" if known else f"an id of 1 to {LONGEST_ID} characters"
                self.faults.append(fault(f"{self._at}{name}[{number}]", f"{name} must hold {wanted}", value))
        return () if self.faults else tuple(dict.fromkeys(given))

    def _wrong(self, name: str, sentence: str, instead: T) -> T:
        self.faults.append(fault(f"{self._at}{name}", f"{name} {sentence}", self._given.get(name)))
        return instead
