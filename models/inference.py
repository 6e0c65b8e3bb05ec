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
from models.metrics import CLAIM, GOAL, GUARDRAIL, Metric
from models.readings import Reading

__all__ = ["DESIGNS", "MOMENTS", "RESULTS", "SPLITS", "compared", "infer", "sample_ratios", "unit_counts"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Columns = dict[str, Any]
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
    mean, deviation = described(metrics, arms.metric, arms.columns)
    scale = _of(metrics, arms.metric, "scale")
    own: Columns = {"mean": mean * scale, "standard_deviation": deviation * scale, "scale": scale}
    own = {name: np.where(arms.is_known, values, np.nan) for name, values in own.items()}
    own["role"] = _where(arms.is_known, np.array([metric.role for metric in metrics], dtype=object)[arms.metric])
    return _framed(arms, own, _spread(arms, compared(arms, metrics, n_star, prior_sd)))


def unit_counts(results: pl.DataFrame) -> pl.DataFrame:
    """experiment_id, variant, n: the units of the primary metric, or of the metric with most where the primary was not measured."""
    n = pl.col("n")
    return (
        results.filter(pl.col("segment") == "")
        .group_by("experiment_id", "variant")
        .agg(pl.coalesce(n.filter("is_primary").first(), n.max()))
        .sort("experiment_id", "variant")
    )


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


def compared(arms: Arms, metrics: Sequence[Metric], n_star: float, prior_sd: float) -> Columns:
    """The columns of RESULTS that compare, as arrays over the rows that have a control, in their order; NaN for null."""
    rows = np.flatnonzero(arms.control >= 0)
    codes, base = arms.metric[rows], arms.control[rows]
    own, other = ({name: values[at] for name, values in arms.columns.items()} for at in (rows, base))
    estimate = _scaled(compare(metrics, codes, other, own), _of(metrics, codes, "scale"))
    n = own["n"] + other["n"]
    # planned units are those of all arms, and a comparison has two
    planned = own["planned_units"] * (own["share"] + other["share"])
    tightest = np.where(planned > 0, planned, n_star)
    free = readings.always_valid(estimate, n, own["alpha"], tightest, own["n_treatments"])
    ended = readings.group_sequential(estimate, arms.plans, arms.plan[rows], own["alpha"], own["n_treatments"])
    is_planned = arms.plan[rows] >= 0
    reading = Reading(*(np.where(is_planned, late, early) for late, early in zip(ended.ends(), free.ends(), strict=True)))
    low, high = estimates.fixed_interval(estimate, own["alpha"])
    share, share_reason = estimates.lift(estimate)
    return {
        "method": methods(metrics, codes, estimate),
        "reading": np.where(is_planned, readings.GROUP_SEQUENTIAL, readings.ALWAYS_VALID).astype(object),
        "control_mean": estimate.control_mean,
        "difference": estimate.difference,
        "standard_error": estimate.null_standard_error,
        "low": low,
        "high": high,
        "low_always_valid": free.low,
        "high_always_valid": free.high,
        "low_group_sequential": ended.low,
        "high_group_sequential": ended.high,
        "p": estimates.p_value(estimate),
        "p_always_valid": free.p,
        "p_group_sequential": ended.p,
        "n_star": tightest,
        **_called(arms, metrics, rows, estimate, reading),
        **_believed(metrics, codes, estimate, prior_sd),
        "lift": share,
        "lift_reason": share_reason,
        "reason": _reasons(other, own, estimate),
    }


@np.errstate(invalid="ignore")
def _called(arms: Arms, metrics: Sequence[Metric], rows: Integers, estimate: Estimate, reading: Reading) -> Columns:
    """What is significant, and which guardrails are harmed or shown to be safe."""
    codes, alpha = arms.metric[rows], arms.columns["alpha"][rows]
    is_goal = np.array([metric.role == GOAL for metric in metrics])[codes]
    is_primary = arms.is_primary[rows]
    adjusted = readings.adjusted(reading.p, arms.family[rows], is_primary, is_goal)
    significant = adjusted <= alpha
    low, high = readings.agreeing(reading, is_primary & significant)
    unit = arms.unit[rows]
    secondary = is_goal & ~is_primary
    significant &= ~secondary | np.isin(unit, unit[is_primary & significant])
    better, margin = _of(metrics, codes, "better"), _of(metrics, codes, "margin")
    is_guardrail, is_claim = (np.array([metric.role == role for metric in metrics])[codes] for role in (GUARDRAIL, CLAIM))
    against = estimates.non_inferiority(estimate, np.where(is_guardrail, np.nan_to_num(margin), np.nan), better)
    worst = np.where(better > 0, reading.low, -reading.high)
    best = np.where(better > 0, reading.high, -reading.low)
    gain = better * estimate.difference
    return {
        "low_reading": low,
        "high_reading": high,
        "p_adjusted": adjusted,
        "margin": np.where(is_guardrail, margin, np.nan),
        "p_non_inferior": against.p,
        "is_non_inferior": _where(is_guardrail, worst > -against.limit),
        "is_harmed": _where(is_guardrail, (best < 0) & (gain < -against.limit)),
        "is_significant": _where(~np.isnan(adjusted) & ~is_claim, significant),
        "is_better": _where(~np.isnan(gain), gain > 0),
    }


def _believed(metrics: Sequence[Metric], codes: Integers, estimate: Estimate, prior_sd: float) -> Columns:
    of = (estimate.difference, estimate.standard_error, estimate.control_mean)
    found = bayes.posterior(*of, prior_sd, _of(metrics, codes, "better"))
    return {
        "chance_to_win": found.chance_to_win,
        "expected_loss": found.expected_loss,
        "expected_loss_of_control": found.expected_loss_of_control,
        "prior": np.where(np.isfinite(found.prior_sd), prior_sd, np.nan),
    }


def _reasons(control: dict[str, Floats], treatment: dict[str, Floats], estimate: Estimate) -> NDArray[np.object_]:
    ours, theirs = (Moments(arm["n"], arm["mean_num"], mean_den=arm["mean_den"]) for arm in (treatment, control))
    return estimates.reasons(theirs, ours, estimate)


def _of(metrics: Sequence[Metric], codes: Integers, name: str) -> Floats:
    # None becomes NaN
    return np.array([getattr(metric, name) for metric in metrics], dtype=np.float64)[codes]


def _scaled(estimate: Estimate, scale: Floats) -> Estimate:
    names = ("difference", "standard_error", "null_standard_error", "control_mean", "treatment_mean", "control_standard_error")
    return replace(estimate, **{name: getattr(estimate, name) * scale for name in names})


def _where(which: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[np.object_]:
    found = np.full(len(which), None, dtype=object)
    found[which] = values[which]
    return found


def _spread(arms: Arms, found: Columns) -> pl.DataFrame:
    """The columns that compare over all rows: nulls, and why, where a row is compared with none."""
    has_control = arms.control >= 0
    place = pl.Series(np.cumsum(has_control) - 1).zip_with(pl.Series(has_control), pl.Series([None], dtype=pl.Int64))
    spread = _table(found).select(pl.all().gather(place))
    why = pl.Series(arms.reason.tolist(), dtype=pl.String)
    return spread.with_columns(pl.coalesce(why, "reason").alias("reason"), pl.coalesce(why, "lift_reason").alias("lift_reason"))


def _table(found: Columns) -> pl.DataFrame:
    series = []
    for name, values in found.items():
        if values.dtype == np.float64:
            series.append(pl.Series(name, np.where(np.isfinite(values), values, np.nan), nan_to_null=True))
        else:
            series.append(pl.Series(name, values.tolist(), RESULTS[name]))
    return pl.DataFrame(series)


def _framed(arms: Arms, own: Columns, compared: pl.DataFrame | None = None) -> pl.DataFrame:
    """RESULTS: what each arm has of its own, what compares it, and nulls for the rest."""
    own_table = _table(own)
    parts = [own_table, arms.frame] if compared is None else [own_table, compared, arms.frame]
    series = []
    for name, dtype in RESULTS.items():
        part = next((part for part in parts if name in part.columns), None)
        series.append(pl.Series(name, [None], dtype).new_from_index(0, arms.frame.height) if part is None else part[name])
    return pl.DataFrame(series, schema_overrides=RESULTS)
