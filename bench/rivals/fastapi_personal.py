"""The page of two sections with FastAPI as usually written: for everybody, for a customer, for a guest's live session.

Models in and out; redis-py, one call for whatever is wanted at once. Lists, neighbours and rules are those of our own answer; it
notes the session's view, and notes no impressions, signs nothing, counts nothing and limits nobody.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from pydantic import BaseModel
from redis.asyncio import Redis

from bench.read_path_shop import ALSO_BOUGHT, DISPLAY, PERSONAL, YOU_MIGHT_LIKE
from models.generation import PRODUCT, SESSION_MS, SESSION_PRODUCTS, live_key, payload_prefix, session_key
from models.live_session import LAG_WEIGHTS

MOST = 8


class Item(BaseModel):
    id: str
    name: str
    slug: str
    price: float
    reviewCount: int
    inStock: bool
    score: float
    reason: str
    similarityScore: float | None = None


class Display(BaseModel):
    displayStyle: str
    showRatings: bool
    showQuickAdd: bool


class Shelf(BaseModel):
    type: str
    title: str
    impressionId: str
    personalized: bool
    config: Display
    products: list[Item]


class Page(BaseModel):
    productId: str
    generation: str
    sections: list[Shelf]


redis = Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
live: dict[str, str] = {}


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The generation is looked up once: the rival is spared our pointer."""
    pointer: Any = await redis.get(live_key(PERSONAL))
    live[PERSONAL] = pointer.decode()
    yield
    await redis.aclose()


app = FastAPI(lifespan=lifespan)
Id = Annotated[str | None, Query(min_length=1, max_length=200)]


@app.get("/pages/{product_id}", response_model_exclude_none=True)
async def page(product_id: str, companyId: Annotated[str, Query()], customerId: Id = None, sessionId: Id = None) -> Page:
    """Also bought, and what the visitor might like."""
    stored = await redis.get(key("also-bought", product_id))
    if stored is None:
        raise HTTPException(404)
    bought = [Item(**row) for row in json.loads(stored.partition(b"\n")[0])]
    viewed = await look(sessionId, product_id) if sessionId else []
    rows = json.loads(await redis.get(key("you-might-like", customerId)) or "[]") if customerId else []
    rows = [row for row in rows if row[0] != product_id and row[0] not in viewed]
    if not rows:
        rows = await ranked(product_id, viewed)
    liked = await described(rows[:MOST])
    return Page(
        productId=product_id,
        generation=live[companyId],
        sections=[
            shelf(ALSO_BOUGHT.type, ALSO_BOUGHT.title, bought, False),
            shelf(YOU_MIGHT_LIKE.type, YOU_MIGHT_LIKE.title, liked, bool(customerId or viewed)),
        ],
    )


def key(kind: str, anchor: str | None) -> str:
    """Of a payload."""
    return f"{payload_prefix(PERSONAL, live[PERSONAL], kind)}{anchor}"


async def look(session: str, product_id: str) -> list[str]:
    """Note the view; what was viewed before, the latest first."""
    now, name = int(time.time() * 1000), session_key(PERSONAL, session)
    async with redis.pipeline(transaction=False) as pipe:
        pipe.zrevrangebyscore(name, "+inf", now - SESSION_MS, start=0, num=SESSION_PRODUCTS)
        pipe.zadd(name, {product_id: now})
        pipe.zremrangebyrank(name, 0, -1 - SESSION_PRODUCTS)
        pipe.pexpire(name, SESSION_MS)
        found = await pipe.execute()
    return [each.decode() for each in found[0] if each.decode() != product_id]


async def ranked(product_id: str, viewed: list[str]) -> list[list[Any]]:
    """Neighbours of the last viewed products by the weighted sum of their weights."""
    last = [product_id, *viewed][: len(LAG_WEIGHTS)]
    scores: dict[str, float] = {}
    reasons: dict[str, str] = {}
    stored = await redis.mget([key("session-neighbours", each) for each in last] + [key(PRODUCT, each) for each in last])
    for at, weight in zip(range(len(last)), LAG_WEIGHTS, strict=False):
        name = json.loads(stored[len(last) + at].partition(b"\n")[2])[0] if stored[len(last) + at] else "this"
        for neighbour, closeness in json.loads(stored[at] or "[]"):
            scores[neighbour] = scores.get(neighbour, 0.0) + weight * closeness
            reasons.setdefault(neighbour, f"Because you viewed {name}")
    for seen in (product_id, *viewed):
        scores.pop(seen, None)
    best = sorted(scores.items(), key=lambda row: (-row[1], row[0]))[:MOST]
    return [[neighbour, round(score / best[0][1], 6), reasons[neighbour], round(score, 6)] for neighbour, score in best]


async def described(rows: list[list[Any]]) -> list[Item]:
    """The products as the page shows them."""
    stored = await redis.mget([key(PRODUCT, row[0]) for row in rows]) if rows else []
    found = []
    for (_, score, reason, *similarity), payload in zip(rows, stored, strict=True):
        if payload is not None:
            own = json.loads(payload.partition(b"\n")[0])
            found.append(Item(**own, score=score, reason=reason, similarityScore=similarity[0] if similarity else None))
    return found


def shelf(kind: str, title: str, products: list[Item], personalized: bool) -> Shelf:
    """A section."""
    impression = uuid.uuid4().hex
    return Shelf(
        type=kind, title=title, impressionId=impression, personalized=personalized, config=Display(**DISPLAY), products=products
    )
