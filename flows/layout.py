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


def products_key(company: str, digest: str) -> str:
    """The whole catalogue as of one extraction, named after its content."""
    return f"{folder(company)}/products/{digest}.parquet"


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
