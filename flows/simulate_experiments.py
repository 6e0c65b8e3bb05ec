"""The simulated shop's permanent holdout, with its true effect, and the dirt in its logs, with its true amount."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flows.simulate_catalogue import Catalogue, Window, labels
from flows.simulate_orders import COUNTED, DAY_MS, Orders, named
from models import holdout

# share of sessions that buy
BUYER_RATES = {holdout.HOLDOUT: 0.03, holdout.OFFERS: 0.06}
SESSIONS_PER_ORDER = 10
DIRTY, DIRTY_OFFER = "exp-score", "exp-bundle-price"
UNKNOWN, UNKNOWN_VARIANT = "unknownVariant", "purple"
MIXED, REPEATED, EARLY, OUTSIDE, UNASSIGNED = (
    "unitsInSeveralVariants",
    "repeatedEvents",
    "exposureAfterOutcome",
    "outsidePeriod",
    "missingVariant",
)
N_DIRTY = {MIXED: 40, REPEATED: 25, EARLY: 10, OUTSIDE: 12, UNKNOWN: 20}
N_UNASSIGNED = 15


@dataclass(frozen=True)
class HeldOut:
    """Exposures to the permanent holdout, the carts and their items that join its buyers' sessions to orders, and per variant the
    true share of buyers and revenue per session."""

    exposures: pl.DataFrame
    carts: pl.DataFrame
    cart_items: pl.DataFrame
    truth: pl.DataFrame


def held_out(
    shop: Catalogue, sold: Orders, carts: pl.DataFrame, n_sessions: int, window: Window, rng: np.random.Generator
) -> HeldOut:
    """Sessions of the last third of the time, a few of them held out; each buyer's session is joined by a cart to one of the orders
    that no other cart has, so that an order's amount says nothing of its session's variant."""
    begin = window.days * 2 // 3
    orders = _open_orders(sold, carts, window, begin)
    n_sessions = min(n_sessions, orders.height * SESSIONS_PER_ORDER)
    variants, shares = list(holdout.WEIGHTS), list(holdout.WEIGHTS.values())
    arm = rng.choice(len(variants), n_sessions, p=shares)
    buys = rng.random(n_sessions) < np.array([BUYER_RATES[variant] for variant in variants])[arm]
    buyers = np.flatnonzero(buys)[: orders.height]
    chosen = orders[rng.permutation(orders.height)[: len(buyers)]]
    at_ms = rng.integers(begin * DAY_MS, window.days * DAY_MS - 3_600_000, n_sessions)
    ordered_ms = (chosen["ordered_at"].cast(pl.Int64) - window.at(np.zeros(1, np.int64)).cast(pl.Int64)[0]).to_numpy()
    at_ms[buyers] = ordered_ms - rng.integers(300_000, 3_000_000, len(buyers))
    sessions = pl.select(pl.lit("holdout-") + labels("E", n_sessions)).to_series()
    exposures = pl.DataFrame({
        "experiment_id": pl.repeat(holdout.EXPERIMENT, n_sessions, eager=True), "variant": pl.Series(variants).gather(arm),
        "session_id": sessions, "product_id": named(shop, shop.draw(rng, n_sessions)), "exposed_at": window.at(at_ms),
    })  # fmt: skip
    own = chosen.select(
        cart_id=pl.lit("H") + labels("B", len(buyers)), customer_id=pl.lit(None, pl.String), session_id=sessions.gather(buyers),
        status=pl.lit("CONVERTED"), order_id="order_id", updated_at="ordered_at",
    )  # fmt: skip
    items = sold.frame.join(own.select("order_id", "cart_id"), on="order_id")
    return HeldOut(exposures, own, items.select("cart_id", "product_id", "quantity", "unit_price"), _truth(orders))


def _open_orders(sold: Orders, carts: pl.DataFrame, window: Window, begin: int) -> pl.DataFrame:
    """Orders that count and that nothing else refers to, with their amounts."""
    returned = sold.frame.filter("is_cancellation")["order_id"].str.strip_suffix("-R")
    taken = pl.concat([carts["order_id"].drop_nulls(), returned])
    began = window.at(np.array([begin * DAY_MS + DAY_MS]))[0]
    counted = pl.col("status").cast(pl.String).is_in(COUNTED) & (pl.col("environment").cast(pl.String) == "production")
    lines = sold.frame.filter(~pl.col("is_cancellation") & counted & (pl.col("ordered_at") >= began))
    amounts = lines.group_by("order_id").agg(
        pl.col("ordered_at").first(), total=(pl.col("quantity") * pl.col("unit_price")).sum().round(2)
    )
    return amounts.filter(~pl.col("order_id").is_in(taken.implode())).sort("order_id")


def _truth(orders: pl.DataFrame) -> pl.DataFrame:
    mean = float(orders["total"].mean() or 0.0)  # type: ignore[arg-type]
    return pl.DataFrame([
        {
            "experiment_id": holdout.EXPERIMENT, "variant": variant, "metric": holdout.METRIC, "weight": holdout.WEIGHTS[variant],
            "buyer_rate": rate, "revenue_per_unit": rate * mean, "effect": (rate - BUYER_RATES[holdout.HOLDOUT]) * mean,
        }
        for variant, rate in BUYER_RATES.items()
    ])  # fmt: skip


def soiled(exposures: pl.DataFrame, impressions: pl.DataFrame, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both logs with what logs have: sessions in two variants, repeated rows, clicks before what was clicked, rows from before the
    start, unknown variants; and impressions whose variant was not logged. `dirt` says how many."""
    own = exposures.filter(experiment_id=DIRTY)
    began = own["exposed_at"].min()
    sessions = own.group_by("session_id").agg(pl.all().sort_by("exposed_at").first(), n=pl.len()).sort("session_id")
    once = sessions.filter(pl.col("n") == 1, pl.col("clicked_at").is_null()).drop("n").select(exposures.columns)
    drawn = once[rng.permutation(once.height)]
    starts = dict(zip(N_DIRTY, np.cumsum([0, *N_DIRTY.values()]), strict=False))
    part = {name: drawn.slice(int(starts[name]), n) for name, n in N_DIRTY.items()}
    other = pl.when(pl.col("variant") == "control").then(pl.lit("lift")).otherwise(pl.lit("control"))
    fresh = pl.col("session_id") + "-x"
    early = part[EARLY].with_columns(clicked_at=pl.col("exposed_at").dt.offset_by("-1m"), clicked_product_id="product_id")
    rows = [
        exposures.join(part[EARLY], on=["experiment_id", "session_id"], how="anti"),
        early,
        part[MIXED].with_columns(variant=other, exposed_at=pl.col("exposed_at").dt.offset_by("10s")),
        part[REPEATED],
        part[OUTSIDE].with_columns(session_id=fresh, exposed_at=pl.lit(began, exposures.schema["exposed_at"]).dt.offset_by("-10d")),
        part[UNKNOWN].with_columns(session_id=fresh, variant=pl.lit(UNKNOWN_VARIANT)),
    ]
    place = pl.int_range(pl.len()).over("experiment_id")
    unlogged = (pl.col("experiment_id") == DIRTY_OFFER).fill_null(False) & (place < N_UNASSIGNED)
    lost = impressions.with_columns(variant=pl.when(~unlogged).then("variant"))
    return pl.concat(rows, how="vertical_relaxed").sort("exposed_at", "session_id", "variant"), lost


def dirt() -> pl.DataFrame:
    """How many rows or units of each kind of dirt `soiled` adds."""
    rows = [(DIRTY, name, n) for name, n in N_DIRTY.items()]
    return pl.DataFrame([*rows, (DIRTY_OFFER, UNASSIGNED, N_UNASSIGNED)], schema=["experiment_id", "name", "n"], orient="row")
