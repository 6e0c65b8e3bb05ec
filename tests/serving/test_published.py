"""From built frames to an answer: what publishing writes is what the API reads, in every form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from flows.layout import generation_key
from flows.object_store import FileStore, parquet_bytes
from flows.progress import silent
from flows.publish import publish
from flows.settings import Settings
from models.generation import NEIGHBOURS, REFERENCES, Kind, Manifest, Section
from models.recommenders import COLUMNS
from tests.conftest import RedisServer
from tests.models.invented import products
from tests.models.test_payloads import BUNDLES, parsed
from tests.serving.api import Api
from tests.serving.test_pages import path

RULES = {"maxResults": 2, "titleForGuests": "For guests", "neighbours": "session-neighbours"}


def frame(*rows: tuple[str, int, str, float, str]) -> pl.DataFrame:
    """A RECOMMENDATIONS frame: anchor, rank, product, score, reason."""
    listed = [(anchor, rank, product, score, "source", reason) for anchor, rank, product, score, reason in rows]
    return pl.DataFrame(listed, schema=list(COLUMNS), orient="row")


FRAMES = {
    "products": products({
        "käse/1": {"name": 'Käse "alt"', "price_cents": 550, "category_id": "fröhlich", "category": "Käse"},
        "wein": {"price_cents": 1000, "compare_at_cents": 1250},
        "brot": {"price_cents": 295},
        "sold out": {"in_stock": False},
        "hidden": {"is_shown": False},
    }),
    "popular": frame(
        ("", 1, "wein", 1.0, "Best seller: 9"), ("", 2, "brot", 0.5, "Best seller: 5"), ("fröhlich", 1, "brot", 1.0, "Best in Käse")
    ),
    "frequently-viewed": frame(("käse/1", 1, "wein", 0.9, "Viewed together")),
    "frequently-viewed.bundles": pl.DataFrame(
        [("käse/1", 1, ["käse/1", "wein"], 41, 0.5, 1550, 1395, 155, 10.0)], schema=BUNDLES, orient="row"
    ),
    "you-might-like": frame(("ann ä", 1, "brot", 0.75, "Bought “with” you"), ("ann ä", 2, "käse/1", 0.5, "r")),
    "session-neighbours": frame(("käse/1", 1, "wein", 0.5, "r"), ("wein", 1, "brot", 0.75, "r")),
}  # fmt: skip


@pytest.fixture(scope="module")
def published(shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A company that flows has published; returns its id."""
    folder = tmp_path_factory.mktemp("published")
    viewed = Section("FREQUENTLY_VIEWED", "Together", 1, {}, fallback="popular", extras=["bundles"])
    liked = Section("YOU_MIGHT_LIKE", "For you", 2, {}, fallback="popular", rules=RULES)
    kinds = [
        Kind("popular", 2, 3),
        Kind("frequently-viewed", 1, 1, viewed),
        Kind("you-might-like", 1, 2, liked, REFERENCES),
        Kind("session-neighbours", 2, 2, form=NEIGHBOURS),
    ]
    manifest = Manifest("20260501T120000.000000Z-published", "laden/ü", "2026-05-01T12:00:00Z", kinds, page={"maxSections": 2})
    store = FileStore(folder / "snapshots")
    for name, content in FRAMES.items():
        store.put(generation_key(manifest.company, manifest.id, f"{name}.parquet"), parquet_bytes(content))
    publish(Settings(folder, redis_url=shared_redis.url), store, manifest, silent)
    return manifest.company


def sections(api: Api, company: str, product_id: str, **query: str) -> list[dict[str, Any]]:
    """A page's sections, amounts as Decimal."""
    answer = api.get(path(company, product_id, **query))
    assert answer.status == 200, answer
    page: Any = parsed(answer.body)
    return list(page["sections"])


def test_bundles_of_a_page(api: Api, published: str) -> None:
    """Bundles stand right behind the products, amounts with two decimals; a page without bundles has none."""
    viewed, _ = sections(api, published, "käse/1")
    assert list(viewed)[-2:] == ["products", "bundles"]
    (bundle,) = viewed["bundles"]
    assert [row["id"] for row in bundle["products"]] == ["käse/1", "wein"]
    assert (bundle["bundlePrice"], str(bundle["individualTotal"]), bundle["savings"]) == (
        Decimal("13.95"),
        "15.50",
        Decimal("1.55"),
    )
    for other in ("brot", "sold out", "unheard of"):
        viewed, _ = sections(api, published, other)
        assert viewed["bundles"] == []
        assert viewed["products"] != []


def test_lists_of_every_kind_of_visitor(api: Api, published: str) -> None:
    """Customers, guests, sessions and pages without anything: whole products, byte for byte as in other lists."""
    _, plain = sections(api, published, "käse/1")
    assert [(row["id"], row["reason"]) for row in plain["products"]] == [
        ("wein", 'Because you viewed Käse "alt"'),
        ("brot", "Best in Käse"),
    ]
    assert (plain["title"], plain["personalized"]) == ("For guests", False)
    wein = {**plain["products"][0], "score": Decimal(1), "reason": "Best seller: 9"}
    del wein["similarityScore"]
    _, lone = sections(api, published, "sold out")
    assert lone["products"][0] == wein
    _, ann = sections(api, published, "käse/1", customerId="ann ä")
    assert [(row["id"], row["reason"]) for row in ann["products"]] == [
        ("brot", "Bought “with” you"),
        ("wein", 'Because you viewed Käse "alt"'),
    ]
    assert (ann["title"], ann["personalized"]) == ("For you", True)
    sections(api, published, "wein", sessionId="guest")
    _, guest = sections(api, published, "käse/1", sessionId="guest")
    assert ([row["id"] for row in guest["products"]], guest["personalized"]) == (["wein", "brot"], True)
