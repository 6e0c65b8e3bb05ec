"""Targeting rules: when an offer applies and what it gives."""

from __future__ import annotations

from models.cart_segments import SEGMENTS
from models.targeting_facts import DEFAULT_PRIORITY, PLACEMENTS, UPSELL_TYPES, URGENCIES
from models.targeting_rules import LARGEST_COUNT, LARGEST_VALUE, LONGEST_DAYS, LONGEST_ID, LONGEST_NAME, LONGEST_TEXT, MOST_LISTED
from serving.auth import READ, WRITE
from serving.openapi.problems import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED, operation
from serving.openapi.products import WHEN
from serving.openapi.vocabulary import (
    BOOLEAN,
    ID,
    INSTANT,
    OBJECT,
    SUCCESS,
    Schema,
    answer,
    body,
    given,
    listed,
    nullable,
    number,
    one_of,
    path,
    ref,
    shape,
    text,
    whole,
)

TAG = "Targeting rules"
IDS = listed(text(1, LONGEST_ID), MOST_LISTED)
COUNT, AMOUNT = whole(0, LARGEST_COUNT), number(0, LARGEST_VALUE, multipleOf=0.01)
DAYS = whole(0, LONGEST_DAYS)
CONDITIONS = {
    "segments": listed(one_of(*SEGMENTS), MOST_LISTED),
    "cartValueMin": AMOUNT,
    "cartValueMax": AMOUNT,
    "productCategories": IDS,
    "hasProduct": {**IDS, "description": "Any of them is in the cart."},
    "excludeProduct": {**IDS, "description": "None of them is in the cart."},
    "isNewCustomer": BOOLEAN,
    "hasSubscription": BOOLEAN,
}
OFFER = {
    "discountPercent": number(0, 100, multipleOf=0.01),
    "freeShipping": BOOLEAN,
    "freeGift": text(0, LONGEST_ID, description="A product of the company's."),
    "bonusProduct": text(0, LONGEST_ID, description="A product of the company's."),
}
FIELDS: dict[str, Schema] = {
    "description": text(0, LONGEST_TEXT),
    "priority": {**COUNT, "default": DEFAULT_PRIORITY, "description": "A lower one comes first."},
    "enabled": BOOLEAN,
    "conditions": given(
        {}, {name: nullable(each) for name, each in CONDITIONS.items()}
        | {"daysSinceLastOrder": nullable(given({}, {"min": nullable(DAYS), "max": nullable(DAYS)}))},
        description="All that are given must hold.",
    ),
    "offer": given({}, {name: nullable(each) for name, each in OFFER.items()}),
    "message": text(0, LONGEST_TEXT, examples=["{{firstName}}, add {{productName}} and save {{discount}}"]),
    "urgency": one_of(*URGENCIES),
    "placements": listed(one_of(*PLACEMENTS), MOST_LISTED, description="Without one the offer may stand anywhere."),
    "maxImpressions": {**COUNT, "description": "Per customer or session, and day (UTC)."},
    "maxAcceptances": {**COUNT, "description": "In all; then the rule rests."},
    "validFrom": WHEN,
    "validUntil": WHEN,
}  # fmt: skip
CALLED = {"name": text(1, LONGEST_NAME), "upsellType": one_of(*UPSELL_TYPES)}
OF_THE_ROW = {"id": ID, "companyId": ID, "createdAt": INSTANT, "updatedAt": INSTANT}
WARNINGS = {"warnings": listed(shape({"field": text(), "message": text()}))}
LENIENT = {name: nullable(each) for name, each in FIELDS.items()}
OFFER_SHOWN = shape({}, {name: nullable(each) for name, each in OFFER.items()})

SCHEMAS: dict[str, Schema] = {
    "Rule": shape(
        {**OF_THE_ROW, **CALLED}
        | {name: FIELDS[name] for name in ("priority", "enabled", "urgency", "placements")}
        | {name: nullable(FIELDS[name]) for name in ("description", "message", "maxImpressions", "maxAcceptances")}
        | {
            "conditions": OBJECT,
            "offer": OFFER_SHOWN,
            "validFrom": nullable(INSTANT),
            "validUntil": nullable(INSTANT),
        },
        WARNINGS,
    ),
    "NewRule": given(CALLED, {**LENIENT, **OF_THE_ROW, "warnings": {}}),
    "RuleChange": given({}, {**CALLED, **LENIENT, **OF_THE_ROW, "warnings": {}}, description="Any subset of the fields."),
}
EXAMPLE = {
    "name": "A spoon for the mug",
    "upsellType": "CROSS_SELL",
    "conditions": {"hasProduct": ["mug"], "cartValueMin": 20},
    "offer": {"bonusProduct": "spoon", "discountPercent": 10},
    "message": "Add {{productName}} and save {{discount}}",
    "placements": ["CART_PAGE"],
    "maxImpressions": 3,
}
ONE = path("ruleId", "The rule.")
THE_RULE = answer("The rule.", ref("Rule"), headers=["ETag"])

PATHS: dict[str, Schema] = {
    "/api/upsell/rules": {
        "get": operation(
            "listRules", TAG, "The company's rules, by priority",
            {200: answer("Every rule, by priority and id.", listed(ref("Rule")))}, (), (), READ,
        ),
        "post": operation(
            "createRule", TAG, "A new rule", {201: answer("It is stored.", ref("Rule"), headers=["ETag", "Location"])},
            (409,), (IDEMPOTENCY_KEY,), WRITE, body(ref("NewRule"), EXAMPLE),
        ),
    },
    "/api/upsell/rules/{ruleId}": {
        "get": operation("getRule", TAG, "One rule", {200: THE_RULE, 304: NOT_MODIFIED}, (), (ONE, IF_NONE_MATCH), READ),
        "put": operation(
            "updateRule", TAG, "Change fields of a rule", {200: THE_RULE}, (409, 412), (ONE, IF_MATCH), WRITE,
            body(ref("RuleChange"), {"enabled": False}),
        ),
        "delete": operation(
            "deleteRule", TAG, "Delete a rule", {200: answer("It is gone.", SUCCESS)}, (409, 412), (ONE, IF_MATCH), WRITE
        ),
    },
}  # fmt: skip
