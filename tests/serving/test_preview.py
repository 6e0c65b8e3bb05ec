"""The preview of a page for the company's own people."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import redis

from models.events import STREAM_KEY
from models.generation import Manifest, manifest_key, payload_prefix, session_key
from tests.serving.api import Api
from tests.serving.offers import token
from tests.serving.shelf import product, publish_personal
from tests.serving.test_pages import path
from tests.serving.test_personal import LISTS, NEIGHBOURS, POPULAR, ids

EVIDENCE = {"nXy": 7, "lift": 2.5, "source": "co-occurrence"}


def ask(api: Api, company: str, product_id: str = "p1", query: str = "", bearer: str | None = None) -> dict[str, Any]:
    """The preview, with a token that may read."""
    given = bearer or token(company, "company:read")
    answer = api.send("GET", f"/api/admin/recommendations/preview/{product_id}{query}", given)
    assert answer.status == 200, answer
    read: dict[str, Any] = answer.json()
    return read


@pytest.fixture
def shop(writing_api: Api, client: redis.Redis, company: str) -> str:
    """A company with evidence of one page, and figures."""
    publish_personal(client, company, neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR)
    row = product(company, "g1", "p1-of-also-bought")
    client.set(payload_prefix(company, "g1", "also-bought") + "p1", f"{json.dumps([row])}\n{json.dumps([EVIDENCE])}")
    manifest = client.get(manifest_key(company, "g1"))
    assert isinstance(manifest, bytes)
    told = replace(Manifest.from_json(manifest), figures={"also-bought": {"ndcg@10": 0.25}})
    client.set(manifest_key(company, "g1"), told.to_json())
    return company


def test_it_is_the_page_with_its_evidence(writing_api: Api, shop: str) -> None:
    """The public page's sections and products, each with why; kind, generation, figures; no impression."""
    found = ask(writing_api, shop)
    page = writing_api.get(path(shop)).json()
    assert (found["productId"], found["generation"], found["watermark"]) == ("p1", "g1", "2011-12-01T00:00:00Z")
    assert [each["type"] for each in found["sections"]] == [each["type"] for each in page["sections"]]
    first, second = found["sections"]
    assert first["products"] == [
        {**page["sections"][0]["products"][0], "evidence": {"from": "list", "nXy": 7, "lift": 2.5, "source": "co-occurrence"}}
    ]
    assert (first["kind"], first["generation"], first["madeFor"], first["figures"]) == (
        "also-bought",
        "g1",
        "page",
        {"ndcg@10": 0.25},
    )
    assert "figures" not in second and "impressionId" not in first
    assert [each["id"] for each in second["products"]] == ids(page["sections"][1])


def test_what_stands_in_says_so(writing_api: Api, shop: str) -> None:
    """Best sellers have the evidence of their own list."""
    first = ask(writing_api, shop, "unheard-of")["sections"][0]
    assert {row["evidence"]["from"] for row in first["products"]} == {"fallback"}


def test_a_visitor_s_page(writing_api: Api, client: redis.Redis, shop: str) -> None:
    """As a customer and as a session, with what the live data says; looking leaves no view and no impression."""
    before = client.xlen(STREAM_KEY)
    of_customer = ask(writing_api, shop, "page", "?customerId=ann&sessionId=s")["sections"][1]
    assert (ids(of_customer), of_customer["madeFor"]) == (["a", "y", "b"], "customer")
    assert of_customer["products"][0]["evidence"] == {"score": 0.8, "reason": "Bought by customers like you"}
    assert not client.exists(session_key(shop, "s"))
    assert client.xlen(STREAM_KEY) <= before
    writing_api.get(path(shop, "seen", sessionId="s"))
    of_session = ask(writing_api, shop, "page", "?sessionId=s")["sections"][1]
    assert of_session["madeFor"] == "session"
    assert all(row["evidence"]["similarityScore"] > 0 for row in of_session["products"])


def test_it_is_not_cached(writing_api: Api, client: redis.Redis, shop: str) -> None:
    """What the store holds now, though the page has it in memory."""
    writing_api.get(path(shop))
    row = product(shop, "g1", "corrected")
    client.set(payload_prefix(shop, "g1", "also-bought") + "p1", f"{json.dumps([row])}\n[{{}}]")
    assert ids(ask(writing_api, shop)["sections"][0]) == ["corrected"]


@pytest.mark.parametrize(
    ("bearer", "query", "status"),
    [
        (None, "", 401),
        (("company:write",), "", 403),
        (("company:read",), "?companyId=another", 404),
        (("platform:admin",), "", 400),
    ],
)
def test_who_may(writing_api: Api, shop: str, bearer: tuple[str, ...] | None, query: str, status: int) -> None:
    """Whoever may read for the company, and nobody else's company is told of."""
    given = None if bearer is None else token(shop, *bearer)
    assert writing_api.send("GET", f"/api/admin/recommendations/preview/p1{query}", given).status == status
