"""The whole route table, and what lives as long as the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from serving import (
    audit,
    bulk_discounts,
    company_settings,
    configs,
    experiments,
    exposition,
    list_events,
    offer_events,
    openapi_pages,
    pages,
    preview,
    recommendation_config,
    rules,
    subscriptions,
    upsell,
    wire,
)
from serving.auth import Keys
from serving.cache import Cache
from serving.edge import Edge, api_problem, http_problem
from serving.errors import ApiError
from serving.events import Intake
from serving.exposures import Exposures
from serving.freshness import Freshness
from serving.generations import Generations
from serving.guards import Guards
from serving.health import health
from serving.lookup import Lookup
from serving.metrics import Board, Metrics
from serving.routing import NamedRead, ReadRoute, Reads
from serving.rule_sets import RuleSets
from serving.settings import Settings
from serving.signing import SIGNING_SECONDS, keep_signer
from serving.store import Store

if TYPE_CHECKING:
    from serving.database import Database

# A ReadRoute is answered by the fast protocol, or by Starlette where that does not apply; a Route by Starlette alone.
# fmt: off
ROUTES: Sequence[BaseRoute] = (
    Route("/api/health", health),
    Route("/metrics", exposition.metrics),
    Route("/api/openapi.json", openapi_pages.openapi),
    Route("/api/docs", openapi_pages.docs),
    Route("/api/docs/assets/{name:path}", openapi_pages.asset),
    ReadRoute("/api/products/{product_id}/recommendations", pages.page),
    ReadRoute("/api/products/{product_id}/recommendations/{kind}", pages.section),
    ReadRoute("/api/products/{product_id}/bulk-recommendation", bulk_discounts.recommendation),
    ReadRoute("/api/products/{product_id}/bulk-discount", bulk_discounts.config),
    Route("/api/products/{product_id}/bulk-discount", configs.put_bulk_discount, methods=["PUT"]),
    Route("/api/products/{product_id}/bulk-discount", configs.delete_bulk_discount, methods=["DELETE"]),
    Route("/api/products/pricing/bulk-calculate", bulk_discounts.calculate, methods=["POST"]),
    ReadRoute("/api/products/{product_id}/subscription-config", subscriptions.config),
    Route("/api/products/{product_id}/subscription-config", configs.put_subscription_config, methods=["PUT"]),
    ReadRoute("/api/upsell/subscription-eligibility/{product_id}", subscriptions.eligibility),
    ReadRoute("/api/upsell/subscription-offer/{product_id}", subscriptions.offer),
    NamedRead("/api/upsell/cart/{cart_id}", upsell.cart, "items", upsell.cart_of_platform),
    Route("/api/admin/recommendations/config", recommendation_config.show),
    Route("/api/admin/recommendations/config", recommendation_config.change, methods=["PUT"]),
    Route("/api/admin/settings", company_settings.show_settings),
    Route("/api/admin/settings", company_settings.change_settings, methods=["PUT"]),
    Route("/api/admin/flags", company_settings.show_flags),
    Route("/api/admin/flags", company_settings.change_flags, methods=["PUT"]),
    Route("/api/admin/flags/global", company_settings.show_global_flags),
    Route("/api/admin/flags/global", company_settings.change_global_flags, methods=["PUT"]),
    Route("/api/admin/audit", audit.list_entries),
    Route("/api/admin/audit/global", audit.list_global_entries),
    Route("/api/admin/upsell/preview", upsell.preview),
    Route("/api/upsell/rules", rules.list_rules),
    Route("/api/upsell/rules", rules.create_rule, methods=["POST"]),
    Route("/api/upsell/rules/{rule_id}", rules.show_rule),
    Route("/api/upsell/rules/{rule_id}", rules.change_rule, methods=["PUT"]),
    Route("/api/upsell/rules/{rule_id}", rules.delete_rule, methods=["DELETE"]),
    Route("/api/upsell/experiments", experiments.list_experiments),
    Route("/api/upsell/experiments", experiments.create_experiment, methods=["POST"]),
    Route("/api/upsell/experiments/{experiment_id}", experiments.show_experiment),
    Route("/api/upsell/experiments/{experiment_id}", experiments.change_experiment, methods=["PUT"]),
    Route("/api/admin/recommendations/preview/{product_id}", preview.preview),
    Route("/api/upsell/impressions", offer_events.impression, methods=["POST"]),
    Route("/api/upsell/impressions/accept", offer_events.accept, methods=["POST"]),
    Route("/api/upsell/impressions/decline", offer_events.decline, methods=["POST"]),
    Route("/api/recommendations/view", list_events.view, methods=["POST"]),
    Route("/api/recommendations/click", list_events.click, methods=["POST"]),
    Route("/api/recommendations/add-to-cart", list_events.add_to_cart, methods=["POST"]),
)
# fmt: on


def create_app(settings: Settings, routes: Sequence[BaseRoute] = ROUTES, metrics: Metrics | None = None) -> Starlette:
    """The API as an ASGI application; its lifespan keeps the store's connections.

    metrics: what it counts with, of a Board that all processes share; without it, one that it has to itself.
    """
    counts = metrics or Board(routes).writer()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with reading(settings, counts) as ready, guarding(settings, ready) as guards, writing(settings, ready) as database:
            shared = {"lookup": ready, "reads": Reads(routes, ready, guards), "guards": guards, "freshness": Freshness(ready.store)}
            yield {**shared, "database": database, "keys": Keys(settings), "settings": settings}

    app = Starlette(
        routes=list(routes),
        middleware=[Middleware(Edge)],
        exception_handlers={HTTPException: http_problem, ApiError: api_problem},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def reading(settings: Settings, metrics: Metrics) -> AsyncIterator[Lookup]:
    """A Lookup with its store connected, if Redis is there: without it the API starts too, and recovers by itself."""
    address = wire.Address.parse(settings.redis_url)
    store = Store(address, settings.store_timeout_seconds)
    cache = Cache(settings.cache_megabytes * 1_000_000, settings.cache_seconds)
    generations = Generations(settings, address, store, cache)
    tried = asyncio.Event()
    tasks = [asyncio.create_task(store.keep_connected(tried)), asyncio.create_task(generations.watch())]
    try:
        await tried.wait()
        ready = Lookup(generations, cache, store)
        ready.documents, ready.metrics = generations.documents, metrics
        ready.intake = Intake(settings, store)
        ready.rule_sets, ready.exposures = RuleSets(), Exposures(ready.intake)
        tasks += [
            asyncio.create_task(ready.intake.backlog.watch(store)),
            signing := asyncio.create_task(keep_signer(ready, settings)),
        ]
        await asyncio.wait({signing}, timeout=SIGNING_SECONDS)
        yield ready
    finally:
        await _end(tasks)


@asynccontextmanager
async def guarding(settings: Settings, lookup: Lookup) -> AsyncIterator[Guards]:
    """What stands around every request."""
    guards = Guards.of(settings, lookup)
    tasks = [asyncio.create_task(guards.limits.share()), asyncio.create_task(guards.measure(lookup))]
    try:
        yield guards
    finally:
        await _end(tasks)


@asynccontextmanager
async def writing(settings: Settings, lookup: Lookup) -> AsyncIterator[Database | None]:
    """The platform's Postgres, and the poll of what was written there; None where nothing is to be written."""
    if settings.read_only or not settings.database_url:
        yield None
        return
    # a process that reads alone must start without psycopg
    from serving.database import Database
    from serving.drain import Drain
    from serving.unpublished import Unpublished

    database = Database(settings.database_url)
    deferred = partial(lookup.metrics.count, "deferred_writes")
    unpublished = Unpublished(database, lookup.store, settings.config_poll_seconds, deferred)
    tasks = [asyncio.create_task(database.watch()), asyncio.create_task(unpublished.watch())]
    if settings.drain:
        drain = Drain(settings, lambda name, n: lookup.metrics.count(name, "", n))
        tasks.append(asyncio.create_task(drain.watch()))
    try:
        yield database
    finally:
        await _end(tasks)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
