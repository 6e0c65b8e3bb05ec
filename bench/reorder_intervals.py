"""Reorder intervals: the next gap of customer-product pairs predicted by us and by the rivals, a planted shop, and the cost.

python -m bench.reorder_intervals [--share 0..1] [--rounds N] [--lines N] [--pairs N] [--json]

Online Retail (orders of product codes, with customer, quantity and price above 0, no cancellations; a day's orders are one), three
protocols. `last gap`: every pair with 3 (5) purchase days, its last gap predicted from all pairs' earlier gaps; rivals and `ours,
gaps alone` know nothing else. `last gap, end known`: also the days from the last known purchase to the window's end, before which
the gap has closed; `ours` knows this, `ours, last` also that no other purchase followed. First they stand beside the rivals as
these are, then beside rivals that say at most half of those days.
`as of`: 90 days before the end, pairs with two gaps, with the days since their last purchase; gaps that close later. Ratios are
to the protocol's best rival, over bootstrap draws of customers. `planted`: relative error of a simulated shop's intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench.measure import cost, show
from flows.simulate import simulate
from flows.simulate_truth import NOT_COUNTED
from models import reorder_prediction as prediction
from models.configuration import merge
from models.features import Features
from models.reorder_estimates import coded, estimate
from models.reorder_gaps import PAIR, gaps, purchase_days
from models.reorder_rivals import RIVALS
from models.subscription_frequency import DAYS, nearest
from models.subscription_intervals import subscription_intervals

ORDERS = Path(__file__).parents[1] / "flows" / "samples" / "online-retail" / "orders.parquet"
SEED = 20_110_901
CLASSES = (3, 5)
BEFORE_END = timedelta(days=90)
MIDDLE, TAILS = 0.5, np.array([0.1, 0.5, 0.9])
BOUNDS = np.sqrt(DAYS[1:] * DAYS[:-1])


def bought(share: float) -> pl.DataFrame:
    """The sample's baskets of a share of its customers."""
    orders = pl.read_parquet(ORDERS)
    known = orders.filter(
        pl.col("customer_id").is_not_null(),
        ~pl.col("is_cancellation"),
        pl.col("quantity") > 0,
        pl.col("unit_price") > 0,
        pl.col("product_id").str.contains(r"^\d{5}"),
    )
    customers = known["customer_id"].unique().sort()
    return known.filter(pl.col("customer_id").is_in(customers.head(max(1, int(len(customers) * share))).implode())).with_columns(
        pl.col("ordered_at").dt.replace_time_zone("UTC")
    )


def rows_until(baskets: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """Coded gaps of what was bought before `end`."""
    past = baskets.filter(pl.col("ordered_at") < end)
    return coded(gaps(purchase_days(past), end), _without_categories(past))


def _without_categories(baskets: pl.DataFrame) -> pl.DataFrame:
    return baskets.select("product_id").unique().with_columns(pl.lit(None, dtype=pl.String).alias("category_id"))


def last_gaps(rows: pl.DataFrame, end: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is known, all pairs' gaps but their last, and what is asked for, the last of pairs with one more, with days_left."""
    closed = rows.filter(~pl.col("is_open"))
    is_last = pl.col("number") == pl.col("n_gaps") - 1
    known = closed.filter(~is_last).with_columns(pl.col("n_gaps") - 1)
    left = (pl.lit(end).dt.date() - pl.col("bought_on")).dt.total_days().cast(pl.Float64)
    return known, closed.filter(is_last & (pl.col("n_gaps") >= 2)).with_columns(left.alias("days_left"))


def levels_that_cover(baskets: pl.DataFrame, end: datetime, is_last: bool) -> np.ndarray:
    """The levels between which four of five gaps of an earlier window lay; no gap that is asked for later is looked at."""
    asked_later = last_gaps(rows_until(baskets, end), end)[1].select(*PAIR, "bought_on")
    earlier = end - BEFORE_END
    known, asked = last_gaps(rows_until(baskets, earlier), earlier)
    own = asked.join(asked_later, on=[*PAIR, "bought_on"], how="anti")
    model = estimate(known)
    if model is None or own.is_empty():
        return TAILS
    reached = prediction.reached(*model.predict(own), own["days_left"].to_numpy(), own["days"].to_numpy(), is_last)
    low, high = np.quantile(reached, (TAILS[0], TAILS[-1]))
    return np.array([low, MIDDLE, high])


def judge(asked: pl.DataFrame, answers: Mapping[str, np.ndarray], ranges: Mapping[str, np.ndarray], names: dict[str, str],
          chosen: Mapping[str, np.ndarray], rounds: int) -> list[dict[str, Any]]:  # fmt: skip
    """A row per class and answer: days of error, its ratio to the best rival's, share in the right bucket, coverage."""
    days, n_days = asked["days"].to_numpy(), asked["n_gaps"].to_numpy() + 1
    customers = asked["customer_id"].rank("dense").to_numpy().astype(np.int64) - 1
    draws = np.random.default_rng(SEED).poisson(1.0, (rounds, int(customers.max()) + 1))
    found = []
    for least in CLASSES:
        own = n_days >= least
        errors = {name: np.abs(answer - days) for name, answer in answers.items()}
        best = min((name for name in answers if not name.startswith("ours")), key=lambda name: errors[name][own].mean())
        by_draw = {name: draws @ np.bincount(customers[own], error[own], draws.shape[1]) for name, error in errors.items()}
        for name, error in errors.items():
            ratios = by_draw[name] / by_draw[best]
            buckets = chosen.get(name, nearest(np.maximum(answers[name], 1)))
            inside = (days >= ranges[name][:, 0]) & (days <= ranges[name][:, 1]) if name in ranges else None
            found.append({
                **names, "what": name, "purchase days": f">= {least}", "pairs": int(own.sum()),
                "MAE days": round(float(error[own].mean()), 2), "median error": round(float(np.median(error[own])), 1),
                "ratio to best rival": round(float(error[own].mean() / errors[best][own].mean()), 3),
                "95 %": "{:.3f} to {:.3f}".format(*np.quantile(ratios, (0.025, 0.975))),
                "right bucket": round(float((buckets == nearest(days))[own].mean()), 3),
                "in 80 % range": "" if inside is None else round(float(inside[own].mean()), 3),
            })  # fmt: skip
    return found


def buckets_of(mean: np.ndarray, sd: np.ndarray, left: np.ndarray, is_last: bool) -> np.ndarray:
    """The likeliest frequency bucket."""
    below = [prediction.reached(mean, sd, left, np.full(len(mean), bound), is_last) for bound in BOUNDS]
    return np.asarray(np.diff(np.stack([0 * mean, *below, 1 + 0 * mean]), axis=0).argmax(axis=0))


def of_last_gaps(baskets: pl.DataFrame, end: datetime, rounds: int) -> list[dict[str, Any]]:
    """Both protocols of the last gap."""
    known, asked = last_gaps(rows_until(baskets, end), end)
    model, left = estimate(known), asked["days_left"].to_numpy()
    if model is None:
        raise SystemExit("No pair has three purchase days: take a larger share.")
    mean, sd = model.predict(asked)
    simple = {name: rival(known, asked) for name, rival in RIVALS.items()}
    alone = {"ours, gaps alone": np.stack(model.range_of(mean, sd, asked["number"].to_numpy()), axis=1)}
    rows = judge(asked, simple | {"ours, gaps alone": np.exp(mean)}, alone, {"protocol": "last gap"}, {}, rounds)
    bounded = {name: np.minimum(answer, left / 2) for name, answer in simple.items()} | {"half of what is left": left / 2}
    ranges, chosen = {}, {}
    for name, is_last in (("ours", False), ("ours, last", True)):
        told = prediction.within(mean, sd, left, levels_that_cover(baskets, end, is_last), is_last)
        bounded[name], ranges[name] = told[:, 1], told[:, [0, 2]]
        chosen[name] = buckets_of(mean, sd, left, is_last)
    ours = {name: bounded[name] for name in ("ours", "ours, last")}
    against_all = judge(asked, simple | ours, ranges, {"protocol": "last gap, end known to us alone"}, chosen, rounds)
    fair = judge(asked, bounded, ranges, {"protocol": "last gap, end known"}, chosen, rounds)
    return rows + [row for row in against_all if row["what"] in ours] + fair


def as_of(baskets: pl.DataFrame, end: datetime, rounds: int) -> list[dict[str, Any]]:
    """Open gaps at BEFORE_END that close later, by the conditional median; and the error at least, of all that were asked for."""
    then = end - BEFORE_END
    rows = rows_until(baskets, then)
    later = (
        purchase_days(baskets.filter(pl.col("ordered_at") >= then)).group_by(PAIR).agg(pl.col("bought_on").min().alias("next_on"))
    )
    open_gaps = rows.filter(pl.col("is_open") & (pl.col("n_gaps") >= 2) & (pl.col("days") > 0)).join(
        later, on=list(PAIR), how="left", maintain_order="left"
    )
    until = pl.col("next_on").fill_null(pl.lit(end).dt.date()) - pl.col("bought_on")
    asked = open_gaps.with_columns(pl.col("days").cast(pl.Float64).alias("open_days"), until.dt.total_days().alias("days"))
    waited, closed, model = asked["open_days"].to_numpy(), rows.filter(~pl.col("is_open")), estimate(rows)
    if model is None or asked.is_empty():
        return []
    mean, sd = model.predict(asked)
    answers = {name: np.maximum(rival(closed, asked), waited) for name, rival in RIVALS.items()}
    answers["ours"] = prediction.quantile(mean, sd, MIDDLE, waited)
    has_closed = asked["next_on"].is_not_null()
    told = {name: answer[has_closed.to_numpy()] for name, answer in answers.items()}
    judged = judge(asked.filter(has_closed), told, {}, {"protocol": "as of"}, {}, rounds)
    least = {
        name: np.where(has_closed, abs(answer - asked["days"].to_numpy()), np.maximum(0, asked["days"].to_numpy() - answer)).mean()
        for name, answer in answers.items()
    }
    for row in judged:
        row["MAE with open"] = round(float(least[row["what"]]), 2)
    return judged


def planted(lines: int) -> list[dict[str, Any]]:
    """Relative error of the intervals that a simulated shop has planted, of pairs with five gaps, through the published kind."""
    frames = simulate(lines, 1)
    sold = frames["orders"].filter(
        ~pl.col("is_cancellation"), ~pl.col("status").cast(pl.String).is_in(NOT_COUNTED), pl.col("environment") == "production"
    )
    shop = _features(sold.with_columns(pl.col("ordered_at").dt.replace_time_zone("UTC")), frames["products"])
    lists = subscription_intervals(shop)
    both = lists.filter((pl.col("level") == "personal") & (pl.col("n_gaps") >= 5)).join(
        frames["truth_intervals"].rename({"interval_days": "true_days"}),
        left_on=["anchor_id", "product_id"], right_on=["customer_id", "product_id"],
    )  # fmt: skip
    error = (both["expected_interval_days"] / both["units"] / both["true_days"] - 1).abs().median()
    named = {"protocol": f"planted, {lines:,} lines", "what": "ours", "pairs": both.height}
    return [{**named, "median relative error": error}]


def _features(baskets: pl.DataFrame, products: pl.DataFrame) -> Features:
    catalogue = products.select(
        "product_id", pl.col("category").alias("category_id"), is_shown=True, in_stock=True, average_rating=pl.lit(None, pl.Float64)
    )
    columns = (
        "order_id",
        "customer_id",
        "product_id",
        pl.col("quantity").cast(pl.Int64),
        pl.col("ordered_at").cast(pl.Datetime("us", "UTC")),
    )
    views = pl.DataFrame(schema={"viewed_at": pl.Datetime("us", "UTC")})
    end = baskets["ordered_at"].max()
    return Features(
        "shop",
        end if isinstance(end, datetime) else datetime(2026, 1, 1, tzinfo=UTC),
        baskets.select(columns),
        views,
        catalogue,
        merge({}),
    )


def at_scale(pairs: int) -> list[dict[str, Any]]:
    """CPU and memory of the whole kind on drawn pairs, a fifth of them with two gaps and more."""
    rng = np.random.default_rng(SEED)
    n_orders = 1 + rng.poisson(0.9, pairs)
    pair = np.repeat(np.arange(pairs), n_orders)
    first, interval = rng.uniform(0, 300, pairs), np.exp(rng.normal(3.7, 0.6, pairs))
    at = first[pair] + rng.uniform(0.5, 1.5, len(pair)) * interval[pair] * (
        np.arange(len(pair)) - (np.cumsum(n_orders) - n_orders)[pair]
    )
    start = datetime(2025, 1, 1, tzinfo=UTC)
    drawn = pl.DataFrame({
        "customer_id": pl.Series(pair // 10).cast(pl.String), "product_id": pl.Series((pair * 7919) % 20_000).cast(pl.String),
        "order_id": pl.Series(np.arange(len(pair))).cast(pl.String), "quantity": rng.integers(1, 4, len(pair)),
        "ordered_at": pl.Series((at * 86_400e6).astype(np.int64)).cast(pl.Duration("us")),
    }).with_columns((pl.lit(start) + pl.col("ordered_at")).alias("ordered_at"))  # fmt: skip
    baskets = drawn.filter(pl.col("ordered_at") < start + timedelta(days=600))
    products = (
        baskets.select("product_id").unique().with_columns((pl.col("product_id").str.len_chars().cast(pl.String)).alias("category"))
    )
    shop = replace(_features(baskets, products), window_end=start + timedelta(days=600))
    before = cost(lambda: None).peak_mb
    spent = cost(lambda: subscription_intervals(shop))
    return [{"protocol": "cost", "what": "ours", "pairs": pairs, "orders": baskets.height, "wall s": spent.wall, "CPU s": spent.cpu,
             "peak MB over data": round(spent.peak_mb - before)}]  # fmt: skip


def main() -> None:
    """Judge, then find what was planted, then measure."""
    parser = argparse.ArgumentParser("python -m bench.reorder_intervals", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    baskets = bought(given.share)
    end = baskets["ordered_at"].max()
    if not isinstance(end, datetime):
        raise SystemExit("The sample holds no orders.")
    # the window's last day belongs to it
    end += timedelta(seconds=1)
    rows = (
        of_last_gaps(baskets, end, given.rounds) + as_of(baskets, end, given.rounds) + planted(given.lines) + at_scale(given.pairs)
    )
    columns = list(dict.fromkeys(name for row in rows for name in row))
    show("next gap between purchases of a customer-product pair", [{name: row.get(name, "") for name in columns} for row in rows])


if __name__ == "__main__":
    main()
