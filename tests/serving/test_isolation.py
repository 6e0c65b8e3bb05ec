"""One company never sees another's bytes."""

from __future__ import annotations

import redis
from starlette.routing import Route

from serving.app import ROUTES
from tests.serving.api import Api
from tests.serving.shelf import SECTIONS, publish
from tests.serving.test_pages import path

KINDS = [*SECTIONS, "popular", "nonsense"]


def test_no_route_shows_another_company(api: Api, client: redis.Redis) -> None:
    """Every route of the table, asked as A for A's, B's and unknown products and kinds, holds nothing of B's.

    The ids of A and B begin alike and both sell products of the same ids: only the payloads tell them apart.
    """
    publish(client, "isle", "gen-of-isle", anchors=("p1", "only-isle"))
    publish(client, "isle:gen-of-isle", "gen-of-other", anchors=("p1", "secret"), popular=("secret-best",))
    walked = set()
    for product_id in ("p1", "only-isle", "secret", "isle:gen-of-isle", "../secret", "p1?companyId=isle:gen-of-isle"):
        for rest in ("", *(f"/{kind}" for kind in KINDS)):
            for query in ({}, {"customerId": "isle:gen-of-isle", "sections": "ALSO_BOUGHT"}):
                answer = api.get(path("isle", product_id, rest, **query))
                assert b"gen-of-other" not in answer.body
                assert b"secret-best" not in answer.body
                assert b"secret-of-" not in answer.body
                walked.add("{kind}" if rest else "page")
    assert b"gen-of-other" not in api.get("/api/health?companyId=isle").body
    paths = {route.path for route in ROUTES if isinstance(route, Route)}
    assert paths == {
        "/api/health",
        "/api/products/{product_id}/recommendations",
        "/api/products/{product_id}/recommendations/{kind}",
    }, "a new route: walk it here too"
    assert walked == {"page", "{kind}"}


def test_alike_companies_keep_apart_in_the_cache(api: Api, client: redis.Redis) -> None:
    """Companies that differ by case, space or an encoded character share nothing in memory either."""
    companies = ["twin", "Twin", "twin ", "twin%20", "twin+", "twin/", "twïn"]
    for each in companies:
        publish(client, each)
    for _ in range(2):
        for each in companies:
            page = api.get(path(each)).json()
            names = {row["name"] for section in page["sections"] for row in section["products"]}
            assert names == {f"of {each} in g1"}
