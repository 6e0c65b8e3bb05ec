"""Acceptance: how often a viewed offer is accepted, by rule, placement and segment; the fewer views, the nearer to the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from models.popularity import LIST_SCHEMA
from models.targeting_facts import GUEST

Floats = NDArray[np.float64]
LEVELS = ("company", "rule", "rule and placement", "rule, placement and segment")
# what each level is known by, from the whole to the parts
KEYS = ("rule_id", "placement", "segment")
# the middle share of what the rate may be
CREDIBLE = 0.9
# how much siblings differ where nothing says so, as a correlation of two impressions of one cell, and how many siblings' worth
# of evidence that is: rates of 8 % then spread by 4 %
PRIOR_CORRELATION, PRIOR_SIBLINGS = 0.02, 5.0
# rates near 0 are skewed, and the variance of what is skewed is known less well: so many siblings are worth one of a normal
SKEWNESS = 2.0
LEAST_CORRELATION, MOST_CORRELATION = 1e-6, 0.5
# how many values of it stand for what is possible at each level, and how they are combined: by a lattice, so that each level's
# values meet all of the others'
DRAWS, STEPS = 16, (1, 5, 7)
TINY = 1e-9
# what a company's rate is taken for before anybody saw anything: one in ten, worth one view
ROOT_ACCEPTED, ROOT_REFUSED = 0.1, 0.9
EVIDENCE = ("level", "placement", "segment", "n_viewed", "n_accepted", "n_declined", "observed_rate", "low", "high", "prior_rate",
            "prior_views")  # fmt: skip
SCHEMA: dict[str, Any] = {
    **LIST_SCHEMA,
    "level": pl.String,
    "placement": pl.String,
    "segment": pl.String,
    "n_viewed": pl.Int64,
    "n_accepted": pl.Int64,
    "n_declined": pl.Int64,
    "observed_rate": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "prior_rate": pl.Float64,
    "prior_views": pl.Float64,
}


@dataclass(frozen=True)
class _Beliefs:
    """Beta beliefs per node: of what is known without the node's own impressions (`prior_`) and with them."""

    prior_a: Floats
    prior_b: Floats
    a: Floats
    b: Floats


def upsell_acceptance(impressions: pl.DataFrame) -> pl.DataFrame:
    """Acceptance rates at anchor "" (the company) and at each rule's id: the rule, its placements, and their segments.

    impressions: rule_id, segment (null: a guest), placement, viewed_at, accepted_at, declined_at; those of an `experiment_id` are
    left out where there is such a column, since a variant is another offer. One that was not viewed does not count, one both
    accepted and declined was accepted.

    score: the mean of a Beta belief about the rate, low and high its middle CREDIBLE share; prior_rate and prior_views: the
    belief before the row's own impressions, as a rate and how many views it is worth. A row starts from what its siblings say of
    their parent (its own impressions left out, so that none counts twice), spread by how much siblings differ (`correlation`),
    of which DRAWS possible values are averaged. Means and variances are matched by Beta distributions.
    """
    cells = counted(impressions)
    if cells.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    levels = _levels(cells)
    believed = enumerate(zip(levels, _believed(levels), strict=True))
    listed = pl.concat([_rows(level, depth, told) for depth, (level, told) in believed])
    ranked = listed.sort("anchor_id", "depth", "placement", "segment").with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("anchor_id").alias("rank")
    )
    return ranked.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def counted(impressions: pl.DataFrame) -> pl.DataFrame:
    """KEYS, n_viewed, n_accepted, n_declined of the impressions that count, by KEYS."""
    # "" stands for all rules, and for all placements
    viewed = impressions.filter((pl.col("rule_id") != "") & (pl.col("placement") != "") & pl.col("viewed_at").is_not_null())
    if "experiment_id" in viewed.columns:
        viewed = viewed.filter(pl.col("experiment_id").is_null())
    accepted = pl.col("accepted_at").is_not_null()
    return (
        viewed.group_by("rule_id", "placement", pl.col("segment").fill_null(GUEST))
        .agg(
            pl.len().cast(pl.Int64).alias("n_viewed"),
            accepted.sum().cast(pl.Int64).alias("n_accepted"),
            (pl.col("declined_at").is_not_null() & ~accepted).sum().cast(pl.Int64).alias("n_declined"),
        )
        .sort(KEYS)
    )


def _levels(cells: pl.DataFrame) -> list[pl.DataFrame]:
    """Counts of the company, of rules, of their placements, and the cells, "" in the keys that a level has not; `parent` is the
    number of a row's parent in the level before."""
    levels: list[pl.DataFrame] = []
    for depth in range(len(KEYS) + 1):
        whole = cells.with_columns(pl.lit("").alias(key) for key in KEYS[depth:])
        level = whole.group_by(KEYS).agg(pl.col("^n_.*$").sum()).sort(KEYS)
        above = level.select(KEYS).with_columns(pl.lit("").alias(key) for key in KEYS[max(0, depth - 1) :])
        numbers = (levels or [level])[-1].select(KEYS).with_row_index("parent")
        joined = above.join(numbers, on=list(KEYS), how="left", maintain_order="left")
        levels.append(level.with_columns(joined["parent"].cast(pl.Int64)))
    return levels


def _believed(levels: list[pl.DataFrame]) -> list[_Beliefs]:
    """Beliefs per level: the mean and the variance over DRAWS values of how much siblings differ at each level."""
    drawn = [_believed_if(levels, [(step * draw % DRAWS + 0.5) / DRAWS for step in STEPS]) for draw in range(DRAWS)]
    return [_matched([beliefs[depth] for beliefs in drawn]) for depth in range(len(levels))]


def _matched(drawn: list[_Beliefs]) -> _Beliefs:
    prior = _matching(np.array([one.prior_a for one in drawn]), np.array([one.prior_b for one in drawn]))
    return _Beliefs(*prior, *_matching(np.array([one.a for one in drawn]), np.array([one.b for one in drawn])))


def _matching(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """The Beta with the mean and variance of the even mixture over rows of a and b."""
    mean = a / (a + b)
    variance = mean * (1 - mean) / (a + b + 1)
    middle, all_variance = mean.mean(axis=0), variance.mean(axis=0) + mean.var(axis=0)
    strength = middle * (1 - middle) / all_variance - 1
    return middle * strength, (1 - middle) * strength


def _believed_if(levels: list[pl.DataFrame], shares: list[float]) -> list[_Beliefs]:
    """Each level's beliefs: what is counted goes up, from the cells to the company, and what is believed comes down."""
    n, k, spread = _messages(levels, shares)
    root_a, root_b = np.full(1, ROOT_ACCEPTED), np.full(1, ROOT_REFUSED)
    believed = [_Beliefs(root_a, root_b, root_a + k[0], root_b + n[0] - k[0])]
    for depth in range(1, len(levels)):
        parent = levels[depth]["parent"].to_numpy()
        own_n, own_k = _seen_from_above(n[depth], k[depth], spread[depth])
        # the parent, as it is known without this one; rounding must not make it negative
        a, b = believed[-1].a[parent] - own_k, believed[-1].b[parent] - (own_n - own_k)
        prior_a, prior_b = _spread_out(np.maximum(a, TINY), np.maximum(b, TINY), spread[depth])
        believed.append(_Beliefs(prior_a, prior_b, prior_a + k[depth], prior_b + n[depth] - k[depth]))
    return believed


def _messages(levels: list[pl.DataFrame], shares: list[float]) -> tuple[list[Floats], list[Floats], list[float]]:
    """Per level, views and acceptances as they bear on its rows (all of a cell's, of a parent what its children's are worth as
    evidence of it), and how much siblings differ."""
    n = [np.zeros(level.height) for level in levels]
    k, spread = [np.zeros(level.height) for level in levels], [0.0] * len(levels)
    n[-1] = levels[-1]["n_viewed"].to_numpy().astype(np.float64)
    k[-1] = levels[-1]["n_accepted"].to_numpy().astype(np.float64)
    for depth in range(len(levels) - 1, 0, -1):
        parent, n_parents = levels[depth]["parent"].to_numpy(), levels[depth - 1].height
        spread[depth] = correlation(n[depth], k[depth], parent, shares[depth - 1])
        own_n, own_k = _seen_from_above(n[depth], k[depth], spread[depth])
        n[depth - 1] = np.bincount(parent, own_n, n_parents).astype(np.float64)
        k[depth - 1] = np.bincount(parent, own_k, n_parents).astype(np.float64)
    return n, k, spread


def correlation(n: Floats, k: Floats, parent: NDArray[np.int64], share: float) -> float:
    """How much siblings differ, at the quantile `share` (0..1) of what their counts leave possible: the correlation of two
    impressions of one sibling, 1 / (strength of a Beta prior + 1), LEAST_CORRELATION..MOST_CORRELATION.

    n, k: impressions (more than 0 each) and acceptances per sibling; parent: the number of whose they are, from 0 without a gap.
    The mean squares between siblings of one parent and within them estimate it (Ridout, Demetrio & Firth, Biometrics 55, 1999);
    their ratio is as uncertain as a variance is whose degrees of freedom are those of the siblings / SKEWNESS, and PRIOR_SIBLINGS
    of PRIOR_CORRELATION besides.
    """
    total_n, total_k = np.bincount(parent, n), np.bincount(parent, k)
    own, freedom, within = k / n, len(n) - len(total_n), float((n - 1).clip(0).sum())
    within_squares = float((n * own * (1 - own)).sum()) / within if within > 0 else 0.0
    size, ratio, weight = float(n.mean()), 0.0, 0.0
    if freedom > 0 and within_squares > 0:
        size = float((total_n - np.bincount(parent, n**2) / total_n).sum()) / freedom
        ratio = float((n * (own - (total_k / total_n)[parent]) ** 2).sum()) / freedom / within_squares
        weight = freedom / SKEWNESS
    prior_ratio = (1 + (size - 1) * PRIOR_CORRELATION) / (1 - PRIOR_CORRELATION)
    drawn = (weight * ratio + PRIOR_SIBLINGS * prior_ratio) / float(special.chdtri(weight + PRIOR_SIBLINGS, share))
    return min(MOST_CORRELATION, max(LEAST_CORRELATION, (drawn - 1) / (drawn + size - 1)))


def _seen_from_above(n: Floats, k: Floats, spread: float) -> tuple[Floats, Floats]:
    """What a sibling's impressions are worth as evidence of its parent's rate: at most as many as the spread lets count."""
    worth = 1 / (1 + (n - 1).clip(0) * spread)
    return n * worth, k * worth


def _spread_out(a: Floats, b: Floats, spread: float) -> tuple[Floats, Floats]:
    """The belief about a child, Beta, from the one about its parent: the same mean, and the children's spread besides."""
    mean, strength = a / (a + b), a + b
    # var = E[p (1 - p)] spread + var p, in units of mean (1 - mean)
    share = (strength * spread + 1) / (strength + 1)
    left = np.maximum(1 / share - 1, 1e-9)
    return mean * left, (1 - mean) * left


def _rows(level: pl.DataFrame, depth: int, told: _Beliefs) -> pl.DataFrame:
    columns = {
        "score": told.a / (told.a + told.b),
        "low": special.betaincinv(told.a, told.b, (1 - CREDIBLE) / 2),
        "high": special.betaincinv(told.a, told.b, (1 + CREDIBLE) / 2),
        "prior_rate": told.prior_a / (told.prior_a + told.prior_b),
        "prior_views": told.prior_a + told.prior_b,
    }
    believed = level.with_columns(pl.Series(name, values).round(6) for name, values in columns.items())
    percent, views = (100 * pl.col("prior_rate")).round(1), pl.col("prior_views").round(0).cast(pl.Int64)
    others = pl.format("; others say {} %, worth {} views", percent, views) if depth else pl.lit("")
    return believed.with_columns(
        pl.col("rule_id").alias("anchor_id"),
        pl.lit("").alias("product_id"),
        pl.lit(depth).alias("depth"),
        pl.lit(LEVELS[depth]).alias("source"),
        pl.lit(LEVELS[depth]).alias("level"),
        (pl.format("{} of {} views accepted", "n_accepted", "n_viewed") + others).alias("reason"),
        (pl.col("n_accepted") / pl.col("n_viewed")).round(6).alias("observed_rate"),
    )
