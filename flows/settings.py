"""Settings of the batch: read once at the door, frozen, passed as an argument from there on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values

from flows.errors import SettingsError
from models.gates import Gates

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Settings:
    """Every field is one environment variable of the same name in capitals; `.env.example` documents them."""

    local_dir: Path
    database_url: str | None = None
    redis_url: str | None = None
    snapshot_uri: str | None = None
    jwt_secret: str | None = None
    retry_seconds: float = 30.0
    statement_timeout_seconds: int = 1_800
    retire_after_hours: int = 72
    coverage_gate: float = Gates.coverage
    kept_gate: float = Gates.kept
    quality_gate: float = Gates.quality
    company_gates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment, `.env` below it; empty values count as unset.

        Raises SettingsError for a value of the wrong type or out of range.
        """
        sources = dotenv_values(".env"), os.environ if environ is None else environ
        given = {key: value for source in sources for key, value in source.items() if value}

        def number(name: str, default: T, low: float, high: float) -> T:
            try:
                value = type(default)(given.get(name, default))
            except ValueError:
                kind = type(default).__name__
                raise SettingsError(f"{name} is {given[name]!r}: give it as {kind}.") from None
            if not low <= value <= high:
                raise SettingsError(f"{name} is {given[name]!r}: give a number from {low} to {high}.")
            return value

        return cls(
            local_dir=Path(given.get("LOCAL_DIR", ".local")).absolute(),
            database_url=given.get("DATABASE_URL"),
            redis_url=given.get("REDIS_URL"),
            snapshot_uri=given.get("SNAPSHOT_URI"),
            jwt_secret=given.get("JWT_SECRET"),
            retry_seconds=number("RETRY_SECONDS", cls.retry_seconds, 0, 86_400),
            statement_timeout_seconds=number("STATEMENT_TIMEOUT_SECONDS", cls.statement_timeout_seconds, 1, 86_400),
            retire_after_hours=number("RETIRE_AFTER_HOURS", cls.retire_after_hours, 1, 8_760),
            coverage_gate=number("COVERAGE_GATE", cls.coverage_gate, 0, 1),
            kept_gate=number("KEPT_GATE", cls.kept_gate, 0, 1),
            quality_gate=number("QUALITY_GATE", cls.quality_gate, 0, 100),
            company_gates=_company_gates(given.get("COMPANY_GATES", "{}")),
        )

    def gates(self, company: str) -> Gates:
        """The company's thresholds: its own of COMPANY_GATES, the general ones for what it has none."""
        general = Gates(coverage=self.coverage_gate, kept=self.kept_gate, quality=self.quality_gate)
        return replace(general, **self.company_gates.get(company, {}))

    @property
    def snapshots(self) -> str:
        """The object store's address; below `.local/` unless SNAPSHOT_URI is set."""
        return self.snapshot_uri or (self.local_dir / "snapshots").as_uri()


def _company_gates(given: str) -> dict[str, dict[str, float]]:
    names = {row.name for row in fields(Gates)}
    wrong = SettingsError(
        f"COMPANY_GATES is {given!r}: give JSON such as "
        '{"company": {"quality": 1.1}}'
        f", with {', '.join(sorted(names))} and numbers from 0 on."
    )
    try:
        read = json.loads(given)
    except json.JSONDecodeError:
        raise wrong from None
    companies: dict[str, Any] = read if isinstance(read, dict) else {"": None}
    for row in companies.values():
        known = isinstance(row, dict) and row.keys() <= names
        if not known or not all(type(value) in (int, float) and value >= 0 for value in row.values()):
            raise wrong
    return {company: {name: float(value) for name, value in row.items()} for company, row in companies.items()}
