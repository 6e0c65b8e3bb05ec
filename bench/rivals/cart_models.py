"""The models of bench.rivals.fastapi_cart: what is stored, and what is answered."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pydantic import BaseModel


class Days(BaseModel):
    min: int | None = None
    max: int | None = None


class Conditions(BaseModel):
    segments: list[str] = []
    cartValueMin: Decimal | None = None
    cartValueMax: Decimal | None = None
    productCategories: list[str] = []
    hasProduct: list[str] = []
    excludeProduct: list[str] = []
    isNewCustomer: bool | None = None
    hasSubscription: bool | None = None
    daysSinceLastOrder: Days | None = None


class Offer(BaseModel):
    discountPercent: Decimal | None = None
    freeGift: str | None = None
    bonusProduct: str | None = None


class Rule(BaseModel):
    id: str
    name: str
    upsellType: str
    priority: int
    conditions: Conditions
    offer: Offer
    message: str
    urgency: str
    placements: list[str]
    maxImpressions: int | None = None
    maxAcceptances: int | None = None
    validUntil: date | None = None


class Product(BaseModel):
    id: str
    name: str
    slug: str
    price: Decimal
    reviewCount: int
    inStock: bool
    category: str | None = None
    cost: Decimal | None = None


class Shown(BaseModel):
    id: str
    name: str
    slug: str
    price: float
    reviewCount: int
    inStock: bool
    score: float
    reason: str


class Upsell(BaseModel):
    ruleId: str
    impressionToken: str
    name: str
    type: str
    message: str
    offer: Offer
    urgency: str
    placement: str
    priority: int
    score: float
    estimatedConversion: float | None
    products: list[Shown]


class Nudge(BaseModel):
    productId: str
    currentQuantity: int
    currentPrice: float
    targetQuantity: int
    targetPrice: float
    savings: float
    message: str


class Option(BaseModel):
    frequency: str
    discountPercent: float
    finalPrice: float
    savings: float
    savingsPerYear: float


class Subscription(BaseModel):
    productId: str
    eligible: bool
    options: list[Option]
    nextOrderDate: date


class Answer(BaseModel):
    upsells: list[Upsell]
    bulkRecommendations: list[Nudge]
    subscriptionOffers: list[Subscription]
