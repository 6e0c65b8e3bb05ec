"""What administrators see before shoppers do: answers with their reasons."""

from __future__ import annotations

from models.targeting_facts import GUEST
from serving.auth import READ
from serving.openapi.problems import CUSTOMER, SESSION, operation
from serving.openapi.products import PRODUCT
from serving.openapi.recommendations import DISPLAY, RECOMMENDED
from serving.openapi.upsell import EXPERIMENT, PARTS, UPSELL
from serving.openapi.vocabulary import BOOLEAN, ID, Schema, answer, listed, nullable, number, ref, shape, text, whole

REASON = shape({"field": text(), "sentence": text()})
SCHEMAS: dict[str, Schema] = {
    "PreviewedUpsell": shape({**UPSELL, "expectedMargin": number()}, EXPERIMENT),
    "Verdict": shape({"ruleId": ID, "place": nullable(whole(1)), "reasons": listed(REASON)}),
    "CartPreview": shape(
        {"upsells": listed(ref("PreviewedUpsell")), **PARTS, "trace": listed(ref("Verdict"))},
        {"segments": listed(text(examples=["LARGE_CART", GUEST])), "counts": {"type": "object"}},
    ),
    "PreviewedProduct": {**RECOMMENDED, "properties": {**RECOMMENDED["properties"], "evidence": {"type": "object"}}},
    "PreviewedSection": shape(
        {
            "type": text(),
            "title": text(),
            "personalized": BOOLEAN,
            "config": DISPLAY,
            "products": listed(ref("PreviewedProduct")),
        },
        {"kind": text(), "subtitle": text(), "bundles": listed(ref("Bundle"))},
    ),
    "PagePreview": shape({"productId": text(), "generation": text(), "sections": listed(ref("PreviewedSection"))}),
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
