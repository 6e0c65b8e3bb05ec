"""What administrators see before shoppers do: answers with their reasons."""

from __future__ import annotations

from models.flags import DEFAULTS as FLAGS
from models.targeting_facts import GUEST
from serving.auth import READ
from serving.openapi.problems import CUSTOMER, SESSION, operation
from serving.openapi.products import PRODUCT
from serving.openapi.recommendations import DISPLAY, RECOMMENDED
from serving.openapi.upsell import EXPERIMENT, PARTS, UPSELL
from serving.openapi.vocabulary import (
    BOOLEAN,
    INSTANT,
    OBJECT,
    Schema,
    answer,
    listed,
    nullable,
    number,
    one_of,
    ref,
    shape,
    text,
    whole,
)

REASON = shape({"field": text(), "message": text()})
SCHEMAS: dict[str, Schema] = {
    "PreviewedUpsell": shape({**UPSELL, "expectedMargin": number()}, EXPERIMENT),
    "Verdict": shape({"ruleId": text(), "name": text(), "place": nullable(whole(1)), "reasons": listed(REASON)}),
    "CartPreview": shape(
        {
            "upsells": listed(ref("PreviewedUpsell")),
            **PARTS,
            "isEnabled": BOOLEAN,
            "isHeldOut": BOOLEAN,
            "generation": text(),
            "at": INSTANT,
            "flags": shape(dict.fromkeys(FLAGS, BOOLEAN)),
            "cartValue": number(0),
            "segments": listed(text(examples=["LARGE_CART", GUEST])),
            "counts": {**OBJECT, "description": "Rule: how often it was shown, accepted and declined."},
            "trace": listed(ref("Verdict")),
        }
    ),
    "PreviewedProduct": {**RECOMMENDED, "properties": {**RECOMMENDED["properties"], "evidence": OBJECT}},
    "PreviewedSection": shape(
        {
            "kind": text(),
            "generation": text(),
            "madeFor": one_of("page", "session", "customer"),
            "type": text(),
            "title": text(),
            "personalized": BOOLEAN,
            "config": DISPLAY,
            "products": listed(ref("PreviewedProduct")),
        },
        {
            **EXPERIMENT,
            "subtitle": text(),
            "bundles": listed(ref("Bundle")),
            "figures": {**OBJECT, "description": "How the kind did on the shop's own held-out days."},
        },
    ),
    "PagePreview": shape(
        {"productId": text(), "generation": text(), "watermark": text(), "sections": listed(ref("PreviewedSection"))}
    ),
}
PATHS: dict[str, Schema] = {
    "/api/admin/recommendations/preview/{productId}": {
        "get": operation(
            "previewRecommendations",
            "Previews",
            "The public page with each item's evidence: uncached, nothing is recorded",
            {200: answer("Sections with evidence.", ref("PagePreview"))},
            (),
            (PRODUCT, CUSTOMER, SESSION),
            READ,
        )
    }
}
