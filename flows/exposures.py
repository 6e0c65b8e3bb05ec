"""A file of exposures -> the results of its experiments: no database, no Redis, no Prefect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from flows.errors import SettingsError
from flows.exposures_designs import CONTROL, designs
from flows.exposures_moments import MeasuredFile, measure
from flows.exposures_options import FileOptions, number
from flows.exposures_read import OpenFile, open_file
from flows.exposures_report import Dirt, dirt_of
from models.bayes import PRIOR_SD
from models.decision import decide
from models.experiment_documents import documents
from models.inference import infer, sample_ratios
from models.sequential import N_STAR

Document = dict[str, Any]
FLAT = "flat"


def analyze_file(path: Path, options: FileOptions) -> Document:
    """{"file", "experiments", "results"} of a file, as docs/experiments.md tells.

    Raises LoadError for a file that cannot be read as exposures, and SettingsError for options that do not fit it; never changes
    anything.
    """
    _check(options)
    file = open_file(path, options)
    try:
        return _analyzed(file, options)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _analyzed(file: OpenFile, options: FileOptions) -> Document:
    measured = measure(file, options)
    planned = designs(measured.arms, measured.times, measured.asked.primary, options, measured.weights)
    n_star, prior_sd = options.n_star or N_STAR, _prior(options.prior_sd)
    results = infer(measured.moments, planned, measured.asked.metrics, n_star, prior_sd)
    splits = sample_ratios(measured.arms, planned)
    decisions = decide(results, planned, splits)
    context = {"windowDays": options.window_days}
    found = documents(results, decisions, splits, measured.asked.metrics, context)
    _state_caps(found["results"], measured.caps)
    dirt = dirt_of(measured.counts, measured.arms)
    plans = {row["experiment_id"]: row for row in planned.sort("is_control").iter_rows(named=True)}
    experiments = [_experiment(row, plans[row["experiment"]], dirt, options) for row in found["experiments"]]
    return {"file": _file(file, measured, dirt), "experiments": experiments, "results": found["results"]}


def result_rows(document: Document) -> list[dict[str, str]]:
    """The results as a table shows them, one row per treatment and metric."""
    return [_row(record) for record in document["results"] if not record["isControl"]]


def decision_lines(document: Document) -> list[dict[str, Any]]:
    """What a person reads of each experiment: the sentence, the reasons, what was dirty and what to be warned of."""
    lines = []
    for row in document["experiments"]:
        notes = {name: row.get(name) for name in ("reasons", "dirtyRows", "dirtyValues", "warnings")}
        notes["dirtyRows"] = {name: n for name, n in (row.get("dirtyRows") or {}).items() if n}
        said = {name: value for name, value in notes.items() if value}
        lines.append({"experiment": row["experiment"], "decision": row["decision"], "sentence": row["sentence"], **said})
    return lines


def _check(options: FileOptions) -> None:
    if not 0 < options.alpha < 1:
        raise SettingsError(f"--alpha is {options.alpha:g}: give a number between 0 and 1.")
    above = {"--n-star": options.n_star, "--planned-units": options.planned_units, "--window-days": options.window_days}
    for name, given in above.items():
        if given is not None and not 0 < given < math.inf:
            raise SettingsError(f"{name} is {given:g}: give a number above 0.")
    if options.days is not None and not 0 <= options.days < math.inf:
        raise SettingsError(f"--days is {options.days:g}: give a number of at least 0.")
    if options.looks and options.planned_units is None:
        raise SettingsError("--looks are shares of --planned-units: give these too.")


def _prior(text: str | None) -> float:
    if text is None:
        return PRIOR_SD
    if text.lower() == FLAT:
        return math.inf
    spread = number(text, "--prior-sd", low=0.0)
    if spread == 0:
        raise SettingsError("--prior-sd is 0: give a number above 0, or flat.")
    return spread


def _file(file: OpenFile, measured: MeasuredFile, dirt: Dirt) -> Document:
    return {
        "form": file.layout.kind,
        "columns": dict(file.layout.columns),
        "rows": measured.n_rows,
        "rowsOfNoExperiment": dirt.of_no_experiment(),
    }


def _experiment(row: Document, plan: Document, dirt: Dirt, options: FileOptions) -> Document:
    """plan: the design's row of the control, or of another arm where there is none."""
    control = plan["variant"] if plan["is_control"] else None
    return {
        **row,
        "control": control,
        "controlBy": _control_by(control, options),
        "primaryMetric": plan["primary_metric"],
        "units": sum(dirt.arms.get(row["experiment"], {}).values()),
        "days": plan["days"],
        "plannedUnits": plan["planned_units"],
        "looks": plan["looks"],
        "isEnded": plan["is_ended"],
        **dirt.told(row["experiment"]),
    }


def _control_by(control: str | None, options: FileOptions) -> str:
    if options.control is not None:
        return "--control names it" if control is not None else f"the experiment has no variant {options.control!r}"
    return "it is called control" if control is not None and control.lower() == CONTROL else "it is the first by name"


def _state_caps(records: list[Document], caps: pl.DataFrame) -> None:
    known = {(experiment, metric): (cap, n) for experiment, metric, cap, n in caps.rows()}
    for record in records:
        if (found := known.get((record["experiment"], record["metric"]))) is not None and found[0] is not None:
            record["cap"] = {"value": found[0] * record["scale"], "unitsCapped": found[1]}
            record["nulls"].pop("cap", None)


def _row(record: Mapping[str, Any]) -> dict[str, str]:
    of_segment = f" ({record['segment']} {record['segmentValue']})" if "segment" in record else ""
    ends = record["interval"]["reading"]
    return {
        "experiment": record["experiment"],
        "metric": record["metric"] + of_segment,
        "variant": record["variant"],
        "n": f"{record['n']:,}",
        "mean": _shown(record["mean"]),
        "control": _shown(record["controlMean"]),
        "difference": _shown(record["difference"]),
        "interval": "" if ends is None else f"{_shown(ends[0])} to {_shown(ends[1])}",
        "reading": record["reading"] or "",
        "p adjusted": _shown(record["p"]["adjusted"]),
        "lift": "" if record["lift"] is None else f"{record['lift']:+.2%}",
        "chance to win": "" if record["chanceToWin"] is None else f"{record['chanceToWin']:.1%}",
        "note": record["nulls"].get("difference") or record["nulls"].get("interval.reading") or "",
    }


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
