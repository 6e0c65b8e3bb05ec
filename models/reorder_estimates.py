"""Reorder estimates: the shrinkage model fitted to a company's gaps, with ranges that held-out gaps have calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from models import reorder_prediction as prediction
from models.reorder_gaps import PAIR, with_lapses
from models.reorder_shrinkage import Effects, fit

LEVELS = ("product", "customer", "category", "pair")
# below so many held-out gaps the formula's own choice stands: gaps are per unit
MIN_HELD_OUT = 30
IS_LAST = pl.col("number") == pl.col("n_gaps") - 1


@dataclass(frozen=True)
class Estimates:
    """What is learnt: effects of LEVELS on y = ln days, of one unit where `per_unit` (by product code; the last for any other) is
    1, of an order where it is 0; `ranges` as reorder_prediction.ranges has them; n_held_out gaps chose and calibrated."""

    effects: Effects
    per_unit: np.ndarray
    ranges: np.ndarray
    n_held_out: int

    def predict(self, rows: pl.DataFrame, known: tuple[str, ...] = LEVELS) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of ln days (n,) for rows with codes and units, knowing no other levels than `known`."""
        mean = np.full(rows.height, self.effects.mean)
        products = rows["product"].to_numpy()
        variance = np.append(self.effects.noises, self.effects.noise)[products if "product" in known else -1 + 0 * products]
        for name, effect in zip(LEVELS, self.effects.levels, strict=True):
            if name in known:
                # a product without a category has no effect of it, known or not
                codes = rows[name].to_numpy()
                mean += np.append(effect.mean, 0.0)[codes]
                variance += np.append(effect.variance, 0.0)[codes]
            else:
                variance += effect.spread
        return mean + self.per_unit[products] * _log_units(rows), np.sqrt(variance)

    def range_of(self, mean: np.ndarray, sd: np.ndarray, n_gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Days (n,) between which four of five held-out gaps with as many own gaps before them have ended."""
        tails = self.ranges[prediction.class_of(n_gaps)]
        return np.exp(mean + sd * tails[:, 0]), np.exp(mean + sd * tails[:, 1])


def coded(rows: pl.DataFrame, categories: pl.DataFrame) -> pl.DataFrame:
    """Rows of reorder_gaps.gaps with a code per level of LEVELS; category -1 for a product that `categories` (product_id,
    category_id) gives none."""
    products = rows.select("product_id").unique().sort("product_id").with_row_index("product")
    named = categories.drop_nulls("category_id").select("category_id").unique().sort("category_id").with_row_index("category")
    told = categories.join(named, on="category_id", how="left").select("product_id", "category")
    placed = rows.join(products, on="product_id", how="left", maintain_order="left").join(
        told, on="product_id", how="left", maintain_order="left"
    )
    changes = {name: pl.any_horizontal(pl.col(c).ne_missing(pl.col(c).shift()) for c in columns) for name, columns in _KEYS.items()}
    return placed.with_columns(
        *((change.cum_sum().cast(pl.Int64) - 1).alias(name) for name, change in changes.items()),
        pl.col("product").cast(pl.Int64),
        pl.col("category").cast(pl.Int64).fill_null(-1),
    )


_KEYS = {"customer": ("customer_id",), "pair": PAIR}


def estimate(rows: pl.DataFrame) -> Estimates | None:
    """Fit to rows of `coded`; None where no gap has closed.

    Each pair's last closed gap, predicted from all gaps but those, decides which products' days count per unit, and how wide
    ranges are. Then all are fitted.
    """
    sizes = tuple(_size(rows[name]) for name in LEVELS)
    evidence = with_lapses(rows)
    if evidence["is_censored"].all():
        return None
    per_unit, ranges, n_held_out = _chosen(rows, sizes)
    return Estimates(_effects(evidence, sizes, per_unit), per_unit, ranges, n_held_out)


def _chosen(rows: pl.DataFrame, sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, int]:
    closed, units = rows.filter(~pl.col("is_open")), np.ones(sizes[0] + 1)
    earlier, held_out = with_lapses(closed.filter(~IS_LAST)), closed.filter(IS_LAST)
    if held_out.height < MIN_HELD_OUT or earlier["is_censored"].all():
        return units, prediction.ranges(np.empty(0), np.empty(0)), 0
    y, products = np.log(held_out["days"].to_numpy()), held_out["product"].to_numpy()
    errors = [np.abs(y - _held_out(earlier, held_out, sizes, each)[0]) for each in (units, 0 * units)]
    per_unit = _better(products, held_out["category"].to_numpy(), errors[0] - errors[1], sizes[0])
    mean, sd = _held_out(earlier, held_out, sizes, per_unit)
    return per_unit, prediction.ranges((y - mean) / sd, held_out["number"].to_numpy()), held_out.height


def _held_out(
    earlier: pl.DataFrame, held_out: pl.DataFrame, sizes: tuple[int, ...], per_unit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    model = Estimates(_effects(earlier, sizes, per_unit), per_unit, np.empty(0), 0)
    return model.predict(held_out)


def _better(products: np.ndarray, categories: np.ndarray, excess: np.ndarray, n_products: int) -> np.ndarray:
    """1 by product code (and one more, for any other) where days per unit err less: by the mean excess of the product's held-out
    gaps, shrunk to its category's and that to the company's as if MIN_HELD_OUT more had that; excess: error of ln days per unit
    less that per order."""
    company = float(excess.mean())
    near, of = np.zeros(n_products, dtype=np.int64), categories + 1
    near[products] = of
    n, own = np.bincount(of), np.bincount(products, minlength=n_products)
    by_category = (np.bincount(of, excess) + MIN_HELD_OUT * company) / (n + MIN_HELD_OUT)
    # no category, or none with a held-out gap
    by_category[0] = company
    mean = (np.bincount(products, excess, n_products) + MIN_HELD_OUT * by_category[near]) / (own + MIN_HELD_OUT)
    return np.asarray(np.append(mean <= 0, company <= 0), dtype=np.float64)


def _effects(evidence: pl.DataFrame, sizes: tuple[int, ...], per_unit: np.ndarray) -> Effects:
    y = np.log(evidence["days"].to_numpy()) - per_unit[evidence["product"].to_numpy()] * _log_units(evidence)
    return fit(y, evidence["is_censored"].to_numpy(), [evidence[name].to_numpy() for name in LEVELS], sizes)


def _size(codes: pl.Series) -> int:
    largest = codes.max()
    return largest + 1 if isinstance(largest, int) else 0


def _log_units(rows: pl.DataFrame) -> np.ndarray:
    return np.asarray(np.log(rows["units"].to_numpy().astype(np.float64)))
