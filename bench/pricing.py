"""Laws of bulk prices on millions of random lines, and lines per second and core beside floats.

python -m bench.pricing [--cases N] [--rounds N] [--json]

Every line is held to the laws of a bulk price and to the formula written down once more in plain Decimal arithmetic; it ends with
code 1 where one is broken. Then the same lines are priced by the engine and by two rivals in floats, which also tells how many of
their lines are not what the formula charges. Discounts are random in type, value, cap, order and overlap; prices are in yen, euros
and dinars.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple

from bench.measure import interleaved, median, show
from models.bulk_discounts import DISCOUNT_TYPES, FIXED_AMOUNT, PERCENTAGE, BulkDiscount, Ladder, Line, Sum, Tier, summed

AT = datetime(2026, 5, 1, tzinfo=UTC)
LINES = 50
TIMED = 200_000
CURRENCIES = {"JPY": 0, "EUR": 2, "KWD": 3}
LAWS = (
    "never negative", "never above the base price", "never above the cap", "amounts add up", "percent shown is percent charged",
    "as the formula charges", "a total that falls is flagged", "no unit dearer by one more", "sum of lines is the total",
)  # fmt: skip


class Case(NamedTuple):
    """A product, its discount, and the quantities of LINES lines, ascending."""

    base: Decimal
    currency: str
    discount: BulkDiscount
    quantities: list[int]


def main() -> None:
    """Hold the laws, then time."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cases", type=int, default=10_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    broken: Counter[str] = Counter()
    n_cases = 0
    with localcontext(prec=60):
        for case in cases(given.cases // LINES, seed=7):
            broken.update(violations(case))
            n_cases += len(case.quantities)
    kept = list(cases(min(given.cases, TIMED) // LINES, seed=8))
    held = {"cases": n_cases, "violations": sum(broken.values()), **{law: broken[law] for law in LAWS if broken[law]}}
    title = ", ".join(f"{name} {number:,}" for name, number in held.items())
    show(f"bulk prices: {title}; lines per second of one core, medians of {given.rounds}", timed(kept, given.rounds))
    if broken:
        raise SystemExit(1)


def cases(n: int, seed: int) -> Iterator[Case]:
    """`n` random products with a discount, as good or bad as it may be, and random quantities around its thresholds."""
    draw = random.Random(seed)
    for _ in range(n):
        currency = draw.choice(list(CURRENCIES))
        base = Decimal(int(10 ** draw.uniform(0, 7))).scaleb(-CURRENCIES[currency])
        most = draw.choice((10, 100, 2_000, 1_000_000))
        tiers = tuple(tier(draw, base, most) for _ in range(draw.randint(0, 5)))
        cap = Decimal(draw.choice((3_000, 10_000, draw.randint(0, 10_000)))).scaleb(-2)
        edges = [one.min_quantity + step for one in tiers for step in (-1, 0)]
        quantities = [quantity for quantity in edges if quantity] + [draw.randint(1, most) for _ in range(LINES)]
        yield Case(base, currency, BulkDiscount(tiers, max_discount_percent=cap), sorted(quantities[:LINES]))


def tier(draw: random.Random, base: Decimal, most: int) -> Tier:
    """A random tier; values have up to four decimals, amounts may be above the price."""
    kind = draw.choice(DISCOUNT_TYPES)
    decimals = draw.randint(0, 4)
    limit = 100 if kind == PERCENTAGE else base * Decimal("1.2")
    return Tier(draw.randint(1, most), None, kind, Decimal(draw.randint(0, int(limit * 10**decimals))).scaleb(-decimals))


def violations(case: Case) -> Iterator[str]:
    """The law of each breach."""
    ladder = Ladder(case.base, case.currency, case.discount, AT)
    lines = [ladder.line(quantity) for quantity in case.quantities]
    falls = {upper for _, upper in ladder.inversions()}
    before = None
    for line in lines:
        yield from of_a_line(case, line)
        if before and line.total < before.total and not any(before.quantity < fall <= line.quantity for fall in falls):
            yield "a total that falls is flagged"
        if before and ladder.step(line.quantity).parts > ladder.step(before.quantity).parts:
            yield "no unit dearer by one more"
        before = line
    sums: Sum = summed(lines)
    if sums.total != sum(line.total for line in lines) or sums.original_total - sums.saving != sums.total:
        yield "sum of lines is the total"


def of_a_line(case: Case, line: Line) -> Iterator[str]:
    """Breaches of the laws of a single line."""
    cap, most = case.discount.max_discount_percent, line.original_total
    if line.total < 0 or line.unit_price < 0 or line.saving < 0:
        yield "never negative"
    if line.total > most or most != case.base * line.quantity or line.unit_price > case.base:
        yield "never above the base price"
    if line.saving * 100 > cap * most or (case.base - line.unit_price) * 100 > cap * case.base or line.saving_percent > cap:
        yield "never above the cap"
    if line.total + line.saving != most:
        yield "amounts add up"
    if line.saving_percent != (line.saving * 100 / most if most else Decimal(0)).quantize(Decimal("0.01"), ROUND_HALF_UP):
        yield "percent shown is percent charged"
    if line.total != formula(case, line.quantity):
        yield "as the formula charges"


def formula(case: Case, quantity: int) -> Decimal:
    """The total of a line, as the definitions say it."""
    base, unit = case.base, Decimal(1).scaleb(-CURRENCIES[case.currency])
    floor = base * (100 - case.discount.max_discount_percent) / 100
    price = base
    for one in case.discount.tiers:
        if one.min_quantity <= quantity:
            price = min(price, asked(one, base))
    total = (quantity * max(price, floor)).quantize(unit, ROUND_HALF_UP)
    return max(total, (quantity * floor).quantize(unit, ROUND_CEILING))


def asked(one: Tier, base: Decimal) -> Decimal:
    """The unit price that a tier asks for, before the cap."""
    if one.discount_type == PERCENTAGE:
        return base * (100 - one.discount_value) / 100
    return max(base - one.discount_value, Decimal(0)) if one.discount_type == FIXED_AMOUNT else one.discount_value


def timed(kept: list[Case], rounds: int) -> list[dict[str, Any]]:
    """Lines per second of each contender, and how many of their totals are off by a minor unit."""
    plain = [plainly(case) for case in kept]
    n_lines = sum(len(case.quantities) for case in kept)
    works: dict[str, Callable[[], Any]] = {
        "ours, a ladder per line": lambda: [whole(case, quantity) for case in kept for quantity in case.quantities],
        "ours, a ladder per product": lambda: [laddered(case) for case in kept],
        "floats, total rounded once": lambda: [floats(one, q, rounds_unit=False) for one in plain for q in one[-1]],
        "floats, unit price rounded": lambda: [floats(one, q, rounds_unit=True) for one in plain for q in one[-1]],
    }
    costs = interleaved(rounds, **works)
    rows = []
    for name, work in works.items():
        charged = [line for each in work() for line in (each if isinstance(each, list) else [each])]
        totals = iter([line.total if isinstance(line, Line) else Decimal(line[1]) for line in charged])
        n_wrong = sum(is_wrong(case, quantity, next(totals)) for case in kept for quantity in case.quantities)
        seconds = median([each.cpu for each in costs[name]])
        rows.append(
            {"what": name, "lines/s": n_lines / seconds, "us/line": 1e6 * seconds / n_lines, "wrong": n_wrong, "of": n_lines}
        )
    return rows


def is_wrong(case: Case, quantity: int, total: Decimal) -> bool:
    """Whether a total is off by a minor unit; rounding past the cap is forgiven, since it is our rule that forbids it."""
    unit = Decimal(1).scaleb(-CURRENCIES[case.currency])
    right = formula(case, quantity)
    return min(abs(total - right), abs(total - (right - unit if at_cap(case, quantity, right) else right))) * 2 > unit


def at_cap(case: Case, quantity: int, total: Decimal) -> bool:
    """Whether a total one minor unit lower would be past the cap."""
    unit = Decimal(1).scaleb(-CURRENCIES[case.currency])
    return total - unit < quantity * case.base * (100 - case.discount.max_discount_percent) / 100


def whole(case: Case, quantity: int) -> Line:
    """One line of a product whose ladder nobody has built."""
    return Ladder(case.base, case.currency, case.discount, AT).line(quantity)


def laddered(case: Case) -> list[Line]:
    """Every line of one product."""
    ladder = Ladder(case.base, case.currency, case.discount, AT)
    return [ladder.line(quantity) for quantity in case.quantities]


def plainly(case: Case) -> tuple[Any, ...]:
    """The case in floats, as a rival holds it."""
    tiers = [(one.min_quantity, one.discount_type, float(one.discount_value)) for one in case.discount.tiers]
    return float(case.base), CURRENCIES[case.currency], tiers, float(case.discount.max_discount_percent), case.quantities


def floats(plain: tuple[Any, ...], quantity: int, *, rounds_unit: bool) -> tuple[float, ...]:
    """Unit price, total, saving and percent as they are computed where nobody thinks of cents."""
    base, decimals, tiers, cap, _ = plain
    price = base
    for least, kind, value in tiers:
        if quantity >= least:
            asked = base * (1 - value / 100) if kind == PERCENTAGE else base - value if kind == FIXED_AMOUNT else value
            price = min(price, max(0.0, asked))
    price = max(price, base * (1 - cap / 100))
    if rounds_unit:
        price = round(price, decimals)
    total, original = round(price * quantity, decimals), round(base * quantity, decimals)
    saving = round(original - total, decimals)
    return price, total, saving, round(100 * saving / original, 2) if original else 0.0


if __name__ == "__main__":
    main()
