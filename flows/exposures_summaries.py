"""Summaries per variant -> moments: counts, means and variances that somebody else has already taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from flows.errors import LoadError, SettingsError
from flows.exposures_columns import ARMS_OF_A_PAIR, CONTROL, PAIRED_ROLES, PAIRS, SUMMARY_ROLES, TREATMENT
from flows.exposures_counts import COUNTS, FALLING, MISSING, ONLY_EXPERIMENT, REPEATED_ROWS, UNKNOWN_VARIANT, Cleaning
from flows.exposures_metrics import Asked, with_roles
from flows.exposures_options import FileOptions, named_numbers, words
from flows.exposures_read import OpenFile, ids, numbers
from models.experiment_frames import MOMENTS
from models.metrics import BY_NAME, MEAN, PROPORTION, RATIO, Metric

KEYS = ("experiment_id", "metric", "days", "variant")
FIGURES = tuple(role for role in SUMMARY_ROLES if role not in ("metric", "days", "weight"))


@dataclass(frozen=True)
class Summaries:
    """The last look of each experiment as MOMENTS, and all looks (MOMENTS and `days`, null where the file tells no time).

    `weights`: experiment_id, variant, weight, empty where the file states none. `counts`: what was found dirty.
    """

    moments: pl.DataFrame
    looks: pl.DataFrame
    asked: Asked
    weights: pl.DataFrame
    n_rows: int
    counts: pl.DataFrame


def summaries_of(file: OpenFile, options: FileOptions) -> Summaries:
    """Read the summaries of a file.

    Raises LoadError where figures are missing or impossible, where two rows tell of the same variant, metric and time, or where
    a count falls over time; SettingsError for a metric that the file does not have.
    """
    raw = file.read([*file.layout.columns.values(), *_named_columns(file, options)])
    rows = _pairs(raw, file.layout.columns) if file.layout.kind == PAIRS else _one_metric_a_row(raw, file, options)
    cleaning = Cleaning(rows.with_row_index("row"))
    _without_strangers(cleaning, options)
    rows = _figures(_without_repeats(cleaning))
    falls = pl.col("n").diff().over("experiment_id", "metric", "variant", order_by="days") < 0
    cleaning.count(rows.filter(falls), FALLING)
    asked = _asked(rows, options)
    kind = {metric.name: metric.kind for metric in asked.metrics}
    looks = _moments(rows.filter(pl.col("metric").is_in(list(kind))), kind)
    last = pl.col("days").is_null() | (pl.col("days") == pl.col("days").max().over("experiment_id"))
    weights = _weights(rows)
    counts = pl.concat([pl.DataFrame(schema=COUNTS), *cleaning.counted])
    return Summaries(looks.filter(last).drop("days"), looks, asked, weights, raw.height, counts)


def _named_columns(file: OpenFile, options: FileOptions) -> list[str]:
    """The columns that --metrics names in a file that has no column `metric`: `clicks` or `clicks/impressions`."""
    if "metric" in file.layout.columns or file.layout.kind == PAIRS:
        return []
    there = {*file.values, *file.layout.columns.values()}
    named = [part.strip() for spec in words(options.metrics) for part in (spec, *spec.split("/"))]
    return [name for name in named if name in there]


def _one_metric_a_row(raw: pl.DataFrame, file: OpenFile, options: FileOptions) -> pl.DataFrame:
    """Rows of one variant and metric each; a file without a column `metric` has one for its successes and one for its mean."""
    columns = dict(file.layout.columns)
    if "metric" in columns:
        return _typed(raw, columns, ids(raw[columns["metric"]]))
    keys = {role: name for role, name in columns.items() if role in ("experiment_id", "variant", "days", "weight", "n")}
    wide: dict[str, Mapping[str, str]] = {}
    for spec in words(options.metrics):
        counted, _, total = (part.strip() for part in spec.partition("/"))
        if spec in raw.columns and spec != columns.get("mean_num"):
            wide[spec] = {**keys, "successes": spec}
        elif counted in raw.columns and total in raw.columns:
            wide[spec] = {**keys, "successes": counted, "n": total}
    if not wide:
        rest = {role: name for role, name in columns.items() if role not in ("successes", "rate")}
        wide = {columns[role]: {**keys, role: columns[role]} for role in ("successes", "rate") if role in columns}
        if "mean_num" in columns and not _same_figure(raw, columns):
            wide[columns["mean_num"]] = rest
        elif "mean_num" in columns and "rate" in columns and "successes" in columns:
            del wide[columns["rate"]]
    if not wide:
        raise LoadError(f"The file has {', '.join(raw.columns)}: a summary needs successes, a rate, or a mean with its variance.")
    return pl.concat(_typed(raw, roles, pl.repeat(name, raw.height, eager=True)) for name, roles in wide.items())


def _same_figure(raw: pl.DataFrame, columns: Mapping[str, str]) -> bool:
    """Whether the mean is the share of successes, so that both are one metric."""
    if "successes" not in columns:
        return False
    mean, successes, n = (numbers(raw[columns[role]])[0] for role in ("mean_num", "successes", "n"))
    return bool(((mean * n - successes).abs() <= 1e-6 * n).all())


def _pairs(raw: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """Rows of one variant each out of rows of a treatment beside its control; a control that several share is told once."""
    keys = {role: name for role, name in columns.items() if ":" not in role}
    metric = ids(raw[keys["metric"]]) if "metric" in keys else pl.repeat("mean", raw.height, eager=True)
    found = {}
    for arm in ARMS_OF_A_PAIR:
        roles = {role: columns[f"{role}:{arm}"] for role in PAIRED_ROLES if f"{role}:{arm}" in columns}
        found[arm] = _typed(raw, {**keys, **roles}, metric)
    if "variant" not in keys:
        found[TREATMENT] = found[TREATMENT].with_columns(variant=pl.lit(TREATMENT))
    control = found[CONTROL].with_columns(variant=pl.lit(CONTROL)).unique(maintain_order=True)
    return pl.concat([control, found[TREATMENT]])


def _typed(raw: pl.DataFrame, roles: Mapping[str, str], metric: pl.Series) -> pl.DataFrame:
    nothing = pl.Series([None] * raw.height, dtype=pl.Float64)
    found = {"metric": metric.cast(pl.String)}
    for role, absent in (("experiment_id", ONLY_EXPERIMENT), ("variant", None)):
        stated = ids(raw[roles[role]]) if role in roles else pl.Series([absent] * raw.height, dtype=pl.String)
        found[role] = stated
    for role in ("days", "weight", *FIGURES):
        found[role] = numbers(raw[roles[role]])[0] if role in roles else nothing
    return pl.DataFrame([values.alias(role) for role, values in found.items()])


def _without_strangers(cleaning: Cleaning, options: FileOptions) -> None:
    cleaning.set_aside(pl.col("experiment_id").is_null(), MISSING["experiment_id"])
    cleaning.set_aside(pl.col("variant").is_null(), MISSING["variant"])
    if weights := named_numbers(options.weights, "--weights"):
        cleaning.set_aside(~pl.col("variant").is_in(list(weights)), UNKNOWN_VARIANT)
    cleaning.set_aside(pl.col("metric").is_null(), MISSING["metric"])


def _without_repeats(cleaning: Cleaning) -> pl.DataFrame:
    told = pl.struct(name for name in cleaning.frame.columns if name != "row").is_first_distinct()
    cleaning.set_aside(~told, REPEATED_ROWS)
    rows = cleaning.frame.drop("row")
    twice = rows.filter(rows.select(KEYS).is_duplicated())
    if twice.height:
        experiment, metric, days, variant = twice.select(KEYS).row(0)
        at = "" if days is None else f" at {days:g} days"
        raise LoadError(
            f"Two rows tell different figures of variant {variant!r}, metric {metric!r} of experiment {experiment!r}{at}: "
            "give one row for each, with an experiment_id where they are different experiments."
        )
    return rows


def _figures(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their means and variances as numbers of a sample, whatever form they were told in, and their kind.

    A variance may be told as a standard deviation or as the mean's standard error; successes of n have mean p = successes/n
    and variance p (1 - p) n / (n - 1).
    """
    n = pl.col("n")
    share = pl.coalesce(pl.col("successes") / n, "rate")
    is_share = pl.coalesce("var_num", "sd_num", "se_num").is_null() & share.is_not_null() & pl.col("mean_den").is_null()
    _refuse_impossible(rows)
    rows = rows.with_columns(
        kind=pl.when(pl.col("mean_den").is_not_null())
        .then(pl.lit(RATIO))
        .when(is_share)
        .then(pl.lit(PROPORTION))
        .otherwise(pl.lit(MEAN)),
        mean_num=pl.when(is_share).then(share).otherwise("mean_num"),
        var_num=pl.when(is_share)
        .then(share * (1 - share) * n / (n - 1))
        .otherwise(pl.coalesce("var_num", pl.col("sd_num") ** 2, pl.col("se_num") ** 2 * n)),
        n_positive=pl.coalesce("successes", (pl.col("rate") * n).round(), n),
    )
    finite = [pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in ("mean_num", "var_num")]
    return rows.with_columns(finite)


def _weights(rows: pl.DataFrame) -> pl.DataFrame:
    """The stated weights; an arm has one."""
    stated = rows.filter(pl.col("weight").is_not_null()).select("experiment_id", "variant", "weight").unique().sort(pl.all())
    twice = stated.filter(stated.select("experiment_id", "variant").is_duplicated())
    if twice.height:
        experiment, variant, weight = twice.row(0)
        raise LoadError(f"Variant {variant!r} of experiment {experiment!r} has the weight {weight:g} and another: give it one.")
    return stated


def _refuse_impossible(rows: pl.DataFrame) -> None:
    n = pl.col("n")
    wrong = {
        "n is no count": n.is_null() | (n < 0) | (n != n.floor()),
        "successes are not between 0 and n": (pl.col("successes") < 0) | (pl.col("successes") > n),
        "the rate is not between 0 and 1": (pl.col("rate") < 0) | (pl.col("rate") > 1),
        "a variance is below 0": pl.min_horizontal("var_num", "sd_num", "se_num", "var_den", "var_pre_num", "var_pre_den") < 0,
        "the weight is below 0": pl.col("weight") < 0,
    }
    for what, condition in wrong.items():
        if (bad := rows.filter(condition)).height:
            row = bad.row(0, named=True)
            where = f"variant {row['variant']!r}, metric {row['metric']!r} of experiment {row['experiment_id']!r}"
            raise LoadError(f"In the summary of {where}, where n is {row['n']}, {what}: correct the row.")


def _asked(rows: pl.DataFrame, options: FileOptions) -> Asked:
    """The metrics that are there, or those of --metrics, in its order; each is a proportion only where all its rows are."""
    found = {}
    for (name,), group in rows.group_by("metric", maintain_order=True):
        kinds = set(group["kind"])
        if RATIO in kinds and len(kinds) > 1:
            raise LoadError(f"Metric {name!r} has a denominator's mean in some rows only: give it in all of them, or in none.")
        kind = kinds.pop() if len(kinds) == 1 else MEAN
        has_covariate = group["mean_pre_num"].null_count() < group.height
        has_two = group["mean_pre_den"].null_count() < group.height
        plain = BY_NAME.get(str(name), Metric(str(name), kind, "num", unit="value"))
        # the registry's figures are counted in cents; a summary is shown as it was told
        found[str(name)] = replace(
            plain,
            kind=kind,
            numerator="num",
            denominator="den" if kind == RATIO else None,
            covariate="pre_num" if has_covariate else None,
            covariate_denominator="pre_den" if has_two else None,
            scale=1.0,
        )
    wanted = words(options.metrics) or sorted(found, key=_by_name)
    for name in wanted:
        if name not in found:
            raise SettingsError(f"--metrics names {name!r}: the summaries are of {', '.join(found) or 'no metric'}.")
    if not wanted:
        raise LoadError("The file has no row of a variant and a metric: give at least one.")
    return with_roles([found[name] for name in dict.fromkeys(wanted)], options)


def _by_name(name: str) -> tuple[bool, float, str]:
    return (not name.isdigit(), float(name) if name.isdigit() else 0.0, name)


def _moments(rows: pl.DataFrame, kind: Mapping[str, str]) -> pl.DataFrame:
    made = rows.with_columns(
        segment=pl.lit(""), segment_value=pl.lit(""), kind=pl.col("metric").replace_strict(kind, return_dtype=pl.String)
    )
    shown = made.select("days", *(pl.col(name).cast(dtype) for name, dtype in MOMENTS.items()))
    return shown.sort("experiment_id", "metric", "days", "variant")
