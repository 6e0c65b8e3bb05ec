"""The frames of experiments, from moments to decisions: their columns and types."""

from __future__ import annotations

from typing import Any

import polars as pl

# one row per experiment, segment ("" for all units), segment value, metric and variant; variances and covariances are those of
# a sample and null below two units; `den` is null where the metric has no denominator, `pre` where it has no covariate; of a
# quantile, mean_num is the quantile and var_num is n times its squared standard error
MOMENTS = {
    "experiment_id": pl.String,
    "segment": pl.String,
    "segment_value": pl.String,
    "metric": pl.String,
    "variant": pl.String,
    "n": pl.Int64,
    "n_positive": pl.Int64,
    "mean_num": pl.Float64,
    "mean_den": pl.Float64,
    "mean_pre_num": pl.Float64,
    "mean_pre_den": pl.Float64,
    "var_num": pl.Float64,
    "var_den": pl.Float64,
    "var_pre_num": pl.Float64,
    "var_pre_den": pl.Float64,
    "cov_num_den": pl.Float64,
    "cov_num_pre_num": pl.Float64,
    "cov_num_pre_den": pl.Float64,
    "cov_den_pre_num": pl.Float64,
    "cov_den_pre_den": pl.Float64,
    "cov_pre_num_pre_den": pl.Float64,
}
# one row per experiment and variant, as it was planned; arms without units stand here and not in the moments
DESIGNS = {
    "experiment_id": pl.String,
    "variant": pl.String,
    "weight": pl.Float64,  # share of the traffic in any scale; 0 for a paused arm, which counts in no test of the split
    "is_control": pl.Boolean,  # one per experiment
    "alpha": pl.Float64,
    "primary_metric": pl.String,
    "planned_units": pl.Int64,  # of all arms, at the planned end; null where no end was set: then the interval is always valid
    "looks": pl.List(pl.Float64),  # shares of the planned units at each daily look so far, this one last, rising, in (0, 1]
    "days": pl.Float64,  # since the first exposure
    "is_ended": pl.Boolean,  # the planned end is reached, or the experiment was completed
}
# one row per experiment, segment, segment value, metric and variant; what compares is null in the control's row. Means,
# differences and ends of intervals are in the metric's shown scale; `low` and `high` are the fixed interval of a single look
RESULTS: dict[str, Any] = {
    "experiment_id": pl.String,
    "segment": pl.String,
    "segment_value": pl.String,
    "metric": pl.String,
    "variant": pl.String,
    "is_control": pl.Boolean,
    "role": pl.String,
    "is_primary": pl.Boolean,
    "method": pl.String,
    "reading": pl.String,  # readings.READINGS: which of the intervals the experiment is read by
    "alpha": pl.Float64,
    "n": pl.Int64,
    "n_positive": pl.Int64,
    "mean": pl.Float64,
    "standard_deviation": pl.Float64,  # of a unit; of a ratio, linearised
    "control_mean": pl.Float64,
    "difference": pl.Float64,  # with CUPED the adjusted one, else mean - control_mean
    "standard_error": pl.Float64,  # of p and of every interval: pooled over the arms for a proportion
    "low": pl.Float64,
    "high": pl.Float64,
    "low_always_valid": pl.Float64,
    "high_always_valid": pl.Float64,
    "low_group_sequential": pl.Float64,
    "high_group_sequential": pl.Float64,
    "low_reading": pl.Float64,  # of the reading, at alpha over the number of treatments: they hold for all arms together
    "high_reading": pl.Float64,
    "p": pl.Float64,
    "p_always_valid": pl.Float64,
    "p_group_sequential": pl.Float64,
    "p_adjusted": pl.Float64,  # the reading's, for several tests: readings.adjusted
    "n_star": pl.Float64,
    "lift": pl.Float64,
    "lift_reason": pl.String,
    "chance_to_win": pl.Float64,
    "expected_loss": pl.Float64,
    "expected_loss_of_control": pl.Float64,
    "prior": pl.Float64,  # sd of the relative effect; null for a flat prior
    "margin": pl.Float64,  # of a guardrail, a share of the control's mean
    "p_non_inferior": pl.Float64,  # of a guardrail: small where it is shown to be within its margin, for a single look
    "is_non_inferior": pl.Boolean,  # of a guardrail: the reading's whole interval is within the margin
    "is_harmed": pl.Boolean,  # of a guardrail: the reading's interval is worse than 0, and the difference beyond the margin
    "is_significant": pl.Boolean,
    "is_better": pl.Boolean,  # the difference has the sign that is wanted
    "scale": pl.Float64,
    "reason": pl.String,  # why figures are null; null where none is
}
# one row per experiment and planned variant: how its units were split
SPLITS: dict[str, Any] = {
    "experiment_id": pl.String,
    "variant": pl.String,
    "n": pl.Int64,
    "expected": pl.Float64,  # units by the planned weights; null for a paused arm
    "statistic": pl.Float64,  # chi-square of the experiment, the same in its rows as all that follows
    "df": pl.Int64,
    "p": pl.Float64,
    "p_always_valid": pl.Float64,
    "reason": pl.String,  # why there is no p
}
# one row per experiment
DECISIONS: dict[str, Any] = {
    "experiment_id": pl.String,
    "decision": pl.String,  # models.decision.DECISIONS_IN_ORDER
    "winner": pl.String,  # the variant to ship; null but for SHIP
    "days_left": pl.Float64,  # whole days until the effect that is looked for would show; null where that is not known
    "sentence": pl.String,
    "reasons": pl.List(pl.String),
}
