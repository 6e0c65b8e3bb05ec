"""The registry of recommendation kinds: one row each, and what every kind's result must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from models import (
    acceptance,
    acceptance_impressions,
    also_bought,
    also_bought_choice,
    bulk_tiers,
    buy_again,
    choosing,
    frequently_viewed,
    page,
    popularity,
    rivals,
    segments,
    session_neighbours,
    subscription_intervals,
    tasks,
    trending,
    usual_quantities,
    view_to_bought,
    you_might_like,
)
from models import bundles as bundling
from models import rivals_of_customers as of_customers
from models import rivals_of_sessions as of_sessions
from models.features import Features
from models.generation import ITEMS, NEIGHBOURS, REFERENCES, ROWS, Section
from models.tasks import HeldOut

Answer = Callable[[HeldOut, int], pl.DataFrame]
NO_SCORE, NO_REASON = "a score that is no finite number", "an item without its source or reason"
COLUMNS = ("anchor_id", "rank", "product_id", "score", "source", "reason")


@dataclass(frozen=True)
class Judged:
    """How a kind is judged: by a task made of the days from an instant on, beside rivals by name (`best sellers` always among
    them; the others are what one would use instead).

    enough, unit: how many queries its figures need to mean anything, and the words that follow that number. Answers and rivals
    take a HeldOut and k and return query_id, rank (1 to k), product_id; `answer` is None where the kind's own lists, looked up
    by anchor, are the answer. trusted: whether its lists are shown before they could be judged; `until` says what is shown
    instead of lists that are not. gated: whether a kind that loses is withheld; what stands in for the others never is.
    """

    name: str
    task: Callable[[Features, datetime], HeldOut]
    rivals: Mapping[str, Answer]
    enough: int
    unit: str
    k: int = 10
    answer: Answer | None = None
    trusted: bool = True
    gated: bool = True
    until: str = "best sellers are shown"


@dataclass(frozen=True)
class Recommender:
    """One kind: the function that makes its RECOMMENDATIONS frame (COLUMNS, then the evidence columns), how it shows on a
    product's page if it does, how it is judged (the first of `judged` decides whether it goes live), and what it chooses by
    held-out days.

    choose: takes features and the instant from which their days are held out, returns the JSON-able choice that `recommend`
    then finds in `features.choices[kind]`; {} where the held-out days are too few to choose by. form: of its payloads
    (models/generation.py). stand_in: lists of pages where the kind is withheld or has none. bundles: made of the frame and shown
    behind its products. steady: whether its lists should resemble those of the night before, so that the gates compare them.
    """

    kind: str
    recommend: Callable[[Features], pl.DataFrame]
    evidence: tuple[str, ...]
    section: Callable[[Features], Section] | None = None
    judged: tuple[Judged, ...] = ()
    choose: Callable[[Features, datetime], dict[str, Any]] | None = None
    form: str = ITEMS
    stand_in: Callable[[Features], pl.DataFrame] | None = None
    bundles: Callable[[Features, pl.DataFrame], pl.DataFrame] | None = None
    steady: bool = True


def _of_share(features: Features, _: datetime) -> HeldOut:
    return tasks.partners_of_share(features)


def _with_repeats(rival: Callable[..., pl.DataFrame]) -> Answer:
    return lambda held_out, k: rival(held_out, k, repeats=True)


BEST_SELLERS = {"best sellers": rivals.best_sellers}
PAIR_RIVALS = {**BEST_SELLERS, "raw counts": rivals.raw_counts, "cosine": rivals.cosine}
TASTE_RIVALS = {
    "best sellers": of_customers.best_sellers_not_bought,
    "item-kNN": of_customers.item_knn_alone,
    "ALS alone": of_customers.als_alone,
}
HABIT_RIVALS = {**BEST_SELLERS, "most often": of_customers.most_often_bought, "last": of_customers.last_bought}
SESSION_RIVALS = {
    "pairwise counts": of_sessions.pairwise_counts,
    "pairwise counts of the session": of_sessions.pairwise_counts_of_session,
    "next page counts": of_sessions.next_page_counts,
    "session-kNN": of_sessions.session_knn,
    "vector session-kNN": of_sessions.vector_session_knn,
}
PAGE_RIVALS = {**BEST_SELLERS, "pairwise counts": of_sessions.pairwise_counts}
REPEAT_RIVALS = {name: _with_repeats(rival) for name, rival in SESSION_RIVALS.items()}
ORDERS_OF_TWO = "held-out orders with two products"
VIEWS_TO_COME = "held-out views that followed another"

RECOMMENDERS = (
    Recommender(
        kind="popular",
        recommend=popularity.popular,
        evidence=("n_events", "window_days"),
        judged=(Judged("what later orders hold", tasks.next_orders, BEST_SELLERS, 100, "held-out orders or visits", gated=False),),
    ),
    Recommender(kind="trending", recommend=trending.trending, evidence=trending.EVIDENCE, steady=False),
    Recommender(
        kind="also-bought",
        recommend=also_bought.also_bought,
        evidence=also_bought.EVIDENCE,
        section=page.also_bought,
        judged=(
            Judged("anchor to partner, later orders", tasks.partners, PAIR_RIVALS, 100, ORDERS_OF_TWO),
            Judged("anchor to partner, a fifth of the orders", _of_share, PAIR_RIVALS, 100, ORDERS_OF_TWO),
        ),
        choose=also_bought_choice.choose,
        stand_in=also_bought.best_sellers,
    ),
    Recommender(
        kind="frequently-viewed",
        recommend=frequently_viewed.frequently_viewed,
        evidence=frequently_viewed.EVIDENCE,
        section=page.frequently_viewed,
        judged=(Judged("page to another of the visit", tasks.also_viewed, PAGE_RIVALS, 100, "held-out visits of two products"),),
        stand_in=frequently_viewed.best_sellers,
        bundles=bundling.bundles,
    ),
    Recommender(
        kind="view-to-bought",
        recommend=view_to_bought.view_to_bought,
        evidence=view_to_bought.EVIDENCE,
        judged=(
            Judged("page to its visitor's order", view_to_bought.bought_after_view, PAIR_RIVALS, 100, "held-out visits to buy"),
        ),
    ),
    Recommender(
        kind="session-neighbours",
        recommend=session_neighbours.session_neighbours,
        evidence=session_neighbours.EVIDENCE,
        judged=(
            Judged(
                "next new product of a visit", tasks.next_views, {**BEST_SELLERS, **SESSION_RIVALS}, 300, VIEWS_TO_COME,
                k=20, answer=session_neighbours.answer,
            ),
            Judged(
                "next view of a visit", tasks.next_views_with_repeats, {**BEST_SELLERS, **REPEAT_RIVALS}, 300, VIEWS_TO_COME,
                k=20, answer=session_neighbours.answer_with_repeats,
            ),
        ),
        choose=session_neighbours.choose,
        form=NEIGHBOURS,
    ),
    Recommender(
        kind="you-might-like",
        recommend=you_might_like.you_might_like,
        evidence=you_might_like.EVIDENCE,
        section=page.you_might_like,
        judged=(
            Judged(
                "new products of known customers", tasks.new_products, TASTE_RIVALS, 100, "held-out customers with a new product",
                trusted=False, until="best sellers that are new to the customer are shown",
            ),
        ),
        choose=choosing.choose,
        form=REFERENCES,
        stand_in=you_might_like.best_sellers,
    ),
    Recommender(
        kind="buy-again",
        recommend=buy_again.buy_again,
        evidence=buy_again.EVIDENCE,
        judged=(
            Judged("repeated products of known customers", tasks.repeated_products, HABIT_RIVALS, 100, "held-out repeaters"),
        ),
        form=REFERENCES,
    ),
    Recommender("upsell-acceptance", acceptance_impressions.recommend, acceptance.EVIDENCE, form=ROWS, steady=False),
    Recommender("segments", segments.segments, segments.EVIDENCE, form=ROWS, steady=False),
    Recommender("bulk-tiers", bulk_tiers.bulk_tiers, bulk_tiers.EVIDENCE, form=ROWS, steady=False),
    Recommender("usual-quantities", usual_quantities.usual_quantities, usual_quantities.EVIDENCE, form=ROWS, steady=False),
    Recommender(
        "subscription-intervals", subscription_intervals.subscription_intervals, subscription_intervals.EVIDENCE,
        form=ROWS, steady=False,
    ),
)  # fmt: skip


def faults(frame: pl.DataFrame, eligible: pl.Series, form: str = ITEMS) -> list[str]:
    """What is wrong with a RECOMMENDATIONS frame, in words; empty when it may be published.

    Ranks are dense from 1 per anchor, nothing recommends itself or twice, only eligible products are shown, scores are finite.
    A frame of ROWS shows nothing: what it says of a product may stand under that product, more than once, eligible or not.
    """
    # 1 to n in any order: n different numbers, the least of them 1 and the largest n
    dense = (pl.col("rank").min() == 1) & (pl.col("rank").max() == pl.len()) & (pl.col("rank").n_unique() == pl.len())
    per_anchor = frame.group_by("anchor_id", maintain_order=True).agg(dense.fill_null(False).alias("dense"))
    wrong = {
        "ranks are not dense from 1": per_anchor.filter(~pl.col("dense")),
        "a product recommends itself": frame.filter(pl.col("anchor_id") == pl.col("product_id")),
        "a product stands twice under one anchor": frame.filter(pl.struct("anchor_id", "product_id").is_duplicated()),
        "a product that may not be shown": frame.filter(~pl.col("product_id").is_in(eligible.implode()).fill_null(False)),
        NO_SCORE: frame.filter(~pl.col("score").is_finite().fill_null(False)),
        NO_REASON: frame.filter(pl.col("source").is_null() | pl.col("reason").is_null()),
    }
    if form == ROWS:
        wrong = {words: wrong[words] for words in ("ranks are not dense from 1", NO_SCORE, NO_REASON)}
    return [
        f"{words} ({rows.height} times, first at anchor {rows['anchor_id'][0]!r})" for words, rows in wrong.items() if rows.height
    ]
