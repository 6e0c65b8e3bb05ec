"""PUT and DELETE of offers' configurations: into Postgres, then into Redis, where the next request of every instance reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json
from models.published_configs import BULK_DISCOUNT, FOLDERS, SUBSCRIPTION_CONFIG, document, publish_command, version_of
from serving import audit, preconditions
from serving.auth import WRITE, authorized
from serving.bodies import read_object
from serving.company_writes import Row, answered, check_named, deleted, path_id
from serving.config_rules import bulk_columns, subscription_columns
from serving.durable_writes import Target, commit, publish
from serving.errors import ApiError, unknown_product

if TYPE_CHECKING:
    from serving.database import Transaction

# body, stored document or None, product row -> columns to store; raises ApiError 400
Check = Callable[[Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any]], dict[str, Any]]


async def put_bulk_discount(request: Request) -> Response:
    """PUT /api/products/{product_id}/bulk-discount: any subset of the fields; what is left out stays, or has its default."""
    return await _put(request, BULK_DISCOUNT, bulk_columns)


async def put_subscription_config(request: Request) -> Response:
    """PUT /api/products/{product_id}/subscription-config: likewise."""
    return await _put(request, SUBSCRIPTION_CONFIG, subscription_columns)


async def delete_bulk_discount(request: Request) -> Response:
    """DELETE /api/products/{product_id}/bulk-discount."""
    target = _target(request, BULK_DISCOUNT)

    async def work(transaction: Transaction) -> Row:
        row = await transaction.row("bulk_discounts/delete", _asked(target))
        if row is None:
            preconditions.check(request, {}, None)
            raise ApiError(404, "Unknown configuration", "The product has no bulk discount.")
        preconditions.check(request, {}, version_of(row["updatedAt"]))
        at = row.pop("deletedAt")
        await audit.record(transaction, request, target, row, None)
        return {"deletedAt": at}

    row, note = await commit(request, target, work)
    await _publish(request, target, version_of(row["deletedAt"]), b"", note)
    return deleted()


async def _put(request: Request, resource: str, check: Check) -> Response:
    target = _target(request, resource)
    given = await read_object(request)
    check_named(given, {"productId": target.row, "companyId": target.company})

    async def work(transaction: Transaction) -> Row:
        return await _store(request, transaction, target, given, check)

    row, note = await commit(request, target, work)
    shown, version = document(row), version_of(row["updatedAt"])
    await _publish(request, target, version, exact_json.write(shown), note)
    return answered(request, shown, version)


async def _store(request: Request, transaction: Transaction, target: Target, given: Mapping[str, Any], check: Check) -> Row:
    folder = FOLDERS[target.resource]
    product = await transaction.row("products/configured", _asked(target))
    if product is None:
        raise unknown_product(target.row)
    earlier = await transaction.row(f"{folder}/published", {**_asked(target), "since": None})
    preconditions.check(request, given, version_of(earlier["updatedAt"]) if earlier else None)
    columns = check(given, document(earlier) if earlier else None, product)
    row = await transaction.row(f"{folder}/store", {**_asked(target), **columns})
    if row is None:
        raise ApiError(
            409, "Conflict", "This product's id cannot be configured: the platform's key allows one configuration per id."
        )
    await audit.record(transaction, request, target, earlier, row)
    return row


def _target(request: Request, resource: str) -> Target:
    return Target(authorized(request, WRITE), resource, path_id(request, "product_id", "productId"))


def _asked(target: Target) -> Row:
    return {"company": target.company, "product": target.row}


async def _publish(request: Request, target: Target, version: int, stored: bytes, note: bytes) -> None:
    await publish(request.state.lookup.store, publish_command(*target, version, stored), note)
