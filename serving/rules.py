"""Targeting rules over HTTP: listed in the order in which they apply, created, changed and deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json, targeting_rules
from models.offer_counters import accepted_key
from models.published_configs import EXPERIMENTS, RULES, document
from models.targeting_facts import Rule
from models.targeting_warnings import warnings
from serving import company_writes, preconditions
from serving.auth import READ, WRITE, authorized
from serving.bodies import read_object
from serving.catalogue import zone_of
from serving.company_writes import Done, Row, Write, answered, check_named, deleted, listed, own_id, version
from serving.durable_writes import Target, tell
from serving.errors import ApiError, brief, refused, unknown_fault
from serving.store import Store

if TYPE_CHECKING:
    from serving.database import Transaction

# all of them are read by every process that shows offers
MOST_RULES = 1_000


async def list_rules(request: Request) -> Response:
    """GET /api/upsell/rules: all, by priority, then id."""
    company = authorized(request, READ)
    return listed(await company_writes.rows(request, "rules/published", {"company": company, "row": None}))


async def show_rule(request: Request) -> Response:
    """GET /api/upsell/rules/{rule_id}."""
    target = _target(request, READ)
    found = await company_writes.rows(request, "rules/published", _asked(target))
    if not found:
        raise _unknown(target)
    return answered(request, document(found[0]), version(found[0]))


async def create_rule(request: Request) -> Response:
    """POST /api/upsell/rules: the same Idempotency-Key again is answered with the rule that the first one made."""
    company = authorized(request, WRITE)
    target = Target(company, RULES, own_id(request, company, RULES))
    given = await read_object(request)
    check_named(given, {"companyId": company})

    async def work(write: Write) -> Done:
        earlier = await write.transaction.row("rules/published", _asked(target))
        if earlier is not None:
            return Done(earlier, earlier)
        if len(await write.transaction.rows("rules/published", {"company": company, "row": None})) >= MOST_RULES:
            raise ApiError(409, "Conflict", f"The company has {MOST_RULES} rules, as many as there may be. Delete one first.")
        return Done(None, await _store(request, write, target, given))

    done = await company_writes.write(request, target, work)
    return _shown(request, done, 201, f"/api/upsell/rules/{target.row}")


async def change_rule(request: Request) -> Response:
    """PUT /api/upsell/rules/{rule_id}: any subset of the fields; what is left out stays, null is the default."""
    target = _target(request, WRITE)
    given = await read_object(request)
    check_named(given, {"id": target.row, "companyId": target.company})

    async def work(write: Write) -> Done:
        earlier = await _earlier(request, write, target, given)
        return Done(earlier, await _store(request, write, target, {**document(earlier), **given}))

    return _shown(request, await company_writes.write(request, target, work))


async def delete_rule(request: Request) -> Response:
    """DELETE /api/upsell/rules/{rule_id}."""
    target = _target(request, WRITE)

    async def work(write: Write) -> Done:
        earlier = await _earlier(request, write, target, {})
        await write.transaction.rows("company_resources/lock", {"company": target.company, "resource": EXPERIMENTS})
        running = await write.transaction.row("experiments/of_rule", {"company": target.company, "rule": target.row})
        if running is not None:
            raise ApiError(409, "Conflict", f"The experiment {brief(running['id'])} is about this rule. Complete it first.")
        await write.transaction.rows("rules/delete", _asked(target))
        return Done(earlier, None)

    await company_writes.write(request, target, work)
    return deleted()


async def _earlier(request: Request, write: Write, target: Target, given: Mapping[str, Any]) -> Row:
    earlier = await write.transaction.row("rules/published", _asked(target))
    if earlier is None:
        raise _unknown(target)
    preconditions.check(request, given, version(earlier))
    return earlier


async def _store(request: Request, write: Write, target: Target, merged: Mapping[str, Any]) -> Row:
    rule, faults = targeting_rules.read(merged, zone_of(write.company, write.timezone).key)
    if rule is None:
        raise refused(400, "Invalid parameter", faults)
    faults = await foreign(write.transaction, write.company, rule)
    if faults:
        raise refused(400, "Invalid parameter", faults)
    if rule.max_acceptances:
        # a cap holds for what was accepted before it was set, too
        asked = {**_asked(target), "most": rule.max_acceptances}
        ids = [row["id"] for row in await write.transaction.rows("rules/accepted", asked)]
        store: Store = request.state.lookup.store
        if ids:
            await tell(store, ("SADD", accepted_key(write.company, target.row), *ids))
    row = await write.transaction.row("rules/store", {**_asked(target), "at": write.at, **_columns(rule, merged)})
    if row is None:
        raise _unknown(target)
    return row


async def foreign(transaction: Transaction, company: str, rule: Rule) -> list[dict[str, str]]:
    """What a rule names that is not the company's, each with its field."""
    products = targeting_rules.products_named(rule)
    categories = sorted(rule.conditions.product_categories)
    asked = {"company": company, "products": [id for _, id in products], "categories": categories}
    known = {(row["what"], row["id"]) for row in await transaction.rows("rules/known", asked)}
    faults = [unknown_fault(id, field) for field, id in products if ("product", id) not in known]
    at = "conditions.productCategories"
    missing = [id for id in categories if ("category", id) not in known]
    return faults + [{"field": at, "message": f"names {brief(id)}, which is no category of the company."} for id in missing]


def _columns(rule: Rule, merged: Mapping[str, Any]) -> Row:
    return {
        "name": rule.name,
        "description": merged.get("description") or None,
        "priority": rule.priority,
        "enabled": rule.enabled,
        "conditions": _object(merged.get("conditions")),
        "upsell_type": rule.upsell_type,
        "offer": _object(merged.get("offer")),
        "message": rule.message or None,
        "urgency": rule.urgency,
        "placements": list(rule.placements),
        "max_impressions": rule.max_impressions,
        "max_acceptances": rule.max_acceptances,
        "valid_from": rule.valid_from,
        "valid_until": rule.valid_until,
    }


def _object(given: Mapping[str, Any] | None) -> str:
    return exact_json.write({name: value for name, value in (given or {}).items() if value is not None}).decode()


def _shown(request: Request, done: Done, status: int = 200, location: str = "") -> Response:
    row = done.after
    assert row is not None
    shown = document(row)
    rule, _ = targeting_rules.read(shown)
    told = warnings(rule, row["updatedAt"]) if rule is not None else []
    return answered(request, {**shown, **({"warnings": told} if told else {})}, version(row), status, location)


def _target(request: Request, scope: str) -> Target:
    return Target(authorized(request, scope), RULES, company_writes.path_id(request, "rule_id", "ruleId"))


def _asked(target: Target) -> Row:
    return {"company": target.company, "row": target.row}


def _unknown(target: Target) -> ApiError:
    return ApiError(404, "Unknown rule", f"The company has no rule {brief(target.row)}.")
