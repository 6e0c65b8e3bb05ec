"""A company's experiments for a person: a table and pictures in Markdown."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from flows.analyze import CompanyAnalysis
from flows.layout import experiment_chart_key
from flows.object_store import open_store
from flows.settings import Settings

HEAD = "| experiment | decision | metric | variant | units | difference | interval | false positives (A/A) | what to do |"


def analysis_report(settings: Settings, analysis: CompanyAnalysis) -> str:
    """The table of `analysis`, then the interval of each experiment over its days."""
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    rows = [line for document in analysis.experiments for line in _lines(document)]
    pictures = []
    for document in analysis.experiments:
        drawn = store.get(experiment_chart_key(analysis.company, document["experiment"]))
        if drawn is not None:
            # inline: whoever reads the artifact need not reach the object store
            pictures.append(f"![{_cell(document['name'])}](data:image/svg+xml;base64,{b64encode(drawn).decode()})")
    title = f"## {analysis.company}, up to {analysis.watermark}"
    table = "\n".join([HEAD, "|" + "---|" * (HEAD.count("|") - 1), *rows])
    return "\n\n".join([title, table, *pictures])


def _lines(document: dict[str, Any]) -> list[str]:
    treatments = [row for row in document["results"] if row["isPrimary"] and not row["isControl"] and "segment" not in row]
    replay = document.get("replay")
    rate = f"{replay['rate']:.1%} ({replay['reading']})" if replay else ""
    about = [_cell(document["name"]), document["decision"], document["primaryMetric"]]
    figures = [[row["variant"], f"{row['n']:,}", _number(row["difference"]), _interval(row)] for row in treatments]
    said = [rate, " ".join([_cell(document["sentence"]), *document.get("warnings", [])])]
    return [f"| {' | '.join([*about, *each, *said])} |" for each in figures or [["", "", "", ""]]]


def _interval(row: dict[str, Any]) -> str:
    ends = row["interval"]["reading"]
    return "" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("]", ")").split())
