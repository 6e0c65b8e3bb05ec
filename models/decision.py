"""Results -> what to do with each experiment, in one sentence for a person."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from models import decision_sentences, power
from models.experiment_frames import DECISIONS
from models.inference import sample_ratios, unit_counts

# the first that holds is the decision
IN_ORDER = INVALID, WAIT, HOLD, SHIP, STOP, EITHER, CONTINUE = (
    "INVALID",
    "WAIT",
    "HOLD",
    "SHIP",
    "STOP",
    "EITHER",
    "CONTINUE",
)
MISMATCH_P = 0.001
MIN_CONVERTERS = 100
MIN_DAYS = 7.0
# shares of the control's mean: the loss that may be risked at the planned end, and the effect that is looked for
CARE = 0.005
EFFECT = 0.1


def decide(
    results: pl.DataFrame,
    designs: pl.DataFrame,
    splits: pl.DataFrame | None = None,
    care: float = CARE,
    effect: float = EFFECT,
) -> pl.DataFrame:
    """DECISIONS of RESULTS over all units (segments are for reading only): the first of these that holds.

    INVALID: there is no control, the primary metric was not measured, or the split does not fit the weights: p < MISMATCH_P, of
    the chi-square once the experiment is ended, of the always-valid test while it runs. WAIT: no unit yet, an arm with a weight
    that has fewer than MIN_CONVERTERS units with a positive primary metric, or less than MIN_DAYS days since the first exposure
    (unknown days do not wait). HOLD: a guardrail is harmed (models.inference) and no arm without harm wins; one that is merely not
    yet shown to be safe is a reason and holds nothing. SHIP: an arm without harm is significantly better in the primary metric; of
    several, the one that gains most. STOP: every arm is significantly worse. EITHER: the experiment is ended and the best arm's
    expected loss is at most `care` times the control's mean. CONTINUE: none of these. Paused arms (weight 0) decide nothing.

    splits: SPLITS; by default those of the primary metric's units. days_left: for WAIT and CONTINUE, at the pace so far, until the
    planned units, or where none are planned until the always-valid interval shows a difference of `effect` times the control's mean
    with a power of 80 %.
    """
    whole = results.filter(pl.col("segment") == "")
    primary = whole.filter(pl.col("is_primary"))
    found = sample_ratios(unit_counts(results), designs) if splits is None else splits
    facts = (
        designs.group_by("experiment_id")
        .agg(
            pl.col("primary_metric", "alpha", "planned_units", "days").first(),
            pl.col("is_ended").first().fill_null(False),
            pl.col("is_control").any().alias("has_control"),
            pl.col("variant").filter("is_control").first().alias("control"),
        )
        .join(_split(found), on="experiment_id", how="left")
        .with_columns(pl.when("is_ended").then("split_p").otherwise("split_p_always_valid").alias("split_p"))
        .join(whole.select("experiment_id").unique().with_columns(is_measured=True), on="experiment_id", how="left")
        .join(_arms(primary, whole, designs), on="experiment_id", how="left")
        .join(_guardrails(whole, designs), on="experiment_id", how="left")
        .with_columns(pl.col("harmed", "unsure").fill_null([]), pl.col("n_treatments", "n_winning", "n_losing").fill_null(0))
        .sort("experiment_id")
    )
    decided = facts.with_columns(_decision(care).alias("decision"), _days_left(facts, effect))
    spoken = [decision_sentences.spoken(row) for row in decided.iter_rows(named=True)]
    said = decided.with_columns(
        pl.Series("sentence", [sentence for sentence, _ in spoken], pl.String),
        pl.Series("reasons", [reasons for _, reasons in spoken], pl.List(pl.String)),
        pl.when(pl.col("decision") == SHIP).then("variant").alias("winner"),
        pl.when(pl.col("decision").is_in([WAIT, CONTINUE])).then("days_left").alias("days_left"),
    )
    return said.select(pl.col(name).cast(dtype) for name, dtype in DECISIONS.items())


def _decision(care: float) -> pl.Expr:
    mismatch = pl.col("split_p") < MISMATCH_P
    has_units = pl.col("is_measured").fill_null(False) & (pl.col("n") > 0)
    unreadable = ~pl.col("has_control") | (has_units & (pl.col("n_treatments") == 0))
    too_early = ~has_units | (pl.col("n_converters") < MIN_CONVERTERS) | (pl.col("days") < MIN_DAYS)
    affordable = pl.col("is_ended") & (pl.col("expected_loss") <= care * pl.col("control_mean").abs())
    return (
        pl.when((mismatch | unreadable).fill_null(False))
        .then(pl.lit(INVALID))
        .when(too_early.fill_null(False))
        .then(pl.lit(WAIT))
        .when((pl.col("harmed").list.len() > 0) & (pl.col("n_winning") == 0))
        .then(pl.lit(HOLD))
        .when(pl.col("n_winning") > 0)
        .then(pl.lit(SHIP))
        .when((pl.col("n_losing") > 0) & (pl.col("n_losing") == pl.col("n_treatments")))
        .then(pl.lit(STOP))
        .when(affordable.fill_null(False))
        .then(pl.lit(EITHER))
        .otherwise(pl.lit(CONTINUE))
    )


def _split(splits: pl.DataFrame) -> pl.DataFrame:
    return (
        splits.sort("experiment_id", "variant")
        .group_by("experiment_id")
        .agg(
            pl.col("n").sum(),
            pl.col("p", "p_always_valid").first().name.prefix("split_"),
            pl.col("n").filter(pl.col("expected").is_not_null()).alias("split"),
        )
    )


def _weighted(designs: pl.DataFrame) -> pl.DataFrame:
    return designs.filter(pl.col("weight") > 0).select("experiment_id", "variant")


def _arms(primary: pl.DataFrame, whole: pl.DataFrame, designs: pl.DataFrame) -> pl.DataFrame:
    """Per experiment, how its arms stand, and the columns of the treatment to speak of: the winner, else the best without harm."""
    arm = ["experiment_id", "variant"]
    harmed = whole.filter(pl.col("is_harmed")).select(arm).unique().with_columns(is_arm_harmed=True)
    taking_part = primary.join(_weighted(designs), on=arm).join(harmed, on=arm, how="left")
    wins = (pl.col("is_significant") & pl.col("is_better") & pl.col("is_arm_harmed").is_null()).fill_null(False)
    loses = (pl.col("is_significant") & ~pl.col("is_better")).fill_null(False)
    gain = pl.when("is_better").then(pl.col("difference").abs()).otherwise(-pl.col("difference").abs())
    treatments = (
        taking_part.filter(~pl.col("is_control"))
        .with_columns(wins.alias("wins"), loses.alias("loses"), pl.col("is_arm_harmed").fill_null(False), gain=gain)
        .sort("wins", "is_arm_harmed", "gain", "variant", descending=[True, False, True, False], nulls_last=True)
    )
    shown = (
        "variant",
        "control_mean",
        "difference",
        "standard_error",
        "low_reading",
        "high_reading",
        "lift",
        "expected_loss",
        "n_star",
    )
    return (
        treatments.group_by("experiment_id")
        .agg(
            pl.col(*shown, "reason").first(),
            pl.col("n").first().alias("n_treatment"),
            pl.len().cast(pl.Int64).alias("n_treatments"),
            pl.col("wins").sum().cast(pl.Int64).alias("n_winning"),
            pl.col("loses").sum().cast(pl.Int64).alias("n_losing"),
            pl.col("variant").filter("loses").sort().alias("losing"),
        )
        .join(
            taking_part.group_by("experiment_id").agg(
                pl.col("n_positive").min().alias("n_converters"),
                pl.col("n").filter("is_control").first().alias("n_control"),
            ),
            on="experiment_id",
        )
    )


def _guardrails(whole: pl.DataFrame, designs: pl.DataFrame) -> pl.DataFrame:
    """Per experiment, the guardrails that are harmed and those not yet shown to be safe, as "metric of variant"."""
    named = pl.format("{} of {}", "metric", "variant")
    return (
        whole.join(_weighted(designs), on=["experiment_id", "variant"])
        .sort("metric", "variant")
        .group_by("experiment_id")
        .agg(
            named.filter(pl.col("is_harmed").fill_null(False)).alias("harmed"),
            named.filter(~pl.col("is_non_inferior").fill_null(True) & ~pl.col("is_harmed").fill_null(False)).alias("unsure"),
        )
    )


def _days_left(facts: pl.DataFrame, effect: float) -> pl.Series:
    numbers = (
        "standard_error",
        "control_mean",
        "n_treatment",
        "n_control",
        "alpha",
        "n_treatments",
        "n_star",
        "days",
        "n",
        "planned_units",
    )
    columns: list[Any] = [facts[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in numbers]
    error, base, treated, control, alpha, arms, tightest, days, n, planned = columns
    with np.errstate(all="ignore"):
        both = treated + control
        # the variance of the difference times the units, as it is now: CUPED and the arms' true shares are in it
        plan = power.Plan(1.0, 1.0, error**2 * both / 2, error**2 * both / 2)
        needed = power.always_valid_units(effect * np.abs(base), plan, alpha / np.maximum(arms, 1), n_star=tightest)
        left = np.where(np.isnan(planned), power.days_left(needed, both, both / days), power.days_left(planned, n, n / days))
        left = np.maximum(left, np.ceil(np.clip(MIN_DAYS - np.nan_to_num(days, nan=MIN_DAYS), 0, None)))
    return pl.Series("days_left", np.where(np.isfinite(left), left, np.nan), pl.Float64, nan_to_null=True)
