"""What a company decides beside its rules: recommendations, settings, flags; and who has written what."""

from __future__ import annotations

from models import configuration
from models.company_settings import LARGEST_AMOUNT, MOST_DAYS, MOST_ORIGINS, MOST_REQUESTS, MOST_UPSELLS, SEGMENT_THRESHOLDS
from models.flags import DEFAULTS as FLAGS
from serving.auth import OPERATOR, READ, WRITE
from serving.openapi.problems import IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED, operation
from serving.openapi.vocabulary import (
    BOOLEAN,
    INSTANT,
    OBJECT,
    Schema,
    answer,
    body,
    given,
    listed,
    nullable,
    number,
    one_of,
    query,
    ref,
    shape,
    text,
    whole,
)

TAG = "Administration"
STYLE = one_of("CAROUSEL", "GRID")
RANGES: dict[str, dict[str, Schema]] = {
    "alsoBought": {
        "title": text(1, 200),
        "minCoOccurrences": whole(1, configuration.LARGEST),
        "lookbackDays": whole(7, configuration.LARGEST),
        "maxResults": whole(1, 20),
        "displayStyle": STYLE,
        "excludeCategories": listed(text(0, 200), configuration.MOST_LISTED),
    },
    "youMightLike": {
        "title": text(1, 200),
        "titleForGuests": text(1, 200),
        "maxResults": whole(1, 20),
        "displayStyle": STYLE,
        **dict.fromkeys(("browsingWeight", "purchaseWeight", "contentWeight", "diversityFactor"), number(0, 1)),
    },
    "frequentlyViewed": {
        "title": text(1, 200),
        "minSessionCoViews": whole(1, configuration.LARGEST),
        "lookbackDays": whole(7, configuration.LARGEST),
        "maxBundleSize": whole(2, 5),
        "bundleDiscountPercent": number(0, 50),
        "displayStyle": one_of("BUNDLE_CARDS", "COMPACT"),
    },
    "global": {"maxSectionsPerPage": whole(1, 5), "minRatingToShow": number(0, 5)},
}
# what has no range of its own is a switch
PARTS = {
    part: {name: {**RANGES[part].get(name, BOOLEAN), "default": default} for name, (default, _) in fields.items()}
    for part, fields in configuration.FIELDS.items()
}
AMOUNT, PERCENT = number(0, LARGEST_AMOUNT, multipleOf=0.01), number(0, 100, multipleOf=0.01)
SETTINGS: dict[str, Schema] = {
    "holdoutPercent": number(0, 50, multipleOf=0.01, description="Of the sessions, which see no offer."),
    "freeShippingFrom": nullable(AMOUNT),
    "shippingCost": AMOUNT,
    "declineCoolDownDays": whole(0, MOST_DAYS),
    "assumedMarginPercent": PERCENT,
    "segmentThresholds": given({}, dict.fromkeys(SEGMENT_THRESHOLDS, AMOUNT)),
    "corsOrigins": listed(text(examples=["https://shop.example"]), MOST_ORIGINS),
    "requestsPerMinute": whole(0, MOST_REQUESTS, description="0 for no limit."),
    "addressRequestsPerMinute": whole(0, MOST_REQUESTS, description="0 for no limit."),
    "maxUpsells": whole(1, MOST_UPSELLS),
}
SWITCHES = dict.fromkeys(FLAGS, BOOLEAN)
OF_THE_ROW = {"companyId": nullable(text()), "updatedAt": nullable(INSTANT)}
ENTRY = {
    "id": whole(1),
    "writtenAt": INSTANT,
    "writtenBy": text(),
    "action": one_of("create", "update", "delete"),
    "resource": text(),
    "resourceId": text(),
    "before": nullable(OBJECT),
    "after": nullable(OBJECT),
    "requestId": nullable(text()),
}

SCHEMAS: dict[str, Schema] = {
    "RecommendationConfig": shape({**{part: shape(fields) for part, fields in PARTS.items()}, **OF_THE_ROW}),
    "RecommendationConfigChange": given(
        {},
        {part: nullable(given({}, {name: nullable(each) for name, each in fields.items()})) for part, fields in PARTS.items()}
        | OF_THE_ROW,
        description="Any subset, also of a part's fields; null for the default.",
    ),
    "Settings": shape({**SETTINGS, **OF_THE_ROW}),
    "SettingsChange": given(
        {}, {name: nullable(each) for name, each in SETTINGS.items()} | OF_THE_ROW, description="null for the default."
    ),
    "Flags": shape({**SWITCHES, "own": given({}, SWITCHES, description="What is set here itself."), **OF_THE_ROW}),
    "FlagsChange": given(
        {},
        {name: nullable(each) for name, each in SWITCHES.items()} | OF_THE_ROW | {"own": {}},
        description="null for what else holds.",
    ),
    "AuditEntry": shape(ENTRY),
}
AUDIT_ASKED = (
    query("limit", whole(1, 200), "Most entries to answer; 50 without it."),
    query("before", whole(1), "Answer those before this entry's id."),
)


def _document(path: str, name: str, what: str, example: object, scopes: tuple[str, str] = (READ, WRITE)) -> dict[str, Schema]:
    """GET and PUT of one document."""
    stored = answer("As it holds now.", ref(name), headers=["ETag"])
    noun = path or "Company"
    # other companies' flags shine through: no tag tells that they are unchanged
    is_whole = name != "Flags"
    found, held = ({200: stored, 304: NOT_MODIFIED}, (IF_NONE_MATCH,)) if is_whole else ({200: stored}, ())
    return {
        "get": operation(f"get{noun}{name}", TAG, what, found, (), held, scopes[0]),
        "put": operation(
            f"put{noun}{name}", TAG, f"Change: {what.lower()}", {200: stored}, (409, 412), (IF_MATCH,), scopes[1],
            body(ref(f"{name}Change"), example),
        ),
    }  # fmt: skip


PATHS: dict[str, Schema] = {
    "/api/admin/recommendations/config": _document(
        "", "RecommendationConfig", "The four parts, over the defaults", {"alsoBought": {"maxResults": 6}}
    ),
    "/api/admin/settings": _document("", "Settings", "The company's settings", {"holdoutPercent": 5, "freeShippingFrom": 49}),
    "/api/admin/flags": _document("", "Flags", "The company's feature flags", {"smart_upsell_enabled": True}),
    "/api/admin/flags/global": _document(
        "Global", "Flags", "The feature flags of all companies", {"smart_upsell_enabled": True}, (OPERATOR, OPERATOR)
    ),
    "/api/admin/audit": {
        "get": operation(
            "listAudit", TAG, "Who has written what, the latest first",
            {200: answer("Entries.", listed(ref("AuditEntry")))}, (), AUDIT_ASKED, READ,
        )
    },
    "/api/admin/audit/global": {
        "get": operation(
            "listGlobalAudit", TAG, "The same, of what holds for all companies",
            {200: answer("Entries.", listed(ref("AuditEntry")))}, (), AUDIT_ASKED, OPERATOR,
        )
    },
}  # fmt: skip
