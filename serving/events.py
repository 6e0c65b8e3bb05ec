"""Events on their way into Redis' stream, from where serving/drain.py takes them to Postgres.

What is answered has been confirmed by Redis: one script per request finds repetitions, holds the caps, keeps the buffer's bound and
appends, all or nothing. What pages and carts merely note waits for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from models import edge_experiments
from models.edge_experiments import EdgeExperiment
from models.events import STREAM_KEY, Event, fields
from serving.company_documents import CompanyDocuments
from serving.errors import ApiError, StoreAway
from serving.events_backlog import Backlog
from serving.events_scripts import FULL
from serving.settings import Settings
from serving.store import Store

MOST_COMPANIES = 10_000


@dataclass(frozen=True, slots=True)
class Once:
    """How a repetition is found: the key that is then there, for how many ms (0: not looked for), and what it holds."""

    key: str = ""
    ms: int = 0
    told: str = ""


NEVER_REPEATED = Once()


class Intake:
    """Where events enter; `takes` is False where nothing is to be written."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.takes = not settings.read_only and bool(settings.database_url)
        self.events_most = settings.events_most
        self.backlog = Backlog()
        self._store = store
        self._read: dict[str, Ruled] = {}

    def note(self, *events: Event) -> bool:
        """Append events that came about together, with the next turn, and forget them; False where they are not taken."""
        if not self.takes or not events or self.backlog.n >= self.events_most:
            return False
        self._store.write(("XADD", STREAM_KEY, "*", *fields(events)))
        return True

    async def submit(self, script: str, event: Event, once: Once, keys: Iterable[str], *own: Any) -> Any:
        """The reply of a step of events_scripts, once Redis has confirmed it.

        Raises ApiError 503 where the buffer is full, where nothing is written here, and where Redis is away or takes no writes.
        """
        if not self.takes:
            raise ApiError(503, "Read only", "Nothing is written here.", headers={"retry-after": "60"})
        named = (STREAM_KEY, once.key, *keys)
        common = (self.events_most, once.ms, event.kind, event.row(), once.told)
        reply = await self._store.ask(("EVAL", script, len(named), *named, *common, *own))
        if isinstance(reply, Exception):
            raise StoreAway("The store does not take events; try again shortly.") from reply
        if reply == FULL:
            raise ApiError(
                503, "Buffer full", "Too many events wait to be stored; try again shortly.", headers={"retry-after": "5"}
            )
        return reply

    def ruled(self, company: str, documents: CompanyDocuments) -> Ruled:
        """The company's rules and experiments, by rule."""
        known = self._read.get(company)
        if known is None or known.rules is not documents.rules or known.experiments is not documents.experiments:
            if len(self._read) >= MOST_COMPANIES:
                self._read.pop(next(iter(self._read)))
            known = self._read[company] = Ruled(documents)
        return known


class Ruled:
    """Rules by id, and the experiments on each, the one that counts first."""

    def __init__(self, documents: CompanyDocuments) -> None:
        self.rules, self.experiments = documents.rules, documents.experiments
        self.by_id: Mapping[str, Mapping[str, Any]] = {row["id"]: row for row in documents.rules if isinstance(row.get("id"), str)}
        self.on_rule: dict[str, list[EdgeExperiment]] = {}
        for row in edge_experiments.read(documents.experiments):
            if row.rule_id is not None:
                self.on_rule.setdefault(row.rule_id, []).append(row)

    def assigned(self, rule_id: str, customer: str, session: str, at: int) -> tuple[str, str]:
        """Experiment and variant of a visitor at an instant (ms since 1970), both "" for one who is in none."""
        now = datetime.fromtimestamp(at / 1000, UTC)
        running = next((row for row in self.on_rule.get(rule_id, ()) if row.is_running(now)), None)
        variant = running.variant_for(customer, session) if running is not None else None
        return (running.id, variant) if running is not None and variant is not None else ("", "")
