"""What a running API must answer, by its own document: a status per operation, without writing anything."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import polars as pl

from flows.connections import redis_client
from flows.errors import UpsellError
from flows.object_store import open_store
from flows.operate import published_companies
from flows.publish import live_generation, read_kind
from flows.settings import Settings
from flows.tokens import SCOPES, sign
from flows.verify import Check

SECONDS = 10
# an id that nobody has
NOBODY = "verify-nothing"
# what a reader needs besides where a parameter must be given
GIVEN = {"quantity": "1", "kind": "also-bought", "items": f"{NOBODY}:1"}
METRICS = "/metrics"
# of every API, whatever its document says
ALWAYS = ("/api/health", "/api/docs", "/api/openapi.json", METRICS)
# figures to watch (contract, 2.2), beside `upsell_` before each
SERIES = (
    "request_duration_seconds_bucket", "cache_hits_total", "cache_misses_total", "impressions_total", "views_total",
    "generation_age_seconds", "generation_anchors", "failed_writes_total", "deferred_writes_total",
)  # fmt: skip


class Probe(NamedTuple):
    """A request, and the statuses with which it may be answered."""

    method: str
    path: str
    due: tuple[int, ...]
    token: str = ""
    body: bytes | None = None


class _Known(NamedTuple):
    company: str
    product: str
    token: str


def api_checks(settings: Settings, api: str) -> Iterator[Check]:
    """One check per operation of the API's document, and per path that every API has."""
    status, body = _ask(api, Probe("GET", "/api/openapi.json", (200,)))
    document = _object(body) if status == 200 else {}
    try:
        known = _known(settings)
    except (UpsellError, FileNotFoundError) as refused:
        yield Check("api", "a company can be asked for", "none", f"No company is published ({refused}): run `upsell nightly`.")
        return
    for probe in probes(document, known.company, known.product, known.token):
        yield _checked(api, probe)
    yield _measured(api, known.token)


def probes(document: dict[str, Any], company: str, product: str, token: str) -> list[Probe]:
    """What to ask of every operation of an OpenAPI document, and of the paths that every API has.

    A reader is asked for the company's own, with a token where it wants one, and once without; what writes is sent nothing that
    it could write: without a token where it wants one, else an empty object.
    """
    made: list[Probe] = []
    for path, operations in sorted(document.get("paths", {}).items()):
        for method, operation in sorted(operations.items()):
            if path not in ALWAYS and isinstance(operation, dict) and "responses" in operation:
                made += _of_operation(method.upper(), path, operation, _Known(company, product, token))
    return [*(Probe("GET", path, (200,), token) for path in ALWAYS), *made]


def _of_operation(method: str, path: str, operation: dict[str, Any], known: _Known) -> Iterator[Probe]:
    secured, own_id = bool(operation.get("security")), "{productId}" in path or "{kind}" in path
    due = (200,) if own_id or "{" not in path else (200, 404)
    if "bulk-" in path or "-config" in path or "preview" in path or path.endswith("{kind}"):
        # not every product is configured, and not every list is on a page
        due = (200, 404)
    asked = _asked(path, operation, known)
    if method != "GET":
        yield Probe(method, asked, (401,)) if secured else Probe(method, asked, (400,), body=b"{}")
        return
    yield Probe(method, asked, due, known.token if secured else "")
    if secured:
        yield Probe(method, asked, (401,))


def _asked(path: str, operation: dict[str, Any], known: _Known) -> str:
    """The path with ids in it, and the parameters that must be given."""
    named = {"productId": known.product, "companyId": known.company, **GIVEN}
    for part in path.split("/"):
        if part.startswith("{"):
            path = path.replace(part, quote(named.get(part[1:-1], NOBODY), safe=""))
    wanted = {"companyId": known.company}
    for row in operation.get("parameters", []):
        name = row.get("name")
        if row.get("in") == "query" and (row.get("required") or name == "items"):
            wanted[name] = named.get(name, NOBODY)
    return f"{path}?{urlencode(wanted)}"


def _checked(api: str, probe: Probe) -> Check:
    status, body = _ask(api, probe)
    what = f"{probe.method} {probe.path.partition('?')[0]}" + (" with a token" if probe.token else "")
    if status in probe.due:
        return Check("api", what, str(status))
    due = " or ".join(map(str, probe.due))
    said = body[:200].decode(errors="replace")
    return Check("api", what, str(status), f"{what} answered {status} where {due} is due ({said}): look at the API's log.")


def _measured(api: str, token: str) -> Check:
    _, body = _ask(api, Probe("GET", METRICS, (200,), token))
    told = {line.partition("{")[0].partition(" ")[0] for line in body.decode(errors="replace").splitlines()}
    lacking = [f"upsell_{name}" for name in SERIES if f"upsell_{name}" not in told]
    advice = f"{METRICS} lacks {', '.join(lacking)}: is the API of this version?"
    told_of = f"{len(SERIES) - len(lacking)} of {len(SERIES)}"
    return Check("api", "every figure to watch is told", told_of, advice if lacking else "")


def _ask(api: str, probe: Probe) -> tuple[int, bytes]:
    """Status and body; 0 and the reason where nobody answers."""
    headers = {"Authorization": f"Bearer {probe.token}"} if probe.token else {}
    if probe.body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(api + probe.path, probe.body, headers, method=probe.method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, HTTPException, ValueError) as error:
        return 0, str(error).encode()


def _known(settings: Settings) -> _Known:
    """A published company with a product that has a page, and a token of all scopes for it."""
    companies = published_companies(settings)
    if not companies:
        raise UpsellError("nothing is published")
    company = companies[0]
    with redis_client(settings) as client:
        live = live_generation(client, company) or ""
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    shown = read_kind(store, company, live, "products").filter(pl.col("is_shown"))["product_id"].sort()
    return _Known(company, shown[0] if len(shown) else NOBODY, sign(settings, company, list(SCOPES), hours=1))


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
