"""A Snapshot: what was extracted of one company up to a watermark. A small manifest; the rows lie in day partitions."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

CONFIG_PARTS = ("alsoBought", "youMightLike", "frequentlyViewed", "global")


def instant(moment: datetime) -> str:
    """An instant as ISO 8601 in UTC with microseconds only where there are any: `2011-12-09T12:50:00Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def stamp(moment: datetime) -> str:
    """An instant as part of a key, sortable as text: `20111209T125000.000000Z`."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")


@dataclass(frozen=True)
class Partition:
    """One day of one member. `fingerprint` is what the source said of that day when it was read, so that a later night reads
    only the days whose fingerprint has changed; `key` is the Parquet file, named after its content."""

    day: str
    key: str
    n_rows: int
    n_quarantined: int
    fingerprint: str


@dataclass(frozen=True)
class Snapshot:
    """One company up to `watermark` (exclusive upper event time, ISO 8601 UTC). `members` maps `order_lines`, `views` and
    `impressions` to their day partitions, oldest first; `products_key` and `subscriptions_key` are whole tables; `quarantined`
    counts rows by reason."""

    company: str
    watermark: str
    currency: str
    members: dict[str, list[Partition]]
    products_key: str
    config: dict[str, Any] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    subscriptions_key: str = ""
    timezone: str = "UTC"

    def to_json(self) -> bytes:
        """Canonical bytes: sorted keys, UTF-8."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, document: bytes) -> Snapshot:
        """Read `to_json`'s bytes back.

        Raises ValueError when the document is not a snapshot.
        """
        try:
            read = json.loads(document)
            members = {name: [Partition(**row) for row in rows] for name, rows in read.pop("members").items()}
            return cls(members=members, **read)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"Not a snapshot manifest ({error!r}).") from error

    def partition(self, member: str, day: str) -> Partition | None:
        """The partition of one day (`YYYY-MM-DD`), or None."""
        return next((row for row in self.members.get(member, []) if row.day == day), None)
