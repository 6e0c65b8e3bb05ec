"""From moments to what they mean: differences, intervals, p-values, for every experiment, arm, metric and segment at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models import bayes, estimates, readings, sample_ratio, sequential
from models.arms import Arms, arranged
from models.comparisons import compare, described, methods
from models.estimates import Estimate, Moments
from models.experiment_frames import DESIGNS, MOMENTS, RESULTS, SPLITS
from models.metrics import GOAL, GUARDRAIL, QUANTILE, Metric
from models.readings import Reading

__all__ = ["DESIGNS", "MOMENTS", "RESULTS", "SPLITS", "infer", "sample_ratios"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Columns = dict[str, Any]
FEW_FOR_QUANTILE = "there are too few units for the quantile's standard error"
ONE_ARM, NO_UNITS = "fewer than two arms have a weight", "there are no units"


def infer(
    moments: pl.DataFrame,
    designs: pl.DataFrame,
    metrics: Sequence[Metric],
    n_star: float = sequential.N_STAR,
    prior_sd: float = bayes.PRIOR_SD,
) -> pl.DataFrame:
    """RESULTS of MOMENTS and DESIGNS: every arm of a design against its control, by metric, segment and segment value.

    n_star: where always-valid intervals are tightest, in units of both arms, where no end is planned; else the planned units of
    both. prior_sd: of relative effects, inf for a flat prior. What has no arm in the design, no metric or no control keeps its row
    with a reason. The reading is group-sequential where units are planned. An arm's secondary goals count as significant only where
    its primary metric does: so the share of experiments without any effect in which something is called stays at alpha, however
    many metrics there are. ValueError for a design that contradicts itself (models.arms.arranged).
    """
    arms = arranged(moments, designs, metrics)
    if arms.frame.is_empty() or not metrics:
        return _framed(arms, {"reason": arms.reason})
    scale = np.array([metric.scale for metric in metrics])[arms.metric]
    mean, deviation = (each * scale for each in described(metrics, arms.metric, arms.columns))
    found = {**_compared(arms, metrics, scale, n_star, prior_sd), "mean": mean, "standard_deviation": deviation}
    roles = np.array([metric.role for metric in metrics], dtype=object)
    return _framed(arms, {**found, "role": roles[arms.metric], "scale": scale})


def sample_ratios(counts: pl.DataFrame, designs: pl.DataFrame) -> pl.DataFrame:
    """SPLITS: do the units of each experiment's arms fit the planned weights?

    counts: experiment_id, variant, n; variants that the design lacks are left out, variants without units count 0. Only arms with
    a weight above 0 take part.
    """
    arms = (
        designs.select("experiment_id", "variant", pl.col("weight").fill_null(0.0))
        .join(counts.select("experiment_id", "variant", "n"), on=["experiment_id", "variant"], how="left")
        .with_columns(pl.col("n").fill_null(0))
        .sort("experiment_id", "variant")
        .with_columns((pl.col("experiment_id").rle_id()).alias("row"), pl.int_range(pl.len()).over("experiment_id").alias("column"))
    )
    row, column = arms["row"].to_numpy(), arms["column"].to_numpy()
    table = np.zeros((2, int(row.max(initial=0)) + 1, int(column.max(initial=0)) + 1))
    table[0, row, column], table[1, row, column] = arms["n"].to_numpy(), arms["weight"].to_numpy()
    statistic, df, p = sample_ratio.chi_square(*table)
    always_valid = sample_ratio.always_valid(*table)
    share = pl.col("weight") / pl.col("weight").sum().over("experiment_id")
    in_test = pl.col("n").filter(pl.col("weight") > 0).sum().over("experiment_id")
    tested = pl.DataFrame({"statistic": statistic[row], "df": df[row], "p": p[row], "p_always_valid": always_valid[row]})
    return (
        arms.hstack(tested.fill_nan(None))
        .with_columns(
            pl.when(pl.col("weight") > 0).then(share * in_test).alias("expected"),
            pl.when(pl.col("df") < 1).then(pl.lit(ONE_ARM)).when(in_test == 0).then(pl.lit(NO_UNITS)).alias("reason"),
        )
        .with_columns(pl.col("df").clip(lower_bound=0))
        .select(pl.col(name).cast(dtype) for name, dtype in SPLITS.items())
    )


def _compared(arms: Arms, metrics: Sequence[Metric], scale: Floats, n_star: float, prior_sd: float) -> Columns:
    """The columns of RESULTS that compare, over all rows."""
    rows = np.flatnonzero(arms.control >= 0)
    codes, base = arms.metric[rows], arms.control[rows]
    own, other = ({name: values[at] for name, values in arms.columns.items()} for at in (rows, base))
    estimate = _scaled(compare(metrics, codes, other, own), scale[rows])
    n = own["n"] + other["n"]
    # planned units are those of all arms, and a comparison has two
    planned = own["planned_units"] * (own["share"] + other["share"])
    tightest = np.where(planned > 0, planned, n_star)
    free = readings.always_valid(estimate, n, own["alpha"], tightest, own["n_treatments"])
    ended = readings.group_sequential(estimate, arms.plans, arms.plan[rows], own["alpha"], own["n_treatments"])
    is_planned = arms.plan[rows] >= 0
    reading = Reading(*(np.where(is_planned, late, early) for late, early in zip(ended.ends(), free.ends(), strict=True)))
    low, high = estimates.fixed_interval(estimate, own["alpha"])
    found: Columns = {
        "method": methods(metrics, codes, estimate),
        "reading": np.where(is_planned, readings.GROUP_SEQUENTIAL, readings.ALWAYS_VALID).astype(object),
        "control_mean": estimate.control_mean,
        "difference": estimate.difference,
        "standard_error": estimate.standard_error,
        "low": low,
        "high": high,
        "low_always_valid": free.low,
        "high_always_valid": free.high,
        "low_group_sequential": ended.low,
        "high_group_sequential": ended.high,
        "low_reading": reading.low_safe,
        "high_reading": reading.high_safe,
        "p": estimates.p_value(estimate),
        "p_always_valid": free.p,
        "p_group_sequential": ended.p,
        "n_star": tightest,
        **_called(arms, metrics, rows, estimate, reading),
        **_believed(metrics, codes, estimate, prior_sd),
        "reason": _reasons(metrics, codes, other, own, estimate),
    }
    found["lift"], found["lift_reason"] = estimates.lift(estimate)
    spread = {name: _spread(values, rows, len(arms.metric)) for name, values in found.items()}
    spread["reason"] = np.where(arms.control >= 0, spread["reason"], arms.reason)
    spread["lift_reason"] = np.where(arms.control >= 0, spread["lift_reason"], arms.reason)
    return spread


@np.errstate(invalid="ignore")
def _called(arms: Arms, metrics: Sequence[Metric], rows: Integers, estimate: Estimate, reading: Reading) -> Columns:
    """What is significant, and which guardrails are harmed or shown to be safe."""
    codes, alpha = arms.metric[rows], arms.columns["alpha"][rows]
    is_goal = np.array([metric.role == GOAL for metric in metrics])[codes]
    is_primary = arms.is_primary[rows]
    adjusted = readings.adjusted(reading.p, arms.family[rows], is_primary, is_goal)
    significant = adjusted <= alpha
    unit = arms.unit[rows]
    secondary = is_goal & ~is_primary
    significant &= ~secondary | np.isin(unit, unit[is_primary & significant])
    better = np.array([metric.better for metric in metrics], dtype=np.float64)[codes]
    margin = np.array([np.nan if metric.margin is None else metric.margin for metric in metrics])[codes]
    is_guardrail = np.array([metric.role == GUARDRAIL for metric in metrics])[codes]
    against = estimates.non_inferiority(estimate, np.where(is_guardrail, np.nan_to_num(margin), np.nan), better)
    worst = np.where(better > 0, reading.low, -reading.high)
    best = np.where(better > 0, reading.high, -reading.low)
    gain = better * estimate.difference
    return {
        "p_adjusted": adjusted,
        "margin": np.where(is_guardrail, margin, np.nan),
        "p_non_inferior": against.p,
        "is_non_inferior": _where(is_guardrail, worst > -against.limit),
        "is_harmed": _where(is_guardrail, (best < 0) & (gain < -against.limit)),
        "is_significant": _where(~np.isnan(adjusted), significant),
        "is_better": _where(~np.isnan(gain), gain > 0),
    }


def _believed(metrics: Sequence[Metric], codes: Integers, estimate: Estimate, prior_sd: float) -> Columns:
    better = np.array([metric.better for metric in metrics], dtype=np.float64)[codes]
    found = bayes.posterior(estimate.difference, estimate.standard_error, estimate.control_mean, prior_sd, better)
    return {
        "chance_to_win": found.chance_to_win,
        "expected_loss": found.expected_loss,
        "expected_loss_of_control": found.expected_loss_of_control,
        "prior": np.where(np.isfinite(found.prior_sd), prior_sd, np.nan),
    }


def _reasons(
    metrics: Sequence[Metric], codes: Integers, control: dict[str, Floats], treatment: dict[str, Floats], estimate: Estimate
) -> NDArray[np.object_]:
    why = estimates.reasons(Moments(control["n"], np.nan), Moments(treatment["n"], np.nan), estimate)
    is_quantile = np.array([metric.kind == QUANTILE for metric in metrics])[codes]
    why[is_quantile & (why == estimates.NO_DENOMINATOR)] = FEW_FOR_QUANTILE
    return why


def _scaled(estimate: Estimate, scale: Floats) -> Estimate:
    names = ("difference", "standard_error", "null_standard_error", "control_mean", "treatment_mean", "control_standard_error")
    return replace(estimate, **{name: getattr(estimate, name) * scale for name in names})


def _where(which: NDArray[np.bool_], values: NDArray[np.bool_]) -> NDArray[np.object_]:
    found = np.full(len(which), None, dtype=object)
    found[which] = values[which]
    return found


def _spread(values: NDArray[Any], rows: Integers, size: int) -> NDArray[Any]:
    # of the rows that are compared, to all rows
    if values.dtype == np.float64:
        whole: NDArray[Any] = np.full(size, np.nan)
    else:
        whole = np.full(size, None, dtype=object)
    whole[rows] = values
    return whole


def _framed(arms: Arms, found: Columns) -> pl.DataFrame:
    series = []
    for name, dtype in RESULTS.items():
        if name not in found:
            series.append(
                arms.frame[name].cast(dtype) if name in arms.frame.columns else pl.Series(name, [None] * arms.frame.height, dtype)
            )
        elif dtype == pl.Float64:
            finite = np.where(np.isfinite(found[name]), found[name], np.nan)
            series.append(pl.Series(name, finite, dtype, nan_to_null=True))
        else:
            series.append(pl.Series(name, found[name].tolist(), dtype))
    return pl.DataFrame(series)
