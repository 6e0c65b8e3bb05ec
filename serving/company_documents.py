"""What companies have decided (rules, experiments, settings, flags), parsed, in this process's memory; never older than a second.

Loaded with the company's generation, read again when a change is told of, and once a second when the stamp or the flags in Redis
are are others than those it was read with (serving/generations.py). What an operator sets in the key of the flags itself is seen
likewise.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models import company_settings, configuration, exact_json
from models.company_settings import CompanySettings
from models.flags import DEFAULTS, flags, flags_key
from models.published_configs import COMPANY_FOLDERS, EVERYBODY, SETTINGS, config_key, split_config, stamp_key

log = logging.getLogger("serving.configs")
COMPANIES_PER_READ = 200
# of `keys`, those that tell whether to read the others
N_MARKS = 2
_DEFAULT_SETTINGS = CompanySettings()
_DEFAULT_PARTS: Mapping[str, Any] = configuration.merge({}).parts
Mget = Callable[[Sequence[bytes]], Awaitable[list[bytes | None]]]


@dataclass(frozen=True, slots=True)
class CompanyDocuments:
    """One company's. Versions rise with every change of their documents; 0 is nothing published.

    rules, experiments: as the API answers them, the experiments those that run. recommendation_config: the four parts, whole.
    """

    rules: tuple[Mapping[str, Any], ...] = ()
    rules_version: int = 0
    experiments: tuple[Mapping[str, Any], ...] = ()
    experiments_version: int = 0
    settings: CompanySettings = _DEFAULT_SETTINGS
    recommendation_config: Mapping[str, Any] = field(default_factory=lambda: _DEFAULT_PARTS)
    recommendation_config_version: int = 0
    flags: Mapping[str, bool] = field(default_factory=lambda: DEFAULTS)


@dataclass(slots=True)
class _Held:
    """What was read of one company, and what was made of it."""

    stamp: bytes | None
    flags: bytes | None
    settings: Mapping[str, Any]
    made: CompanyDocuments


class Documents:
    """Those of every company that this process serves."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._made: dict[str, CompanyDocuments] = {}
        self._of_nobody = CompanyDocuments()

    def of(self, company: str) -> CompanyDocuments:
        """The company's as they were last read; the defaults, with what holds for all, where nothing was read yet."""
        return self._made.get(company, self._of_nobody)

    def unread(self, company: str) -> list[str]:
        """What is to be read before `of` can tell: the company, and EVERYBODY, as far as either has not been."""
        return [each for each in (EVERYBODY, company) if each not in self._held]

    def adopt(self, companies: Sequence[str], values: Sequence[bytes | None]) -> None:
        """Take the values of `keys` of each of the companies."""
        each = len(keys(EVERYBODY))
        for number, company in enumerate(companies):
            # many requests may have read the same: the first one's stand
            if company not in self._held:
                self._take(company, values[number * each : (number + 1) * each])

    async def refresh(self, companies: Iterable[str], mget: Mget) -> None:
        """Read again what has changed of these companies, and of what holds for all."""
        asked = list(dict.fromkeys((EVERYBODY, *companies)))
        for start in range(0, len(asked), COMPANIES_PER_READ):
            some = asked[start : start + COMPANIES_PER_READ]
            marks = await mget([key for company in some for key in keys(company)[:N_MARKS]])
            for company, stamp, flag in zip(some, marks[::2], marks[1::2], strict=True):
                held = self._held.get(company)
                if held is None or (held.stamp, held.flags) != (stamp, flag):
                    self._take(company, await mget(keys(company)))

    def forget(self, company: str) -> None:
        """The company is not served here any more."""
        self._held.pop(company, None)
        self._made.pop(company, None)

    def _take(self, company: str, values: Sequence[bytes | None]) -> None:
        stamp, flag, *payloads = values
        before = self._held.get(company)
        documents = dict(zip(COMPANY_FOLDERS, map(split_config, payloads), strict=True))
        _, stored = documents.pop(SETTINGS)
        settings = _object(_parsed(company, SETTINGS, stored, exact_json.read)).get("settings")
        made = _made(company, before.made if before else CompanyDocuments(), *documents.values())
        self._held[company] = _Held(stamp, flag, _object(settings), made)
        # what holds for all stands below everybody's own
        for each in self._held if company == EVERYBODY else (company,):
            self._merge(each)

    def _merge(self, company: str) -> None:
        held, everybody = self._held[company], self._held.get(EVERYBODY)
        below = everybody.settings if everybody else {}
        settings, faults = company_settings.read({**below, **held.settings})
        if faults:
            log.warning("Settings are not followed", extra={"company": company, "reason": faults[0]["message"]})
        merged = flags(everybody.flags if everybody else None, held.flags)
        made = replace(held.made, settings=settings, flags=merged)
        if company == EVERYBODY:
            self._of_nobody = CompanyDocuments(settings=settings, flags=merged)
        else:
            self._made[company] = made


def keys(company: str) -> list[bytes]:
    """What is read of a company, in the order that `Documents.adopt` wants: its stamp, its flags, its documents."""
    resources = [config_key(company, resource, "") for resource in COMPANY_FOLDERS]
    return [key.encode() for key in (stamp_key(company), flags_key(company), *resources)]


def _made(
    company: str, before: CompanyDocuments, rules: tuple[int, bytes], experiments: tuple[int, bytes], config: tuple[int, bytes]
) -> CompanyDocuments:
    """Without settings and flags. A list whose version is the one before stays the same object."""
    made = before
    if rules[0] != before.rules_version:
        listed = _listed(_parsed(company, "rules", rules[1], exact_json.read))
        made = replace(made, rules=listed, rules_version=rules[0])
    if experiments[0] != before.experiments_version:
        # weights and shares are numbers to compute with, no amounts
        listed = _listed(_parsed(company, "experiments", experiments[1], json.loads))
        made = replace(made, experiments=listed, experiments_version=experiments[0])
    parts = configuration.merge(dict(_object(_parsed(company, "recommendation-config", config[1], json.loads)))).parts
    return replace(made, recommendation_config=parts, recommendation_config_version=config[0] if config[1] else 0)


def _parsed(company: str, resource: str, stored: bytes, reads: Callable[[bytes], Any]) -> Any:
    try:
        return reads(stored) if stored else None
    except (ValueError, RecursionError) as error:
        log.error("A published document cannot be read", extra={"company": company, "resource": resource, "reason": str(error)})
        return None


def _listed(value: Any) -> tuple[Mapping[str, Any], ...]:
    return tuple(each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
