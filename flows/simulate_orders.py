"""The simulated shop's orders: replenishment by schedule, spontaneous baskets with planted pairs, returns, what must not count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from flows.simulate_catalogue import Catalogue, Flags, Floats, Ints, Window, labels

DAY_MS = 86_400_000
REPLENISHMENT_SHARE, LINES_PER_SCHEDULE = 0.25, 10
SECOND_SCHEDULE_SHARE, ONE_TIME_SHARE = 0.3, 0.25
GAP_NOISE = CUSTOMER_NOISE = 0.15
GUEST_SHARE, WHOLESALE_SHARE, UNCOUNTED_SHARE = 0.15, 0.005, 0.04
CANCELLATION_SHARE, WHOLE_LINE_SHARE = 0.01, 0.6
TWO_UNITS_SHARE = 0.2
WEEK = (1.0, 0.9, 0.9, 1.0, 1.2, 1.4, 1.1)
GUEST = -1
ORDER_COLUMNS = (
    "order_id", "customer_id", "product_id", "quantity", "unit_price", "ordered_at", "is_cancellation", "status",
    "environment", "open",
)  # fmt: skip
COUNTED = ("COMPLETED", "DELIVERED", "SHIPPED", "CONFIRMED")
UNCOUNTED = (("REFUNDED", "production"), ("CANCELED", "production"), ("COMPLETED", "sandbox"))


@dataclass(frozen=True)
class Baskets:
    """Orders by position, and their lines sorted by order. `units` is what a scheduled purchase takes, else 0.

    `state`: 0 counts, 1.. is a row of UNCOUNTED.
    """

    at_ms: Ints
    customer: Ints
    units: Ints
    factor: Ints
    state: Ints
    line_order: Ints
    line_product: Ints


@dataclass(frozen=True)
class Orders:
    """Order lines as the file has them, the baskets behind them, ids by position, and the planted schedules."""

    frame: pl.DataFrame
    baskets: Baskets
    order_ids: pl.Series
    customer_ids: pl.Series
    schedules: pl.DataFrame


def orders(shop: Catalogue, n_lines: int, window: Window, rng: np.random.Generator) -> Orders:
    """`n_lines` sold lines and, further, about one cancellation for each hundred, in the order of time."""
    planned, schedules = _replenishment(shop, n_lines, window.days, rng)
    n_customers = int(planned.customer.max()) + 1 + max(20, n_lines // 12)
    n_open = max(0, n_lines - len(planned.line_order))
    baskets = _in_order_of_time(planned, _spontaneous(shop, n_open, n_customers, window.days, rng))
    order_ids, customer_ids = labels("O", len(baskets.at_ms)), labels("C", n_customers)
    frame = _frame(shop, baskets, window, rng).with_columns(
        order_id=order_ids.gather(baskets.line_order),
        customer_id=known(customer_ids, baskets.customer[baskets.line_order]),
    )
    frame = frame.select(ORDER_COLUMNS)
    rows = pl.concat([frame.drop("open"), _cancellations(frame, window, rng)])
    rows = rows.sort("ordered_at", "order_id", "product_id")
    schedules = schedules.with_columns(
        customer_id=customer_ids.gather(schedules["customer_id"]), product_id=named(shop, schedules["product_id"])
    )
    return Orders(rows, baskets, order_ids, customer_ids, schedules)


def named(shop: Catalogue, positions: pl.Series | Ints) -> pl.Series:
    """Product ids of product positions."""
    return shop.products["product_id"].gather(positions)


def _replenishment(shop: Catalogue, n_lines: int, days: int, rng: np.random.Generator) -> tuple[Baskets, pl.DataFrame]:
    n_schedules = max(12, int(n_lines * REPLENISHMENT_SHARE / LINES_PER_SCHEDULE))
    n_customers = int(np.ceil(n_schedules / (1 + SECOND_SCHEDULE_SHARE)))
    second = rng.choice(n_customers, n_schedules - n_customers, replace=False)
    customer = np.concatenate([np.arange(n_customers), second]).astype(np.int64)
    n_products = len(shop.replenishable)
    which = rng.integers(0, n_products, n_schedules)
    # a customer's second schedule is for another product
    which[n_customers:] = (which[second] + rng.integers(1, n_products, len(second))) % n_products
    product = shop.replenishable[which]
    base = shop.products["interval_days"].to_numpy()[product]
    interval = base * np.exp(rng.normal(0, CUSTOMER_NOISE, n_schedules))
    one_time = rng.random(n_schedules) < ONE_TIME_SHARE
    at_days, units, valid = _purchases(interval, one_time, days, rng)
    schedule = np.nonzero(valid)[0]
    n_orders = len(schedule)
    extra = np.repeat(np.arange(n_orders), rng.poisson(0.5, n_orders))
    line_order, line_product = shop.with_companions(rng, extra, shop.draw(rng, len(extra)))
    line_order = np.concatenate([np.arange(n_orders), line_order])
    line_product = np.concatenate([product[schedule], line_product])
    zeros = np.zeros(n_orders, dtype=np.int64)
    at_ms = (at_days[valid] * DAY_MS).astype(np.int64)
    lines = _distinct(line_order, line_product, len(shop.products))
    truth = {"customer_id": customer, "product_id": product, "interval_days": interval.round(3), "n_purchases": valid.sum(axis=1)}
    return Baskets(at_ms, customer[schedule], units[valid], zeros + 1, zeros, *lines), pl.DataFrame(truth)


def _purchases(interval: Floats, one_time: Flags, days: int, rng: np.random.Generator) -> tuple[Floats, Ints, Flags]:
    """Instants (days) and units of each schedule's purchases as a matrix, and which of them happen in the window.

    The gap after a purchase is its units times the interval, with log-normal noise.
    """
    n_columns = int(np.ceil(days / (interval.min() * 0.8))) + 1
    units = 1 + (rng.random((len(interval), n_columns)) < TWO_UNITS_SHARE).astype(np.int64)
    gaps = interval[:, None] * units * np.exp(rng.normal(0, GAP_NOISE, units.shape))
    first = rng.uniform(0, 0.6 * days, len(interval))
    at_days = first[:, None] + np.cumsum(gaps, axis=1) - gaps
    valid = at_days < days
    valid[one_time, 1:] = False
    return at_days, units, valid


def _spontaneous(shop: Catalogue, n_lines: int, n_customers: int, days: int, rng: np.random.Generator) -> Baskets:
    n_orders = int(n_lines / 2.4 * 1.15) + 50
    wholesale = rng.random(n_orders) < WHOLESALE_SHARE
    size = np.where(wholesale, rng.integers(15, 50, n_orders), 1 + rng.poisson(1.3, n_orders))
    order = np.repeat(np.arange(n_orders), size)
    line_order, line_product = shop.with_companions(rng, order, shop.draw(rng, len(order)))
    state = np.where(rng.random(n_orders) < UNCOUNTED_SHARE, rng.integers(1, len(UNCOUNTED) + 1, n_orders), 0)
    uncounted = np.nonzero(state)[0]
    decoys = shop.pairs.decoys[rng.integers(0, len(shop.pairs.decoys), len(uncounted))]
    line_order = np.concatenate([line_order, np.repeat(uncounted, 2)])
    line_product = np.concatenate([line_product, decoys.ravel()])
    line_order, line_product = _distinct(line_order, line_product, len(shop.products))
    line_order, line_product = line_order[:n_lines], line_product[:n_lines]
    n_orders = int(line_order[-1]) + 1 if n_lines else 0
    # some customers come often, most of them seldom
    customer = (n_customers * rng.random(n_orders) ** 1.5).astype(np.int64)
    customer[rng.random(n_orders) < GUEST_SHARE] = GUEST
    at_ms = _instants(n_orders, days, rng)
    zeros = np.zeros(n_orders, dtype=np.int64)
    factor = np.where(wholesale[:n_orders], 10, 1)
    return Baskets(at_ms, customer, zeros, factor, state[:n_orders], line_order, line_product)


def _instants(size: int, days: int, rng: np.random.Generator) -> Ints:
    """Milliseconds since the start: a yearly and a weekly season, and the hours of a day between 8 and 22."""
    day = np.arange(days)
    weight = (1 + 0.3 * np.sin(2 * np.pi * day / 365.25)) * np.array(WEEK)[day % 7]
    drawn = np.searchsorted(np.cumsum(weight) / weight.sum(), rng.random(size), side="right")
    hours = 8 + 14 * rng.beta(2.5, 2.0, size)
    return np.minimum(drawn, days - 1) * DAY_MS + (hours * 3_600_000).astype(np.int64)


def _distinct(line_order: Ints, line_product: Ints, n_products: int) -> tuple[Ints, Ints]:
    keys = np.unique(line_order * n_products + line_product)
    return keys // n_products, keys % n_products


def _in_order_of_time(one: Baskets, other: Baskets) -> Baskets:
    at_ms = np.concatenate([one.at_ms, other.at_ms])
    by_time = np.argsort(at_ms, kind="stable")
    position = np.empty_like(by_time)
    position[by_time] = np.arange(len(by_time))
    line_order = position[np.concatenate([one.line_order, other.line_order + len(one.at_ms)])]
    line_product = np.concatenate([one.line_product, other.line_product])
    by_order = np.argsort(line_order, kind="stable")
    return Baskets(
        at_ms=at_ms[by_time],
        customer=np.concatenate([one.customer, other.customer])[by_time],
        units=np.concatenate([one.units, other.units])[by_time],
        factor=np.concatenate([one.factor, other.factor])[by_time],
        state=np.concatenate([one.state, other.state])[by_time],
        line_order=line_order[by_order],
        line_product=line_product[by_order],
    )


def _frame(shop: Catalogue, baskets: Baskets, window: Window, rng: np.random.Generator) -> pl.DataFrame:
    """The sold lines; `open` tells those that may come back."""
    order, product = baskets.line_order, baskets.line_product
    n_lines = len(order)
    packs = shop.products["pack_size"].to_numpy()[product] * (1 + rng.poisson(0.25, n_lines)) * baskets.factor[order]
    replenishable = shop.products["interval_days"].is_not_null().to_numpy()[product]
    state = baskets.state[order]
    words = pl.Enum(sorted({*COUNTED, *(status for status, _ in UNCOUNTED)}))
    counted = rng.choice(len(COUNTED), len(baskets.at_ms), p=(0.6, 0.2, 0.15, 0.05))[order]
    status = pl.Series(COUNTED + tuple(status for status, _ in UNCOUNTED), dtype=words)
    environments = pl.Series(
        ("production", *(environment for _, environment in UNCOUNTED)), dtype=pl.Enum(["production", "sandbox"])
    )
    return pl.DataFrame({
        "product_id": named(shop, product),
        "quantity": pl.Series(np.where(replenishable, baskets.units[order], packs), dtype=pl.Int32),
        "unit_price": shop.products["price_cents"].to_numpy()[product] / 100,
        "ordered_at": window.at(baskets.at_ms[order]),
        "is_cancellation": pl.repeat(False, n_lines, eager=True),
        "status": status.gather(np.where(state > 0, len(COUNTED) - 1 + state, counted)),
        "environment": environments.gather(state),
        "open": (baskets.customer[order] != GUEST) & ~replenishable & (state == 0),
    })  # fmt: skip


def _cancellations(lines: pl.DataFrame, window: Window, rng: np.random.Generator) -> pl.DataFrame:
    """Returns of ordinary lines of known customers, some of a part; never of scheduled ones, whose intervals are planted."""
    latest = window.start + timedelta(days=window.days - 15)
    open_lines = lines.filter(pl.col("open") & (pl.col("ordered_at") < latest))
    n_back = min(int(lines.height * CANCELLATION_SHARE), open_lines.height)
    back = open_lines[np.sort(rng.choice(open_lines.height, n_back, replace=False))].drop("open")
    share = pl.Series(np.where(rng.random(n_back) < WHOLE_LINE_SHARE, 1.0, rng.random(n_back)))
    later = pl.Series((rng.uniform(0.5, 14.0, n_back) * DAY_MS).astype(np.int64)).cast(pl.Duration("ms"))
    return back.with_columns(
        order_id=pl.col("order_id") + "-R",
        quantity=-(pl.col("quantity") * share).ceil().cast(pl.Int32),
        ordered_at=pl.col("ordered_at") + later,
        is_cancellation=pl.lit(True),
    )


def known(customer_ids: pl.Series, positions: Ints) -> pl.Series:
    """Customer ids of positions; null for guests."""
    series = pl.Series(positions)
    return customer_ids.gather(pl.select(pl.when(series != GUEST).then(series)).to_series())
