"""CPU of inference from moments, frame to frame, beside a bare numpy closed form of the same figures and beside tea-tasting.

python -m bench.inference [--experiments N] [--slow N] [--rounds N] [--json]

Two arms, three metrics: a proportion, a mean and a ratio. Ours is measured twice: all of `infer`, where frames are joined, arms
find their controls, and what is null gets its reason; and `compared` alone, the statistics over arrays. The closed form is given
arrays whose arms stand side by side, and computes, without a check, what ours has: estimates, standard errors, fixed and
always-valid intervals and p-values, lifts, posteriors, Holm and Benjamini-Hochberg for three metrics; it is measured on its arrays,
and from the same frames to such a frame, whose arms it takes to be complete. tea-tasting analyses the first --slow experiments
from its aggregates, one by one as its interface has it, and computes less (no sequential interval, no posterior); its time is
shown per 1,000. The figures of all must agree to 1e-9, or the bench fails.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import polars as pl
from scipy import special

from bench.measure import Cost, interleaved, median, show
from models.arms import arranged
from models.inference import DESIGNS, MOMENTS, compared, infer
from models.metrics import Metric

METRICS = (
    Metric("conversion", "proportion", "is_buyer"),
    Metric("revenue", "mean", "revenue_cents", scale=0.01, unit="currency"),
    Metric("order_value", "ratio", "revenue_cents", "n_orders", scale=0.01, unit="currency"),
)
ALPHA, N_STAR, PRIOR_SD = 0.05, 5_000, 0.3
WARM = 3


def main() -> None:
    """Draw moments, then run the three in turn."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--experiments", type=int, default=1_000)
    arguments.add_argument("--slow", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    arms = drawn(given.experiments)
    moments, designs = framed(arms)
    n_slow = min(given.slow, given.experiments)
    few = {name: values[:n_slow] for name, values in arms.items()}
    _agree(infer(moments, designs, METRICS), closed_form(arms), tea_tasting(few))
    for _ in range(WARM):
        infer(moments, designs, METRICS)
        closed_form_of_frames(moments)
    placed = arranged(moments, designs, METRICS)
    costs = interleaved(
        given.rounds,
        frames=lambda: infer(moments, designs, METRICS),
        numpy_frames=lambda: closed_form_of_frames(moments),
        ours=lambda: compared(placed, METRICS, N_STAR, PRIOR_SD),
        numpy=lambda: closed_form(arms),
        tea=lambda: tea_tasting(few),
    )
    per_thousand = {name: 1_000 / (n_slow if name == "tea" else given.experiments) for name in costs}
    base = _milliseconds(costs["numpy"], per_thousand["numpy"])
    what = {
        "frames": "ours, frames to frame",
        "numpy_frames": "bare numpy, frames to frame",
        "ours": "ours, arrays",
        "numpy": "bare numpy, arrays",
        "tea": "tea-tasting, fewer figures",
    }
    rows: list[dict[str, Any]] = [
        {"what": what[name], "CPU ms": (spent := _milliseconds(costs[name], factor)), "of numpy's": spent / base}
        for name, factor in per_thousand.items()
    ]
    show(f"1,000 experiments x 3 metrics from moments, medians of {given.rounds}, of {given.experiments:,} ({n_slow:,})", rows)


def drawn(n_experiments: int) -> dict[str, np.ndarray]:
    """Moments as arrays, experiments x metrics x arms."""
    rng = np.random.default_rng(5)
    shape = (n_experiments, len(METRICS), 2)
    n = np.broadcast_to(rng.integers(2_000, 20_000, (n_experiments, 1, 2)), shape).astype(float)
    share = rng.uniform(0.02, 0.2, shape)
    share = np.round(share * n) / n
    revenue, spread, orders = rng.uniform(500, 900, shape), rng.uniform(1e6, 9e6, shape), rng.uniform(0.1, 0.3, shape)
    is_share = np.arange(3)[None, :, None] == 0
    deviation = rng.uniform(0.3, 0.6, shape)
    return {
        "n": n,
        "mean_num": np.where(is_share, share, revenue),
        "var_num": np.where(is_share, share * (1 - share) * n / (n - 1), spread),
        "mean_den": orders,
        "var_den": deviation**2,
        "cov_num_den": 0.5 * deviation * np.sqrt(spread),
    }


def framed(arms: dict[str, np.ndarray]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same as MOMENTS and DESIGNS."""
    shape = arms["n"].shape
    experiment, metric, arm = (each.ravel() for each in np.indices(shape))
    ids = pl.Series([f"experiment-{number:06}" for number in range(shape[0])])
    is_ratio = metric == 2
    columns: dict[str, Any] = {name: values.ravel() for name, values in arms.items()}
    moments = pl.DataFrame(
        {
            "experiment_id": ids.gather(experiment),
            "segment": "",
            "segment_value": "",
            "metric": pl.Series([each.name for each in METRICS]).gather(metric),
            "variant": pl.Series(["control", "treatment"]).gather(arm),
            **columns,
            "n_positive": (columns["n"] / 10).astype(np.int64),
        }
    ).with_columns(
        pl.col("n").cast(pl.Int64),
        *(pl.when(pl.Series(is_ratio)).then(pl.col(name)).alias(name) for name in ("mean_den", "var_den", "cov_num_den")),
        *(pl.lit(None, MOMENTS[name]).alias(name) for name in MOMENTS if "pre_" in name),
    )
    designs = pl.DataFrame(
        {
            "experiment_id": ids.gather(np.repeat(np.arange(shape[0]), 2)),
            "variant": ["control", "treatment"] * shape[0],
            "weight": 1.0,
            "is_control": [True, False] * shape[0],
            "alpha": ALPHA,
            "primary_metric": "conversion",
            "planned_units": None,
            "looks": None,
            "days": 10.0,
            "is_ended": False,
        },
        schema=DESIGNS,
    )
    return moments.select(list(MOMENTS)), designs


def closed_form(arms: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every figure of RESULTS, experiments x metrics, by formulas written out."""
    n0, n1 = arms["n"][..., 0], arms["n"][..., 1]
    scale = np.array([metric.scale for metric in METRICS])
    mean, variance = arms["mean_num"].copy(), arms["var_num"].copy()
    ratio = arms["mean_num"][:, 2] / arms["mean_den"][:, 2]
    linear = arms["var_num"][:, 2] + ratio**2 * arms["var_den"][:, 2] - 2 * ratio * arms["cov_num_den"][:, 2]
    mean[:, 2], variance[:, 2] = ratio, linear / arms["mean_den"][:, 2] ** 2
    deviation = np.sqrt(variance) * scale[:, None]
    share = mean[:, 0]
    variance[:, 0] = share * (1 - share)
    mean *= scale[:, None]
    part = variance * (scale**2)[:, None] / arms["n"]
    error = np.sqrt(part.sum(axis=2))
    df = error**4 / (part[..., 0] ** 2 / (n0 - 1) + part[..., 1] ** 2 / (n1 - 1))
    null = error.copy()
    pooled = (n0 * mean[..., 0] + n1 * mean[..., 1])[:, 0] / (n0 + n1)[:, 0]
    null[:, 0] = np.sqrt(pooled * (1 - pooled) * (1 / n0[:, 0] + 1 / n1[:, 0]))
    df[:, 0] = np.inf
    difference = mean[..., 1] - mean[..., 0]
    p = 2 * special.stdtr(df, -np.abs(difference / null))
    half = -special.stdtrit(df, ALPHA / 2) * null
    deviance = -2 * np.log(ALPHA)
    rho = (n0 + n1) * (deviance + np.log(deviance + 1)) / N_STAR
    wide = null * np.sqrt(2 * (rho + 1) / rho * np.log(np.sqrt(rho + 1) / ALPHA))
    p_always_valid = np.minimum(1, np.sqrt(rho + 1) * np.exp(-rho * (difference / null) ** 2 / (2 * (rho + 1))))
    base = mean[..., 0]
    kept = (PRIOR_SD * base) ** 2 / ((PRIOR_SD * base) ** 2 + error**2)
    centre, spread = kept * difference, np.sqrt(kept) * error
    z = centre / spread
    density = spread * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    # two secondary goals: Benjamini-Hochberg in closed form; one arm: Holm changes nothing
    first, last = p_always_valid[:, 1:].min(axis=1), p_always_valid[:, 1:].max(axis=1)
    adjusted = p_always_valid.copy()
    adjusted[:, 1:] = np.where(p_always_valid[:, 1:] == last[:, None], last[:, None], np.minimum(2 * first, last)[:, None])
    called = adjusted <= ALPHA
    called[:, 1:] &= called[:, :1]
    return {
        "mean": mean,
        "standard_deviation": deviation,
        "difference": difference,
        "standard_error": null,
        "low": difference - half,
        "high": difference + half,
        "low_always_valid": difference - wide,
        "high_always_valid": difference + wide,
        "p": p,
        "p_always_valid": p_always_valid,
        "p_adjusted": adjusted,
        "is_significant": called,
        "lift": np.where(base > 1.5 * np.sqrt(part[..., 0]), difference / base, np.nan),
        "chance_to_win": special.ndtr(z),
        "expected_loss": density - centre * special.ndtr(-z),
        "expected_loss_of_control": density + centre * special.ndtr(z),
    }


def closed_form_of_frames(moments: pl.DataFrame) -> pl.DataFrame:
    """The closed form of MOMENTS that has every arm: sorted, laid side by side, and given back with its keys."""
    ordered = moments.sort("experiment_id", "metric", "variant")
    shape = (-1, len(METRICS), 2)
    order = [sorted(metric.name for metric in METRICS).index(metric.name) for metric in METRICS]
    names = ("n", "mean_num", "var_num", "mean_den", "var_den", "cov_num_den")
    arms = {name: ordered[name].cast(pl.Float64).to_numpy().reshape(shape)[:, order] for name in names}
    found = {name: values[..., 1] if values.ndim == 3 else values for name, values in closed_form(arms).items()}
    keys = ordered[1::2].select("experiment_id", "metric", "variant", "n")
    back = np.argsort(order)
    return keys.hstack(pl.DataFrame({name: values[:, back].ravel() for name, values in found.items()}))


def tea_tasting(arms: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Differences and p-values, experiments x metrics, by its means, ratios and a normal test for the proportion."""
    import tea_tasting as tt
    from tea_tasting.aggr import Aggregates

    metrics = (tt.Mean("x", use_t=False, equal_var=False), tt.Mean("x"), tt.RatioOfMeans("x", "y"))
    found = np.empty((2, *arms["n"].shape[:2]))
    for experiment, metric in np.ndindex(*arms["n"].shape[:2]):
        both = []
        for arm in range(2):
            own = {name: float(values[experiment, metric, arm]) for name, values in arms.items()}
            both.append(
                Aggregates(
                    count_=int(own["n"]),
                    mean_={"x": own["mean_num"], "y": own["mean_den"]},
                    var_={"x": own["var_num"], "y": own["var_den"]},
                    cov_={("x", "y"): own["cov_num_den"]},
                )
            )
        result = metrics[metric].analyze_aggregates(*both)
        found[:, experiment, metric] = result.effect_size * METRICS[metric].scale, result.pvalue
    return {"difference": found[0], "p": found[1]}


def _agree(ours: pl.DataFrame, bare: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    order = {metric.name: number for number, metric in enumerate(METRICS)}
    rows = ours.filter(~pl.col("is_control")).with_columns(pl.col("metric").replace_strict(order).alias("place"))
    rows = rows.sort("experiment_id", "place")
    for name, values in bare.items():
        expected = values[..., 1] if values.ndim == 3 else values
        np.testing.assert_allclose(rows[name].cast(pl.Float64).to_numpy(), expected.ravel(), rtol=1e-9, atol=1e-12, err_msg=name)
    n = len(theirs["p"])
    np.testing.assert_allclose(theirs["difference"], bare["difference"][:n], rtol=1e-9, atol=1e-12)
    # its proportion is not pooled
    np.testing.assert_allclose(theirs["p"][:, 1:], bare["p"][:n, 1:], rtol=1e-9)


def _milliseconds(costs: list[Cost], factor: float) -> float:
    return 1_000 * factor * median([each.cpu for each in costs])


if __name__ == "__main__":
    main()
