"""The files that `load` takes, their columns, and what it reports: one row of a table per kind of file.

The order of the table is the order of loading: what others refer to comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from flows.load_columns import (
    AMOUNT,
    COUNT,
    FLAG,
    ID,
    INSTANT,
    INTEGER,
    JSON,
    PRICE,
    QUANTITY,
    REVENUE,
    TEXT,
    Kind,
    choice,
    choices,
)  # fmt: skip
from models.subscriptions import FREQUENCY_DAYS
from models.targeting_facts import DEFAULT_PRIORITY, PLACEMENTS, UPSELL_TYPES, URGENCIES

ORDER_STATUSES = (
    "PENDING", "CONFIRMED", "PROCESSING", "PARTIALLY_SHIPPED", "SHIPPED", "DELIVERED", "COMPLETED", "CANCELED", "REFUNDED",
)  # fmt: skip
LINE_PRICE_REASON = "not a sale: unit_price is {complaint}"


@dataclass(frozen=True)
class LoadFiles:
    """Paths of the files to load, each Parquet or CSV with a header; None for those that are not given."""

    products: Path | None = None
    rules: Path | None = None
    experiments: Path | None = None
    orders: Path | None = None
    views: Path | None = None
    carts: Path | None = None
    cart_items: Path | None = None
    subscriptions: Path | None = None
    impressions: Path | None = None
    exposures: Path | None = None

    def given(self) -> Iterator[tuple[str, Path]]:
        """Kind and path of each file that is given, in the order of loading."""
        for member in fields(self):
            path = getattr(self, member.name)
            if path is not None:
                yield member.name, Path(path)


@dataclass(frozen=True)
class CompanyRow:
    """What a company's row holds when `load` has to create it; an existing row is never changed."""

    name: str
    currency: str = "EUR"
    timezone: str = "UTC"


@dataclass
class FileReport:
    """What became of one file's rows: read = loaded + already there + quarantined."""

    path: Path
    rows: int = 0
    loaded: int = 0
    already_there: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    quarantine_file: Path | None = None
    ignored_columns: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LoadReport:
    """One FileReport per given file, by kind of file, in the order of loading."""

    company: str
    files: dict[str, FileReport]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {"company": self.company, "files": {kind: _plain(asdict(report)) for kind, report in self.files.items()}}


@dataclass(frozen=True)
class Column:
    """One column of a file. `reason` is the quarantine's sentence for a value that cannot be."""

    name: str
    kind: Kind
    required: bool = False
    default: Any = None
    reason: str = "{name} is {complaint}"

    @property
    def wrong(self) -> str:
        """The reason for quarantining a row whose value was given but cannot be."""
        return self.reason.format(name=self.name, complaint=self.kind.complaint)


def _must(name: str, kind: Kind = ID) -> Column:
    return Column(name, kind, required=True)


FILES: dict[str, tuple[Column, ...]] = {
    "products": (
        _must("product_id"), Column("title", TEXT), Column("category", TEXT), Column("price", AMOUNT), Column("cost", AMOUNT),
    ),
    "rules": (
        _must("rule_id"), _must("name", TEXT), _must("upsell_type", choice(*UPSELL_TYPES)), Column("description", TEXT),
        Column("priority", INTEGER, default=DEFAULT_PRIORITY), Column("enabled", FLAG, default=True),
        Column("conditions", JSON, default="{}"), Column("offer", JSON, default="{}"), Column("message", TEXT),
        Column("urgency", choice(*URGENCIES), default=URGENCIES[0]),
        Column("placements", choices(*PLACEMENTS), default="{}"), Column("max_impressions", INTEGER),
        Column("max_acceptances", INTEGER), Column("valid_from", INSTANT), Column("valid_until", INSTANT),
    ),
    "experiments": (
        _must("experiment_id"), _must("name", TEXT), _must("primary_metric", TEXT), Column("rule_id", ID),
        Column("description", TEXT),
        Column("status", choice("DRAFT", "RUNNING", "PAUSED", "COMPLETED"), default="DRAFT"), Column("control", JSON, default="{}"),
        Column("variants", JSON, default="[]"), Column("variant_weights", JSON, default="{}"),
        Column("minimum_sample_size", INTEGER, default=0), Column("started_at", INSTANT), Column("ended_at", INSTANT),
    ),
    "orders": (
        _must("order_id"), Column("customer_id", ID), _must("product_id"), _must("quantity", QUANTITY),
        Column("unit_price", PRICE, reason=LINE_PRICE_REASON), _must("ordered_at", INSTANT),
        Column("is_cancellation", FLAG, default=False), Column("status", choice(*ORDER_STATUSES), default="COMPLETED"),
        Column("environment", choice("production", "sandbox"), default="production"),
    ),
    "views": (
        _must("session_id"), Column("customer_id", ID), _must("product_id"), _must("viewed_at", INSTANT),
        Column("source", choice("DIRECT", "SEARCH", "RECOMMENDATION"), default="DIRECT"), Column("source_product_id", ID),
        Column("duration_seconds", INTEGER),
    ),
    "carts": (
        _must("cart_id"), Column("customer_id", ID), Column("session_id", ID),
        Column("status", choice("ACTIVE", "CONVERTED", "ABANDONED", "MERGED", "EXPIRED"), default="ACTIVE"), Column("order_id", ID),
        _must("updated_at", INSTANT),
    ),
    "cart_items": (_must("cart_id"), _must("product_id"), _must("quantity", COUNT), Column("unit_price", AMOUNT)),
    "subscriptions": (
        _must("subscription_id"), _must("customer_id"), _must("product_id"), _must("frequency", choice(*FREQUENCY_DAYS)),
        Column("status", choice("ACTIVE", "PAUSED", "CANCELED", "PAST_DUE", "TRIALING", "EXPIRED"), default="ACTIVE"),
        _must("created_at", INSTANT),
    ),
    "impressions": (
        _must("rule_id"), _must("session_id"), Column("customer_id", ID), Column("cart_id", ID),
        _must("placement", choice(*PLACEMENTS)),
        Column("experiment_id", ID), Column("variant", TEXT), _must("viewed_at", INSTANT), Column("clicked_at", INSTANT),
        Column("accepted_at", INSTANT), Column("declined_at", INSTANT), Column("revenue", REVENUE),
    ),
    "exposures": (
        _must("experiment_id"), _must("variant", TEXT), _must("session_id"), Column("customer_id", ID), _must("product_id"),
        Column("type", choice("ALSO_BOUGHT", "YOU_MIGHT_LIKE", "FREQUENTLY_VIEWED"), default="ALSO_BOUGHT"),
        _must("exposed_at", INSTANT), Column("clicked_product_id", ID), Column("clicked_at", INSTANT), Column("added_at", INSTANT),
    ),
}  # fmt: skip


def _plain(report: dict[str, Any]) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in report.items()}
