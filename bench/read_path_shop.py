"""The shops that bench.read_path asks for: one with a section for everybody, one with a section of references beside it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

import redis

from models.generation import (
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
    session_key,
)
from serving.sections import to_json

COMPANY, PERSONAL, GENERATION = "bench", "bench-personal", "2011-12-01T00:00:00Z-bench"
MOST_VISITORS = 20_000
LIST, N_NEIGHBOURS, VIEWED = 20, 50, 3
REASON = "Bought by customers who share 12 purchases with you"
DISPLAY = {"displayStyle": "CAROUSEL", "showRatings": True, "showQuickAdd": True}
ALSO_BOUGHT = Section("ALSO_BOUGHT", "Customers Who Bought This Also Bought", 1, DISPLAY, fallback="popular")
RULES = {
    "maxResults": 8,
    "titleForGuests": "You Might Also Like",
    "excludeRecentlyViewed": True,
    "neighbours": "session-neighbours",
}
YOU_MIGHT_LIKE = Section("YOU_MIGHT_LIKE", "Recommended For You", 2, DISPLAY, fallback="popular", rules=RULES)


def fill(client: redis.Redis, n_products: int) -> None:
    """Both shops: pages of 1.2 KB; lists of LIST references, N_NEIGHBOURS neighbours a product, sessions of VIEWED views."""
    n_visitors = visitors(n_products)
    kinds = [Kind("also-bought", n_products, 8 * n_products, ALSO_BOUGHT), Kind("popular", 1, 8)]
    personal = [Kind("you-might-like", n_visitors, LIST * n_visitors, YOU_MIGHT_LIKE, REFERENCES)]
    personal.append(Kind("session-neighbours", n_products, N_NEIGHBOURS * n_products, form=NEIGHBOURS))
    write(client, COMPANY, "also-bought", n_products, "p", payload)
    write(client, PERSONAL, "also-bought", n_products, "p", payload)
    write(client, PERSONAL, PRODUCT, n_products, "p", described)
    write(client, PERSONAL, "session-neighbours", n_products, "p", partial(references, N_NEIGHBOURS, n_products, []))
    write(client, PERSONAL, "you-might-like", n_visitors, "c", partial(references, LIST, n_products, [REASON]))
    sessions(client, n_products)
    for company, published in ((COMPANY, kinds), (PERSONAL, kinds + personal)):
        manifest = Manifest(GENERATION, company, "2011-12-01T00:00:00Z", published)
        client.set(payload_prefix(company, GENERATION, "popular") + WHOLE_COMPANY, payload(0))
        client.set(manifest_key(company, GENERATION), manifest.to_json())
        client.set(live_key(company), GENERATION)
        client.sadd(COMPANIES_KEY, company)


def visitors(n_products: int) -> int:
    """How many customers have a list, and how many sessions live."""
    return min(MOST_VISITORS, n_products)


def write(client: redis.Redis, company: str, kind: str, n: int, letter: str, make: Callable[[int], bytes]) -> None:
    """`n` payloads of a kind."""
    prefix = payload_prefix(company, GENERATION, kind) + letter
    for start in range(0, n, 500):
        client.mset({f"{prefix}{at}": make(at) for at in range(start, min(start + 500, n))})


def product(number: int, at: int) -> dict[str, object]:
    """What the public page shows of a product, without score and reason."""
    return {
        "id": f"p{number}",
        "name": f"Product number {at}",
        "slug": f"product-number-{at}",
        "price": 12.5 + at,
        "reviewCount": at,
        "inStock": True,
    }


def described(number: int) -> bytes:
    """A product by itself."""
    return to_json(product(number, number)) + b"\n" + to_json([f"Product number {number}", None])


def payload(number: int) -> bytes:
    """About 1.2 KB of products with their evidence."""
    rows = [{**product((number * 7 + at) % 100_000, at), "score": 0.5, "reason": "Often bought together"} for at in range(8)]
    return to_json(rows) + b"\n[{},{},{},{},{},{},{},{}]"


def references(n: int, n_products: int, reason: list[str], number: int) -> bytes:
    """Other products with falling scores."""
    chosen = random.Random(number).sample(range(n_products), min(n, n_products))
    return to_json([[f"p{each}", round(1 / rank, 6), *reason] for rank, each in enumerate(chosen, start=1)])


def sessions(client: redis.Redis, n_products: int) -> None:
    """Live sessions that viewed VIEWED products a moment ago; they live for as long as the bench runs."""
    seeded, now_ms = random.Random(7), time.time() * 1000
    with client.pipeline(transaction=False) as pipe:
        for at in range(visitors(n_products)):
            viewed = seeded.sample(range(n_products), min(VIEWED, n_products))
            pipe.zadd(session_key(PERSONAL, f"s{at}"), {f"p{each}": now_ms + rank for rank, each in enumerate(viewed)})
        pipe.execute()
