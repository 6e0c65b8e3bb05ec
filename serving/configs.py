"""PUT and DELETE of offers' configurations: into Postgres, then into Redis, where every instance reads them with its next request.

Nothing is stored half. Before Postgres commits, the write is noted in Redis (models/published_configs.py: PENDING_KEY); whatever
happens between the two stores, the poll of serving/unpublished.py finds the note and publishes what Postgres holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json
from models.published_configs import (
    BULK_DISCOUNT,
    FOLDERS,
    PENDING_KEY,
    SUBSCRIPTION_CONFIG,
    document,
    pending,
    publish_command,
    version_of,
)
from serving.auth import WRITE, authorized
from serving.bodies import read_object
from serving.config_rules import bulk_columns, subscription_columns
from serving.errors import ApiError, StoreAway, refused, unknown_product
from serving.requests import decode, identifier
from serving.store import Store

if TYPE_CHECKING:
    from serving.database import Database, Transaction

# body, stored document or None, product row -> columns to store; raises ApiError 400
Check = Callable[[Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any]], dict[str, Any]]


class Target(NamedTuple):
    """Which configuration of which product of which company a request writes."""

    company: str
    resource: str
    product_id: str

    @property
    def parameters(self) -> dict[str, Any]:
        """Of the queries."""
        return {"company": self.company, "product": self.product_id}


async def put_bulk_discount(request: Request) -> Response:
    """PUT /api/products/{product_id}/bulk-discount: any subset of the fields; what is left out stays, or has its default."""
    return await _put(request, BULK_DISCOUNT, bulk_columns)


async def put_subscription_config(request: Request) -> Response:
    """PUT /api/products/{product_id}/subscription-config: likewise."""
    return await _put(request, SUBSCRIPTION_CONFIG, subscription_columns)


async def delete_bulk_discount(request: Request) -> Response:
    """DELETE /api/products/{product_id}/bulk-discount."""
    target = _target(request, BULK_DISCOUNT)

    async def work(transaction: Transaction) -> dict[str, Any]:
        deleted = await transaction.row("bulk_discounts/delete", target.parameters)
        if deleted is None:
            raise ApiError(404, "Unknown configuration", "The product has no bulk discount.")
        return deleted

    deleted = await _write(request, target, work)
    await _publish(request, target, version_of(deleted["deletedAt"]), b"")
    return Response(b'{"success":true}', 200, {"cache-control": "no-store"}, "application/json")


async def _put(request: Request, resource: str, check: Check) -> Response:
    target = _target(request, resource)
    given = await read_object(request)
    for name, due in (("productId", target.product_id), ("companyId", target.company)):
        if given.get(name, due) != due:
            raise refused(400, "Invalid parameter", [{"field": name, "message": "is another one than the address names."}])

    async def work(transaction: Transaction) -> dict[str, Any]:
        return await _store(transaction, target, given, check)

    row = await _write(request, target, work)
    stored = exact_json.write(document(row))
    await _publish(request, target, version_of(row["updatedAt"]), stored)
    headers = {"cache-control": "no-store", "etag": f'"{version_of(row["updatedAt"])}"'}
    return Response(stored, 200, headers, "application/json")


async def _store(transaction: Transaction, target: Target, given: Mapping[str, Any], check: Check) -> dict[str, Any]:
    folder = FOLDERS[target.resource]
    product = await transaction.row("products/configured", target.parameters)
    if product is None:
        raise unknown_product(target.product_id)
    earlier = await transaction.row(f"{folder}/published", {**target.parameters, "since": None})
    columns = check(given, document(earlier) if earlier else None, product)
    row = await transaction.row(f"{folder}/store", {**target.parameters, **columns})
    if row is None:
        raise ApiError(
            409, "Conflict", "This product's id cannot be configured: the platform's key allows one configuration per id."
        )
    return row


def _target(request: Request, resource: str) -> Target:
    company = authorized(request, WRITE)
    raw = request.path_params["product_id"]
    return Target(company, resource, identifier("productId", decode("productId", raw)))


async def _write(request: Request, target: Target, work: Callable[[Transaction], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Note the write, then do it. Raises StoreAway or DatabaseAway."""
    database: Database | None = request.state.database
    if database is None:
        raise ApiError(503, "Read only", "Nothing is written here: no database is set.", headers={"retry-after": "60"})
    note = await _note(request, target)
    try:
        row = await database.run(work)
    except ApiError as error:
        # whether it was committed is known but for one error: then the note stays for the poll
        if error.status < 500:
            request.state.lookup.store.write(("ZREM", PENDING_KEY, note))
        raise
    request.state.note = note
    return row


async def _note(request: Request, target: Target) -> bytes:
    nonce = request.state.lookup.ids.fresh().decode()
    note = pending(nonce, *target)
    await tell(request.state.lookup.store, ("ZADD", PENDING_KEY, int(time() * 1000), note))
    return note


async def _publish(request: Request, target: Target, version: int, stored: bytes) -> None:
    store: Store = request.state.lookup.store
    await tell(store, publish_command(*target, version, stored))
    store.write(("ZREM", PENDING_KEY, request.state.note))


async def tell(store: Store, command: tuple[Any, ...]) -> Any:
    """Redis' reply to a command that writes. Raises StoreAway, also where Redis refuses it (a replica, no memory)."""
    reply = await store.ask(command)
    if isinstance(reply, Exception):
        raise StoreAway("The store does not take writes; try again shortly.") from reply
    return reply
