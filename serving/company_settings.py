"""A company's settings and feature flags over HTTP, and the flags of all companies, which an operator sets.

Both are one row, of one version: an ETag of the one is an ETag of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models import company_settings, exact_json, flags, holdout
from models.published_configs import EVERYBODY, EXPERIMENTS, SETTINGS, document, instant
from serving import audit, company_writes, preconditions
from serving.auth import READ, WRITE, authorized, operator
from serving.bodies import read_object
from serving.company_writes import Done, Row, Write, answered, check_named, version
from serving.durable_writes import Target
from serving.errors import refused

# of an answer, which a client may send back
OF_THE_ROW = ("companyId", "updatedAt", "own")
FLAGS = "flags"


async def show_settings(request: Request) -> Response:
    """GET /api/admin/settings."""
    company = authorized(request, READ)
    return _settings(request, company, await _stored(request, company))


async def change_settings(request: Request) -> Response:
    """PUT /api/admin/settings: any subset; null is the default."""
    company = authorized(request, WRITE)
    given = await _given(request, company, lambda fields: company_settings.read(fields).faults)
    return _settings(request, company, await _change(request, company, SETTINGS, given))


async def show_flags(request: Request) -> Response:
    """GET /api/admin/flags: what holds for the company, and `own`, what it has set itself."""
    company = authorized(request, READ)
    return await _flags(request, company, await _stored(request, company))


async def change_flags(request: Request) -> Response:
    """PUT /api/admin/flags: any subset; null gives up the company's own value."""
    company = authorized(request, WRITE)
    given = await _given(request, company, flags.faults)
    return await _flags(request, company, await _change(request, company, FLAGS, given))


async def show_global_flags(request: Request) -> Response:
    """GET /api/admin/flags/global."""
    operator(request)
    return await _flags(request, EVERYBODY, await _stored(request, EVERYBODY))


async def change_global_flags(request: Request) -> Response:
    """PUT /api/admin/flags/global: any subset; null is the default."""
    operator(request)
    given = await _given(request, EVERYBODY, flags.faults)
    return await _flags(request, EVERYBODY, await _change(request, EVERYBODY, FLAGS, given))


async def _given(request: Request, company: str, faults_of: Callable[[Mapping[str, Any]], list[dict[str, str]]]) -> Row:
    given = await read_object(request)
    check_named(given, {"companyId": company or None})
    faults = faults_of({name: value for name, value in given.items() if name not in OF_THE_ROW})
    if faults:
        raise refused(400, "Invalid parameter", faults)
    return given


async def _change(request: Request, company: str, part: str, given: Row) -> Row | None:
    async def work(write: Write) -> Done:
        earlier = await write.transaction.row("settings/published", {"company": company})
        preconditions.check(request, given, version(earlier))
        stored = document(earlier) if earlier else {FLAGS: {}, SETTINGS: {}}
        kept = {FLAGS: flags.own(stored[FLAGS], given if part == FLAGS else {})}
        kept[SETTINGS] = company_settings.own(stored[SETTINGS], given if part == SETTINGS else {})
        columns = {name: exact_json.write(value).decode() for name, value in kept.items()}
        after = await write.transaction.row("settings/store", {"company": company, "at": write.at, **columns})
        if part == SETTINGS and company:
            await _hold_out(request, write, company_settings.read(kept[SETTINGS]).settings.holdout_percent)
        return Done(earlier, after)

    return (await company_writes.write(request, Target(company, SETTINGS, ""), work)).after


async def _hold_out(request: Request, write: Write, percent: float) -> None:
    """Give the company's permanent holdout its new shares; what was measured under others is another measurement."""
    asked = {"company": write.company, "row": holdout.experiment_id(write.company)}
    await write.transaction.rows("company_resources/lock", {"company": write.company, "resource": EXPERIMENTS})
    before = await write.transaction.row("experiments/listed", asked)
    weights = exact_json.write(holdout.weights(percent)).decode()
    if await write.transaction.row("settings/holdout", {**asked, "at": write.at, "weights": weights}):
        after = await write.transaction.row("experiments/listed", asked)
        named = Target(write.company, EXPERIMENTS, asked["row"])
        await audit.record(write.transaction, request, named, _bare(before), _bare(after))


def _bare(row: Row | None) -> Row:
    """Without the results: as long as a history, and not what was written."""
    return {name: value for name, value in (row or {}).items() if name != "results"}


async def _stored(request: Request, company: str) -> Row | None:
    return next(iter(await company_writes.rows(request, "settings/published", {"company": company})), None)


def _settings(request: Request, company: str, row: Row | None) -> Response:
    shown = company_settings.shown(document(row)[SETTINGS] if row else {})
    return answered(request, {"companyId": company, **shown, "updatedAt": _at(row)}, version(row))


async def _flags(request: Request, company: str, row: Row | None) -> Response:
    everybody = await _stored(request, EVERYBODY) if company else None
    own = flags.own(document(row)[FLAGS], {}) if row else {}
    merged = flags.flags(*(each[FLAGS].encode() for each in (everybody, row) if each))
    shown = {"companyId": company or None, **merged, "own": own, "updatedAt": _at(row)}
    # everybody's flags shine through, and have versions of their own
    return answered(request, shown, version(row), is_whole=False)


def _at(row: Row | None) -> str | None:
    return instant(row["updatedAt"]) if row else None
