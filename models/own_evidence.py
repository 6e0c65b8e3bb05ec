"""Own evidence: what is known of two products together, from orders, from visits and from their names, ranked by one rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from models import co_occurrence, scores
from models.features import LONGEST_LOOKBACK_DAYS, Features
from models.similar_titles import Titles

# pairs are cut by weighted count, then by minCoOccurrences, and ranked by their score: the surplus is what both choose from
SURPLUS = 3
MARGIN_BOOST = 0.5
CO_PURCHASE, EARLIER, CO_VIEW, SIMILAR_TITLE = range(4)
SOURCES = ("co-purchase", "co-purchase before the window", "co-view", "similar title")
UNITS = ("orders", "orders of all time", "visits")
EVIDENCE = ("n_xy", "n_x", "n_y", "n_baskets", "expected", "lift", "llr", "similarity", "window_days")
LIST = ("anchor_id", "product_id", "link", "link_rank", "score", "source", "reason", *EVIDENCE)


@dataclass(frozen=True)
class Rule:
    """How pairs are scored; what a company's held-out days may choose.

    score: a name of SCORES. half_life_days: of a basket's weight. prior: the number of baskets of what everybody buys that a
    product's own are diluted with. gate: the least signed LLR of a pair; by default only what is significantly (p = .001) rarer
    than by chance is left out. title: two products of the same title score 1 + title times as much as two without a common
    word. nearby: whether similar titles and the category's best sellers fill a list before those of the company.
    """

    score: str = "share"
    half_life_days: float = co_occurrence.HALF_LIFE_DAYS
    prior: float = 20.0
    gate: float = -scores.HIGHLY_SIGNIFICANT_LLR
    title: float = 1.0
    nearby: bool = True


_N_XY, _N_X, _N_Y, _N = (pl.col(name) for name in ("n_xy", "n_x", "n_y", "n_baskets"))
# each in 0..1
SCORES: dict[str, Callable[[Rule], pl.Expr]] = {
    "share": lambda rule: scores.share(pl.col("w_xy"), pl.col("w_x"), pl.col("share_y"), rule.prior),
    "cosine": lambda rule: scores.discounted(_N_XY, _N_X + rule.prior, _N_Y + rule.prior),
    "jaccard": lambda rule: scores.jaccard(_N_XY, _N_X + rule.prior, _N_Y + rule.prior),
    "llr": lambda rule: _below_one(pl.col("llr") / _N),
    "corrected": lambda rule: _below_one(scores.corrected(_N_XY, pl.col("expected_of_others"))),
}


def counted(features: Features, candidates: pl.Series, rule: Rule, titles: Titles) -> pl.DataFrame:
    """Pairs of at least minCoOccurrences, from orders in the window, from orders of all time (where some are older) and from
    visits in the window: the columns of co_occurrence, link, n_baskets, window_days, expected (if independent), lift, llr,
    similarity (of the names, 0..1), and expected_of_others where the rule's score asks for it.

    What is evidence, the window says; what is likelier, all orders do: pairs in the window have the weights of all time, in which
    old orders have decayed.
    """
    rules = features.config.also_bought
    found = []
    for link, baskets, days in _sources(features, rules["lookbackDays"]):
        statistics = co_occurrence.pair_statistics(baskets, candidates, SURPLUS * rules["maxResults"], rule.half_life_days)
        enough = statistics.pairs.filter(pl.col("n_xy") >= rules["minCoOccurrences"])
        if rule.score == "corrected":
            enough = enough.with_columns(_expected_of_others(enough, baskets))
        whole = {"link": link, "n_baskets": statistics.n_baskets, "window_days": days}
        found.append(enough.with_columns(pl.lit(value, dtype=pl.Int64).alias(name) for name, value in whole.items()))
    weighted = _with_weights_of_all_time(pl.concat(found))
    return weighted.with_columns(
        titles.similarity(weighted),
        scores.expected(_N_X, _N_Y, _N).alias("expected"),
        scores.lift(_N_XY, _N_X, _N_Y, _N).alias("lift"),
        scores.llr(_N_XY, _N_X, _N_Y, _N).alias("llr"),
    )


def ranked(pairs: pl.DataFrame, rule: Rule, features: Features) -> pl.DataFrame:
    """LIST of the pairs that pass the gate; link_rank from 0 within anchor and link, best score first, equal ones by n_xy, n_y
    and id; a product stands in the first of an anchor's links that has it."""
    passed = pairs.filter(pl.col("llr") >= rule.gate)
    alike = (1 + rule.title * pl.col("similarity")) / (1 + rule.title)
    words = pl.format("{} of {} {}; {} times as often as by chance", "n_xy", "n_x", _name("link", UNITS), pl.col("lift").round(1))
    scored = passed.with_columns((SCORES[rule.score](rule) * alike).alias("score"), words.alias("reason"))
    return _listed(scored, features)


def similar(anchors: pl.Series, candidates: pl.Series, top_n: int, features: Features, titles: Titles) -> pl.DataFrame:
    """LIST of the `top_n` candidates whose names are most like each anchor's; score is the similarity."""
    near = titles.nearest(anchors, candidates, top_n)
    reason = pl.format("its name shares {}", titles.in_common(near))
    window = pl.lit(features.config.also_bought["lookbackDays"], dtype=pl.Int64)
    counts = [pl.lit(None, dtype=pl.Int64).alias(name) for name in ("n_xy", "n_x", "n_y", "n_baskets")]
    shares = [pl.lit(None, dtype=pl.Float64).alias(name) for name in ("expected", "lift", "llr")]
    link = pl.lit(SIMILAR_TITLE, dtype=pl.Int64).alias("link")
    titled = near.with_columns(reason.alias("reason"), pl.col("similarity").alias("score"), window.alias("window_days"), link)
    return _listed(titled.with_columns(*counts, *shares), features)


def _listed(scored: pl.DataFrame, features: Features) -> pl.DataFrame:
    rules = features.config.also_bought
    goods = features.products.select("product_id", "in_stock", _margin().alias("margin"))
    score = pl.col("score").fill_nan(0).fill_null(0)
    if rules["boostHighMargin"]:
        score = score * (1 + MARGIN_BOOST * pl.col("margin")) / (1 + MARGIN_BOOST)
    stocked = pl.col("in_stock") if rules["boostInStock"] else pl.lit(True)
    order = {"anchor_id": False, "link": False, "ahead": True, "score": True, "n_xy": True, "n_y": True, "product_id": False}
    return (
        scored.join(goods, on="product_id")
        .with_columns(score.clip(0, 1).round(6).alias("score"), stocked.alias("ahead"))
        .sort(list(order), descending=list(order.values()), nulls_last=True)
        .unique(["anchor_id", "product_id"], keep="first", maintain_order=True)
        .with_columns(
            pl.int_range(pl.len()).over("anchor_id", "link").alias("link_rank"),
            _name("link", SOURCES).alias("source"),
            pl.col("expected", "lift", "llr").round(6),
        )
        .select(LIST)
    )


def _sources(features: Features, window_days: int) -> list[tuple[int, pl.DataFrame, int]]:
    """link, baskets as co_occurrence takes them, and the days that they span."""
    recent, everything = features.recent_baskets(window_days), features.recent_baskets(LONGEST_LOOKBACK_DAYS)
    sources = [(CO_PURCHASE, recent, window_days)]
    if recent.height < everything.height:
        oldest = everything.select(pl.col("age_days").max()).item()
        sources.append((EARLIER, everything, int(oldest) + 1))
    # a view that we suggested says what we think, not what the visitor does
    seen = features.recent_views(window_days).filter(pl.col("source").ne_missing("RECOMMENDATION"))
    if not seen.is_empty():
        visits = replace(features, views=seen).sessions().group_by("visit_id", "product_id").agg(pl.col("age_days").min())
        sources.append((CO_VIEW, visits.rename({"visit_id": "order_id"}), window_days))
    return sources


def _expected_of_others(pairs: pl.DataFrame, baskets: pl.DataFrame) -> pl.Series:
    sized = baskets.select("product_id", (pl.len().over("order_id").cast(pl.Int64) - 1).alias("others"))
    sizes = sized.filter(pl.col("others").is_between(1, co_occurrence.MAX_BASKET_PRODUCTS - 1))
    counts = sizes.group_by(pl.col("product_id").alias("anchor_id"), "others").agg(pl.len().alias("n"))
    bought = pairs.select("anchor_id", (_N_Y / baskets.height).alias("share_y"))
    return scores.expected_of_others(bought, counts).alias("expected_of_others")


def _with_weights_of_all_time(pairs: pl.DataFrame) -> pl.DataFrame:
    earlier = pairs.filter(link=EARLIER).with_columns(pl.lit(CO_PURCHASE, dtype=pl.Int64).alias("link"))
    of_anchor = earlier.select("anchor_id", "link", pl.col("w_x").alias("w_x_all")).unique(["anchor_id", "link"])
    of_pair = earlier.select("anchor_id", "product_id", "link", pl.col("w_xy", "share_y").name.suffix("_all"))
    joined = pairs.join(of_anchor, on=["anchor_id", "link"], how="left").join(
        of_pair, on=["anchor_id", "product_id", "link"], how="left"
    )
    names = ("w_xy", "w_x", "share_y")
    return joined.with_columns(pl.coalesce(f"{name}_all", name).alias(name) for name in names).drop(f"{name}_all" for name in names)


def _margin() -> pl.Expr:
    """(price - cost) / price, 0..1; 0 where the cost is not known."""
    price = pl.col("price_cents")
    return pl.when(price > 0).then((price - pl.col("cost_cents")) / price).clip(0, 1).fill_null(0)


def _name(column: str, names: tuple[str, ...]) -> pl.Expr:
    return pl.col(column).replace_strict(dict(enumerate(names)), return_dtype=pl.String)


def _below_one(score: pl.Expr) -> pl.Expr:
    return 1 - 1 / (1 + score.clip(0))
