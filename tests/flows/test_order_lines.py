"""Orders and lines put together: what a join would give, in one order whatever the order of the rows."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from flows.order_lines import COLUMNS, assembled

AT = datetime(2026, 5, 1, tzinfo=UTC)
SCHEMA = {
    "order_number": pl.Int64,
    "order_id": pl.String,
    "customer_id": pl.String,
    "ordered_at": pl.Datetime("us", "UTC"),
    "product_id": pl.String,
    "quantity": pl.Int64,
    "unit_price_cents": pl.Int64,
}
HEADS = [(1, "b", None, AT), (2, "a", "anna", AT.replace(hour=3)), (3, "empty", "bob", AT.replace(hour=4))]
LINES = [(2, "z", 1, 100), (2, "Z", 1, 100), (2, "Z", 1, 90), (1, None, 4, None), (1, "é", 0, 5), (1, "é", 0, 5), (1, "p10", 2, 1)]


def rows(seed: int | None = None) -> pl.DataFrame:
    """What the query gives."""
    listed = [(*head, None, None, None) for head in HEADS] + [(n, None, None, None, *line) for n, *line in LINES]
    frame = pl.DataFrame(listed, schema=SCHEMA, orient="row")
    return frame if seed is None else frame.sample(fraction=1, shuffle=True, seed=seed)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_it_is_the_join_sorted(seed: int | None) -> None:
    """Each line with its order, sorted by instant, order and the line's own columns; an order without lines is none."""
    heads = pl.DataFrame(HEADS, schema=list(SCHEMA)[:4], orient="row")
    lines = pl.DataFrame(LINES, schema=["order_number", *list(SCHEMA)[4:]], orient="row")
    joined = lines.join(heads, on="order_number").select(COLUMNS)
    expected = joined.sort("ordered_at", "order_id", "product_id", "quantity", "unit_price_cents")
    assert assembled(rows(seed)).rows() == expected.rows()


def test_nothing_is_nothing() -> None:
    """No orders, and orders without lines, are an empty frame with all columns."""
    for empty in (rows().clear(), rows().head(3)):
        assert assembled(empty).height == 0
        assert assembled(empty).columns == list(COLUMNS)
