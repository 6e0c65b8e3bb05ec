"""A company's recommendation configuration over HTTP: the four parts, whole; stored is what differs from the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models import configuration, exact_json
from models.published_configs import RECOMMENDATION_CONFIG, document, instant
from serving import company_writes, preconditions
from serving.auth import READ, WRITE, authorized
from serving.bodies import read_object
from serving.company_writes import Done, Row, Write, answered, check_named, version
from serving.durable_writes import Target
from serving.errors import refused

# of an answer, which a client may send back
OF_THE_ROW = ("companyId", "updatedAt")
COLUMNS = {
    "alsoBought": "also_bought",
    "youMightLike": "you_might_like",
    "frequentlyViewed": "frequently_viewed",
    "global": "everywhere",
}


async def show(request: Request) -> Response:
    """GET /api/admin/recommendations/config."""
    company = authorized(request, READ)
    rows = await company_writes.rows(request, "recommendation_config/published", {"company": company})
    return _shown(request, company, rows[0] if rows else None)


async def change(request: Request) -> Response:
    """PUT /api/admin/recommendations/config: any subset of the parts and of their fields; null is the default."""
    company = authorized(request, WRITE)
    given = await read_object(request)
    check_named(given, {"companyId": company})
    parts = {name: value for name, value in given.items() if name not in OF_THE_ROW}
    faults = configuration.faults(parts)
    if faults:
        raise refused(400, "Invalid parameter", faults)

    async def work(write: Write) -> Done:
        earlier = await write.transaction.row("recommendation_config/published", {"company": company})
        preconditions.check(request, given, version(earlier))
        own = configuration.own(document(earlier) if earlier else {}, parts)
        columns = {column: exact_json.write(own[part]).decode() for part, column in COLUMNS.items()}
        return Done(
            earlier, await write.transaction.row("recommendation_config/store", {"company": company, "at": write.at, **columns})
        )

    done = await company_writes.write(request, Target(company, RECOMMENDATION_CONFIG, ""), work)
    return _shown(request, company, done.after)


def _shown(request: Request, company: str, row: Mapping[str, Any] | None) -> Response:
    stored = {part: value for part, value in document(row or {}).items() if part in configuration.FIELDS}
    shown: Row = {"companyId": company, **configuration.merge(stored).parts}
    return answered(request, {**shown, "updatedAt": instant(row["updatedAt"]) if row else None}, version(row))
