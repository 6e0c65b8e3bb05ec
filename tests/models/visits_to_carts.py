"""Rules and visits made up for tests of targeting."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from models.cart_segments import SEGMENTS
from models.targeting_facts import (
    PLACEMENTS,
    UPSELL_TYPES,
    CartLine,
    Conditions,
    Counts,
    Customer,
    Offer,
    Product,
    Rates,
    Rule,
    Visit,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LETTERS = "abcdefghij"


def rule(rule_id: str = "r", **fields: Any) -> Rule:
    """A rule that always applies, but for `fields`."""
    return Rule(**{"id": rule_id, "name": rule_id.upper(), "upsell_type": "CROSS_SELL", **fields})


def product(product_id: str, price: str = "10.00", cost: str | None = "6.00", **fields: Any) -> Product:
    """A product in stock, named after its id."""
    return Product(product_id, f"Product {product_id}", Decimal(price), None if cost is None else Decimal(cost), **fields)


def visit(letters: str = "a", **fields: Any) -> Visit:
    """A guest's cart with one unit at 10.00 of each letter, of the category c-{letter}; every letter is for sale."""
    lines = [CartLine(letter, 1, Decimal("10.00"), (f"c-{letter}",)) for letter in letters]
    products = {letter: product(letter) for letter in LETTERS}
    return Visit(**{"lines": lines, "now": NOW, "products": products, **fields})


def random_conditions(rng: random.Random) -> dict[str, Any]:
    """Some of the conditions, drawn at random; often enough they hold."""
    least, days = rng.choice([0, 15, 40]), rng.choice([0, 3, 30])
    drawn = {
        "segments": frozenset(rng.sample(SEGMENTS, 4)),
        "cart_value_min": Decimal(least),
        "cart_value_max": Decimal(least + rng.choice([0, 30, 100])),
        "product_categories": frozenset(f"c-{letter}" for letter in rng.sample(LETTERS, 4)),
        "has_product": frozenset(rng.sample(LETTERS, 4)),
        "exclude_product": frozenset(rng.sample(LETTERS, 2)),
        "is_new_customer": rng.random() < 0.5,
        "has_subscription": rng.random() < 0.5,
        "days_since_min": days,
        "days_since_max": days + rng.choice([0, 10, 90]),
    }
    return {name: value for name, value in drawn.items() if rng.random() < 0.15}


def random_rules(rng: random.Random, n: int) -> list[Rule]:
    """Rules of every kind, a few priorities among them, with products that may be in a cart."""

    def one_of(share: float, *values: Any) -> Any:
        return rng.choice(values) if rng.random() < share else None

    return [
        rule(
            f"r{number:03}",
            upsell_type=rng.choice(UPSELL_TYPES),
            priority=rng.choice([10, 20, 20, 100]),
            enabled=rng.random() < 0.95,
            conditions=Conditions(**random_conditions(rng)),
            offer=Offer(one_of(0.7, Decimal(0), Decimal("12.5")), rng.random() < 0.3, one_of(0.1, *LETTERS), one_of(0.3, *LETTERS)),
            message="{{firstName}}, save {{discount}} on {{productName}}: {{remaining}} to go",
            placements=tuple(rng.sample(PLACEMENTS, rng.randrange(4))),
            max_impressions=one_of(0.3, 0, 1, 3),
            max_acceptances=one_of(0.3, 0, 10),
            valid_from=one_of(0.2, NOW - timedelta(1), NOW, NOW + timedelta(1)),
            valid_until=one_of(0.2, NOW, NOW + timedelta(1)),
        )
        for number in range(n)
    ]


def random_visit(rng: random.Random, rules: list[Rule]) -> Visit:
    """A visit drawn at random, with something known of some of the rules."""
    customer = Customer(
        frozenset(rng.sample(SEGMENTS, 3)), rng.randrange(4), rng.random() < 0.5,
        rng.choice([None, NOW - timedelta(days=rng.randrange(100))]), "REPEAT_CUSTOMER", rng.choice(["", "Ann"]),
    )  # fmt: skip
    return visit(
        "".join(rng.sample(LETTERS, rng.randrange(6))),
        customer=rng.choice([None, customer]),
        segments=frozenset(rng.sample(SEGMENTS, 2)),
        placements=tuple(rng.sample(PLACEMENTS, rng.randrange(3))),
        max_upsells=rng.randrange(5),
        counts={
            row.id: Counts(rng.randrange(4), rng.randrange(12), rng.choice([None, None, NOW - timedelta(days=rng.randrange(9))]))
            for row in rules
            if rng.random() < 0.5
        },
        rates=Rates({("", "", ""): 0.1, **{(row.id, "", ""): rng.random() for row in rules if rng.random() < 0.5}}),
        products={letter: product(letter, str(rng.randrange(1, 60)), in_stock=rng.random() < 0.9) for letter in LETTERS[:-1]},
        candidates=[rng.sample(LETTERS, 4) for _ in range(3)],
        free_shipping_from=rng.choice([None, Decimal(30), Decimal(60)]),
        currency="EUR",
    )
