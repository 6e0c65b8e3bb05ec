"""Who has written what, when, what was there before and after: recorded in the write's own transaction, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json
from models.published_configs import EVERYBODY, document
from serving.auth import READ, authorized, operator
from serving.durable_writes import Target, database_of
from serving.errors import invalid
from serving.requests import query_fields

if TYPE_CHECKING:
    from serving.database import Transaction

ENTRIES, MOST_ENTRIES, LAST_ENTRY = 50, 200, 2**63 - 1


async def record(
    transaction: Transaction,
    request: Request,
    target: Target,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Record the write of a row, given as stored; None for what is not there."""
    entry = {
        "company": target.company,
        "by": request.state.subject,
        "action": "create" if before is None else "delete" if after is None else "update",
        "resource": target.resource,
        "row": target.row,
        "before": _shown(before),
        "after": _shown(after),
        "request": request.state.request_id.decode(),
    }
    await transaction.rows("audit/record", entry)


def _shown(row: Mapping[str, Any] | None) -> str | None:
    return exact_json.write(document(row)).decode() if row is not None else None


async def list_entries(request: Request) -> Response:
    """GET /api/admin/audit: the company's, the latest first; `limit` of them, before the entry `before`."""
    return await _listed(request, authorized(request, READ))


async def list_global_entries(request: Request) -> Response:
    """GET /api/admin/audit/global: of what holds for all companies."""
    operator(request)
    return await _listed(request, EVERYBODY)


async def _listed(request: Request, company: str) -> Response:
    fields = query_fields(request.scope["query_string"].decode("latin-1"))
    most = _number("limit", fields.get("limit", ""), MOST_ENTRIES) or ENTRIES
    before = _number("before", fields.get("before", ""), LAST_ENTRY)

    async def work(transaction: Transaction) -> list[dict[str, Any]]:
        return await transaction.rows("audit/listed", {"company": company, "before": before, "most": most})

    rows = await database_of(request).run(work)
    return Response(exact_json.write([document(row) for row in rows]), 200, {"cache-control": "no-store"}, "application/json")


def _number(field: str, given: str, most: int) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= 19 and 1 <= int(given) <= most):
        raise invalid(field, f"must be a whole number from 1 to {most}.")
    return int(given)
