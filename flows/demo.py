"""The demo: embedded services, migrations, sample shops, one night, and the read API, from nothing to the first answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import polars as pl
from psycopg.types.json import Jsonb

import sql
from flows import embedded, migrate
from flows.connections import postgres, redis_client
from flows.doors import open_services
from flows.errors import CheckFailed, UpsellError
from flows.load import CompanyRow, load
from flows.nightly import failures, night
from flows.object_store import open_store
from flows.progress import Reporter
from flows.publish import live_generation, read_kind
from flows.samples import SAMPLES, Sample
from flows.settings import Settings
from flows.simulate import simulate, write
from flows.tokens import COMPANY_SCOPES, sign, signing_secret
from models.flags import DEFAULTS
from models.generation import WHOLE_COMPANY
from models.subscription_frequency import FREQUENCIES

COMPANIES = (*SAMPLES, "simulated")
SIMULATED_LINES = 20_000
# a year of a wholesaler is looked back on as a whole; the other shops have the defaults
CONFIGURED = {"online-retail": {"lookbackDays": 365}}


@dataclass(frozen=True)
class Running:
    """Addresses of a running demo, a token with every company scope per company, the three best sellers of each company, and a
    customer of each company that has lists for customers."""

    api: str
    settings: Settings
    tokens: dict[str, str]
    best_sellers: dict[str, list[str]]
    customers: dict[str, str]


class Sent(NamedTuple):
    """What a check sends beside its address."""

    method: str
    body: Any = None
    token: str = ""


READ = Sent("GET")


def run_demo(settings: Settings, *, leave: bool, as_json: bool) -> None:
    """Prepare everything, run the API, then check and stop (`leave`) or serve until SIGINT or SIGTERM.

    Raises CheckFailed when an endpoint does not answer as it must.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    were_running = embedded.status(settings.local_dir) is not None
    try:
        opened = open_services(settings)
        prepare(opened)
        with _api(opened) as address:
            demo = Running(address, opened, _tokens(opened), *_asked_for(opened))
            if leave:
                check(demo)
                print(json.dumps({"demo": "ok"}) if as_json else "demo ok", flush=True)
            else:
                _announce(demo, as_json)
                signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        # what this run started ends with it
        if not were_running:
            embedded.stop(settings.local_dir)


def prepare(settings: Settings) -> None:
    """Schema, sample shops and one night. A second demo finds all that the first one loaded."""
    with postgres(settings) as connection:
        migrate.up(connection)
    with Reporter() as progress:
        for company in COMPANIES:
            if not _is_loaded(settings, company):
                sample = SAMPLES.get(company) or _simulated(settings)
                load(settings, company, sample.files, progress=progress, company_row=sample.row)
                _configure(settings, company)
            _switch_on(settings, company)
        nights = night(settings, list(COMPANIES), datetime.now(UTC), progress)
    if failed := failures(nights):
        raise UpsellError(failed)


def check(demo: Running) -> None:
    """Ask every endpoint what a newcomer would ask. Raises CheckFailed, naming the endpoint and what it said."""
    _expect(demo, "/api/health", 200, lambda body: body["status"] == "ok")
    for company, products in demo.best_sellers.items():
        page = _page(company, products[0])
        _expect(demo, page, 200, lambda body: len(body["sections"]) == 3 and all(row["products"] for row in body["sections"]))
        for kind in ("also-bought", "you-might-like", "frequently-viewed"):
            section = page.replace("recommendations?", f"recommendations/{kind}?")
            _expect(demo, section, 200, lambda body, kind=kind: body["type"] == kind.upper().replace("-", "_"))
        for product in products:
            _expect(demo, f"{_page(company, product)}&sessionId=demo", 200, lambda body: bool(body["sections"]))
    for company, customer in demo.customers.items():
        _expect(demo, _page_of_customer(demo, company, customer), 200, lambda body: body["personalized"] is True)
    _check_offers(demo)
    _check_upsells(demo)
    _expect(demo, page.partition("?")[0], 400, lambda body: body["errors"][0]["field"] == "companyId")
    _expect(demo, _page("no-such-company", "1"), 404, lambda body: body["status"] == 404)


def _check_offers(demo: Running) -> None:
    """Configure a product of the first shop, price it, and take the bulk discount away again."""
    company, products = next(iter(demo.best_sellers.items()))
    product, token = products[0], demo.tokens[company]
    discount, config = (_offer(company, product, name) for name in ("bulk-discount", "subscription-config"))
    tiers = [{"minQuantity": 5, "maxQuantity": None, "discountType": "PERCENTAGE", "discountValue": 10, "label": "Five"}]
    line = {"productId": product, "quantity": 5}
    calculate = "/api/products/pricing/bulk-calculate"
    _expect(demo, discount, 200, lambda body: body["tiers"] == tiers, Sent("PUT", {"tiers": tiers}, token))
    _expect(demo, discount, 200, lambda body: body["tiers"] == tiers)
    _expect(demo, calculate, 200, lambda body: body["totalSavings"] > 0, Sent("POST", line, token))
    _expect(demo, calculate, 200, lambda body: len(body["items"]) == 2, Sent("POST", {"items": [line, line]}, token))
    _expect(demo, calculate, 401, lambda body: body["status"] == 401, Sent("POST", line, "nobody's"))
    nudge = f"{_offer(company, product, 'bulk-recommendation')}&quantity=5"
    _expect(demo, nudge, 200, lambda body: "recommendation" not in body)
    _expect(demo, discount, 200, lambda body: body["success"], Sent("DELETE", None, token))
    _expect(demo, discount, 404, lambda body: body["status"] == 404)
    _expect(demo, config, 200, lambda body: len(body["discountTiers"]) == 7, Sent("PUT", {}, token))
    _expect(demo, config, 200, lambda body: body["enabled"])
    for name in ("subscription-eligibility", "subscription-offer"):
        path = f"/api/upsell/{name}/{urllib.parse.quote(product, safe='')}?companyId={urllib.parse.quote(company)}"
        _expect(demo, path, 200, lambda body: body["eligible"] and body["recommendedFrequency"] in FREQUENCIES)


def _check_upsells(demo: Running) -> None:
    """Offers for a cart that the request holds, a view that is kept, and the API's own document."""
    company, products = next(iter(demo.best_sellers.items()))
    of_company = f"companyId={urllib.parse.quote(company)}"
    items = urllib.parse.quote(f"{urllib.parse.quote(products[0], safe='')}:2", safe="")
    cart = f"/api/upsell/cart/demo?{of_company}&items={items}&sessionId=demo"
    _expect(demo, cart, 200, lambda body: {"upsells", "bulkRecommendations", "subscriptionOffers"} == set(body))
    viewed = Sent("POST", {"productId": products[0], "sessionId": "demo"})
    _expect(demo, f"/api/recommendations/view?{of_company}", 200, lambda body: body["success"], viewed)
    _expect(demo, "/api/openapi.json", 200, lambda body: body["openapi"].startswith("3."))


def _expect(demo: Running, path: str, status: int, holds: Any, sent: Sent = READ) -> None:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {sent.token}"} if sent.token else {})
    body = None if sent.body is None else json.dumps(sent.body).encode()
    request = urllib.request.Request(demo.api + path, body, headers, method=sent.method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            found, answer = response.status, json.load(response)
    except urllib.error.HTTPError as error:
        found, answer = error.code, json.load(error)
    if found != status or not holds(answer):
        raise CheckFailed(f"{sent.method} {path} answered {found} where {status} was due: {json.dumps(answer)[:300]}")


def _offer(company: str, product: str, resource: str) -> str:
    return _page(company, product).replace("/recommendations?", f"/{resource}?")


def _page(company: str, product: str) -> str:
    return f"/api/products/{urllib.parse.quote(product, safe='')}/recommendations?companyId={urllib.parse.quote(company)}"


def _page_of_customer(demo: Running, company: str, customer: str) -> str:
    page = _page(company, demo.best_sellers[company][0]).replace("recommendations?", "recommendations/you-might-like?")
    return f"{page}&customerId={urllib.parse.quote(customer)}"


@contextmanager
def _api(settings: Settings) -> Iterator[str]:
    """The read API as a process of its own; yields its address once it listens."""
    environ = {**os.environ, "REDIS_URL": settings.redis_url or "", "DATABASE_URL": settings.database_url or ""}
    environ["JWT_SECRET"] = signing_secret(settings)
    environ.setdefault("API_LOG_LEVEL", "warning")
    command = [sys.executable, "-m", "serving", "--port", str(_port())]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise UpsellError("The read API did not start: its reason stands above.")
        try:
            yield json.loads(line)["api"]
        finally:
            process.terminate()


def _announce(demo: Running, as_json: bool) -> None:
    document = {
        "api": demo.api,
        # the admin pages are not built yet
        "admin": None,
        "databaseUrl": demo.settings.database_url,
        "redisUrl": demo.settings.redis_url,
        "tokens": demo.tokens,
    }
    if as_json:
        print(json.dumps(document), flush=True)
        return
    lines = [f"API       {demo.api}", f"Postgres  {demo.settings.database_url}", f"Redis     {demo.settings.redis_url}", "", "Try:"]
    lines += [f"  curl '{demo.api}{_page(company, products[0])}'" for company, products in demo.best_sellers.items()]
    lines += [f"  curl '{demo.api}{_page_of_customer(demo, company, id)}'" for company, id in demo.customers.items()]
    lines += [f"  curl '{demo.api}/api/health'", "", f"A token of {next(iter(demo.tokens))}: {next(iter(demo.tokens.values()))}"]
    print("\n".join([*lines, "", "Ctrl-C stops everything that this demo started."]), flush=True)


def _tokens(settings: Settings) -> dict[str, str]:
    return {company: sign(settings, company, list(COMPANY_SCOPES), hours=12) for company in COMPANIES}


def _asked_for(settings: Settings) -> tuple[dict[str, list[str]], dict[str, str]]:
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    best_sellers, customers = {}, {}
    with redis_client(settings) as client:
        for company in COMPANIES:
            live = live_generation(client, company) or ""
            best = read_kind(store, company, live, "popular").filter(pl.col("anchor_id") == WHOLE_COMPANY)
            best_sellers[company] = best.sort("rank")["product_id"].head(3).to_list()
            if known := read_kind(store, company, live, "you-might-like")["anchor_id"].head(1).to_list():
                customers[company] = known[0]
    return best_sellers, customers


def _simulated(settings: Settings) -> Sample:
    files = write(simulate(SIMULATED_LINES), settings.local_dir / "simulated")
    return Sample("simulated", CompanyRow("Simulated"), files)


def _is_loaded(settings: Settings, company: str) -> bool:
    with postgres(settings) as connection:
        return connection.execute(sql.load("load/is_loaded"), {"company": company}).fetchone() is not None


def _configure(settings: Settings, company: str) -> None:
    if also_bought := CONFIGURED.get(company):
        with postgres(settings) as connection:
            connection.execute(sql.load("load/configuration"), {"company": company, "also_bought": Jsonb(also_bought)})


def _switch_on(settings: Settings, company: str) -> None:
    """Every feature: the demo is to show what there is."""
    with postgres(settings) as connection:
        connection.execute(sql.load("load/flags"), {"company": company, "flags": Jsonb(dict.fromkeys(DEFAULTS, True))})


def _port() -> int:
    """8080 where it is free, else any."""
    with socket.socket() as probe:
        return 0 if probe.connect_ex(("127.0.0.1", 8080)) == 0 else 8080


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
