"""Taking cancellations off order lines: worked examples, and laws against a plain stack."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from flows.load_cancellations import net

START = datetime(2024, 1, 1)
LINES = {
    "customer_id": pl.String, "product_id": pl.String, "ordered_at": pl.Datetime("ms"), "order_id": pl.String,
    "quantity": pl.Int64, "line": pl.Int64,
}  # fmt: skip
CANCELLATIONS = {name: dtype for name, dtype in LINES.items() if name != "line"}
Event = tuple[str, str, int, int]


def netted(lines: list[Event], cancellations: list[Event]) -> tuple[list[int], list[int]]:
    """What is left of each line and unmatched of each cancellation, given as (customer, product, day, units)."""
    bought = [(c, p, START + timedelta(days=day), f"o{i:03}", units, 1) for i, (c, p, day, units) in enumerate(lines)]
    returned = [(c, p, START + timedelta(days=day), f"r{i:03}", units) for i, (c, p, day, units) in enumerate(cancellations)]
    left, unmatched = net(
        pl.DataFrame(bought, schema=LINES, orient="row"), pl.DataFrame(returned, schema=CANCELLATIONS, orient="row")
    )
    return left["left"].to_list(), unmatched["unmatched"].to_list()


def test_the_most_recent_earlier_line_gives_first() -> None:
    """A return of 3 takes from the purchase of day 5, not from that of day 1, and never from the later one of day 9."""
    assert netted([("a", "x", 1, 4), ("a", "x", 5, 4), ("a", "x", 9, 4)], [("a", "x", 7, 3)]) == ([4, 1, 4], [0])


def test_a_cancellation_spans_lines_and_tells_the_rest() -> None:
    """A return of 7 against purchases of 4 and 2 takes both whole and leaves 1 unmatched."""
    assert netted([("a", "x", 1, 4), ("a", "x", 2, 2)], [("a", "x", 3, 7)]) == ([0, 0], [1])


def test_what_one_cancellation_took_the_next_cannot_take_again() -> None:
    """Two returns of 3 against one purchase of 5: the second finds 2 and misses 1; what is bought afterwards stays."""
    assert netted([("a", "x", 1, 5), ("a", "x", 8, 5)], [("a", "x", 2, 3), ("a", "x", 3, 3)]) == ([0, 5], [0, 1])


def test_an_unmatched_cancellation_owes_nothing_to_later_purchases() -> None:
    """A return before any purchase stays unmatched and takes nothing from what is bought on the next day."""
    assert netted([("a", "x", 2, 5)], [("a", "x", 1, 3)]) == ([5], [3])


def test_the_same_instant_counts_as_earlier() -> None:
    """A purchase and its return within one minute, the resolution of many exports, belong together."""
    assert netted([("a", "x", 1, 5)], [("a", "x", 1, 5)]) == ([0], [0])


def test_customers_and_products_are_apart() -> None:
    """A return never touches another customer's line, nor another product of the same customer."""
    assert netted([("a", "x", 1, 5), ("b", "x", 1, 5), ("a", "y", 1, 5)], [("a", "x", 2, 5)]) == ([0, 5, 5], [0])


events = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 6), st.integers(1, 9)), max_size=14)


def on_a_stack(lines: list[Event], cancellations: list[Event]) -> tuple[list[int], list[int]]:
    """The same by hand: one stack of lines per customer and product, in the order of time."""
    left, unmatched = [units for *_, units in lines], [units for *_, units in cancellations]
    ordered = sorted([(line[2], 0, i) for i, line in enumerate(lines)] + [(c[2], 1, i) for i, c in enumerate(cancellations)])
    stacks: dict[tuple[str, str], list[int]] = {}
    for _, is_cancellation, i in ordered:
        stack = stacks.setdefault((cancellations if is_cancellation else lines)[i][:2], [])
        if not is_cancellation:
            stack.append(i)
        while is_cancellation and unmatched[i] and stack:
            taken = min(left[stack[-1]], unmatched[i])
            left[stack[-1]] -= taken
            unmatched[i] -= taken
            if not left[stack[-1]]:
                stack.pop()
    return left, unmatched


@given(lines=events, cancellations=events)
def test_it_is_the_plain_stack(lines: list[Event], cancellations: list[Event]) -> None:
    """The closed form and a loop over one stack per buyer agree on every line and every cancellation."""
    assert netted(lines, cancellations) == on_a_stack(lines, cancellations)


@given(lines=events, cancellations=events)
def test_units_are_conserved(lines: list[Event], cancellations: list[Event]) -> None:
    """Bought minus cancelled is what is left minus what matched nothing; no line grows or falls below zero."""
    left, unmatched = netted(lines, cancellations)
    assert sum(units for *_, units in lines) - sum(units for *_, units in cancellations) == sum(left) - sum(unmatched)
    assert all(0 <= rest <= units for rest, (*_, units) in zip(left, lines, strict=True))
    assert all(0 <= rest <= units for rest, (*_, units) in zip(unmatched, cancellations, strict=True))
