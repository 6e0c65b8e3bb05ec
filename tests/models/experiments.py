"""Experiments made up for tests: units drawn at random, their moments, and designs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from models.inference import DESIGNS, MOMENTS
from models.metrics import METRICS, PROPORTION, QUANTILE, Metric
from models.quantiles import of_sorted


def units(metric: Metric, n: int, seed: int) -> dict[str, np.ndarray]:
    """Values of `n` units by role: counts and amounts that go together, zeros among them, denominators from 1; where they are for
    a quantile, without ties."""
    rng = np.random.default_rng(seed)
    size = 1.0 + rng.poisson(2.0, n)
    roles = {name for name, _ in metric.columns()}
    chance = rng.random(n)
    amounts = {PROPORTION: (chance < 0.2).astype(float), QUANTILE: rng.lognormal(2.0, 1.0, n)}
    values = {
        "num": amounts.get(metric.kind, rng.poisson(size) * 1.25),
        "den": size,
        "pre_num": rng.poisson(size) + (chance < 0.3),
        "pre_den": size + rng.poisson(1.0, n),
    }
    return {role: values[role] for role in values if role in roles}


def moments_of(
    metric: Metric, values: Mapping[str, np.ndarray], variant: str, experiment: str = "e", **keys: str
) -> dict[str, Any]:
    """One row of MOMENTS by numpy."""
    num = values["num"]
    row: dict[str, Any] = {"experiment_id": experiment, "segment": "", "segment_value": "", "metric": metric.name, **keys}
    row |= {"variant": variant, "n": len(num), "n_positive": int((num > 0).sum())}
    many = len(num) > 1
    for role, column in values.items():
        row[f"mean_{role}"] = float(column.mean()) if len(column) else None
        row[f"var_{role}"] = float(column.var(ddof=1)) if many else None
    for one, other in combinations(values, 2):
        row[f"cov_{one}_{other}"] = float(np.cov(values[one], values[other])[0, 1]) if many else None
    if metric.kind == QUANTILE and metric.quantile is not None:
        value, spread = of_sorted(np.sort(num), [len(num)], metric.quantile)
        row["mean_num"], row["var_num"] = (None if np.isnan(each[0]) else float(each[0]) for each in (value, spread))
    return row


def moments(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """MOMENTS of rows."""
    return pl.DataFrame(rows, schema=MOMENTS)


def designs(*variants: str, experiment: str = "e", primary: str = "conversion", **columns: Any) -> pl.DataFrame:
    """A design whose first variant is the control, with equal weights, alpha .05, ten days, and no planned end."""
    plain = {"weight": 1.0, "alpha": 0.05, "primary_metric": primary, "days": 10.0, "is_ended": False, **columns}
    rows = [
        {"experiment_id": experiment, "variant": variant, "is_control": variant == variants[0], **plain} for variant in variants
    ]
    return pl.DataFrame(rows, schema=DESIGNS)


def drawn(arms: Mapping[str, int], seed: int, metrics: Sequence[Metric] = METRICS, experiment: str = "e") -> pl.DataFrame:
    """MOMENTS of random units: a number of them per arm."""
    rows = [
        moments_of(metric, units(metric, n, seed * 1009 + 31 * place + number), variant, experiment)
        for place, (variant, n) in enumerate(arms.items())
        for number, metric in enumerate(metrics)
    ]
    return moments(rows)


def shares(counts: Mapping[str, tuple[int, int]], experiment: str = "e", metric: str = "conversion") -> pl.DataFrame:
    """MOMENTS of a proportion from (units, positives) per arm, without its covariate."""
    rows = []
    for variant, (n, positive) in counts.items():
        p = positive / n if n else None
        spread = None if p is None or n < 2 else p * (1 - p) * n / (n - 1)
        row = {"experiment_id": experiment, "segment": "", "segment_value": "", "metric": metric, "variant": variant, "n": n}
        rows.append({**row, "n_positive": positive, "mean_num": p, "var_num": spread})
    return moments(rows)
