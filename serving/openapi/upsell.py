"""Offers for a cart, and what shoppers do with them."""

from __future__ import annotations

from models.targeting_facts import PLACEMENTS, UPSELL_TYPES, URGENCIES
from serving.auth import READ
from serving.events_fields import MOST_REVENUE
from serving.openapi.problems import COMPANY, CUSTOMER, IDEMPOTENCY_KEY, SESSION, operation
from serving.openapi.recommendations import EVENTS, IMPRESSION_ID, MAYBE, MONEY, PRODUCT_SHOWN
from serving.openapi.rules import OFFER_SHOWN
from serving.openapi.vocabulary import (
    ID,
    OBJECT,
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

OFFERS = "Offers"
PLACEMENT = one_of(*PLACEMENTS)
UPSELL = {
    "ruleId": ID,
    "name": text(),
    "type": one_of(*UPSELL_TYPES),
    "message": text(),
    "offer": OFFER_SHOWN,
    "urgency": one_of(*URGENCIES),
    "placement": PLACEMENT,
    "priority": whole(0),
    "score": number(0, 1),
    "estimatedConversion": nullable(number(0, 1)),
    "products": listed(ref("OfferedProduct")),
}
# before a process has the signing secret, offers have no token
TOKEN = {"impressionToken": IMPRESSION_ID}
EXPERIMENT = {"experiment": shape({"id": ID, "variant": text()})}
PARTS = {"bulkRecommendations": listed(ref("BulkRecommendation")), "subscriptionOffers": listed(ref("SubscriptionOffer"))}

SCHEMAS: dict[str, Schema] = {
    "OfferedProduct": {
        **PRODUCT_SHOWN,
        "properties": {**PRODUCT_SHOWN["properties"], "price": nullable(MONEY), "score": number(), "reason": text()},
    },
    "Upsell": shape(UPSELL, TOKEN | EXPERIMENT),
    "CartOffers": shape({"upsells": listed(ref("Upsell")), **PARTS}),
    "Impression": shape(
        {
            "cartId": ID,
            "ruleId": ID,
            "sessionId": ID,
            "placement": PLACEMENT,
            "offer": {**OBJECT, "description": "As it was shown."},
        },
        {
            "customerId": nullable(MAYBE),
            "impressionToken": nullable({**IMPRESSION_ID, "minLength": 0}),
            "variant": {"description": "Not looked at: the variant follows from the token, or from who asks."},
        },
    ),
    "Recorded": shape({"impressionId": IMPRESSION_ID}),
    "Acceptance": shape({"impressionId": IMPRESSION_ID, "revenue": number(0, float(MOST_REVENUE), multipleOf=0.01)}),
    "Refusal": shape({"impressionId": IMPRESSION_ID}),
}
ITEMS = query(
    "items",
    text(),
    "The cart, for a storefront that keeps its own: `productId:quantity` with commas between, 200 at most. The quantity stands "
    "behind the last colon; what is percent-encoded is decoded after the text is divided.",
    example="mug:2,spoon:1",
)
ASKING = (
    CUSTOMER,
    SESSION,
    ITEMS,
    query("maxUpsells", whole(0, 10), "Most offers to answer; the company's setting without it."),
    query(
        "placements", text(), "Where offers can stand, the most wanted first, with commas between.", example="CART_PAGE,CHECKOUT"
    ),
)
TAKEN = {200: answer("It will be stored, once.", SUCCESS)}
TAKING = (COMPANY, IDEMPOTENCY_KEY)

PATHS: dict[str, Schema] = {
    "/api/upsell/cart/{cartId}": {
        "get": operation(
            "getCartOffers", OFFERS, "What to offer beside a cart",
            {200: answer("Empty lists for an empty or unknown cart.", ref("CartOffers"))},
            (), (path("cartId", "The stored cart; any text where `items` is given."), COMPANY, *ASKING),
        )
    },
    "/api/upsell/impressions": {
        "post": operation(
            "recordImpression", EVENTS, "An offer was shown", {200: answer("Its id, for what follows.", ref("Recorded"))},
            (409,), TAKING, "",
            body(
                ref("Impression"),
                {"cartId": "cart-1", "ruleId": "rule-1", "sessionId": "s-1", "placement": "CART_PAGE", "offer": {}},
            ),
        )
    },
    "/api/upsell/impressions/accept": {
        "post": operation(
            "acceptOffer", EVENTS, "The offer was accepted", TAKEN, (409,), TAKING, "",
            body(ref("Acceptance"), {"impressionId": "IHk2bWZxN0p2c0", "revenue": 12.5}),
        )
    },
    "/api/upsell/impressions/decline": {
        "post": operation(
            "declineOffer", EVENTS, "The offer was declined", TAKEN, (409,), TAKING, "",
            body(ref("Refusal"), {"impressionId": "IHk2bWZxN0p2c0"}),
        )
    },
    "/api/admin/upsell/preview": {
        "get": operation(
            "previewCartOffers", OFFERS, "What a cart would be offered, and why: a verdict on every rule",
            {200: answer("Uncounted, nothing is recorded.", ref("CartPreview"))},
            (), (query("cartId", ID, "A stored cart; else give `items`."), *ASKING), READ,
        )
    },
}  # fmt: skip
