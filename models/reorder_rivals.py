"""Rivals of the reorder intervals: what one would use instead to say when a customer buys a product again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from models.reorder_gaps import PAIR
from models.subscription_frequency import DAYS

# rivals take the closed gaps that are known and the pairs that are asked for, and give days (n,)
Rival = Callable[[pl.DataFrame, pl.DataFrame], np.ndarray]
MIN_PAIRS = 10
# where the naive rule cuts a pair's mean gap into frequencies
CUTS = (10, 21, 45, 75)


def global_median(known: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """The median of all known gaps."""
    return np.full(asked.height, _median(known))


def product_median(known: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """The median of the product's known gaps; of all, where it has none."""
    return _grouped(known, asked, ("product_id",), pl.col("days").median())


def customer_median(known: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """The median of the customer's known gaps of any product; of all, where there are none."""
    return _grouped(known, asked, ("customer_id",), pl.col("days").median())


def pair_median(known: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """The median of the pair's own known gaps; of all, where there are none."""
    return _grouped(known, asked, PAIR, pl.col("days").median())


def naive_cut(known: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """The days of the frequency into which the pair's mean gap falls when it is cut at CUTS."""
    mean = _grouped(known, asked, PAIR, pl.col("days").mean())
    return np.asarray(DAYS[np.searchsorted(CUTS, mean, side="right")])


def modified_poisson_gamma(known: pl.DataFrame, asked: pl.DataFrame) -> np.ndarray:
    """The median of a gap under the Modified Poisson-Gamma model (Bhagat et al., KDD 2018).

    A pair with k purchases over t_purch days and mean gap t_mean buys again t days later at the rate
    (k + alpha) / (t_purch + 2 |t_mean - t| + beta), from 2 t_mean on (k + alpha) / (t_purch + t + beta): seldom right after a
    purchase, most at t_mean. alpha, beta: the gamma distribution of the rates of the product's pairs, of all pairs below
    MIN_PAIRS, by maximum likelihood with digamma(x) as ln x - (1 + 1 / (6 x + 1)) / (2 x), which is within 1.5 % of alpha. The
    median, ours, is where the rate's integral reaches ln 2.
    """
    pairs = known.group_by(PAIR).agg(pl.col("days").sum().alias("purchased"), pl.len().alias("n"))
    rates = pairs.with_columns((pl.col("n") / pl.col("purchased")).alias("rate"))
    by_product = rates.group_by("product_id").agg(*_gamma(), pl.len().alias("n_pairs"))
    everywhere = rates.select(*_gamma())
    told = (
        asked.select(PAIR)
        .join(pairs, on=list(PAIR), how="left", maintain_order="left")
        .join(by_product.filter(pl.col("n_pairs") >= MIN_PAIRS), on="product_id", how="left", maintain_order="left")
    )
    filled = {name: pl.col(name).fill_nan(None).fill_null(everywhere[name].item()) for name in ("shape", "rate")}
    shape, rate = told.select(**filled).to_numpy().T
    purchased, n = told.select(pl.col("purchased", "n").fill_null(0)).to_numpy().T
    mean = np.where(n > 0, purchased / np.maximum(n, 1), rate / shape)
    return _integrated(n + 1 + shape, purchased + rate, mean)


def _gamma() -> tuple[pl.Expr, pl.Expr]:
    gap = (pl.col("rate").mean().log() - pl.col("rate").log().mean()).clip(1e-3)
    shape = (3 - gap + ((gap - 3) ** 2 + 24 * gap).sqrt()) / (12 * gap)
    return shape.alias("shape"), (shape / pl.col("rate").mean()).alias("rate")


def _integrated(purchases: np.ndarray, days: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Where the integral of purchases / (days + 2 |mean - t|), then of purchases / (days + t), reaches ln 2."""
    wanted, peak = np.log(2) / purchases, 0.5 * np.log1p(2 * mean / days)
    rising = 0.5 * (days + 2 * mean) * -np.expm1(-2 * wanted)
    falling = mean + 0.5 * days * np.expm1(2 * np.clip(wanted - peak, 0, 50))
    beyond = (days + 2 * mean) * np.exp(np.clip(wanted - 2 * peak, 0, 50)) - days
    return np.asarray(np.where(wanted <= peak, rising, np.where(wanted <= 2 * peak, falling, beyond)))


def _grouped(known: pl.DataFrame, asked: pl.DataFrame, by: tuple[str, ...], value: pl.Expr) -> np.ndarray:
    grouped = known.group_by(by).agg(value.alias("value"))
    told = asked.select(by).join(grouped, on=list(by), how="left", maintain_order="left")
    return told["value"].fill_null(_median(known)).to_numpy()


def _median(known: pl.DataFrame) -> float:
    median = known["days"].median()
    return median if isinstance(median, float) else 0.0


RIVALS: Mapping[str, Rival] = {
    "global median": global_median,
    "product median": product_median,
    "customer median": customer_median,
    "pair median": pair_median,
    "naive cut of the mean": naive_cut,
    "modified Poisson-Gamma": modified_poisson_gamma,
}
