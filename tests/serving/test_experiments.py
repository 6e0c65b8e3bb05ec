"""Experiments over HTTP: planned, run, paused and completed by their company alone, and followed by every process."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models import holdout
from models.assignment import assigned
from models.experiment_fields import STATUSES
from models.generation import Kind, Manifest, Section, manifest_key
from models.published_configs import EXPERIMENTS, PENDING_KEY, config_key, pending, split_config
from serving.experiments import MOST_OPEN
from tests.conftest import RedisServer
from tests.models.invented import QUICK
from tests.serving.api import Answer, eventually, running_api
from tests.serving.documented import faults
from tests.serving.offers import SECRET, Shop, token
from tests.serving.shelf import switch

VARIANTS = [{"id": "more", "offer": {"discountPercent": 30.10}, "message": "More"}]
# what a status may become; itself is no transition
POSSIBLE = {
    "DRAFT": {"DRAFT", "RUNNING"},
    "RUNNING": {"RUNNING", "PAUSED", "COMPLETED"},
    "PAUSED": {"PAUSED", "RUNNING", "COMPLETED"},
    "COMPLETED": {"COMPLETED"},
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


class Lab:
    """A shop that experiments with its rule; it sells one product."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.company = shop, shop.company
        self.product = f"{shop.company} p"
        shop.sells({self.product: "10.00"})
        self.rule = self.new_rule()

    def ask(self, method: str, path: str, body: Any = None, *headers: str, bearer: str | None = None) -> Answer:
        """A request, whose answer is held against the document."""
        given = b"" if body is None else json.dumps(body).encode()
        lines = [f"Authorization: Bearer {bearer or token(self.company)}", "Content-Type: application/json", *headers]
        answer = self.shop.api.get(path, *lines, method=method, body=given)
        assert faults(method, path, answer) == []
        return answer

    def send(self, method: str, rest: str = "", body: Any = None, *headers: str, bearer: str | None = None) -> Answer:
        """A request to the experiments."""
        return self.ask(method, f"/api/upsell/experiments{rest}", body, *headers, bearer=bearer)

    def new_rule(self) -> str:
        """Another rule of the company."""
        body = {"name": "A discount", "upsellType": "CROSS_SELL", "offer": {"discountPercent": 10}, "message": "Plain"}
        return str(self.ask("POST", "/api/upsell/rules", body).json()["id"])

    def plan(self, **fields: Any) -> dict[str, Any]:
        """A body of an experiment on the rule."""
        return {"name": "More", "ruleId": self.rule, "control": {"id": "plain"}, "variants": VARIANTS, **fields}

    def drafted(self, **fields: Any) -> dict[str, Any]:
        """A new experiment."""
        answer = self.send("POST", "", self.plan(**fields))
        assert answer.status == 201, answer.body
        document: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/api/upsell/experiments/{document['id']}"
        return document

    def put(self, document: dict[str, Any], **fields: Any) -> Answer:
        """Change fields of an experiment."""
        return self.send("PUT", f"/{quote(document['id'], safe='')}", fields)

    def in_status(self, status: str) -> dict[str, Any]:
        """An experiment of its own rule that has come to this status."""
        made = self.drafted(ruleId=self.new_rule())
        for each in {"DRAFT": [], "PAUSED": ["RUNNING", "PAUSED"], "COMPLETED": ["RUNNING", "COMPLETED"]}.get(status, [status]):
            answer = self.put(made, status=each)
            assert answer.status == 200, answer.body
            made = answer.json()
        return made

    def execute(self, statement: str, *parameters: Any) -> None:
        """Something that another part of the platform writes."""
        with psycopg.connect(self.shop.database_url) as connection:
            connection.execute(statement, parameters)  # type: ignore[arg-type]

    def audited(self) -> list[tuple[Any, ...]]:
        """What was recorded of experiments, in order."""
        with psycopg.connect(self.shop.database_url) as connection:
            return connection.execute(
                """select action, "resourceId", "writtenBy", before, after from "UpsellAudit"
                where "companyId" = %s and resource = 'experiments' order by id""", [self.company]
            ).fetchall()  # fmt: skip

    def shown(self, session: str) -> tuple[Any, ...]:
        """What a visitor's cart is offered: by which variant, and with which discount."""
        asked = f"items={quote(self.product, safe='')}:1&sessionId={session}&companyId={quote(self.company, safe='')}"
        answer = self.shop.api.get(f"/api/upsell/cart/any?{asked}")
        assert answer.status == 200, answer.body
        (offer,) = answer.json()["upsells"]
        return offer.get("experiment", {}).get("variant"), offer["offer"]["discountPercent"]


@pytest.fixture
def lab(shop: Shop) -> Lab:
    """A shop of this test's own."""
    return Lab(shop)


def test_an_experiment_lives(lab: Lab) -> None:
    """POST makes a draft with defaults, GET shows it, PUT changes and runs it; numbers stay exact; each write is recorded."""
    made = lab.drafted(trafficPercent=12.5, variantWeights={"plain": 0.3, "more": 0.7}, description=None)
    assert (made["status"], made["startedAt"], made["endedAt"], made["companyId"]) == ("DRAFT", None, None, lab.company)
    assert (made["primaryMetric"], made["minimumSampleSize"], made["confidenceLevel"]) == ("conversion", 0, 0.95)
    assert made["variants"] == VARIANTS and made["trafficPercent"] == 12.5
    one = lab.send("GET", f"/{made['id']}")
    assert one.json() == {**made, "results": None}
    assert b'"discountPercent":30.1}' in one.body and b'"plain":0.3}' in one.body
    assert lab.send("GET").json() == [made]
    changed = lab.put(made, variantWeights={"plain": 1, "more": 1}, minimumSampleSize=100, endedAt="2099-01-01T00:00:00Z")
    assert changed.json()["minimumSampleSize"] == 100 and changed.json()["updatedAt"] > made["updatedAt"]
    # a client may send back what it got: that is no change
    again = lab.send("PUT", f"/{made['id']}", lab.send("GET", f"/{made['id']}").json())
    assert again.json() == changed.json()
    running = lab.put(made, status="RUNNING").json()
    assert running["startedAt"] == running["updatedAt"] and running["endedAt"] == "2099-01-01T00:00:00.000Z"
    ended = lab.put(made, status="COMPLETED").json()
    assert ended["endedAt"] == ended["updatedAt"] and ended["startedAt"] == running["startedAt"]
    assert "plannedEnd" not in ended["control"]
    entries = lab.audited()
    assert [row[:3] for row in entries] == [(action, made["id"], "tester") for action in ("create", "update", "update", "update")]
    assert entries[0][3] is None and entries[0][4]["status"] == "DRAFT"
    sides = [(row[3]["status"], row[4]["status"], row[4]["minimumSampleSize"]) for row in entries[1:]]
    assert sides == [("DRAFT", "DRAFT", 100), ("DRAFT", "RUNNING", 100), ("RUNNING", "COMPLETED", 100)]


def test_the_status(lab: Lab) -> None:
    """Every pair: what the table allows is 200, its own status no change, and all else 409."""
    for before in STATUSES:
        for after in STATUSES:
            made = lab.in_status(before)
            answer = lab.put(made, status=after)
            assert answer.status == (200 if after in POSSIBLE[before] else 409), (before, after, answer.body)
            stands = lab.send("GET", f"/{made['id']}").json()
            assert stands["status"] == (after if answer.status == 200 else before)
            assert (stands["updatedAt"] == made["updatedAt"]) == (answer.status == 409 or after == before)
            if before != "DRAFT":
                assert stands["startedAt"] == made["startedAt"]


@pytest.mark.parametrize("status", ["RUNNING", "PAUSED", "COMPLETED"])
def test_what_is_frozen(lab: Lab, status: str) -> None:
    """Once it has run, name and description alone change; 409 names what would break assignment or the reading."""
    made = lab.in_status(status)
    for name, value in {
        "variantWeights": {"plain": 1, "more": 3},
        "variants": [*VARIANTS, {"id": "third"}],
        "control": {"id": "other"},
        "trafficPercent": 50,
        "ruleId": lab.rule,
        "primaryMetric": "click_rate",
        "minimumSampleSize": 7,
        "confidenceLevel": 0.9,
        "endedAt": "2099-01-01",
        "startedAt": "2020-01-01",
    }.items():
        answer = lab.put(made, **{name: value})
        assert answer.status == 409 and name in answer.json()["detail"], name
    renamed = lab.put(made, name="Renamed", description="Why", trafficPercent=100.0)
    assert (renamed.status, renamed.json()["name"], renamed.json()["description"]) == (200, "Renamed", "Why")


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"name": ""}, "name"),
        ({"variants": []}, "variants"),
        ({"variants": [{"id": "more", "offer": {"discountPercent": 101}}]}, "variants[0].offer.discountPercent"),
        ({"variants": [{"id": "more", "offer": {"freeGift": "nobody's"}}]}, "variants[0].offer.freeGift"),
        ({"variants": [{"id": "more", "conditions": {"hasProduct": ["nobody's"]}}]}, "variants[0].conditions.hasProduct"),
        ({"control": {"id": "plain", "urgency": "PANIC"}}, "control.urgency"),
        ({"variants": [{"id": "more", "sections": {}, "colour": "red"}]}, "variants[0].colour"),
        ({"variantWeights": {"plain": 1}}, "variantWeights.more"),
        ({"primaryMetric": "happiness"}, "primaryMetric"),
        ({"confidenceLevel": 1}, "confidenceLevel"),
        ({"endedAt": "2020-01-01"}, "endedAt"),
        ({"startedAt": "2020-01-01"}, "startedAt"),
        ({"ruleId": "nobody's"}, "ruleId"),
        ({"colour": "red"}, "colour"),
        ({"companyId": "another"}, "companyId"),
        ({"ruleId": None, "variants": [{"id": "b", "sections": {"no-such": {}}}]}, "variants[0].sections.no-such"),
    ],
)
def test_what_is_refused(lab: Lab, fields: dict[str, Any], at: str) -> None:
    """What cannot be run or analysed is 400 and named, on POST and on a draft's PUT alike; nothing is stored or recorded."""
    made = lab.drafted()
    for answer in (lab.send("POST", "", lab.plan(**fields)), lab.put(made, **fields)):
        assert (answer.status, [each["field"] for each in answer.json()["errors"]]) == (400, [at])
    assert lab.send("GET").json() == [made]
    assert len(lab.audited()) == 1


def test_a_new_one_is_a_draft(lab: Lab) -> None:
    """POST runs nothing."""
    answer = lab.send("POST", "", lab.plan(status="RUNNING"))
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "status")
    assert lab.drafted(status=None)["status"] == "DRAFT"


def test_as_many_as_there_may_be(lab: Lab) -> None:
    """Beside MOST_OPEN experiments that are not over none is drafted; those that are over do not count."""
    lab.execute(
        """insert into "UpsellExperiment" (id, "companyId", "ruleId", name, status, "primaryMetric")
        select %s || n, %s, %s, 'x', case when n <= %s then 'DRAFT' else 'COMPLETED' end, 'conversion'
        from generate_series(1, %s) n""",
        lab.company, lab.company, lab.rule, MOST_OPEN - 1, MOST_OPEN + 5,
    )  # fmt: skip
    made = lab.drafted()
    answer = lab.send("POST", "", lab.plan())
    assert answer.status == 409 and str(MOST_OPEN) in answer.json()["detail"]
    assert lab.put(made, status="RUNNING").status == lab.put(made, status="COMPLETED").status == 200
    lab.drafted()


def test_a_draft_whose_rule_is_gone(lab: Lab) -> None:
    """What was right when it was drafted is looked at again when it starts."""
    rule = lab.new_rule()
    made = lab.drafted(ruleId=rule)
    assert lab.ask("DELETE", f"/api/upsell/rules/{rule}").status == 200
    answer = lab.put(made, status="RUNNING")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "ruleId")


def test_one_at_a_time(lab: Lab) -> None:
    """A second one on the same rule cannot start, also by pausing and going on; 409 names the first; its end makes room."""
    one, two = lab.drafted(), lab.drafted()
    assert lab.put(one, status="RUNNING").status == 200
    answer = lab.put(two, status="RUNNING")
    assert answer.status == 409 and one["id"] in answer.json()["detail"]
    assert lab.put(one, status="PAUSED").status == 200
    assert lab.put(two, status="RUNNING").status == 200
    assert lab.put(one, status="RUNNING").status == 409
    lab.execute("""update "UpsellExperiment" set "endedAt" = now() - interval '1 hour' where id = %s""", two["id"])
    assert lab.put(one, status="RUNNING").status == 200


def test_of_two_that_start_at_once_one_runs(lab: Lab) -> None:
    """Which does not matter."""
    drafts = [lab.drafted() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda made: lab.put(made, status="RUNNING"), drafts))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]


def test_a_planned_end(lab: Lab) -> None:
    """What is paused over its planned end can only be completed; it then ended when that was."""
    made = lab.drafted(endedAt="2099-01-01")
    lab.put(made, status="RUNNING")
    lab.put(made, status="PAUSED")
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    lab.execute(
        """update "UpsellExperiment" set "startedAt" = %s, "endedAt" = %s where id = %s""",
        ended - timedelta(days=9), ended, made["id"],
    )  # fmt: skip
    answer = lab.put(made, status="RUNNING")
    assert answer.status == 409 and "completed" in answer.json()["detail"]
    done = lab.put(made, status="COMPLETED")
    assert (done.status, datetime.fromisoformat(done.json()["endedAt"])) == (200, ended)
    made = lab.drafted()
    lab.put(made, status="RUNNING")
    assert lab.put(made, status="COMPLETED").json()["control"] == {**made["control"], "plannedEnd": False}


def test_sections(lab: Lab, client: redis.Redis) -> None:
    """Without a rule an experiment is on sections: changes must be what the live generation's can have; two may not share one."""
    section = Section("ALSO_BOUGHT", "Often together", 1, config={"displayStyle": "CAROUSEL"})
    kinds = [Kind(name, 1, 1, section=section) for name in ("also-bought", "other")]
    manifest = Manifest("g2", lab.company, "2011-12-01T00:00:00Z", kinds, page={"currency": "EUR", "timezone": "UTC"})
    client.set(manifest_key(lab.company, "g2"), manifest.to_json())
    switch(client, lab.company, "g2")

    def plan(of: str, **change: Any) -> dict[str, Any]:
        return {"ruleId": None, "variants": [{"id": "b", "sections": {of: change}}]}

    eventually(lambda: lab.send("POST", "", lab.plan(**plan("also-bought"))).status == 201, "the generation was not followed")
    for change in ({"title": ""}, {"colour": "red"}, {"generation": "nowhere"}, {"kind": "no-such"}):
        answer = lab.send("POST", "", lab.plan(**plan("also-bought", **change)))
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "variants[0].sections.also-bought"), change
    one, two = (lab.drafted(**plan("also-bought", title=title)) for title in ("More", "Most"))
    other = lab.drafted(**plan("other", title="Else"))
    assert [lab.put(each, status="RUNNING").status for each in (one, other, two)] == [200, 200, 409]


def test_another_companys(lab: Lab, client: redis.Redis, offers_database: str) -> None:
    """Experiments, rules and tokens of another company: as if they were not there; an operator names the company."""
    theirs = Lab(Shop(lab.shop.api, client, offers_database, f"{lab.company} too"))
    made, one = lab.drafted(), theirs.drafted()
    bearer = token(theirs.company)
    for method, body in (("GET", None), ("PUT", {"name": "taken"})):
        assert lab.send(method, f"/{made['id']}", body, bearer=bearer).status == 404
    assert lab.send("GET", bearer=bearer).json() == [one]
    named = lab.put(made, ruleId=theirs.rule)
    assert (named.status, named.json()["errors"][0]["field"]) == (400, "ruleId")
    assert lab.send("GET").json() == [made]
    operator, asked = token(None, "platform:admin"), f"?companyId={quote(lab.company, safe='')}"
    assert lab.send("GET", asked, bearer=operator).json() == [made]
    assert lab.send("PUT", f"/{made['id']}{asked}", {"name": "Ours"}, bearer=operator).json()["name"] == "Ours"
    assert lab.send("POST", "?companyId=nobody", lab.plan(), bearer=operator).status == 404
    assert lab.send("GET", bearer=operator).status == 400


def test_scopes(lab: Lab) -> None:
    """Reading needs company:read, writing company:write; without a token nothing is told."""
    one = f"/{lab.drafted()['id']}"
    reads, writes = token(lab.company, "company:read"), token(lab.company, "company:write")
    for method, rest, body in (("GET", "", None), ("GET", one, None), ("POST", "", lab.plan()), ("PUT", one, {})):
        assert lab.send(method, rest, body, bearer=writes if method == "GET" else reads).status == 403
        assert lab.send(method, rest, body, bearer="x").status == 401


def test_an_update_that_would_be_lost(lab: Lab) -> None:
    """If-Match of another version is 412, the updatedAt of another 409; the right ones pass, and an analysis is another version."""
    made = lab.drafted()
    one = f"/{made['id']}"
    tag = lab.send("GET", one).headers["etag"]
    assert lab.send("GET", one, None, f"If-None-Match: {tag}").status == 304
    assert lab.send("PUT", one, {"name": "Second"}, f"If-Match: {tag}").status == 200
    assert lab.send("PUT", one, {"name": "Third"}, f"If-Match: {tag}").status == 412
    assert lab.send("PUT", one, {"name": "Third", "updatedAt": made["updatedAt"]}).status == 409
    assert lab.send("GET", one).json()["name"] == "Second"
    assert lab.send("PUT", one, {"name": "Third"}, "If-Match: *").status == 200
    assert lab.send("PUT", "/none", {}, "If-Match: *").status == 404
    tag = lab.send("GET", one).headers["etag"]
    results = '{"latest": {"decision": "WAIT", "low": -0.10}, "history": {}}'
    lab.execute("""update "UpsellExperiment" set results = %s, "updatedAt" = now() where id = %s""", results, made["id"])
    analysed = lab.send("GET", one, None, f"If-None-Match: {tag}")
    assert analysed.status == 200 and b'"low":-0.10' in analysed.body
    assert analysed.json()["results"] == json.loads(results)
    # a write leaves them, and repeats them neither in its record nor in the list
    assert lab.put(made, name="Fourth").status == 200
    assert lab.send("GET", one).json()["results"] == json.loads(results)
    assert "results" not in lab.send("GET").json()[0] and "results" not in lab.audited()[-1][4]


def test_of_writes_of_one_version_one_wins(lab: Lab) -> None:
    """Of many PUTs at once that have read the same version exactly one is stored, the others are 412."""
    made = lab.drafted()
    one, tag = f"/{made['id']}", lab.send("GET", f"/{made['id']}").headers["etag"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: lab.send("PUT", one, {"name": f"Name {n}"}, f"If-Match: {tag}"), range(6)))
    assert sorted(answer.status for answer in answers) == [200] + [412] * 5
    won = next(answer for answer in answers if answer.status == 200)
    assert lab.send("GET", one).json() == {**won.json(), "results": None}
    assert [row[0] for row in lab.audited()] == ["create", "update"]


def test_a_post_that_is_sent_again(lab: Lab) -> None:
    """The same Idempotency-Key makes one experiment, also at once, and answers it as it is by then; a bad key is 400."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: lab.send("POST", "", lab.plan(), "Idempotency-Key: one"), range(4)))
    assert [answer.status for answer in answers] == [201] * 4
    (id,) = {answer.json()["id"] for answer in answers}
    lab.put({"id": id}, status="RUNNING")
    assert lab.send("POST", "", lab.plan(), "Idempotency-Key: one").json()["status"] == "RUNNING"
    assert lab.send("POST", "", lab.plan(), "Idempotency-Key: two").json()["id"] != id
    assert lab.send("POST", "", lab.plan(), "Idempotency-Key: one two").status == 400
    assert len(lab.send("GET").json()) == 2
    assert [row[0] for row in lab.audited()] == ["create", "update", "create"]


def test_what_a_crash_left_behind_is_published(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> None:
    """A running experiment that Postgres holds, and of which Redis knows no more than the note, is published by the poll."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET, "API_CONFIG_POLL_SECONDS": "0.1"}
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, read_only=False, **environ) as api:
        lab = Lab(Shop(api, client, offers_database, company))
        made = lab.drafted()
        key = config_key(company, EXPERIMENTS, "")
        assert made["id"].encode() not in (client.get(key) or b"")
        # older than what the poll looks for by itself
        lab.execute(
            """update "UpsellExperiment" set status = 'RUNNING', "startedAt" = now() - interval '9 days',
            "updatedAt" = now() - interval '9 days' where id = %s""", made["id"],
        )  # fmt: skip
        client.zadd(PENDING_KEY, {pending("nonce", company, EXPERIMENTS, made["id"]): 1})
        eventually(lambda: made["id"].encode() in split_config(client.get(key))[1], "it was not published")
        eventually(lambda: client.zcard(PENDING_KEY) == 0, "the note is left")


def test_carts_follow(lab: Lab) -> None:
    """What one process runs, pauses or completes, carts follow in all of them within a second."""
    lab.ask("PUT", "/api/admin/flags", {"smart_upsell_enabled": True})
    lab.ask("PUT", "/api/admin/settings", {"holdoutPercent": 0})
    made = lab.drafted(variantWeights={"plain": 1, "more": 1})
    weights = {"plain": 1.0, "more": 1.0}
    session = next(f"s{n}" for n in range(100) if assigned(made["id"], f"s{n}", weights, 100) == "more")

    def follow(status: str, *due: Any) -> None:
        assert lab.put(made, status=status).status == 200
        eventually(lambda: all(lab.shown(session) == due for _ in range(6)), f"{status} was not followed", 1.0)

    eventually(lambda: all(lab.shown(session) == (None, 10) for _ in range(6)), "the rule was not followed", 2.0)
    follow("RUNNING", "more", 30.1)
    follow("PAUSED", None, 10)
    follow("RUNNING", "more", 30.1)
    follow("COMPLETED", None, 10)


def test_the_permanent_holdout(lab: Lab) -> None:
    """It is listed, may be renamed, and otherwise follows the company's setting: 409 says so."""
    id = holdout.experiment_id(lab.company)
    lab.execute(
        """insert into "UpsellExperiment" (id, "companyId", name, status, control, variants, "variantWeights", "primaryMetric")
        values (%s, %s, %s, 'RUNNING', '{"id": "holdout"}', '[{"id": "holdout"}, {"id": "offers"}]', %s, 'revenue_per_unit')""",
        id, lab.company, holdout.NAME, json.dumps(holdout.WEIGHTS),
    )  # fmt: skip
    made = {"id": id}
    assert [row["id"] for row in lab.send("GET").json()] == [id]
    for fields in ({"status": "PAUSED"}, {"variantWeights": {"holdout": 1, "offers": 1}}, {"name": "Mine", "trafficPercent": 1}):
        answer = lab.put(made, **fields)
        assert answer.status == 409 and "holdoutPercent" in answer.json()["detail"]
    assert lab.put(made, name="Control group").json()["name"] == "Control group"
    lab.ask("PUT", "/api/admin/settings", {"holdoutPercent": 10})
    stands = lab.send("GET", f"/{quote(id, safe='')}").json()
    assert (stands["name"], stands["variantWeights"]) == ("Control group", {"holdout": 0.1, "offers": 0.9})


def test_nothing_is_our_fault(lab: Lab) -> None:
    """Whatever a body holds, the answer is a 201, 200 or a problem that the client can do something about."""
    made = lab.drafted()

    @QUICK
    @given(st.dictionaries(st.sampled_from([*lab.plan(), "status", "endedAt", "variantWeights", "x"]), ANYTHING, max_size=4))
    def send(fields: dict[str, Any]) -> None:
        for answer in (lab.send("POST", "", lab.plan(**fields)), lab.put(made, **fields)):
            assert answer.status in (200, 201, 400, 409), answer.body

    send()
