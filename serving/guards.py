"""What stands around every request, whichever way answers it: limits, other origins, counts, the access log."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from starlette.datastructures import Headers

from serving.addresses import Addresses, Caller
from serving.cors import Cors
from serving.limits import Limits
from serving.lookup import Lookup
from serving.metrics import Metrics
from serving.settings import Settings

log = logging.getLogger("serving.access")
MEASURED_SECONDS = 1.0


@dataclass(frozen=True)
class Guards:
    """One process's; `told` is whether each request has a line in the log."""

    addresses: Addresses
    limits: Limits
    cors: Cors
    metrics: Metrics
    told: bool

    @classmethod
    def of(cls, settings: Settings, lookup: Lookup) -> Guards:
        """Those of the settings. Raises SettingsError."""
        documents, metrics = lookup.documents, lookup.metrics
        return cls(
            Addresses(settings.trusted_proxies),
            Limits(documents, lookup.store, metrics),
            Cors(documents, lambda: lookup.generations.known),
            metrics,
            bool(settings.access_log),
        )

    def caller(self, client: tuple[str, int] | None, headers: Headers) -> Caller:
        """Who asks: `client` is whose connection it is, None on one without an address."""
        forwarded = ",".join(headers.getlist("x-forwarded-for")).encode("latin-1")
        return self.addresses.caller(client[0] if client else "", forwarded)

    def admit_named(self, company: str, admitted: str) -> None:
        """Count a request to the company that its token is for, unless it has been: to `admitted`. Raises ApiError 429."""
        if company != admitted:
            self.limits.admit(company, "")

    async def measure(self, lookup: Lookup) -> None:
        """Have the metrics know what this process holds, for ever."""
        while True:
            self.metrics.gauge(lookup.cache.held_bytes, len(lookup.cache), lookup.store.n_lost_writes)
            await asyncio.sleep(MEASURED_SECONDS)

    def ended(self, series: int, status: int, seconds: float, request_id: bytes, company: str | None) -> None:
        """A request has been answered. An address's query is never told: customers' ids may be their e-mail addresses."""
        self.metrics.observe(series, status, seconds)
        if self.told:
            method, route = self.metrics.board.names[series]
            facts = {"requestId": request_id.decode(), "company": company, "method": method, "route": route}
            log.info("Request", extra={**facts, "status": status, "ms": round(seconds * 1000, 3)})
