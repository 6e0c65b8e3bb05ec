"""Whether planted truths can be found again by plain counting: the floor below which no model may fall."""

from __future__ import annotations

import math

import polars as pl

NOT_COUNTED = ("CANCELED", "REFUNDED", "PENDING")
ENOUGH_BUYERS = 12
ENOUGH_GAPS = 4


def check(frames: dict[str, pl.DataFrame]) -> dict[str, float]:
    """Figures by name, from the frames that `simulate` gives.

    `pairs_found`, `views_found`: share of planted pairs among their anchor's most frequent partners, as many as are
    planted; `decoys_found`: the same for pairs that must not be found; nan where a shop is too small to ask.
    `interval_error`: median relative error of the median gap per unit. `acceptance_z`, `variant_z`: largest distance
    from a true rate, in standard errors.
    """
    sold = frames["orders"].filter(
        ~pl.col("is_cancellation"), ~pl.col("status").cast(pl.String).is_in(NOT_COUNTED), pl.col("environment") == "production"
    )
    truth = {kind: frames["truth_pairs"].filter(pl.col("kind") == kind) for kind in ("bought_together", "viewed_together", "decoy")}
    return {
        "pairs_found": _found(sold, "order_id", truth["bought_together"]),
        "decoys_found": _found(sold, "order_id", truth["decoy"]),
        "views_found": _found(frames["views"], "session_id", truth["viewed_together"]),
        "interval_error": _interval_error(sold, frames["truth_intervals"]),
        "acceptance_z": _acceptance_z(frames),
        "variant_z": _variant_z(frames),
    }


def _found(lines: pl.DataFrame, basket: str, planted: pl.DataFrame) -> float:
    """Only anchors with enough baskets are asked for: chance alone decides below that."""
    distinct = lines.select(basket, "product_id").unique()
    anchors = planted.group_by("anchor_id").agg(n_planted=pl.len())
    of_anchor = distinct.join(anchors, left_on="product_id", right_on="anchor_id").rename({"product_id": "anchor_id"})
    frequent = of_anchor.filter(pl.len().over("anchor_id") >= ENOUGH_BUYERS)
    partners = frequent.join(distinct, on=basket).filter(pl.col("anchor_id") != pl.col("product_id"))
    counted = partners.group_by("anchor_id", "n_planted", "product_id").agg(n_baskets=pl.len())
    ranked = counted.sort("anchor_id", "n_baskets", "product_id", descending=[False, True, False])
    top = ranked.filter(pl.int_range(pl.len()).over("anchor_id") < pl.col("n_planted"))
    asked = planted.join(frequent.select("anchor_id").unique(), on="anchor_id")
    return asked.join(top, on=["anchor_id", "product_id"]).height / asked.height if asked.height else math.nan


def _interval_error(sold: pl.DataFrame, schedules: pl.DataFrame) -> float:
    keys = ["customer_id", "product_id"]
    bought = sold.join(schedules.select(keys), on=keys, how="semi").sort(*keys, "ordered_at")
    gap_days = (pl.col("ordered_at").shift(-1).over(keys) - pl.col("ordered_at")).dt.total_milliseconds() / 86_400_000
    gaps = bought.with_columns(days_per_unit=gap_days / pl.col("quantity")).drop_nulls("days_per_unit")
    observed = gaps.group_by(keys).agg(pl.col("days_per_unit").median(), n_gaps=pl.len()).filter(pl.col("n_gaps") >= ENOUGH_GAPS)
    both = observed.join(schedules, on=keys)
    return float(both.select((pl.col("days_per_unit") / pl.col("interval_days") - 1).abs().median()).item())


def _acceptance_z(frames: dict[str, pl.DataFrame]) -> float:
    outside = frames["impressions"].filter(pl.col("experiment_id").is_null()).with_columns(won=pl.col("accepted_at").is_not_null())
    return _largest_z(outside, frames["truth_rules"].rename({"acceptance_rate": "rate"}), ["rule_id", "placement"])


def _variant_z(frames: dict[str, pl.DataFrame]) -> float:
    offered = frames["impressions"].select("experiment_id", "variant", won=pl.col("accepted_at").is_not_null())
    shown = frames["exposures"].select("experiment_id", "variant", won=pl.col("clicked_at").is_not_null())
    return _largest_z(pl.concat([offered, shown]), frames["truth_variants"], ["experiment_id", "variant"])


def _largest_z(rows: pl.DataFrame, truth: pl.DataFrame, keys: list[str]) -> float:
    seen = rows.join(truth, on=keys).group_by(keys).agg(pl.col("won").mean(), pl.col("rate").first(), n=pl.len())
    error = (pl.col("rate") * (1 - pl.col("rate")) / pl.col("n")).sqrt()
    return float(seen.select(((pl.col("won") - pl.col("rate")) / error).abs().max()).item())


def rediscovered(lists: pl.DataFrame, planted: pl.DataFrame, k: int = 10) -> float:
    """nDCG at k (0..1) of a kind's lists against planted pairs: the mean over the planted anchors, binary gains; nan without
    any. lists: anchor_id, rank, product_id; planted: anchor_id, product_id."""
    if planted.is_empty():
        return math.nan
    gain = 1 / (pl.col("rank") + 1).log(2)
    found = lists.filter(pl.col("rank") <= k).join(planted, on=["anchor_id", "product_id"], how="semi")
    gained = found.group_by("anchor_id").agg(gain.sum().alias("gained"))
    places = pl.int_ranges(1, pl.col("n").clip(upper_bound=k) + 1)
    ideal = planted.group_by("anchor_id").agg(n=pl.len()).with_columns(rank=places).explode("rank")
    best = ideal.group_by("anchor_id").agg(gain.sum().alias("best"))
    ratios = best.join(gained, on="anchor_id", how="left").select((pl.col("gained") / pl.col("best")).fill_null(0))
    return float(ratios.mean().item())
