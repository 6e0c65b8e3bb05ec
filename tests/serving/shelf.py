"""Generations for tests, written to Redis as publishing writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import redis

from models.generation import (
    CHANGED_CHANNEL,
    COMPANIES_KEY,
    NEIGHBOURS,
    PRODUCT,
    REFERENCES,
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
RULES = {
    "maxResults": 3,
    "titleForGuests": "You Might Also Like",
    "excludeRecentlyViewed": True,
    "neighbours": "session-neighbours",
    "lagWeights": [1, 0.5, 0.25, 0.125],
}
PERSONAL = Section("YOU_MIGHT_LIKE", "Recommended For You", 2, CONFIG, fallback="popular", rules=RULES)
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


def write_personal(
    client: redis.Redis,
    company: str,
    generation: str = "g1",
    neighbours: Mapping[str, Mapping[str, float]] | None = None,
    lists: Mapping[str, Iterable[tuple[str, float, str]]] | None = None,
    popular: Mapping[str, Iterable[str]] | None = None,
    categories: Mapping[str, str] | None = None,
    sections: Mapping[str, Section] | None = None,
) -> None:
    """All keys of a generation with a section of references beside also-bought, not live yet.

    neighbours: product -> neighbours and weights; lists: customer -> references; popular: anchor -> products; categories: product
    -> category. Every product that occurs is published by itself, under the name `Name of {id}`.
    """
    write(client, company, generation, anchors=("p1",), popular=None)
    kinds = [Kind(kind, 1, 1, section, REFERENCES) for kind, section in (sections or {"you-might-like": PERSONAL}).items()]
    kinds = [
        Kind("also-bought", 1, 1, ALSO_BOUGHT),
        *kinds,
        Kind("session-neighbours", 1, 1, form=NEIGHBOURS),
        Kind("popular", 1, 1),
    ]
    manifest = Manifest(generation, company, "2011-12-01T00:00:00Z", kinds)
    weights = {anchor: [[*pair] for pair in row.items()] for anchor, row in (neighbours or {}).items()}
    references = {customer: [[*row] for row in rows] for customer, rows in (lists or {}).items()}
    best = {anchor: [*ids] for anchor, ids in (popular or {}).items()}
    named = {*weights, *(categories or {}), *(id for rows in best.values() for id in rows)}
    named |= {id for rows in (*weights.values(), *references.values()) for id, *_ in rows}
    rows = {("session-neighbours", anchor): json.dumps(row) for anchor, row in weights.items()}
    rows |= {
        (kind.kind, customer): json.dumps(row) for kind in kinds if kind.form == REFERENCES for customer, row in references.items()
    }
    rows |= {("popular", anchor): payload([_best(company, generation, id) for id in ids]).decode() for anchor, ids in best.items()}
    rows |= {(PRODUCT, id): _by_itself(company, generation, id, (categories or {}).get(id)) for id in named}
    client.mset({payload_prefix(company, generation, kind) + anchor: value for (kind, anchor), value in rows.items()})
    client.set(manifest_key(company, generation), manifest.to_json())


def _best(company: str, generation: str, product_id: str) -> dict[str, Any]:
    return {**product(company, generation, product_id), "reason": "Best seller"}


def _by_itself(company: str, generation: str, product_id: str, category: str | None) -> str:
    shown = {"id": product_id, "name": f"Name of {product_id}", "slug": f"{company}-{generation}", "price": 12.5}
    return f"{json.dumps(shown)}\n{json.dumps([shown['name'], category])}"


def publish_personal(client: redis.Redis, company: str, generation: str = "g1", **options: Any) -> None:
    """Write such a generation and make it live."""
    write_personal(client, company, generation, **options)
    switch(client, company, generation)


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
