"""Who has written what, when, what was there before and after: recorded in the write's own transaction, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from models import exact_json
from models.published_configs import document
from serving.durable_writes import Target

if TYPE_CHECKING:
    from serving.database import Transaction


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
