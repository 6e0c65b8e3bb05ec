"""What a whole API writes while persons and tokens are sent wherever there is room for them: never one of them."""

from __future__ import annotations

import itertools
import json
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import redis

from flows.settings import Settings
from tests.conftest import RedisServer
from tests.serving.api import Api, eventually, running_api
from tests.serving.carts import CartShop, rule
from tests.serving.offers import SECRET, token

NAME, EMAIL = "Annabella", "annabella.schmidt@mail.example"
SHORT_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2lnbmVk"
WORDS = ("annabella", "schmidt", "mail.example", "eyj", "hunter2", "c2lnbmvk")
COMPANY = "acme"
_keys = itertools.count(1)


@contextmanager
def whole_api(settings: Settings, server: RedisServer, folder: Path) -> Iterator[Api]:
    """Two processes with a line for each request, and everything else that may be told."""
    environ = {"DATABASE_URL": settings.database_url or "", "REDIS_URL": server.url, "JWT_SECRET": SECRET}
    told = {"API_ACCESS_LOG": "1", "API_LOG_LEVEL": "debug", "API_TRUSTED_PROXIES": "127.0.0.1"}
    with running_api(folder, "--workers", "2", read_only=False, **environ, **told) as api:
        yield api


def headers(bearer: str) -> tuple[str, ...]:
    """Persons and tokens in each header that is looked at, and in some that are not."""
    fresh = f"{next(_keys)}-{EMAIL}"
    named = {"User-Agent": NAME, "Cookie": f"name={NAME}", "Referer": f"https://x.example/?m={EMAIL}", "Origin": f"https://{EMAIL}"}
    seen = {
        "If-None-Match": f'"{EMAIL}"',
        "X-Forwarded-For": EMAIL,
        "X-Request-Id": SHORT_TOKEN,
        "Idempotency-Key": fresh,
    }
    authorized = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    return tuple(f"{name}: {value}" for name, value in {**named, **seen, **authorized}.items())


def status(api: Api, method: str, address: str, given: tuple[str, ...], body: str) -> int:
    """What one request meets; not by Api.get, which would hold a 500 against the document."""
    with api.connection() as connection:
        connection.send(address, *given, method=method, body=body.encode())
        return connection.receive(method).status


def send_everything(api: Api) -> set[int]:
    """Ask every kind of route, in every part of a request, with good, foreign, wrong and no tokens; answers the statuses."""
    person = quote(EMAIL, safe="")
    asked = f"companyId={COMPANY}&customerId={person}&sessionId={person}&name={NAME}&email={EMAIL}"
    paths = [
        f"/api/products/{person}/recommendations?{asked}",
        f"/api/products/{person}/bulk-recommendation?{asked}&quantity={NAME}",
        f"/api/products/p1/recommendations?{asked}&sections={NAME}",
        f"/api/products/p1/recommendations?companyId={person}",
        f"/api/upsell/cart/{person}?{asked}",
        f"/api/upsell/cart/{person}?{asked}&items={person}:1",
        f"/api/upsell/subscription-offer/{person}?{asked}",
        f"/api/admin/upsell/preview?{asked}&items=p1:1",
        f"/api/upsell/rules?companyId={COMPANY}&name={NAME}",
        f"/{NAME}/{EMAIL}?token={SHORT_TOKEN}",
        f"/api/products/{EMAIL}?access_token=Bearer%20hunter2",
    ]
    view = {"productId": EMAIL, "sessionId": EMAIL, "customerId": EMAIL, "source": NAME}
    offer = {"firstName": NAME, "email": EMAIL, "token": SHORT_TOKEN}
    shown = {"cartId": EMAIL, "ruleId": "r", "customerId": EMAIL, "sessionId": EMAIL, "placement": "CART_PAGE", "offer": offer}
    bodies = [
        ("POST", f"/api/recommendations/view?companyId={COMPANY}", json.dumps(view)),
        ("POST", f"/api/recommendations/view?companyId={COMPANY}", json.dumps({**view, "source": None})),
        ("POST", f"/api/recommendations/click?companyId={COMPANY}", json.dumps({"impressionId": SHORT_TOKEN, "name": NAME})),
        ("POST", f"/api/upsell/impressions?companyId={COMPANY}", json.dumps({**shown, "impressionToken": SHORT_TOKEN})),
        ("POST", f"/api/upsell/impressions/accept?companyId={COMPANY}", json.dumps({"impressionId": EMAIL, "revenue": NAME})),
        ("POST", "/api/upsell/rules", json.dumps({"name": NAME, "upsellType": "CROSS_SELL", "message": f"{NAME} {EMAIL}"})),
        ("PUT", f"/api/upsell/rules/{person}", json.dumps({"name": NAME})),
        ("PUT", "/api/admin/settings", json.dumps({"corsOrigins": [EMAIL]})),
        ("POST", "/api/upsell/rules", f'{{"name": "{NAME}", '),
        ("POST", "/api/upsell/rules", f'["{EMAIL}", "Bearer hunter2"]'),
        ("PATCH", f"/{NAME}", ""),
    ]
    statuses = set()
    for bearer in (token(COMPANY, sub=EMAIL, name=NAME), token("other", sub=EMAIL), token(COMPANY) + "x", SHORT_TOKEN, "hunter2"):
        given = headers(bearer)
        statuses |= {status(api, "GET", each, given, body) for each in paths for body in ("", "{}")}
        statuses |= {status(api, method, each, given, body) for method, each, body in bodies}
    api.raw(f"{NAME} {EMAIL} Bearer hunter2\r\n\r\n".encode())
    api.raw(f"GET / HTTP/1.1\r\nHost: {EMAIL}\r\n{NAME} {SHORT_TOKEN}\r\n\r\n".encode())
    return statuses


def break_the_rules(database_url: str) -> None:
    """Have Postgres refuse rules and views in words that hold what is in their rows, for reasons that we did not foresee."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "create function unforeseen() returns trigger language plpgsql as $$ begin perform new.name::int; return new; end $$"
        )
        connection.execute(
            'create trigger unforeseen before insert on "UpsellTargetingRule" for each row execute function unforeseen()'
        )
        connection.execute('alter table "ProductView" add constraint unforeseen check (id is null) not valid')


@pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
def test_no_person_and_no_token_is_ever_told(settings: Settings, redis_server: RedisServer, tmp_path: Path) -> None:
    """Through errors of clients, of Postgres and of Redis, with a line for each request, nothing of it stands in either stream."""
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        connection.execute('insert into "Company" (id, name, slug) values (%s, %s, %s)', [COMPANY] * 3)
        product = 'insert into "Product" (id, "companyId", name, slug) values (%s, %s, %s, %s)'
        connection.execute(product, [EMAIL, COMPANY, NAME, NAME])
    with redis.Redis.from_url(redis_server.url) as client, whole_api(settings, redis_server, tmp_path) as api:
        shop = CartShop(api, client, COMPANY)
        shop.sells({"p1": "1.00", EMAIL: "2.00"})
        shop.decides(rule("r", message=f"{{{{firstName}}}}, {NAME}"))
        found = send_everything(api)
        assert {200, 400, 401, 404} <= found
        break_the_rules(settings.database_url)
        # ours to answer for: the log tells it with its traceback
        assert 500 in send_everything(api)
        eventually(lambda: "An event was rejected" in api.log.read_text(), "the drain rejected nothing")
        redis_server.kill()
        eventually(lambda: 503 in send_everything(api), "Redis was not missed")
        assert api.process.stdout is not None
        assert select.select([api.process.stdout], [], [], 0)[0] == []
    written = api.log.read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    messages = {line["message"] for line in lines}
    assert {"Request", "Recommendation service error", "Redis is away", "An event was rejected"} <= messages
    assert any("InvalidTextRepresentation" in line.get("traceback", "") for line in lines)
    assert [line for line in lines if any(word in json.dumps(line, ensure_ascii=False).lower() for word in WORDS)] == []
    requests = [line for line in lines if line["message"] == "Request"]
    assert {line.get("company") for line in requests} >= {COMPANY, "***"}
    assert all(set(line) <= {"at", "level", "logger", "message", *TOLD} for line in requests)


TOLD = ("requestId", "company", "method", "route", "status", "ms")
