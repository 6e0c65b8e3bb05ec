"""Targeting rules over HTTP: stored, listed, changed and deleted by their company alone, and followed by every process."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models.offer_counters import accepted_key
from models.published_configs import PENDING_KEY, RULES, config_key, pending, split_config
from tests.conftest import RedisServer
from tests.models.invented import QUICK
from tests.serving.api import Answer, eventually, running_api
from tests.serving.offers import SECRET, Shop, token

NEW = {"name": "A spoon", "upsellType": "CROSS_SELL", "offer": {"bonusProduct": "p"}}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


class Manager:
    """A shop whose rules are managed; it sells `p`."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.company = shop, shop.company
        shop.sells({f"{shop.company} p": "10.00"})
        self.product = f"{shop.company} p"

    def send(self, method: str, rest: str = "", body: Any = None, *headers: str, bearer: str | None = None) -> Answer:
        """A request to the rules."""
        given = b"" if body is None else json.dumps(body).encode()
        lines = [f"Authorization: Bearer {bearer or token(self.company)}", "Content-Type: application/json", *headers]
        return self.shop.api.get(f"/api/upsell/rules{rest}", *lines, method=method, body=given)

    def created(self, **fields: Any) -> dict[str, Any]:
        """A new rule."""
        answer = self.send("POST", "", {**NEW, "offer": {"bonusProduct": self.product}, **fields})
        assert answer.status == 201, answer.body
        document: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/api/upsell/rules/{document['id']}"
        return document

    def audited(self) -> list[tuple[Any, ...]]:
        """What was recorded, in order."""
        with psycopg.connect(self.shop.database_url) as connection:
            return connection.execute(
                """select action, resource, "resourceId", "writtenBy", before, after from "UpsellAudit"
                where "companyId" = %s order by id""", [self.company]
            ).fetchall()  # fmt: skip

    def preview(self) -> Any:
        """Verdicts by rule, from whichever process answers."""
        asked = f"/api/admin/upsell/preview?items={quote(self.product, safe='')}:1"
        answer = self.shop.api.send("GET", asked, token(self.company))
        return {row["ruleId"]: row for row in answer.json()["trace"]}


@pytest.fixture
def rules(shop: Shop) -> Manager:
    """A shop of this test's own."""
    return Manager(shop)


def test_a_rule_lives(rules: Manager) -> None:
    """POST stores it with defaults, GET shows it, PUT changes what it names, DELETE ends it; each is recorded with both sides."""
    made = rules.created(conditions={"cartValueMin": 20.10, "cartValueMax": None}, message="Add {{productName}}")
    assert made["priority"] == 100 and made["enabled"] is True and made["urgency"] == "LOW" and made["placements"] == []
    assert made["conditions"] == {"cartValueMin": 20.1} and made["companyId"] == rules.company
    one = f"/{made['id']}"
    assert rules.send("GET", one).json() == made
    changed = rules.send("PUT", one, {"priority": 5, "message": None})
    assert changed.status == 200
    assert changed.json() == {**made, "priority": 5, "message": None, "updatedAt": changed.json()["updatedAt"]}
    assert changed.json()["updatedAt"] > made["updatedAt"]
    # a client may send back what it got
    assert rules.send("PUT", one, changed.json()).status == 200
    assert rules.send("DELETE", one).json() == {"success": True}
    assert [rules.send(method, one, body).status for method, body in (("GET", None), ("PUT", {}), ("DELETE", None))] == [404] * 3
    entries = rules.audited()
    assert [(row[0], row[1], row[2], row[3]) for row in entries] == [
        (action, "rules", made["id"], "tester") for action in ("create", "update", "update", "delete")
    ]
    assert entries[0][4] is None and entries[0][5]["name"] == NEW["name"]
    assert (entries[1][4]["priority"], entries[1][5]["priority"]) == (100, 5)
    assert entries[3][5] is None and entries[3][4]["priority"] == 5


def test_the_order(rules: Manager) -> None:
    """GET lists by priority, then id."""
    for priority in (7, 3, 7, 0):
        rules.created(priority=priority)
    listed = rules.send("GET").json()
    assert [(row["priority"], row["id"]) for row in listed] == sorted((row["priority"], row["id"]) for row in listed)
    assert len(listed) == 4 and listed[0]["priority"] == 0


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": ""}, "name"),
        ({"upsellType": "GIFT"}, "upsellType"),
        ({"offer": {"discountPercent": 101}}, "offer.discountPercent"),
        ({"offer": {"freeGift": "nobody's"}}, "offer.freeGift"),
        ({"offer": {"bonusProduct": "nobody's"}}, "offer.bonusProduct"),
        ({"conditions": {"hasProduct": ["nobody's"]}}, "conditions.hasProduct"),
        ({"conditions": {"excludeProduct": ["nobody's"]}}, "conditions.excludeProduct"),
        ({"conditions": {"productCategories": ["nobody's"]}}, "conditions.productCategories"),
        ({"conditions": {"cartValueMin": -1}}, "conditions.cartValueMin"),
        ({"conditions": {"segments": ["RICH"]}}, "conditions.segments[0]"),
        ({"placements": ["HOME"]}, "placements[0]"),
        ({"maxImpressions": -1}, "maxImpressions"),
        ({"validFrom": "2026-02-30"}, "validFrom"),
        ({"colour": "red"}, "colour"),
        ({"companyId": "another"}, "companyId"),
        ({"updatedAt": "yesterday"}, "updatedAt"),
    ],
)
def test_what_is_refused(rules: Manager, fields: dict[str, Any], at: str) -> None:
    """A bad field is 400 and named, on POST (where it is read at all) and on PUT alike; nothing is stored or recorded."""
    made = rules.created()
    if at != "updatedAt":
        answer = rules.send("POST", "", {**NEW, "offer": {}, **fields})
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, at)
    answer = rules.send("PUT", f"/{made['id']}", fields)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, at)
    assert rules.send("GET").json() == [made]
    assert len(rules.audited()) == 1


def test_what_is_hardly_meant(rules: Manager) -> None:
    """A rule that gives nothing, has an unknown placeholder, a cap of 0 or a time that is over is stored with warnings."""
    made = rules.created(offer={}, message="{{price}}", maxImpressions=0, validUntil="2020-01-01")
    assert [row["field"] for row in made["warnings"]] == ["offer", "message", "maxImpressions", "validUntil"]
    # the warnings that it carries are no field of it
    assert rules.send("PUT", f"/{made['id']}", made).status == 200


def test_another_companys(rules: Manager, client: redis.Redis, offers_database: str) -> None:
    """Rules, products and tokens of another company: as if they were not there."""
    other = Manager(Shop(rules.shop.api, client, offers_database, f"{rules.company} too"))
    made, theirs = rules.created(), other.created()
    one, bearer = f"/{made['id']}", token(other.company)
    for method, body in (("GET", None), ("PUT", {"name": "taken"}), ("DELETE", None)):
        assert rules.send(method, one, body, bearer=bearer).status == 404
    assert rules.send("GET", bearer=bearer).json() == [theirs]
    named = rules.send("PUT", one, {"offer": {"bonusProduct": other.product}})
    assert (named.status, named.json()["errors"][0]["field"]) == (400, "offer.bonusProduct")
    assert rules.send("GET", one).json() == made
    operator = token(None, "platform:admin")
    listed = rules.shop.api.send("GET", f"/api/upsell/rules?companyId={quote(rules.company, safe='')}", operator)
    assert listed.json() == [made]
    assert rules.shop.api.send("POST", "/api/upsell/rules?companyId=nobody", operator, NEW).status == 404


def test_scopes(rules: Manager) -> None:
    """Reading needs company:read, writing company:write; without a token nothing is told."""
    one = f"/{rules.created()['id']}"
    reads, writes = token(rules.company, "company:read"), token(rules.company, "company:write")
    for method, rest, body in (("GET", "", None), ("GET", one, None), ("POST", "", NEW), ("PUT", one, {}), ("DELETE", one, None)):
        wrong = writes if method == "GET" else reads
        assert rules.send(method, rest, body, bearer=wrong).status == 403
        assert rules.send(method, rest, body, bearer="x").status == 401


def test_an_update_that_would_be_lost(rules: Manager) -> None:
    """If-Match of another version is 412, the updatedAt of another 409, on PUT and DELETE; the right ones pass."""
    made = rules.created()
    one = f"/{made['id']}"
    tag = rules.send("GET", one).headers["etag"]
    assert rules.send("GET", one, None, f"If-None-Match: {tag}").status == 304
    assert rules.send("PUT", one, {"priority": 1}, f"If-Match: {tag}").status == 200
    assert rules.send("GET", one, None, f"If-None-Match: {tag}").status == 200
    assert rules.send("PUT", one, {"priority": 2}, f"If-Match: {tag}").status == 412
    assert rules.send("DELETE", one, None, f"If-Match: {tag}").status == 412
    assert rules.send("PUT", one, {"priority": 2, "updatedAt": made["updatedAt"]}).status == 409
    assert rules.send("GET", one).json()["priority"] == 1
    now = rules.send("GET", one)
    assert rules.send("PUT", one, now.json(), f'If-Match: "1", {now.headers["etag"]}').status == 200
    assert rules.send("DELETE", one, None, "If-Match: *").status == 200
    assert rules.send("PUT", one, {}, "If-Match: *").status == 404


def test_of_writes_of_one_version_one_wins(rules: Manager) -> None:
    """Of many PUTs at once that have read the same version exactly one is stored, the others are 412."""
    made = rules.created()
    one, tag = f"/{made['id']}", rules.send("GET", f"/{made['id']}").headers["etag"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: rules.send("PUT", one, {"priority": n}, f"If-Match: {tag}"), range(6)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 5
    won = next(answer for answer in answers if answer.status == 200)
    assert rules.send("GET", one).json() == won.json()
    assert [row[0] for row in rules.audited()] == ["create", "update"]


def test_a_post_that_is_sent_again(rules: Manager) -> None:
    """The same Idempotency-Key makes one rule, also at once, and answers it; another key another, a bad key is 400."""
    body = {**NEW, "offer": {"bonusProduct": rules.product}}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: rules.send("POST", "", body, "Idempotency-Key: one"), range(4)))
    assert [answer.status for answer in answers] == [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert rules.send("POST", "", body, "Idempotency-Key: two").json()["id"] != answers[0].json()["id"]
    assert rules.send("POST", "", body, "Idempotency-Key: one two").status == 400
    assert len(rules.send("GET").json()) == 2
    assert [row[0] for row in rules.audited()] == ["create", "create"]


def test_every_process_follows_a_write(rules: Manager) -> None:
    """What one process stored, changed or deleted every process shows by: carts, without a restart."""
    rules.shop.flag(smart_upsell_enabled=True)
    made = rules.created()
    eventually(lambda: all(made["id"] in rules.preview() for _ in range(6)), "the new rule was not followed", 1.0)
    rules.send("PUT", f"/{made['id']}", {"name": "Renamed"})
    eventually(lambda: all(rules.preview()[made["id"]]["name"] == "Renamed" for _ in range(6)), "the change was not followed", 1.0)
    rules.send("DELETE", f"/{made['id']}")
    eventually(lambda: all(made["id"] not in rules.preview() for _ in range(6)), "the deletion was not followed", 1.0)


def test_a_cap_counts_what_was_accepted_before(rules: Manager, client: redis.Redis) -> None:
    """Where maxAcceptances is set later, what was accepted by then counts; of that no more is remembered than the cap."""
    made = rules.created()
    with psycopg.connect(rules.shop.database_url) as connection:
        for number in range(5):
            connection.execute(
                """insert into "UpsellImpression" (id, "ruleId", "companyId", "sessionId", placement, "acceptedAt")
                values (%s, %s, %s, 's', 'CART_PAGE', now())""", [f"{made['id']}-{number}", made["id"], rules.company]
            )  # fmt: skip
    assert client.exists(accepted_key(rules.company, made["id"])) == 0
    assert rules.send("PUT", f"/{made['id']}", {"maxAcceptances": 3}).status == 200
    assert client.scard(accepted_key(rules.company, made["id"])) == 3
    assert rules.send("PUT", f"/{made['id']}", {"maxAcceptances": 10}).status == 200
    assert client.scard(accepted_key(rules.company, made["id"])) == 5


def test_a_rule_under_an_experiment_stays(rules: Manager) -> None:
    """A rule that a running or paused experiment is about is not deleted: 409 names the experiment."""
    made = rules.created()
    with psycopg.connect(rules.shop.database_url) as connection:
        connection.execute(
            """insert into "UpsellExperiment" (id, "companyId", "ruleId", name, status, "primaryMetric")
            values (%s, %s, %s, 'x', 'PAUSED', 'conversion')""", [f"x of {made['id']}", rules.company, made["id"]]
        )  # fmt: skip
    answer = rules.send("DELETE", f"/{made['id']}")
    assert answer.status == 409 and f"x of {made['id']}" in answer.json()["detail"]


def test_what_a_crash_left_behind_is_published(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> None:
    """A rule that Postgres holds, and of which Redis knows no more than the note, is published by the poll."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET, "API_CONFIG_POLL_SECONDS": "0.1"}
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, read_only=False, **environ) as api:
        rules = Manager(Shop(api, client, offers_database, company))
        made = rules.created()
        with psycopg.connect(offers_database) as connection:
            # older than what the poll looks for by itself
            connection.execute(
                """update "UpsellTargetingRule" set name = 'left', "updatedAt" = now() - interval '9 days' where id = %s""",
                [made["id"]],
            )
        client.zadd(PENDING_KEY, {pending("nonce", company, RULES, made["id"]): 1})
        key = config_key(company, RULES, "")
        eventually(lambda: b'"left"' in split_config(client.get(key))[1], "it was not published")
        eventually(lambda: client.zcard(PENDING_KEY) == 0, "the note is left")
        own_redis.kill()
        assert rules.send("PUT", f"/{made['id']}", {"name": "away"}).status == 503
    assert [row[5]["name"] for row in rules.audited()] == [NEW["name"]]


@given(body=st.dictionaries(st.sampled_from(["name", "conditions", "offer", "placements", "priority", "validFrom", "x"]), ANYTHING))
@QUICK
def test_no_body_fails_it(writing_api: Any, offers_database: str, client: redis.Redis, body: dict[str, Any]) -> None:
    """Whatever JSON is sent, the answer is 201, or 400 with the fields."""
    with psycopg.connect(offers_database) as connection:
        connection.execute(
            """insert into "Company" (id, name, slug, timezone) values ('rules', 'r', 'rules', 'UTC') on conflict (id) do nothing"""
        )
    answer = writing_api.send("POST", "/api/upsell/rules", token("rules"), body)
    assert answer.status == 201 or (answer.status == 400 and answer.json()["errors"])
