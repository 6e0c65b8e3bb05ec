"""A shop that never was: seeded files in the formats of `load`, and beside them the truths that were planted in them."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flows import simulate_offers as offers
from flows.load_files import LoadFiles
from flows.simulate_catalogue import Catalogue, Floats, Ints, Window, catalogue
from flows.simulate_experiments import dirt, held_out, soiled
from flows.simulate_orders import CUSTOMER_NOISE, GAP_NOISE, named, orders
from flows.simulate_views import carts, views

END = datetime(2026, 6, 30, tzinfo=UTC)
DAYS = 365
TRUTH = "truth_"
# the truths that stand in truth.json, too
SMALL = ("pairs", "rules", "variants", "holdout", "dirt")


def simulate(
    n_order_lines: int, seed: int = 1, *, end: datetime = END, days: int = DAYS, views_per_line: float = 1.0
) -> dict[str, pl.DataFrame]:
    """Frames by name: the files of a shop over the `days` before `end`, and `truth_...` for what was planted.

    The same arguments give the same bytes. Raises ValueError for fewer than 500 lines, too few to plant anything in.
    """
    if n_order_lines < 500:
        raise ValueError(f"{n_order_lines} order lines are too few for planted truths: ask for 500 or more")
    end = end.astimezone(UTC).replace(tzinfo=None) if end.tzinfo else end
    window = Window(end - timedelta(days=days), days)
    # one stream per part, so that one part's size never changes another's numbers
    streams = [np.random.default_rng([seed, part]) for part in range(9)]
    shop = catalogue(n_order_lines, streams[0])
    sold = orders(shop, n_order_lines, window, streams[1])
    n_offers = max(4_000, n_order_lines // 8)
    cart_frame, item_frame = carts(shop, sold, window, streams[3])
    offered = offers.impressions(sold, n_offers, window, streams[4])
    shown = offers.exposures(shop, sold, n_offers, window, streams[5])
    apart = held_out(shop, sold, cart_frame, 2 * n_offers, window, streams[7])
    shown, offered = soiled(shown, offered, streams[8])
    shown = pl.concat([shown, apart.exposures], how="diagonal").sort("exposed_at", "session_id", "variant")
    return {
        "products": _products_file(shop),
        "orders": sold.frame,
        "views": views(shop, sold, int(n_order_lines * views_per_line), window, streams[2]),
        "carts": pl.concat([cart_frame, apart.carts], how="vertical_relaxed"),
        "cart_items": pl.concat([item_frame, apart.cart_items], how="vertical_relaxed"),
        "rules": offers.rules(),
        "experiments": offers.experiments(window),
        "impressions": offered,
        "exposures": shown,
        "subscriptions": offers.subscriptions(sold, window, streams[6]),
        f"{TRUTH}products": shop.products,
        f"{TRUTH}pairs": _pair_truth(shop),
        f"{TRUTH}intervals": sold.schedules,
        f"{TRUTH}rules": offers.rule_truth(),
        f"{TRUTH}variants": offers.variant_truth(),
        f"{TRUTH}holdout": apart.truth,
        f"{TRUTH}dirt": dirt(),
    }


def write(frames: dict[str, pl.DataFrame], folder: Path) -> LoadFiles:
    """Write each frame as Parquet into `folder` and the truths also as one truth.json; returns what `load` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet", compression="zstd")
    small = {kind: frames[f"{TRUTH}{kind}"].to_dicts() for kind in SMALL}
    noise = {"gap_log_sd": GAP_NOISE, "customer_log_sd": CUSTOMER_NOISE}
    (folder / "truth.json").write_text(json.dumps({**small, "intervals": noise}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return LoadFiles(**{part.name: folder / f"{part.name}.parquet" for part in fields(LoadFiles) if part.name in frames})


def _products_file(shop: Catalogue) -> pl.DataFrame:
    in_money = [(pl.col(f"{name}_cents") / 100).alias(name) for name in ("price", "cost")]
    return shop.products.select("product_id", "title", "category", *in_money)


def _pair_truth(shop: Catalogue) -> pl.DataFrame:
    """Planted pairs. `kind`: bought_together and viewed_together with their conditional probability; decoy: never to be found."""
    pairs = shop.pairs
    found = [
        _pairs(shop, "bought_together", pairs.companion, pairs.companion_rate),
        _pairs(shop, "bought_together", pairs.second_companion, pairs.second_rate),
        _pairs(shop, "viewed_together", pairs.substitute, pairs.substitute_rate),
    ]
    decoys = {"anchor_id": named(shop, pairs.decoys[:, 0]), "product_id": named(shop, pairs.decoys[:, 1])}
    frame = pl.DataFrame({"kind": "decoy", **decoys, "conditional_probability": 0.0})
    return pl.concat([*found, frame]).sort("kind", "anchor_id", "product_id")


def _pairs(shop: Catalogue, kind: str, partner: Ints, rate: Floats) -> pl.DataFrame:
    anchors = np.nonzero(rate)[0]
    ids = {"anchor_id": named(shop, anchors), "product_id": named(shop, partner[anchors])}
    return pl.DataFrame({"kind": kind, **ids, "conditional_probability": rate[anchors]})
