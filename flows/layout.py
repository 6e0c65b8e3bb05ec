"""Where a company's files lie in the object store."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote

from models.snapshot import stamp


def folder(company: str) -> str:
    """The company's folder; its id is percent-encoded, so that any id is one folder name."""
    encoded = quote(company, safe="")
    # "", "." and ".." name no folder of their own; a lone % is in no encoded id
    return encoded if encoded.strip(".") else f"%{encoded}"


def partition_key(company: str, member: str, day: str, digest: str) -> str:
    """One day of one member, named after its content."""
    return f"{folder(company)}/{member}/{day}.{digest}.parquet"


def quarantine_key(partition: str) -> str:
    """The rows of a partition's day that could not be used, with their reasons."""
    company, _, rest = partition.partition("/")
    return f"{company}/quarantine/{rest}"


def table_key(company: str, table: str, digest: str) -> str:
    """A table that is read whole, `products` or `subscriptions`, as of one extraction, named after its content."""
    return f"{folder(company)}/{table}/{digest}.parquet"


def snapshots_prefix(company: str) -> str:
    """Prefix of the company's snapshot manifests, which sort by watermark."""
    return f"{folder(company)}/snapshots/"


def snapshot_key(company: str, watermark: datetime) -> str:
    """The manifest of the snapshot at one watermark."""
    return f"{snapshots_prefix(company)}{stamp(watermark)}.json"


def features_key(company: str, watermark: datetime, member: str) -> str:
    """One member of the features derived at one watermark."""
    return f"{folder(company)}/features/{stamp(watermark)}/{member}.parquet"


def generations_prefix(company: str) -> str:
    """Prefix of everything built for publishing."""
    return f"{folder(company)}/generations/"


def generation_key(company: str, generation: str, name: str) -> str:
    """One file of a generation: `manifest.json`, `products.parquet` or `{kind}.parquet`."""
    return f"{generations_prefix(company)}{generation}/{name}"


def experiment_snapshots_prefix(company: str) -> str:
    """Prefix of what was extracted for the analysis of experiments, which sorts by day."""
    return f"{folder(company)}/experiments/snapshots/"


def experiment_snapshot_key(company: str, watermark: datetime) -> str:
    """The manifest of the last analysis of a day: an hourly analysis replaces it."""
    return f"{experiment_snapshots_prefix(company)}{stamp(watermark)[:8]}.json"


def experiment_results_key(company: str, day: str) -> str:
    """All results of one day (`YYYY-MM-DD`), segments and all."""
    return f"{folder(company)}/experiments/results/{day}.json"


def experiment_replay_key(company: str) -> str:
    """The A/A replays of the last night."""
    return f"{folder(company)}/experiments/replay.json"


def experiment_chart_key(company: str, experiment: str) -> str:
    """The picture of one experiment's interval over its days."""
    return f"{folder(company)}/experiments/charts/{folder(experiment)}.svg"
