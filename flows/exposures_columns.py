"""The columns of a file of exposures: the roles that they can have, and the names by which each role is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flows.errors import LoadError, SettingsError

UNITS, SUMMARIES, PAIRS = "unit rows", "summaries", "paired summaries"

# Names are compared in lower case, with _ for every other sign; the first that a file has is the one that counts.
KEY_ROLES = {
    "experiment_id": ("experiment_id", "experiment", "experiment_name", "exp_id", "test_id", "test"),
    "variant": (
        "variant", "variant_id", "variant_name", "arm", "arm_id", "variation", "variation_id", "group", "bucket", "condition",
        "treatment_group", "ab_group", "assignment", "treatment", "is_treatment", "treated",
    ),
}  # fmt: skip
UNIT_ROLES = {
    "unit_id": (
        "unit_id", "unit", "user_id", "user", "userid", "customer_id", "customer", "visitor_id", "visitor", "session_id",
        "session", "client_id", "device_id", "account_id", "member_id", "anonymous_id", "subject_id", "subject", "id",
    ),
    "event_id": ("event_id",),
    "exposed_at": (
        "exposed_at", "exposure_at", "exposure_time", "exposure_timestamp", "exposure_date", "first_exposure", "first_exposed_at",
        "assigned_at", "timestamp", "ts", "date",
    ),
    "outcome_at": (
        "outcome_at", "outcome_time", "outcome_timestamp", "outcome_date", "converted_at", "conversion_at", "conversion_time",
        "ordered_at", "purchased_at",
    ),
}  # fmt: skip
SUMMARY_ROLES = {
    "metric": ("metric", "metric_id", "metric_name", "outcome", "outcome_name"),
    "days": ("time_since_start", "days_since_start", "days"),
    "weight": ("weight", "expected_share", "traffic_share", "allocation"),
    "n": (
        "n", "count", "n_units", "units", "sample_size", "n_obs", "nobs", "users", "n_users", "visitors", "sessions",
        "participants", "subjects", "trials", "exposures", "impressions", "views", "size", "total",
    ),
    "successes": (
        "successes", "n_success", "n_successes", "conversions", "converted", "converters", "n_conversions", "n_converted",
        "n_positive", "clicks", "purchases", "positives", "events",
    ),
    "mean_num": ("mean", "mean_num", "average", "avg", "mean_value", "numerator_mean"),
    "var_num": ("variance", "var_num", "var", "sample_variance", "numerator_variance"),
    "sd_num": ("sd", "std", "stddev", "std_dev", "stdev", "standard_deviation"),
    "se_num": ("se", "sem", "stderr", "std_err", "standard_error"),
    "rate": ("rate", "conversion_rate", "proportion", "p_hat"),
    "mean_den": ("mean_den", "denominator_mean", "mean_denominator"),
    "var_den": ("var_den", "denominator_variance", "variance_denominator"),
    "cov_num_den": ("cov_num_den", "covariance", "cov", "numerator_denominator_covariance"),
    "mean_pre_num": ("mean_pre_num", "mean_pre", "covariate_mean", "pre_mean", "mean_covariate"),
    "var_pre_num": ("var_pre_num", "var_pre", "covariate_variance", "pre_variance", "variance_covariate"),
    "cov_num_pre_num": ("cov_num_pre_num", "cov_pre", "covariate_covariance", "covariance_pre", "pre_covariance"),
    "mean_pre_den": ("mean_pre_den",),
    "var_pre_den": ("var_pre_den",),
    "cov_num_pre_den": ("cov_num_pre_den",),
    "cov_den_pre_num": ("cov_den_pre_num",),
    "cov_den_pre_den": ("cov_den_pre_den",),
    "cov_pre_num_pre_den": ("cov_pre_num_pre_den",),
}  # fmt: skip
CONTROL, TREATMENT = "control", "treatment"
ARMS_OF_A_PAIR = {CONTROL: ("c", "control"), TREATMENT: ("t", "treatment")}
PAIRED_ROLES = ("n", "successes", "mean_num", "var_num", "sd_num", "se_num", "rate")


@dataclass(frozen=True)
class Layout:
    """What a file is (UNITS, SUMMARIES or PAIRS), and which of its columns has which role.

    `columns`: role -> column; the role of a pair's column ends in `:control` or `:treatment`.
    """

    kind: str
    columns: Mapping[str, str]


def recognise(names: Iterable[str], given: Mapping[str, str]) -> Layout:
    """The layout of a file whose columns are `names`; `given` are roles that the operator named (--columns).

    Raises LoadError where neither units nor counts of units are to be seen, SettingsError for a role or column that is not.
    """
    names = list(names)
    _check_given(names, given)
    known = {normal(name): name for name in reversed(names)}
    keys = _found(KEY_ROLES, known, given)
    units = {**keys, **_found(UNIT_ROLES, known, given)}
    if "unit_id" in units and "variant" in units:
        return Layout(UNITS, units)
    summaries = {**keys, **_found(SUMMARY_ROLES, known, given)}
    pairs = _pairs(known)
    if {"n:control", "n:treatment"} <= set(pairs):
        wanted = {role: name for role, name in summaries.items() if role in {*KEY_ROLES, "metric", "days", "weight"}}
        return Layout(PAIRS, {**wanted, **pairs})
    if "n" in summaries and "variant" in summaries:
        return Layout(SUMMARIES, summaries)
    lacks, role = ("unit_id, or n,", "unit_id") if "variant" in keys else ("variant", "variant")
    raise LoadError(
        f"The file has no column that is known as {lacks} among {', '.join(names) or 'none'}: name it by "
        f"--columns {role}=COLUMN, or give one of the forms of docs/experiments.md."
    )


def normal(name: str) -> str:
    """A column's name as it is compared: `Visitor ID`, `visitorId` and `visitor-id` are one."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^0-9a-z]+", "_", parted.lower()).strip("_")


def _check_given(names: list[str], given: Mapping[str, str]) -> None:
    roles = {**KEY_ROLES, **UNIT_ROLES, **SUMMARY_ROLES}
    for role, name in given.items():
        if role not in roles:
            raise SettingsError(f"--columns names the role {role!r}: the roles are {', '.join(roles)}.")
        if name not in names:
            raise SettingsError(f"--columns names the column {name!r}: the file has {', '.join(names)}.")


def _found(roles: Mapping[str, tuple[str, ...]], known: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for role, aliases in roles.items():
        named = next((known[alias] for alias in aliases if alias in known), None)
        column = given.get(role, named)
        if column is not None and (role in given or column not in given.values()):
            found[role] = column
    return found


def _pairs(known: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for role in PAIRED_ROLES:
        for arm, suffixes in ARMS_OF_A_PAIR.items():
            spelled = (f"{alias}_{suffix}" for alias in SUMMARY_ROLES[role] for suffix in suffixes)
            column = next((known[name] for name in spelled if name in known), None)
            if column is not None:
                found[f"{role}:{arm}"] = column
    return found
