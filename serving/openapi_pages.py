"""GET /api/openapi.json and /api/docs: the document, and a page to read and try it, from this package's own files."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from serving.errors import ApiError, brief

STATIC = Path(__file__).parent / "static"
# file -> its media type; nothing else is ever read
ASSETS = {
    "docs.css": "text/css",
    "docs.js": "text/javascript",
    "swagger-ui/swagger-ui.css": "text/css",
    "swagger-ui/swagger-ui-bundle.js": "text/javascript",
}
# the page runs its own scripts alone and asks its own server alone; Swagger UI draws its icons from data: addresses
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KEPT = {"cache-control": "public, max-age=300", "x-content-type-options": "nosniff"}


async def openapi(request: Request) -> Response:
    """GET /api/openapi.json."""
    # two dozen schemas and routes, which no other request needs
    from serving.openapi.document import as_json

    return _answer(request, as_json(), "application/json")


async def docs(request: Request) -> Response:
    """GET /api/docs."""
    response = _answer(request, _file("docs.html"), "text/html; charset=utf-8")
    response.headers["content-security-policy"] = POLICY
    return response


async def asset(request: Request) -> Response:
    """GET /api/docs/assets/{name}: a file that the page needs."""
    name = request.path_params["name"]
    if name not in ASSETS:
        raise ApiError(404, "Unknown path", f"No such file: {brief(name)}.")
    return _answer(request, _file(name), ASSETS[name])


@cache
def _file(name: str) -> bytes:
    return (STATIC / name).read_bytes()


@cache
def _etag(body: bytes) -> str:
    return f'"{blake2b(body, digest_size=12).hexdigest()}"'


def _answer(request: Request, body: bytes, media_type: str) -> Response:
    headers = {"etag": _etag(body), **KEPT}
    # one that was compressed on its way is weak
    known = [each.strip().removeprefix("W/") for given in request.headers.getlist("if-none-match") for each in given.split(",")]
    if headers["etag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    response = Response(body, 200, headers, media_type)
    # every text here is ASCII or says so itself; starlette would add a charset that JavaScript and CSS need not
    response.headers["content-type"] = media_type
    return response
