"""The simulated shop's views and carts: browsing with planted substitutes, views before a purchase, carts left behind."""

from __future__ import annotations

import numpy as np
import polars as pl

from flows.simulate_catalogue import Catalogue, Ints, Window, labels
from flows.simulate_orders import DAY_MS, GUEST, Orders, known, named

BOUGHT_SESSION_SHARE = 0.25
KNOWN_SHARE = 0.4
SOURCES = ("DIRECT", "SEARCH", "RECOMMENDATION")
SOURCE_SHARES = (0.8, 0.12, 0.08)
SECONDS_PER_VIEW = 40.0
CONVERTED_SHARE, ABANDONED_SHARE, ACTIVE_SHARE = 0.05, 0.03, 0.2


def views(shop: Catalogue, sold: Orders, n_views: int, window: Window, rng: np.random.Generator) -> pl.DataFrame:
    """About `n_views` page views, in the order of time; a session never spans two visits."""
    before = _before_purchases(sold, rng)
    n_sessions = max(30, int((n_views - len(before[0])) / 3.4))
    browsing = _browsing(shop, n_sessions, len(sold.customer_ids), window, rng)
    session = np.concatenate([before[0], browsing[0] + len(before[2])])
    product = np.concatenate([before[1], browsing[1]])
    begins, customer = np.concatenate([before[2], browsing[2]]), np.concatenate([before[3], browsing[3]])
    seconds = rng.exponential(SECONDS_PER_VIEW, len(session))
    at_ms = begins[session] + _within(session, (seconds * 1000).astype(np.int64))
    sources = pl.Series(SOURCES, dtype=pl.Enum(SOURCES))
    frame = pl.DataFrame({
        "session_id": labels("S", len(begins)).gather(session),
        "customer_id": known(sold.customer_ids, customer[session]),
        "product_id": named(shop, product),
        "viewed_at": window.at(np.clip(at_ms, 0, window.days * DAY_MS - 1)),
        "source": sources.gather(rng.choice(len(SOURCES), len(session), p=SOURCE_SHARES)),
        "duration_seconds": pl.Series(seconds, dtype=pl.Int32, strict=False),
    })  # fmt: skip
    return frame.sort("viewed_at", "session_id", "product_id")


def carts(shop: Catalogue, sold: Orders, window: Window, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Carts that became an order and carts that did not, with their items."""
    n_orders = len(sold.order_ids)
    chosen = np.sort(rng.choice(n_orders, max(8, int(n_orders * (CONVERTED_SHARE + ABANDONED_SHARE))), replace=False))
    n_carts = len(chosen)
    converted = rng.random(n_carts) < CONVERTED_SHARE / (CONVERTED_SHARE + ABANDONED_SHARE)
    # a cart left behind looks like an order that somebody made at another time
    shift = np.where(converted, 0, rng.integers(1, 4, n_carts) * DAY_MS)
    states = pl.Enum(["ACTIVE", "CONVERTED", "ABANDONED"])
    state = np.where(converted, "CONVERTED", np.where(rng.random(n_carts) < ACTIVE_SHARE, "ACTIVE", "ABANDONED"))
    ids = labels("B", n_carts)
    frame = pl.DataFrame({
        "cart_id": ids, "customer_id": known(sold.customer_ids, sold.baskets.customer[chosen]),
        "session_id": pl.select(pl.lit("B-") + ids).to_series(), "status": pl.Series(state, dtype=states),
        "order_id": pl.select(pl.when(pl.Series(converted)).then(sold.order_ids.gather(chosen))).to_series(),
        "updated_at": window.at(np.maximum(sold.baskets.at_ms[chosen] - shift, 0)),
    })  # fmt: skip
    position = np.full(n_orders, -1)
    position[chosen] = np.arange(n_carts)
    cart = position[sold.baskets.line_order]
    product = sold.baskets.line_product[cart >= 0]
    cents = shop.products["price_cents"].to_numpy()[product]
    items = {"cart_id": ids.gather(cart[cart >= 0]), "product_id": named(shop, product)}
    quantity = 1 + rng.poisson(0.2, len(product))
    return frame, pl.DataFrame({**items, "quantity": quantity, "unit_price": cents / 100})


def _before_purchases(sold: Orders, rng: np.random.Generator) -> tuple[Ints, Ints, Ints, Ints]:
    """Sessions before an order: session and product of each view, begin and customer of each session."""
    baskets = sold.baskets
    seen = rng.random(len(baskets.at_ms)) < BOUGHT_SESSION_SHARE
    session_of = np.cumsum(seen) - 1
    of_line = seen[baskets.line_order]
    begins = np.maximum(baskets.at_ms[seen] - rng.integers(600_000, 5_400_000, int(seen.sum())), 0)
    return session_of[baskets.line_order[of_line]], baskets.line_product[of_line], begins, baskets.customer[seen]


def _browsing(
    shop: Catalogue, n_sessions: int, n_customers: int, window: Window, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Ints]:
    """Sessions that only look, as `_before_purchases`: who looks at a product often looks at its substitute too."""
    session = np.repeat(np.arange(n_sessions), 1 + rng.poisson(2.2, n_sessions))
    product = shop.draw(rng, len(session))
    compares = rng.random(len(session)) < shop.pairs.substitute_rate[product]
    both_session = np.concatenate([session, session[compares]])
    both_product = np.concatenate([product, shop.pairs.substitute[product[compares]]])
    by_session = np.argsort(both_session, kind="stable")
    begins = rng.integers(0, window.days * DAY_MS - 3_600_000, n_sessions)
    signed_in = rng.random(n_sessions) < KNOWN_SHARE
    customer = np.where(signed_in, rng.integers(0, n_customers, n_sessions), GUEST)
    return both_session[by_session], both_product[by_session], begins, customer


def _within(session: Ints, waits: Ints) -> Ints:
    """Milliseconds since the session's begin: the running sum of waits in each session (sessions lie in one piece)."""
    total = np.cumsum(waits)
    starts = np.concatenate([[True], session[1:] != session[:-1]])
    before = np.where(starts, total - waits, 0)
    return total - np.maximum.accumulate(before)
