"""The API's own document: what it names is what there is."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin

from starlette.routing import Route

from serving.app import ROUTES
from serving.openapi.document import document
from tests.serving.api import Api

# files of the page of documents, which nobody asks for by themselves
ASSETS = ("GET", "/api/docs/assets/{}")


def test_the_document_names_every_operation_and_no_other() -> None:
    """Method and path of the route table, whatever their parameters are called."""
    routes = {(method, nameless(route.path)) for route in ROUTES if isinstance(route, Route) for method in route.methods or ()}
    named = {(method.upper(), nameless(path)) for path, item in document()["paths"].items() for method in item}
    assert named == {pair for pair in routes if pair[0] != "HEAD"} - {ASSETS}


def test_references_lead_somewhere() -> None:
    """Every $ref is a component of the document, and every schema is used by something."""
    whole = document()
    referred = set(re.findall(r'"#/components/([A-Za-z]+/[A-Za-z0-9]+)"', json.dumps(whole)))
    there = {f"{part}/{name}" for part, named in whole["components"].items() for name in named}
    assert referred <= there
    assert {name for name in there - referred if name.startswith("schemas/")} == set()


def test_it_is_served_and_kept(api: Api) -> None:
    """The same bytes with an ETag, 304 to who has them, and a page that asks nobody else for anything."""
    answer = api.get("/api/openapi.json")
    assert answer.status == 200
    assert json.loads(answer.body) == json.loads(json.dumps(document()))
    assert api.get("/api/openapi.json", f"If-None-Match: {answer.headers['etag']}").status == 304
    page = api.get("/api/docs")
    assert (page.status, b"://" in page.body) == (200, False)
    # an icon may be data:
    for address in re.findall(rb'(?:src|href)="([^":]+)"', page.body):
        assert api.get(urljoin("/api/docs", address.decode())).status == 200, address
    assert api.get("/api/docs/assets/../docs.html").status == 404


def nameless(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)
