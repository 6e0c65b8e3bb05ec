"""The API against its own document: schemathesis asks every operation, with what it allows and with what it does not."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from models.targeting_facts import PLACEMENTS
from serving.auth import OPERATOR
from serving.openapi.document import document
from tests.serving.offers import TIERS, Shop, token

SCHEMA: Any = schemathesis.openapi.from_dict(document())
# who names another version is told so before anything else is looked at
SCHEMA.config.checks.negative_data_rejection.expected_statuses += ["409", "412"]
# what rules between fields and documents refuse (a time that ends before it begins, another version) is no fault of a schema
UNDECIDED = [positive_data_acceptance]
KNOWN = {"productId": "p", "companyId": "fuzzed", "placements": PLACEMENTS[0]}
DRAWN = settings(
    max_examples=4,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# limits that are drawn would have all that follows refused
SETTINGS = "/api/admin/settings"
_shops: dict[str, Shop] = {}


@pytest.fixture
def fuzzed(shop: Shop) -> Shop:
    """A shop with a product and its configurations, the same for all operations."""
    if "fuzzed" not in _shops:
        own = _shops["fuzzed"] = Shop(shop.api, shop.client, shop.database_url, "fuzzed")
        own.sells({"p": "10.00"})
        Shop(shop.api, shop.client, shop.database_url, SETTINGS).sells({"s": "1.00"})
        own.flag(smart_upsell_enabled=True, subscription_intelligence_enabled=True)
    own = _shops["fuzzed"]
    assert own.put("p", {"tiers": TIERS}).status == 200
    assert own.put("p", {}, "subscription-config").status == 200
    return own


@SCHEMA.parametrize()
@DRAWN
def test_every_operation_is_as_documented(fuzzed: Shop, case: Any) -> None:
    """No 5xx; status, type, headers and body are the document's; what breaks a schema is refused, also without a token."""
    operation = case.operation.definition.raw
    if case.meta.generation.mode.is_positive:
        # ids that there are lead further than any that are drawn
        for where in (case.path_parameters, case.query):
            where.update({name: value for name, value in KNOWN.items() if name in (where or {})})
    headers = {}
    if "Authorization" in (case.headers or {}):
        scopes = [OPERATOR] if operation["x-scope"] == OPERATOR else []
        headers["Authorization"] = f"Bearer {token(SETTINGS if case.path == SETTINGS else fuzzed.company, *scopes)}"
    case.call_and_validate(base_url=fuzzed.api.url, headers=headers, excluded_checks=UNDECIDED)


def test_what_is_allowed_is_done(fuzzed: Shop) -> None:
    """What the document allows is not all refused at the door: flags that are drawn from it are stored."""
    statuses = set()

    @given(case=SCHEMA["/api/admin/flags"]["PUT"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    @DRAWN
    def ask(case: Any) -> None:
        case.headers.pop("If-Match", None)
        case.body = {name: value for name, value in case.body.items() if name not in ("companyId", "updatedAt")}
        case.query.clear()
        headers = {"Authorization": f"Bearer {token(fuzzed.company)}"}
        statuses.add(case.call(base_url=fuzzed.api.url, headers=headers).status_code)

    ask()
    assert statuses == {200}
