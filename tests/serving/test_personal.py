"""Sections of references: what a customer, a live session and anybody else is shown, by both ways into the API."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models.generation import SESSION_PRODUCTS, session_key
from serving.personal import Item, blend
from tests.conftest import RedisServer
from tests.models.invented import QUICK
from tests.serving.api import Answer, Api, running_api
from tests.serving.shelf import PERSONAL, RULES, publish_personal, switch, write_personal
from tests.serving.test_pages import WAYS, path

NEIGHBOURS = {
    "page": {"x": 0.5, "y": 0.4, "z": 0.1},
    "seen": {"s": 0.9, "y": 0.8, "page": 0.7},
    "older": {"o": 0.9, "seen": 0.5},
}
LISTS = {"ann": [("a", 0.8, "Bought by customers like you"), ("y", 0.6, "You buy it often"), ("b", 0.4, "b"), ("c", 0.2, "c")]}
POPULAR = {"": ["best", "page", "second", "third"], "toys": ["doll", "best"]}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> bytes:
    """The body that chooses the way."""
    return WAYS[request.param]


@pytest.fixture
def shop(client: redis.Redis, company: str) -> str:
    """A company with one customer's list, neighbours of three products, and best sellers."""
    publish_personal(
        client, company, neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR, categories={"page": "toys", "lone": "toys"}
    )
    return company


def section(api: Api, company: str, product_id: str = "page", body: bytes = b"", **query: str) -> dict[str, Any]:
    """The personalised section of a page, asked for by itself."""
    answer = api.get(path(company, product_id, "/you-might-like", **query), body=body)
    assert answer.status == 200, answer
    read: dict[str, Any] = answer.json()
    return read


def ids(shown: dict[str, Any]) -> list[str]:
    """Products of a section."""
    return [row["id"] for row in shown["products"]]


def visit(api: Api, company: str, session: str, *products: str) -> Answer:
    """A session's page views, one after the other; the last answer."""
    answers = [api.get(path(company, product, sessionId=session)) for product in products]
    assert {answer.status for answer in answers} == {200}
    return answers[-1]


def test_customer_gets_the_published_list(api: Api, shop: str, way: bytes) -> None:
    """The list in its order, cut to maxResults, with whole products, under the title for customers."""
    shown = section(api, shop, customerId="ann", body=way)
    assert (ids(shown), shown["personalized"], shown["title"]) == (["a", "y", "b"], True, "Recommended For You")
    assert shown["products"][0] == {
        **{"id": "a", "name": "Name of a", "slug": f"{shop}-g1", "price": 12.5},
        **{"score": 0.8, "reason": "Bought by customers like you"},
    }
    assert list(shown["config"]) == ["displayStyle", "showRatings", "showQuickAdd"]


def test_customer_s_list_less_the_page_s_own_product(api: Api, shop: str) -> None:
    """A product is not recommended on its own page; the next one moves up."""
    assert ids(section(api, shop, "a", customerId="ann")) == ["y", "b", "c"]


def test_guest_gets_the_page_s_neighbours(api: Api, shop: str, way: bytes) -> None:
    """Without customer and session the page's product decides, and says so; nobody is told that it is personal."""
    shown = section(api, shop, body=way)
    assert (ids(shown), shown["personalized"], shown["title"]) == (["x", "y", "z"], False, "You Might Also Like")
    assert {row["reason"] for row in shown["products"]} == {"Because you viewed Name of page"}
    assert [(row["score"], row["similarityScore"]) for row in shown["products"]] == [(1.0, 0.5), (0.8, 0.4), (0.2, 0.1)]
    assert section(api, shop, customerId="nobody knows", body=way) | {"impressionId": ""} == shown | {"impressionId": ""}


def test_a_page_without_neighbours_shows_best_sellers(api: Api, shop: str, way: bytes) -> None:
    """Those of the page's category first, then the company's, each once, with their own reason."""
    shown = section(api, shop, "lone", body=way)
    assert (ids(shown), shown["personalized"]) == (["doll", "best", "page"], False)
    assert {row["reason"] for row in shown["products"]} == {"Best seller"}
    assert ids(section(api, shop, "unheard of", body=way)) == ["best", "page", "second"]
    assert ids(section(api, shop, "best", body=way)) == ["page", "second", "third"]


def test_third_view_of_a_guest_decides(api: Api, shop: str) -> None:
    """The page alone decides at first; then what the session viewed does, less what it has seen, and the answer says so."""
    alone = section(api, shop, "older", sessionId="s-1")
    assert (ids(alone)[:2], alone["personalized"]) == (["o", "seen"], False)
    second = section(api, shop, "seen", sessionId="s-1")
    assert (ids(second)[:2], second["personalized"], second["title"]) == (["s", "y"], True, "You Might Also Like")
    third = visit(api, shop, "s-1", "page").json()["sections"][1]
    # y: .4 + .8 / 2; x: .5; s: .9 / 2; o: .9 / 4
    assert [(row["id"], row["similarityScore"]) for row in third["products"]] == [("y", 0.8), ("x", 0.5), ("s", 0.45)]
    assert [row["reason"] for row in third["products"]] == [
        *["Because you viewed Name of page"] * 2,
        "Because you viewed Name of seen",
    ]
    assert (third["personalized"], third["title"]) == (True, "You Might Also Like")
    assert ids(section(api, shop, "page", sessionId="another")) == ["x", "y", "z"]


def test_session_is_blended_into_a_customer_s_list(api: Api, shop: str) -> None:
    """Half of each list's share of its best; what both hold comes first, and each item has the reason of its larger part."""
    visit(api, shop, "s-2", "seen")
    shown = section(api, shop, customerId="ann", sessionId="s-2")
    # a: .5; y: .5 * .6 / .8 + .5; x: .5 * .5 / .8
    assert [(row["id"], row["score"]) for row in shown["products"]] == [("y", 0.875), ("a", 0.5), ("x", 0.3125)]
    assert [row["reason"] for row in shown["products"]] == [
        "Because you viewed Name of page",
        "Bought by customers like you",
        "Because you viewed Name of page",
    ]
    assert (shown["personalized"], shown["title"]) == (True, "Recommended For You")


def test_recently_viewed_is_left_out_of_a_customer_s_list(api: Api, shop: str) -> None:
    """What the live session has viewed is not shown again, the list's next items are."""
    visit(api, shop, "s-3", "a", "b")
    assert set(ids(section(api, shop, customerId="ann", sessionId="s-3"))) & {"a", "b", "page"} == set()


def test_recently_viewed_stays_where_it_may(api: Api, client: redis.Redis, company: str) -> None:
    """Without excludeRecentlyViewed a viewed product may be shown, the page's own never."""
    rules = {**RULES, "excludeRecentlyViewed": False}
    sections = {"you-might-like": replace(PERSONAL, rules=rules)}
    publish_personal(client, company, neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR, sections=sections)
    visit(api, company, "s", "a")
    assert ids(section(api, company, customerId="ann", sessionId="s"))[0] == "a"


def test_what_was_viewed_is_better_than_nothing(api: Api, client: redis.Redis, company: str) -> None:
    """A session that has viewed all that there is gets best sellers it has seen, still not the page's own."""
    publish_personal(client, company, popular={"": ["one", "two"]})
    visit(api, company, "s", "one", "two")
    assert ids(section(api, company, "one", sessionId="s")) == ["two"]


def test_lag_weights_of_the_manifest(api: Api, client: redis.Redis, company: str) -> None:
    """How much the products of a session count is what the manifest says, their number too."""
    sections = {"you-might-like": replace(PERSONAL, rules={**RULES, "lagWeights": [0.1, 1]})}
    publish_personal(client, company, neighbours=NEIGHBOURS, sections=sections)
    shown = visit(api, company, "s", "older", "seen", "page").json()["sections"][1]
    # y: .04 + .8; s: .9; x: .05; o is too long ago
    assert [(row["id"], row["similarityScore"]) for row in shown["products"]] == [("s", 0.9), ("y", 0.84), ("x", 0.05)]


def test_personal_answers_are_nobody_else_s(api: Api, shop: str, way: bytes) -> None:
    """No validator and no store may keep them; the same page without ids has its validator as ever."""
    for query in ({"customerId": "ann"}, {"sessionId": "s"}, {"customerId": "x", "sessionId": "y"}):
        for rest in ("", "/you-might-like"):
            answer = api.get(path(shop, "page", rest, **query), "If-None-Match: *", body=way)
            assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-store")
            assert "etag" not in answer.headers
    plain = api.get(path(shop, "page"), body=way)
    assert plain.headers["cache-control"] == "private, no-cache"
    assert api.get(path(shop, "page"), f"If-None-Match: {plain.headers['etag']}", body=way).status == 304


def test_sections_for_everybody_keep_their_validator(api: Api, shop: str) -> None:
    """Ids do not change also-bought: its answer stays what it is without them, and its 304."""
    for rest, query in (("/also-bought", {}), ("", {"sections": "ALSO_BOUGHT"})):
        bare = api.get(path(shop, "p1", rest, **query))
        asked = api.get(path(shop, "p1", rest, **query, sessionId="s", customerId="ann"), f"If-None-Match: {bare.headers['etag']}")
        assert (asked.status, asked.headers["etag"]) == (304, bare.headers["etag"])


def test_every_section_route_counts_as_a_view(api: Api, client: redis.Redis, shop: str) -> None:
    """Whichever section a session asks for, the page's product has been viewed."""
    api.get(path(shop, "p1", "/also-bought", sessionId="s"))
    api.get(path(shop, "p2", sections="ALSO_BOUGHT", sessionId="s"))
    api.get(path(shop, "p3", "/you-might-like", sessionId="s", customerId="ann"))
    assert client.zrange(session_key(shop, "s"), 0, -1) == [b"p1", b"p2", b"p3"]


def test_empty_ids_are_none(api: Api, client: redis.Redis, shop: str) -> None:
    """`customerId=&sessionId=` is a request without ids: it has a validator and no session."""
    answer = api.get(path(shop, "page", customerId="", sessionId=""))
    assert "etag" in answer.headers
    assert not client.exists(session_key(shop, ""))


@pytest.mark.parametrize("field", ["customerId", "sessionId"])
def test_ids_are_checked(api: Api, shop: str, field: str, way: bytes) -> None:
    """Too long, broken or repeated: 400 that names the field; any text else is an id."""
    for value in ("x" * 201, "%ff", "%00", f"a&{field}=b"):
        answer = api.get(f"{path(shop, 'page')}&{field}={value}", body=way)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)
    for value in ("x" * 200, "a:b", "sessions*", "žluť 🛒", '"\\\n'):
        assert api.get(path(shop, "page", **{field: value}), body=way).status == 200


def test_a_session_is_capped_and_forgotten(api: Api, client: redis.Redis, shop: str) -> None:
    """Only the newest views are kept, once each, and all of them expire within half an hour."""
    visit(api, shop, "long", *(f"p{at}" for at in range(SESSION_PRODUCTS + 5)), "p9")
    kept = [member.decode() for member in client.zrange(session_key(shop, "long"), 0, -1)]
    assert kept == [*(f"p{at}" for at in range(5, SESSION_PRODUCTS + 5) if at != 9), "p9"]
    assert 29 * 60 < client.ttl(session_key(shop, "long")) <= 30 * 60


def test_old_views_do_not_count(api: Api, client: redis.Redis, shop: str) -> None:
    """A view of more than half an hour ago decides nothing, even while its session lives."""
    visit(api, shop, "slow", "seen")
    client.zincrby(session_key(shop, "slow"), -31 * 60 * 1000, "seen")
    shown = section(api, shop, sessionId="slow")
    assert (ids(shown), shown["personalized"]) == (["x", "y", "z"], False)


def test_sessions_are_a_company_s_own(api: Api, client: redis.Redis, shop: str) -> None:
    """The same session id at another company has viewed nothing there, and no company is unknown and yet has sessions."""
    publish_personal(client, f"{shop}:2", neighbours=NEIGHBOURS, popular=POPULAR)
    visit(api, shop, "same", "older", "seen")
    assert section(api, f"{shop}:2", sessionId="same")["personalized"] is False
    assert section(api, shop, sessionId="same")["personalized"] is True
    assert api.get(path("nowhere", sessionId="same")).status == 404
    assert client.keys("upsell:nowhere:*") == []


def test_foreign_content_of_a_session_harms_nobody(api: Api, client: redis.Redis, shop: str) -> None:
    """A key of another type, or members that are no text, are as good as no session."""
    client.set(session_key(shop, "odd"), "text")
    assert ids(section(api, shop, sessionId="odd")) == ["x", "y", "z"]
    client.zadd(session_key(shop, "bytes"), {b"\xff\xfe": 4e12})
    assert ids(section(api, shop, sessionId="bytes")) == ["x", "y", "z"]


def test_at_most_max_sections(api: Api, client: redis.Redis, company: str) -> None:
    """The page has as many sections as its company wants, three where it does not say; others are there when named."""
    names = ["one", "two", "three", "four"]
    sections = {name: replace(PERSONAL, type=name, position=at) for at, name in enumerate(names)}
    publish_personal(client, company, popular=POPULAR, sections=sections)
    shown = [row["type"] for row in api.get(path(company)).json()["sections"]]
    assert shown == ["one", "ALSO_BOUGHT", "two"]
    assert [row["type"] for row in api.get(path(company, sections="four")).json()["sections"]] == ["four"]
    assert api.get(path(company, rest="/four")).json()["type"] == "four"


def test_two_sections_of_references_on_one_page(api: Api, client: redis.Redis, company: str) -> None:
    """Each has its own rules: one without neighbours and best sellers shows a customer's list, or nothing."""
    bare = replace(PERSONAL, type="BUY_AGAIN", title="Again", position=3, fallback=None, rules={})
    sections = {"you-might-like": PERSONAL, "buy-again": bare}
    publish_personal(client, company, neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR, sections=sections)
    _, liked, again = api.get(path(company, "page", customerId="ann")).json()["sections"]
    assert (ids(liked), ids(again)) == (["a", "y", "b"], ["a", "y", "b", "c"])
    _, liked, again = api.get(path(company, "page")).json()["sections"]
    assert (ids(liked), ids(again), again["title"]) == (["x", "y", "z"], [], "Again")


def test_a_new_generation_reaches_sections_of_references(api: Api, client: redis.Redis, shop: str) -> None:
    """Nothing of the earlier generation is left, neither for everybody nor for a customer."""
    assert ids(section(api, shop)) == ["x", "y", "z"]
    assert ids(section(api, shop, customerId="ann")) == ["a", "y", "b"]
    write_personal(client, shop, "g2", neighbours={"page": {"n": 1.0}}, lists={"ann": [("m", 0.5, "new")]})
    switch(client, shop, "g2")
    while api.get(path(shop, "page")).json()["generation"] != "g2":
        pass
    assert ids(section(api, shop)) == ["n"]
    assert ids(section(api, shop, customerId="ann")) == ["m", "n"]


def test_no_answer_mixes_generations(api: Api, client: redis.Redis, shop: str) -> None:
    """While generations come and go, everything that a visitor is shown is of the generation that the page names."""
    seen = set()
    for number in range(2, 30):
        options = {"neighbours": NEIGHBOURS, "lists": LISTS, "popular": POPULAR}
        write_personal(client, shop, f"g{number}", **options)
        switch(client, shop, f"g{number}")
        for query in ({}, {"customerId": "ann"}, {"sessionId": "s"}, {"customerId": "ann", "sessionId": "s"}):
            for product_id in ("page", "seen", "lone"):
                page = api.get(path(shop, product_id, **query)).json()
                names = {row.get("slug", row["name"]) for row in page["sections"][1]["products"]}
                assert names <= {f"{shop}-{page['generation']}", f"of {shop} in {page['generation']}"}
                seen.add(page["generation"])
    assert len(seen) > 5


def test_without_a_cache(shared_redis: RedisServer, shop: str, tmp_path: Path) -> None:
    """The answers are the same where nothing is kept in memory."""
    with running_api(tmp_path, REDIS_URL=shared_redis.url, API_CACHE_MEGABYTES="0") as api:
        assert ids(section(api, shop)) == ["x", "y", "z"]
        assert ids(section(api, shop, "lone")) == ["doll", "best", "page"]
        visit(api, shop, "bare", "older", "seen")
        assert ids(section(api, shop, sessionId="bare")) == ["y", "x", "s"]
        assert ids(section(api, shop, customerId="ann", sessionId="bare")) == ["y", "a", "x"]


SCORE = st.integers(1, 1000).map(lambda thousandths: thousandths / 1000)
LIST = st.dictionaries(st.sampled_from("abcdefgh"), SCORE, max_size=8)


def test_a_session_that_adds_nothing_is_not_personal(api: Api, client: redis.Redis, company: str) -> None:
    """Where what was viewed has no neighbours that could be shown, the page alone has decided, and nobody is told otherwise."""
    publish_personal(client, company, neighbours={"page": {"x": 0.5}, "seen": {"page": 0.9}}, popular=POPULAR)
    shown = visit(api, company, "s", "seen", "unheard of", "page").json()["sections"][1]
    assert (ids(shown), shown["personalized"]) == (["x", "best", "second"], False)


def test_how_often_the_store_is_asked(own_redis: RedisServer, tmp_path: Path) -> None:
    """With nothing in memory: twice for everybody and for a customer, once more for a live session; with all of it in memory not at
    all, but for the session, whose views are read with everything else."""
    with redis.Redis.from_url(own_redis.url) as client:
        publish_personal(client, "acme", neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR, categories={"page": "toys"})

        def asked(api: Api, product_id: str, **query: str) -> int:
            before = client.info("commandstats").get("cmdstat_mget", {}).get("calls", 0)
            assert api.get(path("acme", product_id, **query)).status == 200
            return int(client.info("commandstats").get("cmdstat_mget", {}).get("calls", 0) - before)

        cold = {"REDIS_URL": own_redis.url, "API_POLL_SECONDS": "3600", "API_CACHE_MEGABYTES": "0"}
        with running_api(tmp_path, **cold) as api:
            asked(api, "lone")
            for query, most in (
                ({}, 2),
                ({"customerId": "ann"}, 2),
                ({"sessionId": "s"}, 3),
                ({"customerId": "ann", "sessionId": "s"}, 3),
            ):
                asked(api, "seen", **query)
                assert asked(api, "page", **query) == most
        with running_api(tmp_path, REDIS_URL=own_redis.url, API_POLL_SECONDS="3600") as api:
            for query, most in (({}, 0), ({"customerId": "ann"}, 0), ({"sessionId": "s"}, 1)):
                for product_id in ("seen", "page"):
                    asked(api, product_id, **query)
                assert asked(api, "page", **query) == most


def items(scores: dict[str, float], reason: str, share: bool = False) -> list[Item]:
    """A list, best first; scores as shares of the best one's where asked for."""
    best = max(scores.values(), default=1.0) if share else 1.0
    ordered = sorted(scores.items(), key=lambda row: (-row[1], row[0]))
    return [Item(id, score / best, reason, score if share else None) for id, score in ordered]


@QUICK
@given(listed=LIST, session=LIST, weight=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_blending_laws(listed: dict[str, float], session: dict[str, float], weight: float) -> None:
    """Every item once; sums as by hand, within 0..1, falling; equal ones by id; the order of either list does not matter."""
    own, live = items(listed, "list"), items(session, "session", share=True)
    done = blend(own, live, weight)
    top, best = max(listed.values(), default=1.0), max(session.values(), default=1.0)
    expected = {id: (1 - weight) * listed.get(id, 0) / top + weight * session.get(id, 0) / best for id in {*listed, *session}}
    assert {item.id: item.score for item in done} == {id: pytest.approx(score, abs=1e-6) for id, score in expected.items()}
    assert len(done) == len(expected)
    assert all(0 <= item.score <= 1 for item in done)
    assert [(-item.score, item.id) for item in done] == sorted((-item.score, item.id) for item in done)
    assert blend(own[::-1], live[::-1], weight) == done
    assert {item.id: item.similarity for item in done} == {id: session.get(id) for id in expected}


def test_blending_with_nothing() -> None:
    """A list alone keeps its order; scores of nought are no division by nought."""
    assert [item.id for item in blend(items({"a": 0.2, "b": 0.1}, "r"), [], 0.5)] == ["a", "b"]
    assert [item.score for item in blend([Item("a", 0.0, "r")], [], 0.5)] == [0.0]
