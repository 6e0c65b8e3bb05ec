"""What the arms of an experiment change, held against what they change: the company's rule, or the sections of its pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from models import targeting_rules
from models.bulk_fields import Fault
from models.edge_experiments import VARIED, varied_rule
from models.experiment_fields import SECTIONS
from models.experiment_rules import arms
from models.generation import Manifest, manifest_key
from models.published_configs import document
from serving.catalogue import zone_of
from serving.errors import ApiError, brief
from serving.routing import settled
from serving.rules import foreign
from serving.section_changes import GENERATION, changed

if TYPE_CHECKING:
    from serving.company_writes import Write
    from serving.lookup import Lookup


async def faults(request: Request, write: Write, drafted: Mapping[str, Any]) -> list[Fault]:
    """Why what an arm changes could not be followed. Raises StoreAway."""
    if drafted["ruleId"]:
        return await _of_rule(write, drafted)
    changes = [(f"{at}.{SECTIONS}", arm[SECTIONS]) for at, arm in arms(drafted) if arm.get(SECTIONS)]
    return await settled(_of_sections(request.state.lookup, write.company, changes)) if changes else []


async def _of_rule(write: Write, drafted: Mapping[str, Any]) -> list[Fault]:
    rule_id = drafted["ruleId"]
    row = await write.transaction.row("rules/published", {"company": write.company, "row": rule_id})
    if row is None:
        return [{"field": "ruleId", "message": f"names {brief(rule_id)}, which is no rule of the company."}]
    found: list[Fault] = []
    for at, arm in arms(drafted):
        if not any(name in arm for name in VARIED):
            continue
        rule, wrong = targeting_rules.read(varied_rule(document(row), arm), zone_of(write.company, write.timezone).key)
        if rule is not None:
            wrong = await foreign(write.transaction, write.company, rule)
        found += [{**each, "field": f"{at}.{each['field']}"} for each in wrong]
    return found


async def _of_sections(lookup: Lookup, company: str, changes: list[tuple[str, Mapping[str, Any]]]) -> list[Fault]:
    """Awaits nothing but the store."""
    try:
        live = await lookup.generations.load(company)
    except ApiError as error:
        if error.status != 404:
            raise
        return [{"field": at, "message": "cannot be varied before anything is published for the company."} for at, _ in changes]
    given = [change for _, sections in changes for change in sections.values() if isinstance(change, Mapping)]
    named = sorted({change[GENERATION] for change in given if isinstance(change.get(GENERATION), str)})
    stored = await lookup.store.read([manifest_key(company, each).encode() for each in named]) if named else []
    manifests = {each: Manifest.from_json(value) for each, value in zip(named, stored, strict=True) if value is not None}
    found = []
    for at, sections in changes:
        for kind, change in sections.items():
            try:
                changed(live, manifests, kind, change)
            except (ValueError, TypeError) as error:
                found.append({"field": f"{at}.{kind:.40}", "message": str(error)})
    return found
