"""Orders: lines are numbered and priced, cancellations taken off, then whole orders stored that are not there yet."""

from __future__ import annotations

import polars as pl

from flows.load_cancellations import BUYER, net
from flows.load_columns import MAX_TOTAL_CENTS
from flows.load_products import Catalogue, priced, reject_services, seen
from flows.load_read import ROW, Rows
from flows.load_target import Target

UNMATCHED = "cancellation matches no earlier purchase"
PARTLY_MATCHED = "cancellation exceeds what was bought: the rest matches nothing"
NO_CUSTOMER = "cancellation without a customer"
NOT_COUNTED = ("CANCELED", "REFUNDED")
LINE_ORDER = ["order_id", "product_id", "ordered_at", "unit_price", "quantity"]
CANCELLATION = ["order_id", "customer_id", "product_id", "ordered_at", "quantity"]
STORED_LINE = {
    "order_id": pl.String, "line": pl.String, "customer_id": pl.String, "product_id": pl.String,
    "ordered_at": pl.Datetime("ms"), "quantity": pl.Int64,
}  # fmt: skip


def load_orders(target: Target, rows: Rows, catalogue: Catalogue) -> tuple[int, int]:
    """Store an orders file; returns how many rows were stored or applied, and how many were there already."""
    reject_services(target, rows, catalogue)
    reject_impossible(target, rows)
    lines, n_lines_there = _new_lines(target, rows.frame.filter(~pl.col("is_cancellation")))
    cancellations = rows.frame.filter("is_cancellation")
    rows.frame = rows.frame.clear()  # its memory is needed below
    lines = lines.with_columns(left=pl.col("quantity"))
    n_applied = n_applied_before = 0
    if cancellations.height:
        cancellations = _not_applied_yet(target, cancellations)
        lines, cancellations = _apply(target, lines, cancellations)
        n_applied, n_applied_before = _settle(target, rows, cancellations)
    n_new_lines = lines.height
    _store(target, kept(lines))
    return n_new_lines + n_applied, n_lines_there + n_applied_before


def reject_impossible(target: Target, rows: Rows) -> None:
    """Reject the rows that are neither a sale nor a cancellation of one; fills prices and signs on the way."""
    nothing = (pl.col("quantity") == 0) | (~pl.col("is_cancellation") & (pl.col("quantity") < 0))
    rows.reject(nothing, "quantity is not above 0")
    rows.reject(pl.col("is_cancellation") & pl.col("customer_id").is_null(), NO_CUSTOMER)
    priced(target, rows)
    rows.frame = rows.frame.with_columns(pl.col("quantity").abs())
    # as floats, since a product of the two largest values is beyond 64 bits
    line_total = pl.col("unit_price").cast(pl.Float64) * pl.col("quantity") * ~pl.col("is_cancellation")
    rows.reject(line_total > MAX_TOTAL_CENTS, "line total is above 9,999,999,999.99")
    if (rows.frame.select(line_total.sum()).item() or 0) > MAX_TOTAL_CENTS:
        rows.reject(line_total.sum().over("order_id") > MAX_TOTAL_CENTS, "order total is above 9,999,999,999.99")


def numbered(lines: pl.DataFrame) -> pl.DataFrame:
    """Order lines with `line`, from 1 in each order, the same for any order of the rows; one customer per order."""
    ordered = lines.sort(LINE_ORDER)
    starts = ordered["order_id"].ne_missing(ordered["order_id"].shift(1))
    position = pl.int_range(pl.len(), dtype=pl.Int64)
    ordered = ordered.with_columns(line=position - pl.when(starts).then(position).forward_fill() + 1)
    customers = ordered.group_by("order_id").agg(customer=pl.col("customer_id").min(), same=pl.col("customer_id").n_unique() == 1)
    mixed = customers.filter(~pl.col("same")).select("order_id", "customer")
    if mixed.is_empty():
        return ordered
    joined = ordered.join(mixed, on="order_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("customer", "customer_id").alias("customer_id")).drop("customer")


def kept(lines: pl.DataFrame) -> pl.DataFrame:
    """What is stored of netted lines: the units left; an order that nothing is left of is CANCELED and stays as ordered."""
    touched = lines.filter(pl.col("left") == 0).select("order_id").unique()
    if touched.height == 0:
        return lines.with_columns(quantity="left")
    gone = lines.join(touched, on="order_id", how="semi").group_by("order_id").agg(units=pl.col("left").sum())
    is_gone = pl.col("order_id").is_in(gone.filter(pl.col("units") == 0)["order_id"].implode())
    marked = lines.with_columns(is_gone=is_gone)
    return marked.filter(pl.col("is_gone") | (pl.col("left") > 0)).with_columns(
        quantity=pl.when("is_gone").then("quantity").otherwise("left"),
        status=pl.when("is_gone").then(pl.lit("CANCELED")).otherwise("status"),
    )


def _new_lines(target: Target, lines: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    ids = lines.group_by("order_id").agg(n_lines=pl.len())
    target.copy("staged_order_id", ids)
    there = target.ask("orders_there", {"order_id": pl.String})
    new = lines.join(there, on="order_id", how="anti") if there.height else lines
    return numbered(new), lines.height - new.height


def _not_applied_yet(target: Target, cancellations: pl.DataFrame) -> pl.DataFrame:
    ordered = cancellations.sort(CANCELLATION).with_columns(occurrence=pl.int_range(pl.len()).over(CANCELLATION))
    target.copy("staged_cancellation", ordered.select(ROW, *CANCELLATION, "occurrence"))
    before = target.ask("cancellations_there", {ROW: pl.UInt32, "matched": pl.Int64})
    joined = ordered.join(before, on=ROW, how="left", maintain_order="left")
    return joined.with_columns(pl.col("matched").fill_null(0), wanted=pl.col("quantity"))


def _apply(target: Target, lines: pl.DataFrame, cancellations: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take cancellations off new and stored lines; gives lines with `left` and cancellations with `unmatched`."""
    due = cancellations.with_columns(quantity=pl.col("wanted") - pl.col("matched"))
    stored_id = pl.lit(f"{target.company}:") + pl.col("order_id")
    counted = lines.filter(~pl.col("status").is_in(NOT_COUNTED)).join(due.select(BUYER).unique(), on=BUYER, how="semi")
    new = counted.with_columns(order_id=stored_id, line=pl.col("line").cast(pl.String)).select(ROW, *STORED_LINE)
    stored = target.ask("lines_of_buyers", STORED_LINE)
    netted, due = net(pl.concat([new, stored], how="diagonal"), due)
    changed = netted.filter(pl.col("left") < pl.col("quantity"))
    _reduce_stored(target, changed.filter(pl.col(ROW).is_null()))
    of_new = changed.filter(pl.col(ROW).is_not_null()).select(ROW, left_of_line="left")
    lines = lines.join(of_new, on=ROW, how="left", maintain_order="left")
    return lines.with_columns(left=pl.coalesce("left_of_line", "left")).drop("left_of_line"), due


def _reduce_stored(target: Target, changed: pl.DataFrame) -> None:
    if changed.height:
        target.copy("staged_line_left", changed.select("order_id", "line", remaining="left"))
        target.run("orders_canceled")
        target.run("order_items_canceled")
        target.run("order_items_reduced")
        target.run("orders_retotaled")


def _settle(target: Target, rows: Rows, due: pl.DataFrame) -> tuple[int, int]:
    """Remember what was matched and reject what was not; returns how many were applied now, and how many before."""
    now = due.with_columns(now=pl.col("quantity") - pl.col("unmatched"))
    target.copy("staged_match", now.filter(pl.col("now") > 0).select(ROW, matched="now"))
    target.run("cancellations")
    left_over, nothing_ever = pl.col("unmatched") > 0, pl.col("matched") + pl.col("now") == 0
    rows.set_aside(now.filter(left_over & nothing_ever), UNMATCHED)
    rows.set_aside(now.filter(left_over & ~nothing_ever), PARTLY_MATCHED)
    settled = now.filter(~left_over)
    n_applied = settled.filter(pl.col("now") > 0).height
    return n_applied, settled.height - n_applied


def _store(target: Target, lines: pl.DataFrame) -> None:
    orders = lines.group_by("order_id").agg(
        pl.col("customer_id").min(), pl.col("status").min(), pl.col("environment").min(), pl.col("ordered_at").min(),
        total_cents=(pl.col("unit_price") * pl.col("quantity")).sum(),
    ).sort("order_id")  # fmt: skip
    paid = pl.col("unit_price").filter(pl.col("unit_price") > 0).quantile(0.5, "lower").cast(pl.Int64)
    seen(target, lines.group_by("product_id").agg(first_at=pl.col("ordered_at").min(), price_cents=paid))
    buyers = orders.filter(pl.col("customer_id").is_not_null()).group_by("customer_id")
    target.copy("staged_customer", buyers.agg(first_at=pl.col("ordered_at").min()))
    target.run("customers")
    target.copy("staged_order", orders)
    columns = ["order_id", "line", "product_id", "quantity", pl.col("unit_price").alias("unit_cents"), "ordered_at"]
    target.run("orders")
    target.run("order_items_orphaned")
    target.store("staged_order_item", lines.select(columns), "orders", "order_items")
