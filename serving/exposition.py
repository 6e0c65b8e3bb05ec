"""GET /metrics: what all serving processes counted, as Prometheus' text.

Companies' names and figures are nobody else's business: it answers the operator's own network, or an operator's token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from time import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from serving.auth import operator
from serving.freshness import Published
from serving.health import version
from serving.lookup import Lookup
from serving.metrics import BUCKETS, Board

if TYPE_CHECKING:
    from prometheus_client import Metric

# of headers that tell of a proxy, API_TRUSTED_PROXIES is about X-Forwarded-For alone
OTHER_PROXIES = frozenset(("forwarded", "via", "x-real-ip"))
# companies that are told apart by their generations: those with the oldest, so that none is missed that an alert is about
MOST_TOLD = 500
COUNTED = {
    "views": ("views", "Product views that were accepted."),
    "upsell_impressions": ("impressions", "Impressions of upsells that were accepted."),
    "recommendation_impressions": ("recommendation_impressions", "Impressions of recommendations that were noted."),
    "clicks": ("clicks", "Clicks on recommendations that were accepted."),
    "accepts": ("accepts", "Upsells that customers accepted."),
    "declines": ("declines", "Upsells that customers declined."),
    "cache_hits": ("cache_hits", "Lists that requests found in memory."),
    "cache_misses": ("cache_misses", "Lists that requests had to ask Redis for."),
    "failed_writes": ("failed_writes", "Writes that a client was told to repeat, since a store was away."),
    "deferred_writes": (
        "deferred_writes",
        "Writes that a store which was away, or a crash, delayed: configurations that the poll published, events of "
        "the batch that met an outage of the database.",
    ),
    "rejected_events": ("rejected_events", "Events that the database refused and UpsellRejectedEvent keeps."),
    "drained_rows": ("drained_rows", "Rows that the drain put into the database."),
    "limited_requests": ("limited_requests", "Requests that were refused with 429."),
}
HELD = {
    "cache_bytes": ("cache_bytes", "Bytes of lists in the memory of all processes."),
    "cache_entries": ("cache_entries", "Lists in the memory of all processes."),
}


@dataclass(frozen=True)
class Standing:
    """What is told beside counts: generations by company, the time (seconds since 1970), and how the stores do.

    backlog: events that wait for Postgres, and for how many seconds the oldest has; None where this process takes none.
    """

    published: Mapping[str, Published]
    now: float
    up: Mapping[str, bool]
    backlog: tuple[int, float] | None

    @classmethod
    def of(cls, lookup: Lookup, published: Mapping[str, Published], database_up: bool | None) -> Standing:
        """As of now; database_up: None where there is no database."""
        up = {"redis": lookup.generations.latency_seconds is not None}
        seen = lookup.intake.backlog if lookup.intake.takes else None
        backlog = (seen.n, seen.oldest_seconds or 0.0) if seen is not None else None
        return cls(published, time(), up if database_up is None else {**up, "postgres": database_up}, backlog)


async def metrics(request: Request) -> Response:
    """GET /metrics. Raises ApiError 401, 403 for whoever is neither of the own network nor an operator."""
    state = request.state
    if not may_read(request):
        operator(request)
    database = state.database
    standing = Standing.of(
        state.lookup, await state.freshness.read(), None if database is None else database.latency_seconds is not None
    )
    # the first time, the library is loaded, which takes a tenth of a second
    body, media_type = await asyncio.to_thread(_text, state.guards.metrics.board, standing)
    return Response(body, 200, {"cache-control": "no-store", "content-type": media_type})


def may_read(request: Request) -> bool:
    """Whether a request may read the metrics without a token: nothing tells that it comes from outside."""
    if not request.state.settings.metrics_open or not OTHER_PROXIES.isdisjoint(request.headers):
        return False
    inside: bool = request.state.guards.caller(request.scope["client"], request.headers).inside
    return inside


def collected(board: Board, standing: Standing) -> Iterator[Metric]:
    """Every metric with its samples."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

    yield _requests(board)
    counts = board.counts()
    for name, (told, meaning) in COUNTED.items():
        counter = CounterMetricFamily(f"upsell_{told}", meaning, labels=["company"])
        for (counted, company), n in counts.items():
            if counted == name:
                counter.add_metric([company], n)
        yield counter
    held = board.gauges()
    for name, (told, meaning) in HELD.items():
        yield GaugeMetricFamily(f"upsell_{told}", meaning, held[name])
    lost = "Views of live sessions that were never kept."
    yield CounterMetricFamily("upsell_lost_session_views", lost, held["lost_writes"])
    up = GaugeMetricFamily("upsell_store_up", "1 where the store answers.", labels=["store"])
    for store, answers in standing.up.items():
        up.add_metric([store], answers)
    yield up
    if standing.backlog is not None:
        yield GaugeMetricFamily("upsell_events_backlog", "Events that wait for the database.", standing.backlog[0])
        waits = "How long the oldest of them has waited."
        yield GaugeMetricFamily("upsell_events_oldest_seconds", waits, standing.backlog[1])
    yield from _generations(standing)
    yield InfoMetricFamily("upsell_build", "This program.", {"version": version()})


def _requests(board: Board) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        "upsell_request_duration_seconds", "From a request's head to its answer.", labels=["method", "route", "status"]
    )
    bounds = [*map(str, BUCKETS), "+Inf"]
    for row in board.requests():
        buckets = list(zip(bounds, accumulate(row.n), strict=True))
        family.add_metric([row.method, row.route, row.status], buckets, row.seconds)
    return family


def _generations(standing: Standing) -> Iterable[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    live = GaugeMetricFamily("upsell_companies", "Companies with a live generation.", len(standing.published))
    age = GaugeMetricFamily("upsell_generation_age_seconds", "Since the live generation was published.", labels=["company"])
    covered = "Anchors (products or customers) that have a list."
    anchors = GaugeMetricFamily("upsell_generation_anchors", covered, labels=["company", "kind"])
    oldest = sorted(standing.published.items(), key=lambda row: (row[1].at, row[0]))[:MOST_TOLD]
    for company, published in oldest:
        age.add_metric([company], max(0.0, standing.now - published.at))
        for kind, n in published.anchors.items():
            anchors.add_metric([company, kind], n)
    return live, age, anchors


def _text(board: Board, standing: Standing) -> tuple[bytes, str]:
    from prometheus_client import generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
    from prometheus_client.registry import Collector

    class Everything(Collector):
        def collect(self) -> Iterable[Metric]:
            return collected(board, standing)

    return generate_latest(Everything()), CONTENT_TYPE_PLAIN_0_0_4
