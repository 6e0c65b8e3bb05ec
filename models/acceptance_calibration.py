"""Whether expected acceptance can be trusted: rates learnt before an instant against the impressions that came after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.acceptance import KEYS, LEVELS, counted, upsell_acceptance

N_BINS = 10
N_SAMPLES = 1_000
# the middle share of the bootstrap's errors
INTERVAL = 0.95


@dataclass(frozen=True)
class Calibration:
    """How far off expected rates are, None where nothing is held out or nothing came before.

    error: expected calibration error (0..1), the mean over held-out impressions of |expected - observed rate| of their bin
    (Naeini, Cooper & Hauskrecht, AAAI 2015); low, high: its bootstrap interval; by_chance: the error to be expected if every
    rate were exactly right, since few impressions miss by themselves.
    """

    error: float | None
    low: float | None
    high: float | None
    by_chance: float | None
    n_impressions: int

    def to_json(self) -> dict[str, Any]:
        """As a generation's figures hold it."""
        told = {"error": self.error, "low": self.low, "high": self.high, "byChance": self.by_chance}
        rounded = {name: None if value is None else round(value, 6) for name, value in told.items()}
        return {**rounded, "heldOutImpressions": self.n_impressions}


def calibration(impressions: pl.DataFrame, split_at: datetime, seed: int = 0) -> Calibration:
    """Of the impressions from `split_at` on, by rates from those before it; impressions as in `upsell_acceptance`.

    What was accepted or declined after the split is not known before it. A cell that nobody had seen is expected at the rate of
    its rule in the placement, of its rule, or of the company. Bins hold as equal numbers of impressions as whole cells allow.
    """
    instants = [pl.when(pl.col(name) < split_at).then(pl.col(name)).alias(name) for name in ("accepted_at", "declined_at")]
    rates = upsell_acceptance(impressions.filter(pl.col("viewed_at") < split_at).with_columns(instants))
    held_out = counted(impressions.filter(pl.col("viewed_at") >= split_at))
    if rates.is_empty() or held_out.is_empty():
        return Calibration(None, None, None, None, int(held_out["n_viewed"].sum()))
    cells = expected(held_out, rates).sort("rate", *KEYS)
    n, k, rate = (cells[name].to_numpy() for name in ("n_viewed", "n_accepted", "rate"))
    middle = np.cumsum(n) - n / 2
    bins = np.minimum((N_BINS * middle / n.sum()).astype(np.int64), N_BINS - 1)
    rng = np.random.default_rng(seed)
    # impressions drawn again with replacement: so many of each cell, and of them so many accepted
    drawn = rng.multinomial(n.sum(), n / n.sum(), N_SAMPLES)
    errors = _errors(drawn, rng.binomial(drawn, k / n), rate, bins)
    tail = (1 - INTERVAL) / 2
    return Calibration(
        error=float(_errors(n[None], k[None], rate, bins)[0]),
        low=float(np.quantile(errors, tail)),
        high=float(np.quantile(errors, 1 - tail)),
        by_chance=float(_errors(np.tile(n, (N_SAMPLES, 1)), rng.binomial(n, rate, (N_SAMPLES, len(n))), rate, bins).mean()),
        n_impressions=int(n.sum()),
    )


def expected(cells: pl.DataFrame, rates: pl.DataFrame) -> pl.DataFrame:
    """The cells with `rate`: the nearest that `rates` (of `upsell_acceptance`) has for them."""
    found = cells
    for depth, name in enumerate(LEVELS):
        level = rates.filter(pl.col("level") == name).rename({"anchor_id": "rule_id"})
        own = level.select(*KEYS[:depth], pl.col("score").alias(name))
        found = found.join(own, on=KEYS[:depth], how="left", maintain_order="left") if depth else found.join(own, how="cross")
    return found.select(*cells.columns, pl.coalesce(*reversed(LEVELS)).alias("rate"))


def _errors(n: NDArray[np.int64], k: NDArray[np.int64], rate: NDArray[np.float64], bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """One error per row of n and k (views and acceptances by cell)."""
    member = np.eye(N_BINS)[bins]
    missed = np.abs((n * rate - k) @ member)
    error: NDArray[np.float64] = missed.sum(axis=1) / n.sum(axis=1)
    return error
