"""What a product's units cost under its bulk discount: exact, in whole minor units of the currency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from models.money import HUNDREDTHS, divided, in_minor_units, minor_units, percent, require_amount, rounded_up, scaled

PERCENTAGE, FIXED_AMOUNT, UNIT_PRICE = "PERCENTAGE", "FIXED_AMOUNT", "UNIT_PRICE"
DISCOUNT_TYPES = (PERCENTAGE, FIXED_AMOUNT, UNIT_PRICE)
MOST_UNITS = 1_000_000
VALUE_DECIMALS = 4
CAP_DECIMALS = 2
# a percentage with four decimals of a whole minor unit is a whole number of these parts
PARTS: int = 100 * 10**VALUE_DECIMALS


@dataclass(frozen=True, slots=True)
class Tier:
    """One step of a bulk discount: from `min_quantity` units on, every unit of the line is cheaper (all-units pricing).

    max_quantity: the last unit that the merchant had in mind, None where the tier is open-ended; what lies above it and below
    the next tier keeps this tier's price. discount_value: percent, or an amount per unit, with at most VALUE_DECIMALS decimals.
    """

    min_quantity: int
    max_quantity: int | None
    discount_type: str
    discount_value: Decimal
    label: str = ""


@dataclass(frozen=True, slots=True)
class BulkDiscount:
    """A product's configured discount. The cap, 0..100 with at most two decimals, bounds the saving of every line in percent.

    stacks: whether a line with another discount (a coupon, say) gets both; if not, it gets the larger of the two.
    valid_from, valid_until: aware instants or None; it holds at the first and no longer at the second.
    """

    tiers: tuple[Tier, ...]
    enabled: bool = True
    stacks: bool = False
    max_discount_percent: Decimal = Decimal(30)
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def holds_at(self, at: datetime) -> bool:
        """Whether it is enabled and `at` (aware) lies in [valid_from, valid_until)."""
        begun = self.valid_from is None or self.valid_from <= at
        return self.enabled and begun and (self.valid_until is None or at < self.valid_until)


class Step(NamedTuple):
    """A rung of a product's price ladder: from `min_quantity` units on, one costs `parts` / PARTS minor units."""

    min_quantity: int
    parts: int
    tier: Tier | None


class Line(NamedTuple):
    """What `quantity` units cost. original_total = total + saving + other_discount, to the minor unit.

    saving, its percent of original_total, and unit_price are those of the bulk discount alone; tier is None where it takes
    nothing off.
    """

    quantity: int
    original_price: Decimal
    original_total: Decimal
    unit_price: Decimal
    total: Decimal
    saving: Decimal
    saving_percent: Decimal
    other_discount: Decimal
    tier: Tier | None


class Sum(NamedTuple):
    """Totals of many lines: each the sum of the lines' own rounded amounts, so what is shown adds up."""

    original_total: Decimal
    total: Decimal
    saving: Decimal
    saving_percent: Decimal


class Ladder:
    """A product's prices by quantity at one instant.

    Unit prices come from the base price: PERCENTAGE base (1 - v/100), FIXED_AMOUNT base - v, UNIT_PRICE v; never below nothing
    or the cap, never above the base. Of the tiers whose minQuantity is reached, the one that leaves the lowest price applies, of
    equal ones the last: so gaps keep the lower tier's price and one unit more never makes the units dearer. Only a line's total
    is rounded, half up; where that would pass the cap, up. Nothing here is a float.
    """

    __slots__ = ("_base", "_decimals", "_floor", "_stacks", "base", "currency", "steps")

    def __init__(self, base: Decimal, currency: str, discount: BulkDiscount | None, at: datetime) -> None:
        """`base` is the product's price, rounded half up to the currency's minor unit; ValueError where it is no amount of
        0..LARGEST_PRICE, or where a value of `discount` is negative or has more decimals than it may."""
        require_amount("price", base)
        self.currency, self._decimals = currency, minor_units(currency)
        self._base = in_minor_units(base, self._decimals)
        self.base = self._amount(self._base)
        live = discount if discount is not None and discount.holds_at(at) else None
        cap = min(scaled(live.max_discount_percent, CAP_DECIMALS), HUNDREDTHS) if live else 0
        self._stacks = live.stacks if live else False
        # in parts of a minor unit, as every unit price is until its line is rounded
        self._floor = self._base * PARTS // HUNDREDTHS * (HUNDREDTHS - cap)
        self.steps = tuple(self._climbed(live.tiers if live else ()))

    def step(self, quantity: int) -> Step:
        """The rung that `quantity` stands on."""
        reached = self.steps[0]
        for step in self.steps:
            if step.min_quantity > quantity:
                break
            reached = step
        return reached

    def unit_price(self, step: Step) -> Decimal:
        """What one costs on this rung, as it is shown: rounded, but not past the cap."""
        shown = max(divided(step.parts, PARTS), rounded_up(self._floor, PARTS))
        return self._amount(min(self._base, shown))

    def later(self, quantity: int) -> tuple[Step, ...]:
        """The rungs above `quantity`, nearest first; each is cheaper per unit than all below it."""
        found, lowest = [], self.step(quantity).parts
        for step in self.steps:
            if step.min_quantity > quantity and step.parts < lowest:
                found.append(step)
                lowest = step.parts
        return tuple(found)

    def line(self, quantity: int, other_discount: Decimal = Decimal(0)) -> Line:
        """Price `quantity` units (1..MOST_UNITS, else ValueError) of which another discount takes `other_discount` off.

        The cap then bounds what both take off together: the bulk discount gives what the other leaves of it.
        """
        checked(quantity)
        step = self.step(quantity)
        original = quantity * self._base
        saving, other = original - self._total(step, quantity), 0
        if other_discount:
            require_amount("other discount", other_discount)
            saving, other = self._beside(saving, min(in_minor_units(other_discount, self._decimals), original), quantity)
        return Line(
            quantity=quantity,
            original_price=self.base,
            original_total=self._amount(original),
            unit_price=self.unit_price(step) if saving else self.base,
            total=self._amount(original - saving - other),
            saving=self._amount(saving),
            saving_percent=percent(saving, original),
            other_discount=self._amount(other),
            tier=step.tier if saving else None,
        )

    def total(self, quantity: int) -> Decimal:
        """What `quantity` units cost without another discount."""
        return self._amount(self._total(self.step(quantity), checked(quantity)))

    def inversions(self) -> list[tuple[int, int]]:
        """(q, q + 1) at each threshold where one unit more costs less in all: ten cost less than nine."""
        return [
            (upper.min_quantity - 1, upper.min_quantity)
            for lower, upper in pairwise(self.steps)
            if self._total(upper, upper.min_quantity) < self._total(lower, upper.min_quantity - 1)
        ]

    def _climbed(self, tiers: Iterable[Tier]) -> Iterator[Step]:
        lowest, tier = self._base * PARTS, None
        ordered = sorted(tiers, key=lambda tier: tier.min_quantity)
        if not ordered or ordered[0].min_quantity > 1:
            yield Step(1, lowest, None)
        for number, candidate in enumerate(ordered):
            parts = self._unit_parts(candidate)
            if parts <= lowest:
                tier = candidate if parts < self._base * PARTS else None
                lowest = parts
            # of tiers that begin together only the outcome counts
            if number + 1 == len(ordered) or ordered[number + 1].min_quantity > candidate.min_quantity:
                yield Step(candidate.min_quantity, lowest, tier)

    def _unit_parts(self, tier: Tier) -> int:
        asked: int
        base, value = self._base * PARTS, scaled(tier.discount_value, VALUE_DECIMALS)
        if tier.discount_type == PERCENTAGE:
            asked = self._base * (PARTS - value)
        else:
            # no currency has more decimals than a tier's value: this is whole
            amount = value * (PARTS // 10 ** (VALUE_DECIMALS - self._decimals))
            asked = amount if tier.discount_type == UNIT_PRICE else base - amount
        return min(base, max(asked, self._floor))

    def _total(self, step: Step, quantity: int) -> int:
        rounded = divided(quantity * step.parts, PARTS)
        return max(rounded, rounded_up(quantity * self._floor, PARTS))

    def _beside(self, saving: int, other: int, quantity: int) -> tuple[int, int]:
        if not self._stacks:
            return (saving, 0) if saving > other else (0, other)
        most = quantity * self._base - rounded_up(quantity * self._floor, PARTS)
        return max(0, min(saving, most - other)), other

    def _amount(self, minor: int) -> Decimal:
        return Decimal(minor).scaleb(-self._decimals)


def summed(lines: Iterable[Line]) -> Sum:
    """Totals over lines of one currency; all zero without a line."""
    lines = list(lines)
    originals, totals, savings = (
        sum((getattr(line, name) for line in lines), Decimal(0)) for name in ("original_total", "total", "saving")
    )
    (part, part_of), (whole, whole_of) = savings.as_integer_ratio(), originals.as_integer_ratio()
    return Sum(originals, totals, savings, percent(part * whole_of, whole * part_of))


def checked(quantity: int) -> int:
    """The quantity itself; ValueError unless it is a whole number of 1..MOST_UNITS."""
    if type(quantity) is not int or not 1 <= quantity <= MOST_UNITS:
        raise ValueError(f"The quantity {quantity!r:.40} cannot be priced; give a whole number from 1 to {MOST_UNITS}.")
    return quantity
