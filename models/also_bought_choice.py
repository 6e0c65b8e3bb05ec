"""What a company's held-out days choose for also bought: the score of a pair, its parameters and the gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from models import own_evidence, scores
from models.also_bought import lists, shop_of
from models.features import Features
from models.own_evidence import Rule

MAX_ORDERS = 3_000
ENOUGH_ORDERS = 200
SEED = 20_170_521
# how many standard errors a rule must be ahead of the default: a dozen tries find one by luck
AHEAD = 3.0
# what is tried, one field after the other
GRID: dict[str, tuple[Any, ...]] = {
    "score": tuple(name for name in own_evidence.SCORES if name != "share"),
    "half_life_days": (90.0, 720.0),
    "prior": (2.0, 100.0, 300.0),
    "gate": (scores.SIGNIFICANT_LLR, scores.HIGHLY_SIGNIFICANT_LLR),
    "title": (0.0, 3.0),
    "nearby": (False,),
}


def choose(features: Features, split_at: datetime) -> dict[str, Any]:
    """The fields of own_evidence.Rule in which the company's best rule differs from the default; {} where none is AHEAD of it, or
    where fewer than ENOUGH_ORDERS held-out orders can tell.

    Each field of GRID is tried at the best of those before.
    """
    trial = Trial(features, split_at)
    if trial.n_orders < ENOUGH_ORDERS:
        return {}
    default = best = Rule()
    for name, values in GRID.items():
        best = max(
            [best, *(replace(best, **{name: value}) for value in values)], key=lambda rule: round(trial.hits(rule).mean(), 9)
        )
    gained = trial.hits(best) - trial.hits(default)
    if gained.mean() <= AHEAD * gained.std() / np.sqrt(trial.n_orders):
        return {}
    return {name: value for name, value in asdict(best).items() if value != asdict(default)[name]}


@dataclass
class Trial:
    """The days before `split_at` to learn from, the orders from then on to judge by: at most MAX_ORDERS of those with two products
    that have a page, drawn by a fixed seed.

    The task is that of tasks.partners, a random ordered pair of each order, but each pair counts at its probability instead of
    one that is drawn: the same mean and less chance.
    """

    features: Features
    split_at: datetime
    _hits: dict[Rule, np.ndarray] = field(default_factory=dict)
    _pairs: dict[tuple[float, bool], pl.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.train = self.features.before(self.split_at)
        self._shop = shop_of(self.train)
        self._lines = _later_lines(self.features, self.split_at)
        anchors = self._lines.select("product_id").unique()
        self._pages = self.train.shown().join(anchors, on="product_id", how="semi")
        self._pages = self._pages.select(pl.col("product_id").alias("anchor_id"), "category_id")
        self.n_orders = self._lines["order"].n_unique()

    def hits(self, rule: Rule) -> np.ndarray:
        """Per held-out order the share (0..1) of its ordered pairs that the lists of `rule` have."""
        if rule not in self._hits:
            self._hits[rule] = self._judged(rule)
        return self._hits[rule]

    def _judged(self, rule: Rule) -> np.ndarray:
        counting = (rule.half_life_days, rule.score == "corrected")
        if counting not in self._pairs:
            pairs = own_evidence.counted(self.train, self._shop.candidates["product_id"], rule, self._shop.titles)
            self._pairs[counting] = pairs.join(self._pages, on="anchor_id", how="semi")
        found = lists(self._shop, rule, self._pairs[counting], self._pages)
        hit = self._lines.join(found.select("anchor_id", "product_id"), left_on="product_id", right_on="anchor_id").join(
            self._lines, left_on=["order", "product_id_right"], right_on=["order", "product_id"], how="semi"
        )
        counts = np.bincount(hit["order"].to_numpy(), minlength=self.n_orders)
        sizes = np.bincount(self._lines["order"].to_numpy(), minlength=self.n_orders)
        return counts / (sizes * (sizes - 1))


def _later_lines(features: Features, split_at: datetime) -> pl.DataFrame:
    """order (from 0), product_id."""
    pages = features.shown()["product_id"]
    later = features.baskets.filter(pl.col("ordered_at") >= split_at, pl.col("product_id").is_in(pages.implode()))
    lines = later.select("order_id", "product_id").unique().filter(pl.len().over("order_id") > 1)
    orders = lines.select("order_id").unique().sort("order_id")
    if orders.height > MAX_ORDERS:
        orders = orders[np.sort(np.random.default_rng(SEED).choice(orders.height, MAX_ORDERS, replace=False))]
    numbered = orders.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("order"))
    return lines.join(numbered, on="order_id").select("order", "product_id").sort("order", "product_id")
