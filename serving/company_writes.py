"""Reads and writes of what a company manages: its rules, experiments, recommendation configuration, settings and flags.

A write has the resource to itself, is recorded with what was there before (serving/audit.py), and is published once it is committed
(serving/durable_writes.py): every process follows it within a second (serving/generations.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json
from models.published_configs import COMPANY_FOLDERS, EVERYBODY, document, publish_company_command, version_of
from serving import audit, durable_writes, preconditions
from serving.durable_writes import Target
from serving.errors import ApiError, brief, refused
from serving.events_fields import idempotency_key
from serving.preconditions import UNSTORED
from serving.requests import decode, identifier

if TYPE_CHECKING:
    from serving.database import Transaction

Row = dict[str, Any]
NO_STORE = {"cache-control": "no-store"}


class Write(NamedTuple):
    """One write in its transaction; `at` is its instant by the database's clock, timezone the company's (IANA)."""

    transaction: Transaction
    company: str
    at: datetime
    timezone: str


class Done(NamedTuple):
    """A row before and after a write, as stored; None for none. Both the same object where nothing was to be written."""

    before: Row | None
    after: Row | None


async def write(request: Request, target: Target, work: Callable[[Write], Awaitable[Done]]) -> Done:
    """Have `work` done, recorded and published. Raises ApiError 404 for an unknown company, 503, and what `work` raises."""

    async def alone(transaction: Transaction) -> tuple[Done, datetime, list[Row]]:
        await transaction.rows("company_resources/lock", {"company": target.company, "resource": target.resource})
        clock = await transaction.row("company_resources/version", {"company": target.company})
        assert clock is not None
        if clock["timezone"] is None and target.company != EVERYBODY:
            raise ApiError(404, "Unknown company", f"There is no company {brief(target.company)}.")
        done = await work(Write(transaction, target.company, clock["at"], clock["timezone"] or "UTC"))
        if done.before is not done.after:
            await audit.record(transaction, request, _named(target, done), done.before, done.after)
        return done, clock["at"], await transaction.rows(f"{COMPANY_FOLDERS[target.resource]}/published", _asked(target.company))

    (done, at, rows), note = await durable_writes.commit(request, target, alone)
    command = publish_company_command(target.company, target.resource, version_of(at), rows)
    await durable_writes.publish(request.state.lookup.store, command, note)
    return done


async def rows(request: Request, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    """All rows of a query of sql/. Raises ApiError 503."""

    async def work(transaction: Transaction) -> list[Row]:
        return await transaction.rows(name, parameters)

    return await durable_writes.database_of(request).run(work)


def own_id(request: Request, company: str, resource: str) -> str:
    """The id of a new row: with an Idempotency-Key the same one each time. Raises ApiError 400."""
    key = idempotency_key(request.headers.getlist("idempotency-key"))
    if not key:
        return str(request.state.lookup.ids.fresh().decode())
    return blake2b("\0".join((company, resource, key)).encode(), digest_size=16).hexdigest()


def path_id(request: Request, name: str, field: str) -> str:
    """An id of the address. Raises ApiError 400."""
    return identifier(field, decode(field, request.path_params[name]))


def check_named(given: Mapping[str, Any], due: Mapping[str, str | None]) -> None:
    """Raises ApiError 400 where a body names another row or company than the address and the token do."""
    for name, value in due.items():
        if given.get(name, value) != value:
            raise refused(400, "Invalid parameter", [{"field": name, "message": "is another one than the request is for."}])


def answered(
    request: Request, shown: Mapping[str, Any], version: int, status: int = 200, location: str = "", *, is_whole: bool = True
) -> Response:
    """The answer that shows a document, or 304 where a GET's client has it; is_whole: what is shown is of this version alone."""
    headers = {**NO_STORE, "etag": preconditions.tag(version), **({"location": location} if location else {})}
    if is_whole and request.method in ("GET", "HEAD") and preconditions.is_unchanged(request, version):
        return Response(status_code=304, headers=headers)
    return Response(exact_json.write(shown), status, headers, "application/json")


def listed(rows: Sequence[Mapping[str, Any]]) -> Response:
    """The answer that shows rows as documents."""
    return Response(exact_json.write([document(row) for row in rows]), 200, NO_STORE, "application/json")


def deleted() -> Response:
    """The answer to a DELETE that was done."""
    return Response(b'{"success":true}', 200, NO_STORE, "application/json")


def version(row: Mapping[str, Any] | None) -> int:
    """Of a stored row, UNSTORED of none."""
    return version_of(row["updatedAt"]) if row is not None else UNSTORED


def _asked(company: str) -> Row:
    return {"company": company, "row": None}


def _named(target: Target, done: Done) -> Target:
    row = done.after or done.before or {}
    return target._replace(row=target.row or str(row.get("id") or ""))
