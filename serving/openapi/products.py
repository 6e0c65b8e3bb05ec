"""Bulk discounts and subscriptions: what is configured for a product, what it costs, what is offered on it."""

from __future__ import annotations

from models.bulk_discounts import CAP_DECIMALS, DISCOUNT_TYPES, MOST_UNITS
from models.bulk_fields import LARGEST_VALUE
from models.bulk_nudges import CUSTOMER as BY_CUSTOMER
from models.bulk_nudges import PRODUCT as BY_PRODUCT
from models.bulk_nudges import TIER as BY_TIER
from models.bulk_tier_rules import LONGEST_LABEL, MOST_TIERS
from models.subscription_rules import LONGEST_TEXT, MOST_CATEGORIES, MOST_ORDERS
from models.subscriptions import CONFIG, DEFAULT_FREQUENCY, FREQUENCY_DAYS, MODEL
from serving.auth import READ, WRITE
from serving.bulk_discounts import MOST_ITEMS
from serving.openapi.problems import COMPANY, CUSTOMER, IF_MATCH, IF_NONE_MATCH, NOT_MODIFIED, operation
from serving.openapi.vocabulary import (
    BOOLEAN,
    ID,
    INSTANT,
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
    query,
    ref,
    shape,
    text,
    whole,
)

# holds for no value: the field may not be there
NEVER: Schema = {"not": {}}
BULK, SUBSCRIPTIONS = "Bulk discounts", "Subscriptions"
PRODUCT = path("productId", "The product.")
QUANTITY = whole(1, MOST_UNITS)
MONEY, PERCENT = number(), number(0, 100)
WHEN = text(examples=["2026-05-01", "2026-05-01T12:00:00Z"], description="ISO 8601; in the company's zone where it names none.")
FREQUENCY = one_of(*FREQUENCY_DAYS)
OF_THE_ROW = {"id": text(), "productId": ID, "companyId": ID, "createdAt": INSTANT, "updatedAt": INSTANT}
BULK_TIER = {
    "minQuantity": QUANTITY,
    "maxQuantity": nullable(QUANTITY),
    "discountType": one_of(*DISCOUNT_TYPES),
    "discountValue": number(0, LARGEST_VALUE, description="A percentage (0 to 100), an amount off the unit, or the unit's price."),
    "label": text(0, LONGEST_LABEL),
}
BULK_FIELDS: dict[str, Schema] = {
    "enabled": BOOLEAN,
    "stackWithOtherDiscounts": BOOLEAN,
    "maxDiscountPercent": number(0, 100, default=30, multipleOf=10**-CAP_DECIMALS),
}
SUBSCRIPTION_TIER = {"frequency": FREQUENCY, "discountPercent": PERCENT, "label": text(0, LONGEST_TEXT)}
RULES = {
    "requirePreviousPurchase": BOOLEAN,
    "minOrderCount": whole(0, MOST_ORDERS),
    "productCategories": listed(text(1, LONGEST_TEXT), MOST_CATEGORIES),
}
ITEM: dict[str, Schema] = {"productId": ID, "quantity": QUANTITY}
LINE = {
    "productId": ID,
    "quantity": QUANTITY,
    "originalPrice": MONEY,
    "originalTotal": MONEY,
    "discountedUnitPrice": MONEY,
    "discountedTotal": MONEY,
    "totalSavings": MONEY,
    "savingsPercent": PERCENT,
}
TOTALS = {name: LINE[name] for name in ("originalTotal", "discountedTotal", "totalSavings", "savingsPercent")}

SCHEMAS: dict[str, Schema] = {
    "BulkTier": shape(BULK_TIER),
    "BulkDiscount": shape(
        {
            **OF_THE_ROW,
            **BULK_FIELDS,
            "tiers": listed(ref("BulkTier")),
            "validFrom": nullable(INSTANT),
            "validUntil": nullable(INSTANT),
        }
    ),
    "BulkDiscountChange": given(
        {},
        {
            **OF_THE_ROW,
            **BULK_FIELDS,
            "tiers": listed(
                given(
                    {name: BULK_TIER[name] for name in ("minQuantity", "discountType", "discountValue")},
                    {name: nullable(BULK_TIER[name]) for name in ("maxQuantity", "label")},
                ),
                MOST_TIERS,
                description="May not overlap; a larger quantity may not cost more per unit; PERCENTAGE is 100 at most.",
            ),
            "validFrom": nullable(WHEN),
            "validUntil": nullable(WHEN),
            "warnings": {},
        },
        description="What is left out stays as it is, or has its default. An answer of ours may be sent back as it is.",
    ),
    "BulkRecommendation": shape(
        {"productId": ID, "currentQuantity": QUANTITY, "currentPrice": MONEY},
        {
            "recommendation": shape(
                {
                    "targetQuantity": QUANTITY,
                    "quantityToAdd": QUANTITY,
                    "targetPrice": MONEY,
                    "additionalCost": number(description="Below 0 where more units cost less."),
                    "savings": MONEY,
                    "savingsPercent": PERCENT,
                    "tier": ref("BulkTier"),
                    "message": text(),
                    "basis": one_of(BY_CUSTOMER, BY_PRODUCT, BY_TIER),
                }
            )
        },
        description="The prices are totals. Without `recommendation` no tier is worth reaching for.",
    ),
    "LineToPrice": shape(ITEM, {"items": NEVER}),
    "LinesToPrice": shape({"items": listed(shape(ITEM), MOST_ITEMS, 1)}, dict.fromkeys(ITEM, NEVER)),
    "PricedLine": shape(LINE, {"appliedTier": ref("BulkTier"), "currency": text()}),
    "PricedLines": shape(
        {**TOTALS, "items": listed(shape(LINE, {"appliedTier": ref("BulkTier")}), MOST_ITEMS)}, {"currency": text()}
    ),
    "SubscriptionConfig": shape(
        {
            **OF_THE_ROW,
            "enabled": BOOLEAN,
            "discountTiers": listed(shape(SUBSCRIPTION_TIER)),
            "defaultFrequency": FREQUENCY,
            "freeShippingIncluded": BOOLEAN,
            "eligibility": shape(RULES),
        }
    ),
    "SubscriptionConfigChange": given(
        {},
        {
            **OF_THE_ROW,
            "enabled": BOOLEAN,
            "discountTiers": listed(
                given(
                    {"frequency": FREQUENCY, "discountPercent": {**PERCENT, "multipleOf": 0.01}},
                    {"label": nullable(text(0, LONGEST_TEXT))},
                ),
                len(FREQUENCY_DAYS),
                1,
                description="One per frequency.",
            ),
            "defaultFrequency": FREQUENCY,
            "freeShippingIncluded": BOOLEAN,
            "eligibility": given({}, RULES),
        },
        description="What is left out stays as it is, or has its default.",
    ),
    "SubscriptionEligibility": shape(
        {
            "eligible": BOOLEAN,
            "reasons": listed(text()),
            "confidence": number(0, 1),
            "recommendedFrequency": FREQUENCY,
            "expectedIntervalDays": nullable(number(0)),
            "recommendedDiscount": PERCENT,
            "estimatedLtv": nullable(MONEY),
            "source": one_of(MODEL, CONFIG, "mi"),
        }
    ),
    "SubscriptionOffer": shape(
        {
            "eligible": BOOLEAN,
            "productId": ID,
            "options": listed(
                shape(
                    {
                        "frequency": FREQUENCY,
                        "label": text(),
                        "discountPercent": PERCENT,
                        "finalPrice": MONEY,
                        "savings": MONEY,
                        "savingsPerYear": MONEY,
                        "freeShipping": BOOLEAN,
                    }
                )
            ),
            "recommendedFrequency": FREQUENCY,
            "personalizedMessage": text(),
        },
        {"reason": text(), "nextOrderDate": text(format="date")},
    ),
}
TIERS = [{"minQuantity": 5, "maxQuantity": None, "discountType": "PERCENTAGE", "discountValue": 10, "label": "Five or more"}]
STORED = answer("As it is stored.", ref("BulkDiscount"), headers=["ETag"])
CONFIGURED = answer("As it is stored.", ref("SubscriptionConfig"), headers=["ETag"])
READING = (PRODUCT, COMPANY)

PATHS: dict[str, Schema] = {
    "/api/products/{productId}/bulk-discount": {
        "get": operation(
            "getBulkDiscount", BULK, "The product's bulk discount", {200: STORED, 304: NOT_MODIFIED}, (), (*READING, IF_NONE_MATCH)
        ),
        "put": operation(
            "putBulkDiscount", BULK, "Store it", {200: STORED}, (409, 412), (PRODUCT, IF_MATCH), WRITE,
            body(ref("BulkDiscountChange"), {"tiers": TIERS, "maxDiscountPercent": 30}),
        ),
        "delete": operation(
            "deleteBulkDiscount", BULK, "Delete it", {200: answer("It is gone.", SUCCESS)}, (412,), (PRODUCT, IF_MATCH), WRITE
        ),
    },
    "/api/products/{productId}/bulk-recommendation": {
        "get": operation(
            "getBulkRecommendation", BULK, "The next tier worth buying a few more for",
            {200: answer("What the units cost, and what a few more would.", ref("BulkRecommendation"))}, (),
            (*READING, query("quantity", QUANTITY, "Units in the cart.", required=True, example=3), CUSTOMER),
        )
    },
    "/api/products/pricing/bulk-calculate": {
        "post": operation(
            "calculateBulkPrices", BULK, "Price one line, or up to 200 with their totals",
            {200: answer("One line for one, lines and totals for `items`.", {"oneOf": [ref("PricedLine"), ref("PricedLines")]})},
            (), (), READ,
            body(
                {"oneOf": [ref("LineToPrice"), ref("LinesToPrice")]},
                {"items": [{"productId": "mug", "quantity": 6}]},
            ),
        )
    },
    "/api/products/{productId}/subscription-config": {
        "get": operation(
            "getSubscriptionConfig", SUBSCRIPTIONS, "The product's subscription",
            {200: CONFIGURED, 304: NOT_MODIFIED}, (), (*READING, IF_NONE_MATCH),
        ),
        "put": operation(
            "putSubscriptionConfig", SUBSCRIPTIONS, "Store it", {200: CONFIGURED}, (409, 412), (PRODUCT, IF_MATCH), WRITE,
            body(ref("SubscriptionConfigChange"), {"enabled": True, "defaultFrequency": DEFAULT_FREQUENCY}),
        ),
    },
    "/api/upsell/subscription-eligibility/{productId}": {
        "get": operation(
            "getSubscriptionEligibility", SUBSCRIPTIONS, "Whether a subscription suits the customer",
            {200: answer("Yes or no, and why.", ref("SubscriptionEligibility"))}, (), (*READING, CUSTOMER),
        )
    },
    "/api/upsell/subscription-offer/{productId}": {
        "get": operation(
            "getSubscriptionOffer", SUBSCRIPTIONS, "The subscription's options with their prices",
            {200: answer("Options, none where it is not eligible.", ref("SubscriptionOffer"))}, (), (*READING, CUSTOMER),
        )
    },
}  # fmt: skip
