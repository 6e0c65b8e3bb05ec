"""docs/experiments.md says what the program does: its example, columns, options, counts and keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from flows.exposures import analyze_file
from flows.exposures_columns import KEY_ROLES, SUMMARY_ROLES, UNIT_ROLES
from flows.exposures_counts import OF_METRICS, OF_ROWS
from flows.exposures_options import FileOptions
from flows.plan import plan
from flows.plan_options import PlanOptions
from models.decision import IN_ORDER

PAGE = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text()


def block(language: str) -> str:
    """The page's one block of a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(found)


def same(found: Any, shown: Any) -> bool:
    """Whether a value is what the page shows, rounded to six digits."""
    if isinstance(shown, dict):
        return all(same(found[key], value) for key, value in shown.items())
    if isinstance(shown, list):
        return len(found) == len(shown) and all(map(same, found, shown))
    return bool(found == pytest.approx(shown, rel=1e-5)) if isinstance(shown, float) else bool(found == shown)


def keys(document: Any) -> Iterator[str]:
    """Every key of a document but those that are names of columns, variants, metrics."""
    if isinstance(document, list):
        for part in document:
            yield from keys(part)
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            if key not in ("columns", "nulls", "dirtyRows", "dirtyRowsByVariant", "dirtyValues", "unitsPerArm", "shares"):
                yield from keys(value)


def test_the_worked_example_is_what_comes_out(tmp_path: Path) -> None:
    """The example's file gives the example's figures, and with a planned end the p-value and decision that the page names."""
    path = tmp_path / "example.csv"
    path.write_text(block("csv"))
    [_, treatment] = analyze_file(path, FileOptions())["results"]
    assert same(treatment, json.loads(block("json")))
    ended = analyze_file(path, FileOptions(planned_units=16310, days=14.0))
    assert ended["experiments"][0]["decision"] == "SHIP"
    assert ended["results"][1]["p"]["groupSequential"] == pytest.approx(0.0054009, rel=1e-4)


def test_every_name_of_a_column_is_listed() -> None:
    """Each role stands in a table with all its names in their order."""
    for role, aliases in {**KEY_ROLES, **UNIT_ROLES, **SUMMARY_ROLES}.items():
        assert f"| {role} | {', '.join(f'`{alias}`' for alias in aliases)} |" in PAGE


def test_every_option_is_described() -> None:
    """Each option of the command stands on the page."""
    flags = [f"--{field.name.replace('_', '-')}" for options in (FileOptions, PlanOptions) for field in fields(options)]
    assert [flag for flag in flags if flag not in PAGE] == []


def test_every_count_and_decision_is_described() -> None:
    """Each name under which something is counted, and each decision, stands in a table."""
    assert [name for name in (*OF_ROWS, *OF_METRICS) if f"`{name}`" not in PAGE] == []
    assert [name for name in IN_ORDER if f"| {name} |" not in PAGE] == []


def test_every_key_is_described(tmp_path: Path) -> None:
    """Each key of a file's document and of a plan's stands on the page."""
    path = tmp_path / "units.csv"
    rows = [f"u{number},{'ab'[number % 2]},{number % 7},{number % 3 > 0}" for number in range(50)]
    path.write_text("\n".join(["unit_id,variant,spent,is_new", *rows]))
    told = analyze_file(path, FileOptions(metrics=["spent"], segments=["is_new"], cap=["p90"]))
    plans = [plan(PlanOptions(baseline=0.05, **more), FileOptions()) for more in ({"effect": "20%"}, {"units_per_day": 1000.0})]
    inner = {f"{outer}.{key}" for outer in ("interval", "p") for row in told["results"] for key in row[outer]}
    written = set(re.findall(r"`([^`\n]+)`", PAGE)) | set(re.findall(r"\w+", " ".join(re.findall(r"`\{([^`]*)\}`", PAGE))))
    found = {key for document in (told, *plans) for key in keys(document)} - {"interval"}
    assert sorted((found - written - {name.rpartition(".")[2] for name in inner}) | (inner - written)) == []
