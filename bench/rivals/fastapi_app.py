"""The same page with FastAPI: as usually written (models in and out), and with the stored bytes passed through.

Both read one key per request with redis-py, from a generation that was resolved at start.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query, Response
from pydantic import BaseModel
from redis.asyncio import Redis

from models.generation import live_key, payload_prefix
from serving.sections import to_json


class Product(BaseModel):
    id: str
    name: str
    slug: str
    price: float
    reviewCount: int
    inStock: bool
    score: float
    reason: str


class Display(BaseModel):
    displayStyle: str
    showRatings: bool
    showQuickAdd: bool


class Section(BaseModel):
    type: str
    title: str
    impressionId: str
    personalized: bool
    config: Display
    products: list[Product]


class Page(BaseModel):
    productId: str
    generation: str
    sections: list[Section]


redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
live: dict[str, str] = {}


async def get_redis() -> Redis:
    """The client, as a dependency."""
    return redis


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The generation is looked up once: the rival is spared our pointer."""
    live["bench"] = (await redis.get(live_key("bench"))).decode()
    yield
    await redis.aclose()


app = FastAPI(lifespan=lifespan)
Store = Annotated[Redis, Depends(get_redis)]
CompanyId = Annotated[str, Query(alias="companyId", min_length=1, max_length=200)]
TITLE = "Customers Who Bought This Also Bought"
DISPLAY = Display(displayStyle="CAROUSEL", showRatings=True, showQuickAdd=True)


@app.get("/models/{product_id}")
async def with_models(product_id: str, company_id: CompanyId, store: Store) -> Page:
    """As most people write it."""
    stored = await store.get(payload_prefix(company_id, live[company_id], "also-bought") + product_id)
    if stored is None:
        raise HTTPException(404)
    products = [Product(**row) for row in json.loads(stored.partition(b"\n")[0])]
    section = Section(
        type="ALSO_BOUGHT", title=TITLE, impressionId=uuid.uuid4().hex, personalized=False, config=DISPLAY, products=products
    )
    return Page(productId=product_id, generation=live[company_id], sections=[section])


@app.get("/bytes/{product_id}")
async def with_bytes(product_id: str, company_id: CompanyId, store: Store) -> Response:
    """The stored bytes, passed through."""
    stored = await store.get(payload_prefix(company_id, live[company_id], "also-bought") + product_id)
    if stored is None:
        raise HTTPException(404)
    front = {"type": "ALSO_BOUGHT", "title": TITLE, "impressionId": uuid.uuid4().hex, "personalized": False}
    section = to_json({**front, "config": DISPLAY.model_dump()})[:-1] + b',"products":' + stored.partition(b"\n")[0] + b"}"
    page = to_json({"productId": product_id, "generation": live[company_id]})[:-1] + b',"sections":[' + section + b"]}"
    return Response(page, media_type="application/json")
