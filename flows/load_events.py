"""The other files: each is a row of a table that says what it refers to and what tells its rows apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from flows.load_columns import MAX_TOTAL_CENTS
from flows.load_files import FILES
from flows.load_products import CATALOGUE, Catalogue, keep_first, priced, reject_services, seen
from flows.load_read import Rows
from flows.load_target import Target


@dataclass(frozen=True)
class Store:
    """How one kind of file is stored.

    `at`: the event's instant. `key`: its own unique id; or `identity`: the columns that make its id, with a number for
    repeats. `refers`: what must be there, as column and what it is one of. `before`: a further step; `after`: questions.
    """

    table: str
    at: str
    key: str | None = None
    identity: tuple[str, ...] = ()
    refers: tuple[tuple[str, str], ...] = ()
    before: Callable[[Target, Rows, Catalogue], None] | None = None
    after: tuple[str, ...] = ()


def load_store(kind: str, target: Target, rows: Rows, catalogue: Catalogue) -> tuple[int, int]:
    """Store a file of one of the kinds in STORES; returns how many rows changed something, and how many were there."""
    store = STORES[kind]
    for column, what in store.refers:
        _refer(target, rows, column, what)
    if store.key:
        keep_first(rows, store.key)
    if store.before:
        store.before(target, rows, catalogue)
    frame = rows.frame.select(column.name for column in FILES[kind])
    if store.identity:
        rest = [name for name in frame.columns if name not in store.identity]
        ordered = frame.sort(*store.identity, *rest, nulls_last=True)
        frame = ordered.with_columns(occurrence=pl.int_range(1, pl.len() + 1).over(store.identity))
    _customers(target, frame, store.at)
    in_cents = frame.rename({"unit_price": "unit_cents", "revenue": "revenue_cents"}, strict=False)
    changed = target.store(store.table, in_cents, kind, kind, *store.after)
    return changed, frame.height - changed


def _refer(target: Target, rows: Rows, column: str, what: str) -> None:
    """Reject rows that refer to nothing, and put the stored id in place of the file's where the two may differ."""
    if what == "products":
        there = target.ask("products_there", CATALOGUE)
        known = pl.col(column).is_in(there["product_id"].implode())
    else:
        there = target.ask(f"{what}_there", {column: pl.String, "stored_id": pl.String})
        known = pl.col(column).is_in(there[column].implode())
    rows.reject(~known, f"{column} is not one of the company's {what}")
    if what != "products":
        rows.frame = rows.frame.with_columns(stored(column, there))


def stored(column: str, there: pl.DataFrame) -> pl.Expr:
    """The id under which the database has a row; the file's own id where it has none."""
    return pl.col(column).replace(there[column], there["stored_id"])


def _customers(target: Target, frame: pl.DataFrame, at: str) -> None:
    if "customer_id" in frame.columns:
        known = frame.filter(pl.col("customer_id").is_not_null()).group_by("customer_id")
        target.copy("staged_customer", known.agg(first_at=pl.col(at).min()))
        target.run("customers")


def _seen_in_views(target: Target, rows: Rows, catalogue: Catalogue) -> None:
    reject_services(target, rows, catalogue)
    facts = rows.frame.group_by("product_id").agg(first_at=pl.col("viewed_at").min())
    seen(target, facts.with_columns(price_cents=pl.lit(None, dtype=pl.Int64)))


def _cart_prices(target: Target, rows: Rows, catalogue: Catalogue) -> None:
    priced(target, rows)
    rows.reject(pl.col("unit_price") * pl.col("quantity") > MAX_TOTAL_CENTS, "line total is above 9,999,999,999.99")


def _experiment_ids(target: Target, rows: Rows, catalogue: Catalogue) -> None:
    there = target.ask("experiments_there", {"experiment_id": pl.String, "stored_id": pl.String})
    rows.frame = rows.frame.with_columns(stored("experiment_id", there))


STORES: dict[str, Store] = {
    "rules": Store("staged_rule", "valid_from", key="rule_id"),
    "experiments": Store("staged_experiment", "started_at", key="experiment_id"),
    "views": Store("staged_view", "viewed_at", identity=("session_id", "product_id", "viewed_at"), before=_seen_in_views),
    "carts": Store("staged_cart", "updated_at", key="cart_id"),
    "cart_items": Store(
        "staged_cart_item", "", identity=("cart_id",), refers=(("cart_id", "carts"), ("product_id", "products")),
        before=_cart_prices, after=("carts_totaled",),
    ),
    "subscriptions": Store(
        "staged_subscription", "created_at", key="subscription_id", refers=(("product_id", "products"),)
    ),
    "impressions": Store(
        "staged_impression", "viewed_at", identity=("rule_id", "session_id", "placement", "viewed_at"),
        refers=(("rule_id", "rules"),), before=_experiment_ids,
    ),
    "exposures": Store(
        "staged_exposure", "exposed_at", identity=("experiment_id", "variant", "session_id", "product_id", "type", "exposed_at"),
        refers=(("product_id", "products"),), before=_experiment_ids,
    ),
}  # fmt: skip
