"""The registry of recommendation kinds: one row each, and what every kind's result must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from models import also_bought, popularity, rivals, tasks, trending
from models.configuration import Configuration
from models.features import Features
from models.generation import Section
from models.tasks import HeldOut

Answer = Callable[[HeldOut, int], pl.DataFrame]
COLUMNS = ("anchor_id", "rank", "product_id", "score", "source", "reason")


@dataclass(frozen=True)
class Judged:
    """How a kind is judged: by a task made of the days from an instant on, beside rivals by name (`best sellers` always among
    them; the others are what one would use instead).

    enough, unit: how many queries its figures need to mean anything, and the words that follow that number. Answers and rivals
    take a HeldOut and k and return query_id, rank (1 to k), product_id; `answer` is None where the kind's own lists, looked up
    by anchor, are the answer. trusted: whether its lists are shown before they could be judged; `until` says what is shown
    instead of lists that are not.
    """

    name: str
    task: Callable[[Features, datetime], HeldOut]
    rivals: Mapping[str, Answer]
    enough: int
    unit: str
    k: int = 10
    answer: Answer | None = None
    trusted: bool = True
    until: str = "best sellers are shown"


@dataclass(frozen=True)
class Recommender:
    """One kind: the function that makes its RECOMMENDATIONS frame (COLUMNS, then the evidence columns), how it shows on a
    product's page if it does, how it is judged (the first of `judged` decides whether it goes live), and what it chooses by
    held-out days.

    choose: takes features and the instant from which their days are held out, returns the JSON-able choice that `recommend`
    then finds in `features.choices[kind]`; {} where the held-out days are too few to choose by.
    """

    kind: str
    recommend: Callable[[Features], pl.DataFrame]
    evidence: tuple[str, ...]
    section: Callable[[Configuration], Section] | None = None
    judged: tuple[Judged, ...] = ()
    choose: Callable[[Features, datetime], dict[str, Any]] | None = None


def _also_bought_section(config: Configuration) -> Section:
    rules = config.also_bought
    shown = {name: rules[name] for name in ("displayStyle", "showRatings", "showQuickAdd")}
    return Section("ALSO_BOUGHT", rules["title"], position=1, config=shown, enabled=rules["enabled"], fallback="popular")


def _of_share(features: Features, _: datetime) -> HeldOut:
    return tasks.partners_of_share(features)


PAIR_RIVALS = {"best sellers": rivals.best_sellers, "raw counts": rivals.raw_counts, "cosine": rivals.cosine}
ORDERS_OF_TWO = "held-out orders with two products"

RECOMMENDERS = (
    Recommender(
        kind="popular",
        recommend=popularity.popular,
        evidence=("n_events", "window_days"),
        judged=(
            Judged("what later orders hold", tasks.next_orders, {"best sellers": rivals.best_sellers}, 100, "held-out orders"),
        ),
    ),
    Recommender(kind="trending", recommend=trending.trending, evidence=trending.EVIDENCE),
    Recommender(
        kind="also-bought",
        recommend=also_bought.also_bought,
        evidence=also_bought.EVIDENCE,
        section=_also_bought_section,
        judged=(
            Judged("anchor to partner, later orders", tasks.partners, PAIR_RIVALS, 100, ORDERS_OF_TWO),
            Judged("anchor to partner, a fifth of the orders", _of_share, PAIR_RIVALS, 100, ORDERS_OF_TWO),
        ),
    ),
)


def faults(frame: pl.DataFrame, eligible: pl.Series) -> list[str]:
    """What is wrong with a RECOMMENDATIONS frame, in words; empty when it may be published.

    Ranks are dense from 1 per anchor, nothing recommends itself or twice, only eligible products are shown, scores are finite.
    """
    # 1 to n in any order: n different numbers, the least of them 1 and the largest n
    dense = (pl.col("rank").min() == 1) & (pl.col("rank").max() == pl.len()) & (pl.col("rank").n_unique() == pl.len())
    per_anchor = frame.group_by("anchor_id", maintain_order=True).agg(dense.fill_null(False).alias("dense"))
    wrong = {
        "ranks are not dense from 1": per_anchor.filter(~pl.col("dense")),
        "a product recommends itself": frame.filter(pl.col("anchor_id") == pl.col("product_id")),
        "a product stands twice under one anchor": frame.filter(pl.struct("anchor_id", "product_id").is_duplicated()),
        "a product that may not be shown": frame.filter(~pl.col("product_id").is_in(eligible.implode()).fill_null(False)),
        "a score that is no finite number": frame.filter(~pl.col("score").is_finite().fill_null(False)),
        "an item without its source or reason": frame.filter(pl.col("source").is_null() | pl.col("reason").is_null()),
    }
    return [
        f"{words} ({rows.height} times, first at anchor {rows['anchor_id'][0]!r})" for words, rows in wrong.items() if rows.height
    ]
