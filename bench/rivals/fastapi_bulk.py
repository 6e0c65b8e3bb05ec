"""bulk-calculate and a subscription's offer with FastAPI: as usually written, and with the reads of a request in one MGET.

Models in and out, the token checked with pyjwt, amounts with decimal; a percentage of the base price is all that it can price.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from bench.read_path_shop import PERSONAL
from models.generation import PRODUCT, live_key, payload_prefix
from models.published_configs import BULK_DISCOUNT, config_key

CENT = Decimal("0.01")
redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
live: dict[str, str] = {}


class Item(BaseModel):
    productId: str = Field(min_length=1, max_length=200)
    quantity: int = Field(ge=1, le=1_000_000)


class Asked(BaseModel):
    items: list[Item] = Field(min_length=1, max_length=200)


class Tier(BaseModel):
    minQuantity: int
    maxQuantity: int | None
    discountType: str
    discountValue: Decimal
    label: str


class Line(BaseModel):
    productId: str
    quantity: int
    originalPrice: float
    originalTotal: float
    discountedUnitPrice: float
    discountedTotal: float
    totalSavings: float
    savingsPercent: float
    appliedTier: Tier | None = None


class Answer(BaseModel):
    items: list[Line]
    originalTotal: float
    discountedTotal: float
    totalSavings: float


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The generation is looked up once: the rival is spared our pointer."""
    live[PERSONAL] = (await redis.get(live_key(PERSONAL))).decode()
    yield
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


async def get_company(authorization: Annotated[str, Header()]) -> str:
    """Who asks."""
    claims = jwt.decode(authorization.removeprefix("Bearer "), os.environ["JWT_SECRET"], algorithms=["HS256"])
    if "company:read" not in claims["scope"]:
        raise HTTPException(403)
    return str(claims["companyId"])


Company = Annotated[str, Depends(get_company)]


@app.post("/one-by-one")
async def one_by_one(asked: Asked, company: Company) -> Answer:
    """As most people write it: a read per thing that is needed."""
    lines = []
    for item in asked.items:
        product = await redis.get(payload_prefix(company, live[company], PRODUCT) + item.productId)
        config = await redis.get(config_key(company, BULK_DISCOUNT, item.productId))
        lines.append(priced(item, product, config))
    return summed(lines)


@app.post("/one-read")
async def one_read(asked: Asked, company: Company) -> Answer:
    """As somebody writes it who has measured once."""
    keys = [payload_prefix(company, live[company], PRODUCT) + item.productId for item in asked.items]
    keys += [config_key(company, BULK_DISCOUNT, item.productId) for item in asked.items]
    values = await redis.mget(keys)
    n = len(asked.items)
    return summed([priced(item, values[at], values[n + at]) for at, item in enumerate(asked.items)])


def priced(item: Item, product: bytes | None, config: bytes | None) -> Line:
    """One line."""
    if product is None:
        raise HTTPException(404)
    price = Decimal(str(json.loads(product.partition(b"\n")[0])["price"]))
    tiers = [Tier(**row) for row in read(config)["tiers"]] if config else []
    fitting = [tier for tier in tiers if tier.minQuantity <= item.quantity <= (tier.maxQuantity or item.quantity)]
    tier = max(fitting, key=lambda each: each.discountValue, default=None)
    unit = price * (100 - tier.discountValue) / 100 if tier else price
    original = (price * item.quantity).quantize(CENT, ROUND_HALF_UP)
    total = (unit * item.quantity).quantize(CENT, ROUND_HALF_UP)
    return Line(
        productId=item.productId,
        quantity=item.quantity,
        originalPrice=float(price),
        originalTotal=float(original),
        discountedUnitPrice=float(unit),
        discountedTotal=float(total),
        totalSavings=float(original - total),
        savingsPercent=float((original - total) / original * 100),
        appliedTier=tier,
    )


def read(config: bytes) -> dict[str, Any]:
    """A stored configuration."""
    document: dict[str, Any] = json.loads(config.partition(b"\n")[2])
    return document


def summed(lines: list[Line]) -> Answer:
    """The answer."""
    totals = {name: sum(getattr(line, name) for line in lines) for name in ("originalTotal", "discountedTotal", "totalSavings")}
    return Answer(items=lines, **totals)
