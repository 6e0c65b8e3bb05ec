"""Experiments over HTTP: planned as drafts, run, paused and completed, and shown with what the analysis says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json, experiment_fields, experiment_rules, holdout
from models.edge_experiments import RUNNING
from models.experiment_fields import DRAFT, ENDED_AT, PAUSED, STARTED_AT
from models.experiment_plans import COMPLETED
from models.experiment_rules import DESCRIPTIVE, NEXT
from models.published_configs import EXPERIMENTS, document
from serving import company_writes, experiment_arms, preconditions
from serving.auth import READ, WRITE, authorized
from serving.bodies import read_object
from serving.catalogue import zone_of
from serving.company_writes import Done, Row, Write, answered, check_named, own_id, version
from serving.durable_writes import Target
from serving.errors import ApiError, brief, refused

RESULTS = "results"
# those that run are read by every process, and one alone runs on a rule or a section
MOST_OPEN = 1_000


async def list_experiments(request: Request) -> Response:
    """GET /api/upsell/experiments: all, the youngest first, without their results."""
    company = authorized(request, READ)
    rows = await company_writes.rows(request, "experiments/listed", {"company": company, "row": None})
    return company_writes.listed([_bare(row) for row in rows])


async def show_experiment(request: Request) -> Response:
    """GET /api/upsell/experiments/{experiment_id}: with its `results`, null before the first analysis."""
    target = _target(request, READ)
    found = await company_writes.rows(request, "experiments/listed", _asked(target))
    if not found:
        raise _unknown(target)
    return answered(request, document(found[0]), version(found[0]))


async def create_experiment(request: Request) -> Response:
    """POST /api/upsell/experiments: a draft; the same Idempotency-Key again is answered with what the first one made."""
    company = authorized(request, WRITE)
    target = Target(company, EXPERIMENTS, own_id(request, company, EXPERIMENTS))
    given = await read_object(request)
    check_named(given, {"companyId": company})

    async def work(write: Write) -> Done:
        row = await write.transaction.row("experiments/listed", _asked(target))
        if row is not None:
            earlier = _bare(row)
            return Done(earlier, earlier)
        counted = await write.transaction.row("experiments/open", {"company": company})
        if counted is not None and counted["n"] >= MOST_OPEN:
            raise ApiError(409, "Conflict", f"The company has {MOST_OPEN} experiments that are not over. Complete one first.")
        values = _read(given, write)
        drafted = experiment_fields.whole(values)
        if drafted["status"] != DRAFT:
            raise refused(400, "Invalid parameter", [{"field": "status", "message": f"of a new experiment is {DRAFT}."}])
        if drafted[STARTED_AT] is not None:
            raise refused(400, "Invalid parameter", [_not_yours()])
        await _check(request, write, drafted)
        return Done(None, await _store(write, target, drafted))

    done = await company_writes.write(request, target, work)
    return _shown(request, done, 201, f"/api/upsell/experiments/{target.row}")


async def change_experiment(request: Request) -> Response:
    """PUT /api/upsell/experiments/{experiment_id}: fields of a draft, the status, and at any time name and description.

    What is left out stays, null is the default. What is given as it stands is no change, and changes no version.
    """
    target = _target(request, WRITE)
    given = await read_object(request)
    check_named(given, {"id": target.row, "companyId": target.company})

    async def work(write: Write) -> Done:
        row = await write.transaction.row("experiments/listed", _asked(target))
        if row is None:
            raise _unknown(target)
        preconditions.check(request, given, version(row))
        earlier, values = _bare(row), _read(given, write)
        stored = experiment_fields.whole(experiment_fields.read(document(earlier), _zone(write)).values)
        changed = experiment_fields.changed(stored, values)
        if not changed:
            return Done(earlier, earlier)
        _allow(target, stored, values, changed)
        after = {**stored, **values}
        if stored["status"] == DRAFT:
            await _check(request, write, after)
        if "status" in changed:
            after |= await _turn(write, target, stored, after)
        return Done(earlier, await _store(write, target, after))

    return _shown(request, await company_writes.write(request, target, work))


def _read(given: Mapping[str, Any], write: Write) -> Row:
    values, faults = experiment_fields.read(given, _zone(write))
    if faults:
        raise refused(400, "Invalid parameter", faults)
    return values


async def _check(request: Request, write: Write, drafted: Row) -> None:
    """Raises ApiError 400 for an experiment that could not be run as it is, and analysed."""
    faults = experiment_rules.faults(drafted, write.at) or await experiment_arms.faults(request, write, drafted)
    if faults:
        raise refused(400, "Invalid parameter", faults)


def _allow(target: Target, stored: Row, values: Row, changed: list[str]) -> None:
    """Raises ApiError 409 for a change that the experiment has no state for, 400 for one that is never the client's."""
    frozen = [name for name in changed if name not in (*DESCRIPTIVE, "status")]
    before = stored["status"]
    if target.row == holdout.experiment_id(target.company) and ("status" in changed or frozen):
        named = ", ".join(name for name in changed if name not in DESCRIPTIVE)
        raise ApiError(
            409, "Conflict", f"The permanent holdout follows the setting holdoutPercent; {named} cannot be changed here."
        )
    if before == DRAFT and STARTED_AT in changed:
        raise refused(400, "Invalid parameter", [_not_yours()])
    if before != DRAFT and frozen:
        reason = "it would break who is assigned to what, and what is measured"
        raise ApiError(409, "Conflict", f"The experiment is {before}: {', '.join(frozen)} cannot change any more; {reason}.")
    if "status" in changed and values["status"] not in NEXT.get(before, ()):
        possible = " or ".join(NEXT.get(before, ())) or "nothing else"
        raise ApiError(409, "Conflict", f"An experiment that is {before} can become {possible}, not {values['status']}.")


async def _turn(write: Write, target: Target, stored: Row, after: Row) -> Row:
    """The instants that change with the status. Raises ApiError 409 where it cannot run."""
    ends = stored[ENDED_AT]
    if after["status"] == COMPLETED:
        # whoever completes it late does not change when it ended
        if ends is not None:
            return {ENDED_AT: min(ends, write.at)}
        # the reading must not take this for the end that it was planned with
        return {ENDED_AT: write.at, "control": {**after["control"], "plannedEnd": False}}
    if after["status"] != RUNNING:
        return {}
    if stored["status"] == PAUSED and ends is not None and ends <= write.at:
        raise ApiError(409, "Conflict", "The experiment's planned end is over: it can be completed only.")
    await _check_alone(write, target, after)
    return {STARTED_AT: (stored[STARTED_AT] if stored["status"] == PAUSED else None) or write.at}


async def _check_alone(write: Write, target: Target, after: Row) -> None:
    """Raises ApiError 409 where another one runs on the same rule or section: only the first of them would count."""
    own = experiment_rules.subjects(after)
    for row in await write.transaction.rows("experiments/published", {"company": write.company}):
        is_over = row[ENDED_AT] is not None and row[ENDED_AT] <= write.at
        shared = own & experiment_rules.subjects(document(row))
        if row["id"] != target.row and not is_over and shared:
            what = " ".join(min(shared))
            raise ApiError(
                409, "Conflict", f"The experiment {brief(row['id'])} runs on the {what} already: pause or complete it first."
            )


async def _store(write: Write, target: Target, values: Row) -> Row:
    columns = {
        "rule": values["ruleId"],
        "name": values["name"],
        "description": values["description"] or None,
        "status": values["status"],
        "control": exact_json.write(values["control"]).decode(),
        "variants": exact_json.write(values["variants"]).decode(),
        "traffic_percent": values["trafficPercent"],
        "variant_weights": exact_json.write(values["variantWeights"]).decode(),
        "primary_metric": values["primaryMetric"],
        "minimum_sample_size": values["minimumSampleSize"],
        "confidence_level": values["confidenceLevel"],
        "started_at": values[STARTED_AT],
        "ended_at": values[ENDED_AT],
    }
    row = await write.transaction.row("experiments/store", {**_asked(target), "at": write.at, **columns})
    if row is None:
        raise _unknown(target)
    return row


def _bare(row: Row) -> Row:
    """A row without the results, which no write changes and no record need repeat."""
    return {name: value for name, value in row.items() if name != RESULTS}


def _shown(request: Request, done: Done, status: int = 200, location: str = "") -> Response:
    assert done.after is not None
    return answered(request, document(done.after), version(done.after), status, location)


def _zone(write: Write) -> str:
    return zone_of(write.company, write.timezone).key


def _target(request: Request, scope: str) -> Target:
    return Target(authorized(request, scope), EXPERIMENTS, company_writes.path_id(request, "experiment_id", "experimentId"))


def _asked(target: Target) -> Row:
    return {"company": target.company, "row": target.row}


def _unknown(target: Target) -> ApiError:
    return ApiError(404, "Unknown experiment", f"The company has no experiment {brief(target.row)}.")


def _not_yours() -> dict[str, str]:
    return {"field": STARTED_AT, "message": f"is set when the experiment first is {RUNNING}."}
