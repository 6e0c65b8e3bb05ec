"""Rows of a file -> units, one row each: what is dirty is set aside by name and counted, arm by arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from flows.errors import SettingsError
from flows.exposures_counts import (
    COUNTS,
    EARLY_OUTCOME,
    LATE_OUTCOME,
    MISSING,
    ONLY_EXPERIMENT,
    OPEN_WINDOW,
    REPEATED_EVENTS,
    SEVERAL_VARIANTS,
    UNKNOWN_VARIANT,
    UNREADABLE_INSTANTS,
    Cleaning,
)
from flows.exposures_measured import (
    FIRST_EXPOSED_AT,
    ROW,
    UNIT,
    capped,
    count_gaps,
    first_of_each,
    measured_rows,
    summed,
    with_covariates,
)
from flows.exposures_metrics import Asked, asked
from flows.exposures_options import FileOptions, named_numbers, words
from flows.exposures_read import OpenFile, holds_numbers, ids, instants, numbers
from models.metrics import Metric

MISSING_SEGMENT = "(missing)"


@dataclass(frozen=True)
class Units:
    """The units of a file.

    frame: experiment_id, unit_id, variant, exposed_at (null where the file has none), the columns that `metrics` name (`m0_num`,
    ...; all of one metric null where a unit does not count for it), and the segments (`s0`, ...; `segments` has their names in
    the file). counts: COUNTS, what was found dirty. caps: CAPPED.
    """

    frame: pl.DataFrame
    asked: Asked
    metrics: tuple[Metric, ...]
    segments: dict[str, str]
    n_rows: int
    counts: pl.DataFrame
    caps: pl.DataFrame


def units_of(file: OpenFile, options: FileOptions) -> Units:
    """Read, clean and measure the units of a file; shuffled rows give the same units, unless rows of a unit contradict each other
    and no exposed_at puts them in order: then the first of the file counts.

    Raises SettingsError for a metric, segment, cap or window that the file's columns cannot give.
    """
    segments = {f"s{number}": name for number, name in enumerate(dict.fromkeys(words(options.segments)))}
    raw, wanted = _read(file, options, list(segments.values()))
    cleaning = Cleaning(_typed(raw, file, segments, wanted))
    metrics = tuple(_numbered(metric, place) for place, metric in enumerate(wanted.metrics))
    _without_strangers(cleaning, options)
    _without_repeated_events(cleaning, file, options)
    _in_one_variant(cleaning)
    _in_window(cleaning, file, options)
    cleaning.frame = measured_rows(cleaning.frame, wanted.metrics, metrics, list(segments), options)
    if options.repeats == "first":
        first_of_each(cleaning)
    else:
        cleaning.frame = summed(cleaning.frame, metrics)
    count_gaps(cleaning, wanted.metrics, metrics)
    frame, caps = capped(cleaning.frame, wanted.metrics, metrics, options)
    counts = pl.concat([pl.DataFrame(schema=COUNTS), *cleaning.counted])
    # in order, so that sums over shuffled rows have the same last digit
    units = with_covariates(frame, metrics).drop("exposed_at").rename({FIRST_EXPOSED_AT: "exposed_at"}).sort(UNIT)
    return Units(units, wanted, metrics, segments, raw.height, counts, caps)


def _read(file: OpenFile, options: FileOptions, segments: Sequence[str]) -> tuple[pl.DataFrame, Asked]:
    """The columns that are needed, and the metrics over them."""
    for name in segments:
        if name not in file.values:
            raise SettingsError(f"--segments names the column {name!r}: the file has {', '.join(file.values) or 'no more'}.")
    roles = list(file.layout.columns.values())
    if words(options.metrics):
        candidates = list(file.values)
        names = [name for metric in asked(options, candidates, ()).metrics for _, name in metric.columns()]
        raw = file.read([*roles, *segments, *names])
    else:
        raw = file.read([*roles, *file.values])
        names = [name for name in file.values if name not in segments and holds_numbers(raw[name])]
        candidates = names
    found = {name: numbers(raw[name])[0].drop_nulls() for name in dict.fromkeys(names)}
    for name, values in found.items():
        if values.is_empty() and (given := raw[name].drop_nulls()).len():
            raise SettingsError(f"--metrics needs the column {name!r}: none of its values is a number, but {given[0]!r}.")
    flags = [name for name, values in found.items() if values.len() and values.is_in([0.0, 1.0]).all()]
    return raw, asked(options, candidates, flags)


def _typed(raw: pl.DataFrame, file: OpenFile, segments: dict[str, str], wanted: Asked) -> pl.DataFrame:
    """Keys, instants, segments, and for each column of values `v:NAME` and whether it was no number, `w:NAME`."""
    roles = file.layout.columns
    typed = {role: ids(raw[roles[role]]) for role in ("experiment_id", "unit_id", "variant", "event_id") if role in roles}
    typed.setdefault("experiment_id", pl.repeat(ONLY_EXPERIMENT, raw.height, eager=True))
    unreadable = pl.repeat(False, raw.height, eager=True)
    for role in ("exposed_at", "outcome_at"):
        typed[role] = pl.repeat(None, raw.height, dtype=pl.Datetime("ms"), eager=True)
        if role in roles:
            typed[role], wrong = instants(raw[roles[role]])
            unreadable = unreadable | wrong
    for short, name in segments.items():
        typed[short] = ids(raw[name]).fill_null(MISSING_SEGMENT)
    for name in dict.fromkeys(name for metric in wanted.metrics for _, name in metric.columns()):
        typed[f"v:{name}"], typed[f"w:{name}"] = numbers(raw[name])
    columns = [values.alias(name) for name, values in typed.items()]
    return pl.DataFrame([*columns, unreadable.alias(UNREADABLE_INSTANTS)]).with_row_index(ROW)


def _numbered(metric: Metric, place: int) -> Metric:
    """The metric over columns of its own, so that a unit can count for one metric and not for another."""
    own = {role: f"m{place}_{role}" for role, _ in metric.columns()}
    return replace(
        metric,
        numerator=own["num"],
        denominator=own.get("den"),
        covariate=own.get("pre_num"),
        covariate_denominator=own.get("pre_den"),
    )


def _without_strangers(cleaning: Cleaning, options: FileOptions) -> None:
    """Set aside the rows that name no experiment, no unit, no variant, or a variant that is not in --weights."""
    for key in ("experiment_id", "unit_id", "variant"):
        cleaning.set_aside(pl.col(key).is_null(), MISSING[key])
    if weights := named_numbers(options.weights, "--weights"):
        cleaning.set_aside(~pl.col("variant").is_in(list(weights)), UNKNOWN_VARIANT)
    cleaning.count(cleaning.frame.filter(pl.col(UNREADABLE_INSTANTS)), UNREADABLE_INSTANTS)


def _without_repeated_events(cleaning: Cleaning, file: OpenFile, options: FileOptions) -> None:
    """Set aside events that are there twice: by their ids, and where rows are summed, by their instants and all else."""
    if "event_id" in file.layout.columns:
        again = pl.col("event_id").is_not_null() & ~pl.struct("experiment_id", "event_id").is_first_distinct()
        cleaning.set_aside(again, REPEATED_EVENTS)
    elif options.repeats == "sum":
        again = ~pl.struct(name for name in cleaning.frame.columns if name != ROW).is_first_distinct()
        cleaning.set_aside(again & pl.col("outcome_at").is_not_null(), REPEATED_EVENTS)


def _in_one_variant(cleaning: Cleaning) -> None:
    """Leave out the units that were seen in several variants: no arm can be charged with what they did."""
    mixed = cleaning.frame.filter(pl.col("variant").n_unique().over(UNIT) > 1)
    if mixed.height:
        cleaning.count(mixed.unique(UNIT).with_columns(variant=pl.lit("")), SEVERAL_VARIANTS)
        cleaning.frame = cleaning.frame.join(mixed.select(UNIT).unique(), on=UNIT, how="anti", maintain_order="left")


def _in_window(cleaning: Cleaning, file: OpenFile, options: FileOptions) -> None:
    """Set aside outcomes before the unit's first exposure, and mark those after its window (`is_late`)."""
    first = pl.col("exposed_at").min().over(UNIT)
    cleaning.frame = cleaning.frame.with_columns(first.alias(FIRST_EXPOSED_AT), is_late=pl.lit(False))
    # outcomes that are told by the day alone come before no exposure of that day
    outcome = cleaning.frame["outcome_at"]
    by_day = (outcome.dt.truncate("1d") == outcome).all()
    exposed = pl.col(FIRST_EXPOSED_AT).dt.truncate("1d") if by_day else pl.col(FIRST_EXPOSED_AT)
    cleaning.set_aside(pl.col("outcome_at") < exposed, EARLY_OUTCOME)
    if options.window_days is None:
        return
    if not {"exposed_at", "outcome_at"} <= set(file.layout.columns):
        raise SettingsError(f"--window-days is {options.window_days:g}: it needs the columns exposed_at and outcome_at.")
    end = pl.col(FIRST_EXPOSED_AT) + timedelta(days=options.window_days)
    cleaning.frame = cleaning.frame.with_columns(is_late=(pl.col("outcome_at") >= end).fill_null(False))
    cleaning.count(cleaning.frame.filter("is_late"), LATE_OUTCOME)
    last = pl.max_horizontal(pl.col("exposed_at").max(), pl.col("outcome_at").max())
    cleaning.count(cleaning.frame.filter(end > last).unique(UNIT), OPEN_WINDOW)
