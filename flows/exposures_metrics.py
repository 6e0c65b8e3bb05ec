"""What `--metrics` says -> metrics: names of the registry, and formulas over the columns of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flows.errors import SettingsError
from flows.exposures_options import FileOptions, margins, named_words, words
from models.metrics import BY_NAME, GUARDRAIL, MEAN, METRICS, PROPORTION, QUANTILE, RATIO, Metric

PERCENTILE = re.compile(r"^[pP](\d+(?:\.\d+)?)\((.+)\)$")
COVARIATE_PREFIX = "pre_"


@dataclass(frozen=True)
class Asked:
    """The metrics to be judged, in the order in which they were asked for, and which of them decides."""

    metrics: tuple[Metric, ...]
    primary: str


def asked(options: FileOptions, numeric: Sequence[str], flags: Iterable[str]) -> Asked:
    """The metrics of `options` over a file's columns.

    numeric: the columns that may hold values, in the file's order; flags: those of them that hold nothing but 0 and 1, whose
    mean is a proportion. Without --metrics: the registry's metrics whose columns are there, else every column of values, each
    with its `pre_` column as covariate. Raises SettingsError for a column that is not there and for a name that is used twice.
    """
    columns, is_flag = list(numeric), set(flags)
    specs = words(options.metrics) or _default(columns)
    if not specs:
        raise SettingsError("The file has no column of values: give at least one metric's column beside the unit and its variant.")
    guarded = margins(options.guardrail)
    specs += [name for name in guarded if name not in {_name(spec) for spec in specs} | set(specs)]
    made: list[Metric] = []
    for spec in specs:
        metric = measured(spec, columns, is_flag)
        taken = {other.name for other in made}
        made.append(replace(metric, name=spec) if metric.name in taken and "=" not in spec else metric)
    _refuse_twins(made)
    return with_roles(made, options)


def measured(spec: str, columns: Sequence[str], flags: set[str]) -> Metric:
    """The metric that one word of --metrics names: `[NAME=]column`, a ratio `a/b`, `p90(column)`, each with `~covariate`."""
    if spec in columns:
        return _of_column(spec, spec, None, flags)
    if (row := BY_NAME.get(spec)) is not None and {row.numerator, row.denominator} - {None} <= set(columns):
        return row if {row.covariate, row.covariate_denominator} - {None} <= set(columns) else without_covariate(row)
    name, body = _alias(spec, columns)
    value, _, covariate = (part.strip() for part in body.partition("~"))
    percentile = PERCENTILE.match(value)
    if percentile:
        return _quantile(name or value, float(percentile[1]) / 100, percentile[2].strip(), covariate, columns)
    if value in columns:
        metric = _of_column(name or value, value, covariate or None, flags)
    elif "/" in value:
        metric = _ratio(name or value, value, covariate, columns)
    else:
        raise _unknown(value, columns)
    for _, column in metric.columns():
        if column not in columns:
            raise _unknown(column, columns)
    return metric


def without_covariate(metric: Metric) -> Metric:
    """The same metric, unadjusted."""
    return replace(metric, covariate=None, covariate_denominator=None)


def with_roles(metrics: Sequence[Metric], options: FileOptions) -> Asked:
    """`metrics` with what --guardrail, --lower-is-better and --primary say of them, by name."""
    guarded, lower = margins(options.guardrail), set(words(options.lower_is_better))
    by_name = {metric.name: metric for metric in metrics}
    for option, named in (("--guardrail", guarded), ("--lower-is-better", lower), ("--primary", {options.primary} - {None})):
        for name in named:
            if name not in by_name:
                raise SettingsError(f"{option} names the metric {name!r}: the metrics are {', '.join(by_name)}.")
    changed = []
    for metric in metrics:
        row = replace(metric, better=-1) if metric.name in lower else metric
        if metric.name in guarded:
            row = replace(row, role=GUARDRAIL, margin=guarded[metric.name])
        changed.append(row)
    goals = [metric.name for metric in changed if metric.role != GUARDRAIL]
    primary = options.primary or (goals or [changed[0].name])[0]
    return Asked(tuple(changed), primary)


def _default(columns: Sequence[str]) -> list[str]:
    known = [row.name for row in METRICS if {row.numerator, row.denominator} - {None} <= set(columns)]
    plain = [name for name in columns if not name.startswith(COVARIATE_PREFIX)]
    covariates: Mapping[str, str] = {name: f"~{COVARIATE_PREFIX}{name}" for name in plain if COVARIATE_PREFIX + name in columns}
    return known or [name + covariates.get(name, "") for name in plain]


def _name(spec: str) -> str:
    return spec.partition("~")[0].partition("=")[0].strip()


def _alias(spec: str, columns: Sequence[str]) -> tuple[str, str]:
    if "=" not in spec or spec.partition("~")[0].strip() in columns:
        return "", spec
    [(name, body)] = named_words([spec.replace(",", "\0")], "--metrics").items()
    return name, body.replace("\0", ",")


def _of_column(name: str, column: str, covariate: str | None, flags: set[str]) -> Metric:
    return Metric(name, PROPORTION if column in flags else MEAN, column, covariate=covariate, unit="value")


def _ratio(name: str, value: str, covariate: str, columns: Sequence[str]) -> Metric:
    numerator, denominator = _parted(value, columns)
    if not covariate:
        return Metric(name, RATIO, numerator, denominator)
    before, below = _parted(covariate, columns) if "/" in covariate and covariate not in columns else (covariate, None)
    return Metric(name, RATIO, numerator, denominator, before, below)


def _parted(ratio: str, columns: Sequence[str]) -> tuple[str, str]:
    # a column's own name may hold the sign
    cuts = [(ratio[:place].strip(), ratio[place + 1 :].strip()) for place, sign in enumerate(ratio) if sign == "/"]
    return next((cut for cut in cuts if set(cut) <= set(columns)), cuts[0])


def _quantile(name: str, quantile: float, column: str, covariate: str, columns: Sequence[str]) -> Metric:
    if covariate:
        raise SettingsError(f"--metrics adjusts {name!r} by {covariate!r}: a quantile takes no covariate.")
    if not 0 < quantile < 1:
        raise SettingsError(f"--metrics has {name!r}: give a percentile between 0 and 100.")
    if column not in columns:
        raise _unknown(column, columns)
    return Metric(name, QUANTILE, column, unit="value", quantile=quantile)


def _unknown(column: str, columns: Sequence[str]) -> SettingsError:
    known = ", ".join(columns) or "none"
    return SettingsError(f"--metrics needs {column!r}: it is no metric of ours and no column of values of the file ({known}).")


def _refuse_twins(metrics: Sequence[Metric]) -> None:
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"--metrics names {name!r} twice: give one of them another name, as NAME={name}.")
