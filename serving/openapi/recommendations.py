"""What a product's page shows, and what visitors do with it."""

from __future__ import annotations

from models.events import SOURCES
from models.impression_ids import LONGEST as LONGEST_IMPRESSION_ID
from serving.events_fields import MOST_SECONDS
from serving.openapi.problems import COMPANY, CUSTOMER, IDEMPOTENCY_KEY, IF_NONE_MATCH, NOT_MODIFIED, SESSION, operation
from serving.openapi.products import PRODUCT
from serving.openapi.vocabulary import (
    BOOLEAN,
    ID,
    SUCCESS,
    Schema,
    answer,
    body,
    listed,
    nullable,
    number,
    one_of,
    path,
    query,
    ref,
    shape,
    text,
    whole,
)

PAGES, EVENTS = "Recommendations", "Events"
TYPES = ("ALSO_BOUGHT", "YOU_MIGHT_LIKE", "FREQUENTLY_VIEWED")
MONEY = number(0)
# an empty text says the same as none
MAYBE = {**ID, "minLength": 0}
IMPRESSION_ID = text(1, LONGEST_IMPRESSION_ID, examples=["IHk2bWZxN0p2c0"])
PRODUCT_SHOWN: Schema = shape(
    {"id": text(), "name": text()},
    {
        "slug": text(),
        "price": MONEY,
        "compareAtPrice": MONEY,
        "imageUrl": text(),
        "averageRating": number(0, 5),
        "reviewCount": whole(0),
        "inStock": BOOLEAN,
        "category": text(),
    },
)
RECOMMENDED: Schema = {
    **PRODUCT_SHOWN,
    "properties": {
        **PRODUCT_SHOWN["properties"],
        "price": nullable(MONEY),
        "score": number(),
        "reason": text(),
        "coOccurrenceCount": whole(0),
        "similarityScore": number(),
    },
    "required": [*PRODUCT_SHOWN["required"], "score", "reason"],
}
BUNDLE = shape(
    {
        "products": listed(ref("RecommendedProduct"), description="The page's own first."),
        "coViewFrequency": number(0),
        "individualTotal": MONEY,
        "bundlePrice": MONEY,
        "savings": MONEY,
        "discountPercent": number(0, 50),
    },
    {"conversionLift": number(description="Measured from the data, or absent.")},
)
DISPLAY = shape({}, {"displayStyle": text(), "showRatings": BOOLEAN, "showQuickAdd": BOOLEAN})

SCHEMAS: dict[str, Schema] = {
    "RecommendedProduct": RECOMMENDED,
    "Bundle": BUNDLE,
    "Section": shape(
        {
            "type": text(examples=list(TYPES)),
            "title": text(),
            "impressionId": IMPRESSION_ID,
            "personalized": BOOLEAN,
            "config": DISPLAY,
            "products": listed(ref("RecommendedProduct")),
        },
        {"subtitle": text(), "bundles": listed(ref("Bundle"))},
    ),
    "Page": shape({"productId": text(), "generation": text(), "sections": listed(ref("Section"))}),
    "View": shape(
        {"productId": ID, "sessionId": ID},
        {
            "customerId": nullable(MAYBE),
            "source": nullable(one_of(*SOURCES)),
            "sourceProductId": nullable(MAYBE),
            "duration": nullable(number(0, MOST_SECONDS, description="Seconds.")),
        },
    ),
    "Click": shape({"impressionId": IMPRESSION_ID, "clickedProductId": ID}),
    "AddToCart": shape({"impressionId": IMPRESSION_ID}, {"productId": nullable(MAYBE)}),
}
SECTIONS_ASKED = query(
    "sections",
    text(),
    "Types or kinds of the sections wanted, with commas between; else all of the page.",
    example="ALSO_BOUGHT",
)
KIND = {**path("kind", "A kind of the live generation that is shown."), "example": "also-bought"}
READING = (PRODUCT, COMPANY, CUSTOMER, SESSION, IF_NONE_MATCH)
TAKEN = {200: answer("It will be stored, once.", SUCCESS)}
TAKING = (COMPANY, IDEMPOTENCY_KEY)

PATHS: dict[str, Schema] = {
    "/api/products/{productId}/recommendations": {
        "get": operation(
            "getRecommendations", PAGES, "The sections of a product's page",
            {200: answer("Sections in the page's order.", ref("Page"), headers=["Cache-Control"]), 304: NOT_MODIFIED},
            (), (*READING, SECTIONS_ASKED),
            description="Who asks with a customer or a session may be shown lists of their own; those have no ETag.",
        )
    },
    "/api/products/{productId}/recommendations/{kind}": {
        "get": operation(
            "getRecommendationSection", PAGES, "One section: also-bought, you-might-like, frequently-viewed",
            {200: answer("The section.", ref("Section"), headers=["Cache-Control"]), 304: NOT_MODIFIED}, (), (KIND, *READING),
        )
    },
    "/api/recommendations/view": {
        "post": operation(
            "recordView", EVENTS, "A product's page was looked at", TAKEN, (409,), TAKING, "",
            body(ref("View"), {"productId": "mug", "sessionId": "s-1", "source": "SEARCH"}),
        )
    },
    "/api/recommendations/click": {
        "post": operation(
            "recordClick", EVENTS, "A product of a section was clicked", TAKEN, (409,), TAKING, "",
            body(ref("Click"), {"impressionId": "IHk2bWZxN0p2c0", "clickedProductId": "spoon"}),
        )
    },
    "/api/recommendations/add-to-cart": {
        "post": operation(
            "recordAddToCart", EVENTS, "A product of a section was put into the cart", TAKEN, (409,), TAKING, "",
            body(ref("AddToCart"), {"impressionId": "IHk2bWZxN0p2c0", "productId": "spoon"}),
        )
    },
}  # fmt: skip
