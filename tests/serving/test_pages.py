"""The answers of the read API, by both ways into it."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
import redis

from models.impression_ids import Signer
from serving.signing import SECRET_KEY
from tests.serving.api import Answer, Api
from tests.serving.shelf import ALSO_BOUGHT, CONFIG, YOU_MIGHT_LIKE, product, publish

# a body takes a GET off the fast path: the same handler must answer the same through Starlette
WAYS = {"fast": b"", "starlette": b"{}"}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> bytes:
    """The body that chooses the way."""
    return WAYS[request.param]


def path(company: str, product_id: str = "p1", rest: str = "", **query: str) -> str:
    """The address of a product's recommendations."""
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in {"companyId": company, **query}.items())
    return f"/api/products/{quote(product_id, safe='')}/recommendations{rest}?{asked}"


def test_page_has_the_contract_s_shape(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """The page: enabled sections by position, each key in the contract's order, the subtitle only where there is one."""
    publish(client, company)
    answer = api.get(path(company), body=way)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    page = answer.json()
    assert list(page) == ["productId", "generation", "sections"]
    assert (page["productId"], page["generation"]) == ("p1", "g1")
    first, second = page["sections"]
    assert list(first) == ["type", "title", "impressionId", "personalized", "config", "products"]
    assert list(second) == ["type", "title", "subtitle", "impressionId", "personalized", "config", "products"]
    assert list(first["config"]) == ["displayStyle", "showRatings", "showQuickAdd"]
    assert (first["type"], first["title"], first["config"]) == (ALSO_BOUGHT.type, ALSO_BOUGHT.title, CONFIG)
    assert (second["subtitle"], second["personalized"]) == (YOU_MIGHT_LIKE.subtitle, True)
    assert first["products"] == [product(company, "g1", "p1-of-also-bought")]


def test_section_is_the_page_s_section(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """A section's own route answers what the page holds, apart from the impression."""
    publish(client, company)
    for kind, at in (("also-bought", 0), ("you-might-like", 1)):
        alone = api.get(path(company, rest=f"/{kind}"), body=way).json()
        shown = api.get(path(company), body=way).json()["sections"][at]
        assert alone.pop("impressionId") != shown.pop("impressionId")
        assert alone == shown


def test_impression_ids_are_fresh_and_unguessable(api: Api, client: redis.Redis, company: str) -> None:
    """No two answers share an id; a section's is its page's with its kind, and what it begins with is signed."""
    publish(client, company)
    pages = [api.get(path(company)).json() for _ in range(20)]
    ids = [section["impressionId"] for page in pages for section in page["sections"]]
    assert len(set(ids)) == len(ids) == 40
    assert [each.partition(".")[2] for each in ids] == ["also-bought", "you-might-like"] * 20
    assert len({each.partition(".")[0] for each in ids}) == 20
    secret = client.get(SECRET_KEY)
    assert isinstance(secret, bytes)
    assert {Signer(secret).read_page(company, each) for each in ids} == {("p1", "also-bought"), ("p1", "you-might-like")}
    assert {Signer(secret).read_page("another", each) for each in ids} == {None}


def test_product_without_payload_gets_the_fallback(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """What stands in is the whole company's payload of the section's fallback kind, of the same generation."""
    publish(client, company)
    page = api.get(path(company, "unheard of"), body=way).json()
    assert [section["products"] for section in page["sections"]] == [[product(company, "g1", "best")]] * 2


def test_fallback_never_shows_the_page_s_own_product(api: Api, client: redis.Redis, company: str) -> None:
    """A best seller without recommendations of its own is left out of its own page."""
    publish(client, company, popular=('bést "one"', "two"))
    products = api.get(path(company, 'bést "one"', "/also-bought")).json()["products"]
    assert products == [product(company, "g1", "two")]


def test_empty_payload_falls_back_too(api: Api, client: redis.Redis, company: str) -> None:
    """An anchor that was published with nothing to show is as good as none."""
    publish(client, company)
    for key in client.keys("*:g1:also-bought:p1"):
        client.set(key, b"[]\n[]")
    assert api.get(path(company, rest="/also-bought")).json()["products"] == [product(company, "g1", "best")]


def test_nothing_at_all_is_an_empty_section(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """Neither payload nor fallback: empty products, and no validator that would keep them so."""
    publish(client, company, popular=None)
    answer = api.get(path(company, "unheard of", "/also-bought"), body=way)
    assert (answer.status, answer.json()["products"]) == (200, [])
    assert "etag" not in answer.headers


def test_disabled_section(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """A section that is off is not on the page; its own route answers it with nothing to show."""
    publish(client, company)
    assert api.get(path(company, rest="/frequently-viewed"), body=way).json()["products"] == []
    page = api.get(path(company, sections="FREQUENTLY_VIEWED"), body=way).json()
    assert page["sections"] == []


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("ALSO_BOUGHT", ["ALSO_BOUGHT"]),
        ("you-might-like", ["YOU_MIGHT_LIKE"]),
        ("you-might-like,ALSO_BOUGHT", ["ALSO_BOUGHT", "YOU_MIGHT_LIKE"]),
        ("", ["ALSO_BOUGHT", "YOU_MIGHT_LIKE"]),
    ],
)
def test_sections_choose(api: Api, client: redis.Redis, company: str, asked: str, shown: list[str]) -> None:
    """`sections=` keeps what it names, by type or kind, in the page's order."""
    publish(client, company)
    page = api.get(path(company, sections=asked)).json()
    assert [section["type"] for section in page["sections"]] == shown


@pytest.mark.parametrize("product_id", ["a/b", "a b+c", 'q"uo\\te', "žluťoučký 🛒", "..", "%", "a:b:c", "\u2028", "-" * 200])
def test_any_product_id(api: Api, client: redis.Redis, company: str, product_id: str, way: bytes) -> None:
    """Ids are taken as they are, percent-encoded in the path, and echoed as JSON."""
    publish(client, company, anchors=(product_id,))
    page = api.get(path(company, product_id), body=way).json()
    assert page["productId"] == product_id
    assert page["sections"][0]["products"] == [product(company, "g1", f"{product_id}-of-also-bought")]


def test_kinds_come_from_the_manifest(api: Api, client: redis.Redis, company: str) -> None:
    """A kind that no code knows is served as soon as a manifest shows it."""
    publish(client, company, sections={"brand new": ALSO_BOUGHT})
    assert api.get(path(company, rest="/brand%20new")).json()["products"] == [product(company, "g1", "p1-of-brand new")]
    assert api.get(path(company, rest="/also-bought")).status == 404
    assert api.get(path(company, rest="/popular")).status == 404


def test_unchanged_is_told(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """If-None-Match answers 304 without a body, in every form of the header; another product, path or generation does not."""
    publish(client, company)
    etag = api.get(path(company), body=way).headers["etag"]
    assert re.fullmatch(r'W/"[\x21\x23-\x7e]+"', etag)
    for given in (etag, etag[2:], f'"x", {etag}', "*"):
        answer = api.get(path(company), f"If-None-Match: {given}", body=way)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    for other in (path(company, "p2"), path(company, rest="/also-bought"), path(company, sections="ALSO_BOUGHT")):
        assert api.get(other, f"If-None-Match: {etag}", body=way).status == 200
    publish(client, company, "g2")
    _until_generation(api, company, "g2")
    assert api.get(path(company), f"If-None-Match: {etag}", body=way).status == 200


def test_head_is_get_without_a_body(api: Api, client: redis.Redis, company: str) -> None:
    """HEAD carries the same headers, the length among them."""
    publish(client, company)
    full, bare = api.get(path(company)), api.get(path(company), method="HEAD")
    assert (bare.status, bare.body) == (200, b"")
    varying = {"date", "x-request-id"}
    assert {k: v for k, v in bare.headers.items() if k not in varying} == {
        k: v for k, v in full.headers.items() if k not in varying
    }


def test_headers(api: Api, client: redis.Redis, company: str, way: bytes) -> None:
    """An answer is the client's own, is not sniffed, and bears the id that the client gave the request, if it is a fit one."""
    publish(client, company)
    headers = api.get(path(company), "X-Request-Id: from-the-shop.1", body=way).headers
    assert headers["cache-control"] == "private, no-cache"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-request-id"] == "from-the-shop.1"
    assert re.fullmatch("[0-9a-f]{32}", api.get(path(company), "X-Request-Id: not (fit)", body=way).headers["x-request-id"])
    assert "server" not in headers


def _until_generation(api: Api, company: str, generation: str) -> Answer:
    while (answer := api.get(path(company))).json()["generation"] != generation:
        pass
    return answer
