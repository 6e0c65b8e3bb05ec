"""The simulated shop's rules, impressions, experiments, exposures and subscriptions, with the true rates behind them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import polars as pl

from flows.simulate_catalogue import Catalogue, Flags, Floats, Ints, Window, labels
from flows.simulate_orders import DAY_MS, GUEST, Orders, known, named
from models.subscription_frequency import FREQUENCIES, nearest

SUBSCRIPTION_SHARE, GUEST_HALF = 0.15, 0.5
# rule, placement, experiment, variant, true rate
Cell = tuple[str | None, str, str | None, str | None, float]
CELL = {"rule_id": pl.String, "placement": pl.String, "experiment_id": pl.String, "variant": pl.String, "rate": pl.Float64}
# rule, type, offer, placements with the true share of viewed impressions that are accepted
RULES = (
    ("rule-bundle", "BUNDLE", {"discountPercent": 10}, {"CART_PAGE": 0.12, "CART_DRAWER": 0.08}),
    ("rule-cross-sell", "CROSS_SELL", {"discountPercent": 5}, {"PRODUCT_PAGE": 0.05, "CART_PAGE": 0.09}),
    ("rule-free-shipping", "FREE_SHIPPING", {"freeShipping": True}, {"CHECKOUT": 0.3}),
    ("rule-subscribe", "SUBSCRIPTION", {"discountPercent": 15}, {"ORDER_CONFIRMATION": 0.04, "POST_PURCHASE": 0.06}),
    ("rule-bulk", "BULK_DISCOUNT", {"discountPercent": 20}, {"CART_PAGE": 0.15}),
    ("rule-exit", "FREE_SHIPPING", {"freeShipping": True, "discountPercent": 5}, {"EXIT_INTENT": 0.02}),
)
# experiment, rule, metric, variants with (declared weight, share really assigned, true rate)
EXPERIMENTS = (
    ("exp-bundle-price", "rule-bundle", "acceptance_rate", {"control": (0.5, 0.5, 0.10), "treatment": (0.5, 0.5, 0.15)}),
    ("exp-wording", "rule-cross-sell", "acceptance_rate", {"control": (0.5, 0.5, 0.08), "treatment": (0.5, 0.5, 0.08)}),
    ("exp-score", None, "click_rate", {"control": (0.4, 0.4, 0.10), "cosine": (0.3, 0.3, 0.10), "lift": (0.3, 0.3, 0.14)}),
    ("exp-broken-split", None, "click_rate", {"control": (0.5, 0.6, 0.10), "treatment": (0.5, 0.4, 0.10)}),
)


def rules() -> pl.DataFrame:
    """The rules file; acceptance rates are the truth and not in it."""
    rows = [
        {
            "rule_id": rule_id, "name": rule_id.removeprefix("rule-").replace("-", " ").capitalize(), "upsell_type": kind,
            "priority": 10 * (number + 1), "offer": json.dumps(offer), "conditions": "{}", "urgency": "LOW",
            "message": "{{firstName}}, save {{discount}}", "placements": ",".join(placements),
        }
        for number, (rule_id, kind, offer, placements) in enumerate(RULES)
    ]  # fmt: skip
    return pl.DataFrame(rows)


def experiments(window: Window) -> pl.DataFrame:
    """The experiments file: all ran over the last third of the time."""
    began = window.at(np.array([_experiments_begin(window) * DAY_MS]))[0]
    rows = [
        {
            "experiment_id": name, "rule_id": rule_id, "name": name.removeprefix("exp-").replace("-", " ").capitalize(),
            "primary_metric": metric, "status": "RUNNING", "control": json.dumps({"id": "control"}),
            "variants": json.dumps([{"id": variant} for variant in variants]),
            "variant_weights": json.dumps({variant: declared for variant, (declared, _, _) in variants.items()}),
            "started_at": began,
        }
        for name, rule_id, metric, variants in EXPERIMENTS
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"started_at": pl.Datetime("ms")})


def impressions(sold: Orders, n_impressions: int, window: Window, rng: np.random.Generator) -> pl.DataFrame:
    """Viewed offers: outside experiments by the rule's rate in its placement, inside by the variant's rate."""
    cells: list[Cell] = [(rule, placement, None, None, rate) for rule, _, _, places in RULES for placement, rate in places.items()]
    outside = _offered(cells, np.full(len(cells), 1 / len(cells)), n_impressions, range(window.days), rng)
    frames = [outside]
    for name, rule, _, variants in (row for row in EXPERIMENTS if row[1]):
        arms: list[Cell] = [(rule, "CART_PAGE", name, variant, rate) for variant, (_, _, rate) in variants.items()]
        shares = np.array([assigned for _, assigned, _ in variants.values()])
        frames.append(_offered(arms, shares, n_impressions // 4, range(_experiments_begin(window), window.days), rng))
    frame = pl.concat(frames)
    customers = known(sold.customer_ids, _half_known(frame.height, len(sold.customer_ids), rng))
    frame = frame.with_columns(session_id=labels("I", frame.height), customer_id=customers)
    return _outcomes(frame, window, rng).sort("viewed_at", "session_id")


def exposures(shop: Catalogue, sold: Orders, n_sessions: int, window: Window, rng: np.random.Generator) -> pl.DataFrame:
    """Recommendation lists shown within experiments; a session stays in its variant and sees one to three of them."""
    frames = []
    for name, _, _, variants in (row for row in EXPERIMENTS if row[1] is None):
        names, assigned = list(variants), np.array([share for _, share, _ in variants.values()])
        rates = np.array([rate for _, _, rate in variants.values()])
        arm = rng.choice(len(names), n_sessions, p=assigned / assigned.sum())
        session = np.repeat(np.arange(n_sessions), 1 + rng.poisson(0.5, n_sessions))
        clicked = rng.random(len(session)) < rates[arm[session]]
        begins = rng.integers(_experiments_begin(window) * DAY_MS, window.days * DAY_MS - 3_600_000, n_sessions)
        at_ms = begins[session] + rng.integers(0, 1_800_000, len(session))
        customer = _half_known(n_sessions, len(sold.customer_ids), rng)
        ids = pl.select(pl.lit(f"{name.removeprefix('exp-')}-") + labels("E", n_sessions)).to_series()
        added = clicked & (rng.random(len(session)) < 0.3)
        wait = rng.integers(2_000, 60_000, len(session))
        frames.append(pl.DataFrame({
            "experiment_id": pl.repeat(name, len(session), eager=True), "variant": pl.Series(names).gather(arm[session]),
            "session_id": ids.gather(session), "customer_id": known(sold.customer_ids, customer[session]),
            "product_id": named(shop, shop.draw(rng, len(session))), "exposed_at": window.at(at_ms),
            "clicked_product_id": _where(clicked, named(shop, shop.draw(rng, len(session)))),
            "clicked_at": _where(clicked, window.at(at_ms + wait)),
            "added_at": _where(added, window.at(at_ms + 2 * wait)),
        }))  # fmt: skip
    return pl.concat(frames).sort("exposed_at", "session_id")


def subscriptions(sold: Orders, window: Window, rng: np.random.Generator) -> pl.DataFrame:
    """Subscriptions of some scheduled buyers, at the frequency nearest to their true interval."""
    chosen = sold.schedules.filter(pl.Series(rng.random(sold.schedules.height) < SUBSCRIPTION_SHARE))
    frequency = nearest(chosen["interval_days"].to_numpy())
    status = rng.choice(["ACTIVE", "PAUSED", "CANCELED"], chosen.height, p=(0.7, 0.1, 0.2))
    return chosen.select("customer_id", "product_id").with_columns(
        labels("U", chosen.height).alias("subscription_id"), pl.Series("frequency", FREQUENCIES).gather(frequency),
        pl.Series("status", status), window.at(rng.integers(0, window.days * DAY_MS, chosen.height)).alias("created_at"),
    )  # fmt: skip


def rule_truth() -> pl.DataFrame:
    """True acceptance rate of each rule in each placement, outside experiments."""
    return pl.DataFrame([
        {"rule_id": rule, "placement": placement, "acceptance_rate": rate}
        for rule, _, _, places in RULES for placement, rate in places.items()
    ])  # fmt: skip


def variant_truth() -> pl.DataFrame:
    """True rate of each variant on its experiment's metric, its effect against control, and whether the split is broken."""
    return pl.DataFrame([
        {
            "experiment_id": name, "variant": variant, "metric": metric, "declared_weight": declared, "assigned_share": assigned,
            "rate": rate, "effect": round(rate - variants["control"][2], 4),
            "split_is_broken": any(one != other for one, other, _ in variants.values()),
        }
        for name, _, metric, variants in EXPERIMENTS for variant, (declared, assigned, rate) in variants.items()
    ])  # fmt: skip


def _experiments_begin(window: Window) -> int:
    return window.days * 2 // 3


def _half_known(size: int, n_customers: int, rng: np.random.Generator) -> Ints:
    return np.where(rng.random(size) < GUEST_HALF, GUEST, rng.integers(0, n_customers, size))


def _offered(cells: Sequence[Cell], shares: Floats, size: int, days: range, rng: np.random.Generator) -> pl.DataFrame:
    """Impressions over cells: who accepts is drawn here."""
    cell = rng.choice(len(cells), size, p=shares)
    table = pl.DataFrame(cells, schema=CELL, orient="row").select(pl.all().gather(cell))
    at_ms = rng.integers(days.start * DAY_MS, days.stop * DAY_MS - 600_000, size)
    frame = table.with_columns(pl.Series("at_ms", at_ms), pl.Series("drawn", rng.random(size)))
    return frame.with_columns(accepted=pl.col("drawn") < pl.col("rate")).drop("drawn", "rate")


def _outcomes(frame: pl.DataFrame, window: Window, rng: np.random.Generator) -> pl.DataFrame:
    accepted, at_ms = frame["accepted"].to_numpy(), frame["at_ms"].to_numpy()
    clicked = accepted | (rng.random(frame.height) < 0.05)
    declined = ~accepted & (rng.random(frame.height) < 0.2)
    wait = rng.integers(1_000, 120_000, frame.height)
    revenue = np.exp(rng.normal(2.7, 0.6, frame.height)).round(2)
    return frame.select(
        "rule_id", "session_id", "customer_id", "placement", "experiment_id", "variant",
        window.at(at_ms).alias("viewed_at"), _where(clicked, window.at(at_ms + wait)).alias("clicked_at"),
        _where(accepted, window.at(at_ms + 2 * wait)).alias("accepted_at"),
        _where(declined, window.at(at_ms + 2 * wait)).alias("declined_at"),
        _where(accepted, pl.Series(revenue)).alias("revenue"),
    )  # fmt: skip


def _where(mask: Flags, values: pl.Series) -> pl.Series:
    return pl.select(pl.when(pl.Series(mask)).then(values)).to_series()
