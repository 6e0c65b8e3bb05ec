"""What commands print: one JSON document, or lines for a person."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.pretty import Pretty
from rich.table import Table

TABLE_WIDTH = 200
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print one JSON document on stdout and nothing else.")]


def say(as_json: bool, document: Any) -> None:
    """Print a command's result on stdout: as one JSON document, or as lines for a person."""
    if as_json:
        print(json.dumps(document, ensure_ascii=False, default=str))
        return
    console = Console(soft_wrap=True)
    for row in document if isinstance(document, list) else [document]:
        _say_row(console, row)


def show_table(rows: list[dict[str, Any]]) -> None:
    """Print rows of the same columns as a table; an estimate is printed with its interval."""
    if not rows:
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(width=max(Console().width, TABLE_WIDTH)).print(table)


def tell(sentence: str) -> None:
    """One sentence on stderr."""
    print(sentence, file=sys.stderr, flush=True)


def _say_row(console: Console, row: Any, indent: str = "") -> None:
    if not isinstance(row, dict):
        console.print(Pretty(row))
        return
    for name, value in row.items():
        if isinstance(value, dict) and value:
            console.print(f"{indent}{name}", markup=False, highlight=False)
            _say_row(console, value, indent + "  ")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            console.print(f"{indent}{name}: {shown}", markup=False, highlight=False)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
