"""Generations for tests, written to Redis as publishing writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import redis

from models.generation import (
    CHANGED_CHANNEL,
    COMPANIES_KEY,
    WHOLE_COMPANY,
    Kind,
    Manifest,
    Section,
    live_key,
    manifest_key,
    payload_prefix,
)

CONFIG = {"displayStyle": "CAROUSEL", "showRatings": True, "showQuickAdd": False}
ALSO_BOUGHT = Section("ALSO_BOUGHT", 'Customers "also" bought — ça', 1, CONFIG, fallback="popular")
YOU_MIGHT_LIKE = Section(
    "YOU_MIGHT_LIKE", "Recommended For You", 2, CONFIG, subtitle="For you", personalized=True, fallback="popular"
)
OFF = replace(ALSO_BOUGHT, type="FREQUENTLY_VIEWED", position=0, enabled=False)
SECTIONS = {"also-bought": ALSO_BOUGHT, "you-might-like": YOU_MIGHT_LIKE, "frequently-viewed": OFF}


def product(company: str, generation: str, product_id: str) -> dict[str, Any]:
    """A product whose name tells whose it is."""
    return {"id": product_id, "name": f"of {company} in {generation}", "price": 3.5, "score": 0.25, "reason": "bought together"}


def payload(products: list[dict[str, Any]]) -> bytes:
    """A stored payload."""
    rows = json.dumps(products, ensure_ascii=False, separators=(",", ":"))
    return f"{rows}\n{json.dumps([{} for _ in products])}".encode()


def write(
    client: redis.Redis,
    company: str,
    generation: str = "g1",
    anchors: tuple[str, ...] = ("p1", "p2"),
    popular: tuple[str, ...] | None = ("best",),
    sections: dict[str, Section] | None = None,
) -> None:
    """All keys of a generation, not live yet: product `x` of each kind shows `x-of-{kind}`."""
    shown = SECTIONS if sections is None else sections
    kinds = [Kind(kind, len(anchors), len(anchors), section) for kind, section in shown.items()]
    manifest = Manifest(generation, company, "2011-12-01T00:00:00Z", [*kinds, Kind("popular", 1, len(popular or ()))])
    rows = {
        payload_prefix(company, generation, kind) + anchor: payload([product(company, generation, f"{anchor}-of-{kind}")])
        for kind in shown
        for anchor in anchors
    }
    if popular is not None:
        key = payload_prefix(company, generation, "popular") + WHOLE_COMPANY
        rows[key] = payload([product(company, generation, product_id) for product_id in popular])
    client.mset({manifest_key(company, generation): manifest.to_json(), **rows})


def switch(client: redis.Redis, company: str, generation: str, tell: bool = True) -> None:
    """Move the pointer, as the one atomic step of publishing does."""
    pipeline = client.pipeline(transaction=True).set(live_key(company), generation).sadd(COMPANIES_KEY, company)
    if tell:
        pipeline.publish(CHANGED_CHANNEL, company)
    pipeline.execute()


def publish(client: redis.Redis, company: str, generation: str = "g1", **options: Any) -> None:
    """Write a generation and make it live."""
    write(client, company, generation, **options)
    switch(client, company, generation)
