"""Events over HTTP: what is taken counts once, what is refused leaves nothing behind, and ids say what they are of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from models.events import STREAM_KEY
from models.impression_ids import OFFER
from models.offer_counters import accepted_key, counts_command, declined_key, read_counts, shown_key, subject, utc_day
from tests.conftest import RedisServer
from tests.serving.api import Api, eventually, running_api
from tests.serving.eventful import LISTS, UPSELL, EventShop, two_decimals
from tests.serving.offers import SECRET
from tests.serving.shelf import publish


@pytest.fixture
def shop(writing_api: Api, client: redis.Redis, offers_database: str, company: str) -> EventShop:
    """A company on the whole API, two processes, that sells two products."""
    opened = EventShop(writing_api, client, offers_database, company)
    opened.opens(f"{company} p", f"{company} q")
    return opened


def test_an_offer_from_shown_to_accepted(shop: EventShop) -> None:
    """Each step stands in its row of UpsellImpression, with what was said of it and the instants in their order."""
    shop.rules(a={})
    customer = f"{shop.company} c"
    shop.execute('insert into "Customer" (id, "companyId", email) values (%s, %s, %s)', customer, shop.company, "x@example.com")
    offer = {"discountPercent": 12.5, "text": 'a "quoted"\ttext \\'}
    id = shop.shown("a", "s1", customerId=customer, cartId="cart 1", placement="CHECKOUT", offer=offer, variant="mine", more=1)
    assert shop.post(f"{LISTS}/click", {"impressionId": id, "clickedProductId": "q"}).json() == {"success": True}
    assert shop.accept(id, 19.9).json() == {"success": True}
    columns = '"ruleId", "cartId", "customerId", "sessionId", placement, "experimentId", variant, offer, revenue, "declinedAt"'
    (row,) = shop.stored("UpsellImpression", columns, f"id = '{id}'")
    assert row == (f"{shop.company} a", "cart 1", customer, "s1", "CHECKOUT", None, None, offer, two_decimals("19.90"), None)
    ((viewed, clicked, accepted),) = shop.stored("UpsellImpression", '"viewedAt", "clickedAt", "acceptedAt"', f"id = '{id}'")
    assert datetime.now(UTC) - timedelta(minutes=5) < viewed <= clicked <= accepted


def test_the_last_word_stands_behind_the_first(shop: EventShop) -> None:
    """Declining and then accepting leaves both instants, the later one last; saying either again changes nothing."""
    shop.rules(a={})
    id = shop.shown("a")
    columns, condition = '"declinedAt", "acceptedAt", revenue', f"id = '{id}'"
    assert [shop.decline(id).status, shop.decline(id).status] == [200, 200]
    ((declined, accepted, _),) = shop.stored("UpsellImpression", columns, condition)
    assert accepted is None
    assert [shop.accept(id, 3).status, shop.accept(id, 4).status] == [200, 200]
    assert shop.stored("UpsellImpression", columns, condition)[0][::2] == (declined, two_decimals("3.00"))
    ((_, accepted, _),) = shop.stored("UpsellImpression", columns, condition)
    assert accepted > declined
    assert shop.decline(id).status == 200
    ((declined_again, accepted_still, _),) = shop.stored("UpsellImpression", columns, condition)
    assert (accepted_still, declined_again > accepted) == (accepted, True)


def test_counters_follow(shop: EventShop) -> None:
    """What is counted of capped rules is what cap and cool-down are held by; an acceptance ends the cool-down."""
    shop.rules(a={"maxImpressions": 50, "maxAcceptances": 50})
    rule, day = f"{shop.company} a", utc_day(int(datetime.now(UTC).timestamp() * 1000))
    ids = [shop.shown("a", "s1"), shop.shown("a", "s1"), shop.shown("a", "s1", customerId="c")]
    shop.accept(ids[0])
    shop.decline(ids[1])
    command: Any = shop.client.execute_command

    def counts(customer: str, session: str) -> Any:
        reply = command(*counts_command(shop.company, day, subject(customer, session), [rule]))
        return read_counts(reply, [rule]).get(rule)

    guest = counts("", "s1")
    assert (guest.impressions_today, guest.acceptances) == (2, 1)
    assert datetime.now(UTC) - timedelta(minutes=5) < guest.declined_at <= datetime.now(UTC)
    assert (counts("c", "s1").impressions_today, counts("c", "s1").declined_at) == (1, None)
    shop.accept(ids[1])
    assert (counts("", "s1").acceptances, counts("", "s1").declined_at) == (2, None)
    for key in (shown_key(shop.company, day, "s:s1"), shown_key(shop.company, day, "c:c")):
        assert 0 < shop.client.pttl(key) <= 48 * 3_600_000
    shop.decline(ids[0])
    assert 6 * 86_400_000 < shop.client.pttl(declined_key(shop.company, "s:s1")) <= 7 * 86_400_000
    assert shop.client.smembers(accepted_key(shop.company, rule)) == {id.encode() for id in ids[:2]}


def test_a_view(shop: EventShop) -> None:
    """It is stored as it was said, a customer whom the platform does not know as nobody, and the live session knows it."""
    product = f"{shop.company} p"
    fields = {"customerId": "unknown", "source": "SEARCH", "sourceProductId": "x", "duration": 12.7, "sessionId": "s 2"}
    assert shop.view(product, **fields).json() == {"success": True}
    columns = '"productId", "sessionId", "customerId", source, "sourceProductId", "durationSeconds"'
    assert shop.stored("ProductView", columns) == [(product, "s 2", None, "SEARCH", "x", 12)]
    (key,) = shop.client.keys("upsell:*:session:s 2")
    assert shop.client.zrange(key, 0, -1) == [product.encode()]


def test_clicks_on_a_list(shop: EventShop) -> None:
    """The first click and the first product put into the cart stand in the list's row, which begins with them if it has to."""
    product = f"{shop.company} p"
    id = shop.section_id(product)
    for clicked in ("q", "r"):
        assert shop.post(f"{LISTS}/click", {"impressionId": id, "clickedProductId": clicked}).json() == {"success": True}
    for _ in range(2):
        assert shop.post(f"{LISTS}/add-to-cart", {"impressionId": id, "productId": "q"}).json() == {"success": True}
    columns = 'id, "productId", type, "sessionId", "clickedProductId", "addedToCart"'
    assert shop.stored("RecommendationImpression", columns) == [(id, product, "ALSO_BOUGHT", "", "q", True)]
    assert "Recommendation clicked" in shop.api.log.read_text()


def test_the_same_key_counts_once(shop: EventShop) -> None:
    """A request that is sent again with its Idempotency-Key has the same answer and one row; another request is refused."""
    shop.rules(a={"maxImpressions": 1})
    first, again = shop.show("a", "s", "Idempotency-Key: k1"), shop.show("a", "s", "Idempotency-Key: k1")
    assert (first.status, again.body) == (200, first.body)
    assert shop.show("a", "other", "Idempotency-Key: k1").status == 409
    product = f"{shop.company} p"
    assert {shop.view(product, "Idempotency-Key: k2").body for _ in range(5)} == {b'{"success":true}'}
    assert shop.view(product, "Idempotency-Key: k2", duration=3).status == 409
    assert len(shop.stored("ProductView", "id, id")) == 1
    assert shop.stored("UpsellImpression", 'id, "sessionId"', "\"sessionId\" = 's'") == [(first.json()["impressionId"], "s")]


@pytest.mark.parametrize("key", ["", "x" * 201, "with space", "é"])
def test_keys_that_are_none(shop: EventShop, key: str) -> None:
    """A key that is empty, too long or not of visible ASCII is a 400 that names the header."""
    answer = shop.view(f"{shop.company} p", f"Idempotency-Key: {key}")
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")


def test_the_token_of_a_cart(shop: EventShop) -> None:
    """The token of a shown offer gives experiment and variant, makes repetitions one row, and is of no use for anything else."""
    shop.rules(a={}, b={})
    rule = f"{shop.company} a"
    token = shop.signer.issue(OFFER, shop.company, [rule, "s:s", "p", "e1", "v1"], b"nonce")
    ids = {shop.shown("a", impressionToken=token, variant="v2") for _ in range(4)}
    assert len(ids) == 1
    # someone who logs in meanwhile has still seen it
    assert shop.shown("a", customerId="c", impressionToken=token) in ids
    condition = "\"experimentId\" = 'e1'"
    assert shop.stored("UpsellImpression", '"experimentId", variant', condition) == [("e1", "v1")]
    for wrong in (shop.show("b", impressionToken=token), shop.show("a", "another", impressionToken=token)):
        assert (wrong.status, wrong.json()["errors"][0]["field"]) == (404, "impressionToken")
    assert shop.show("a", impressionToken=token[:-1]).status == 404
    assert shop.accept(token).status == 404


def test_the_variant_is_not_the_clients_word(shop: EventShop) -> None:
    """Without a token the variant follows from the session alone, whatever the client says; both arms are met."""
    shop.runs("a")
    shop.rules(a={})
    for number in range(20):
        for said in ("control", "louder", "made up"):
            shop.shown("a", f"session {number}", variant=said)
    rows = shop.stored("UpsellImpression", '"sessionId", variant, "experimentId"', "\"sessionId\" like 'session %%'")
    assert len(rows) == 60
    assert {row[2] for row in rows} == {f"{shop.company} experiment"}
    by_session = {session: {row[1] for row in rows if row[0] == session} for session, *_ in rows}
    assert all(len(variants) == 1 for variants in by_session.values())
    assert set.union(*by_session.values()) == {"control", "louder"}


def test_ids_that_were_never_issued(shop: EventShop) -> None:
    """Another company's id, one of another kind, and any text are 404 everywhere, and nothing is stored."""
    shop.rules(a={})
    offer, listed = shop.shown("a"), shop.section_id(f"{shop.company} p")
    other = f"{shop.company} other"
    EventShop(shop.api, shop.client, shop.database_url, other).opens()
    before = shop.client.xinfo_stream(STREAM_KEY)["entries-added"] if shop.client.exists(STREAM_KEY) else None
    for path, id, body in (
        (f"{UPSELL}/accept", offer, {"revenue": 1}),
        (f"{UPSELL}/decline", offer, {}),
        (f"{LISTS}/click", listed, {"clickedProductId": "q"}),
        (f"{LISTS}/add-to-cart", listed, {}),
    ):
        assert shop.post(path, {"impressionId": id, **body}, company=other).status == 404
        for wrong in ("x", id[:-1], id + "A", "é", "A" * 100, "." + id):
            answer = shop.post(path, {"impressionId": wrong, **body})
            assert (answer.status, answer.json()["errors"][0]["field"]) == (404, "impressionId"), (path, wrong)
    assert shop.accept(listed).status == shop.decline(listed).status == 404
    assert shop.post(f"{LISTS}/add-to-cart", {"impressionId": offer}).status == 404
    assert shop.post(f"{LISTS}/click", {"impressionId": f"{listed}x", "clickedProductId": "q"}).status == 404
    if before is not None:
        assert shop.client.xinfo_stream(STREAM_KEY)["entries-added"] == before


BODIES: dict[str, dict[str, Any]] = {
    UPSELL: {"ruleId": "r", "cartId": "c", "sessionId": "s", "placement": "CHECKOUT", "offer": {}},
    f"{UPSELL}/accept": {"impressionId": "i", "revenue": 1},
    f"{UPSELL}/decline": {"impressionId": "i"},
    f"{LISTS}/view": {"productId": "p", "sessionId": "s"},
    f"{LISTS}/click": {"impressionId": "i", "clickedProductId": "p"},
    f"{LISTS}/add-to-cart": {"impressionId": "i"},
}
VALUES: list[Any] = [None, "", 5, [], {}, True, "x" * 3_000]
WRONG: list[tuple[str, str, Any]] = [
    (path, name, value)
    for path, body in BODIES.items()
    for name in body
    for value in VALUES
    if not (name == "revenue" and value == 5) and not (name == "offer" and value == {})
] + [
    (f"{UPSELL}/accept", "revenue", -0.01), (f"{UPSELL}/accept", "revenue", 100_000_000), (f"{UPSELL}/accept", "revenue", 1.005),
    (f"{LISTS}/view", "duration", -1), (f"{LISTS}/view", "duration", "5"), (f"{LISTS}/view", "duration", 2**31),
    (f"{LISTS}/view", "source", "OTHER"), (f"{LISTS}/view", "customerId", 5), (f"{LISTS}/view", "sourceProductId", "x" * 201),
    (UPSELL, "placement", "checkout"), (UPSELL, "customerId", "x" * 201), (UPSELL, "impressionToken", 5),
]  # fmt: skip


def test_wrong_fields(shop: EventShop) -> None:
    """Each wrong value of each field is a 400 that names the field, and nothing else of the body."""
    for path, name, value in WRONG:
        answer = shop.post(path, {**BODIES[path], name: value})
        assert answer.status == 400, (path, name, value, answer.body)
        assert [error["field"] for error in answer.json()["errors"]] == [name], (path, name, value)


@pytest.mark.parametrize("path", BODIES)
def test_wrong_requests(shop: EventShop, path: str) -> None:
    """No company, no JSON, no object, too large, a company without anything published: each has its status."""
    assert shop.api.send("POST", path, None, BODIES[path]).status == 400
    assert shop.post(path, b"{").status == 400
    assert shop.post(path, []).status == 400
    assert shop.post(path, {**BODIES[path], "more": "x" * 66_000}).status == 413
    assert shop.post(path, BODIES[path], company="nobody").status == 404
    assert shop.api.get(f"{path}?companyId=x").status == 405


def test_what_is_not_the_companys(shop: EventShop) -> None:
    """A rule or a product of another company is unknown, and its id stays out of the rows."""
    shop.rules(a={})
    assert shop.view("unknown").status == 404
    answer = shop.post(UPSELL, {**BODIES[UPSELL], "ruleId": "another's"})
    assert (answer.status, answer.json()["errors"][0]["field"]) == (404, "ruleId")


def test_a_full_buffer(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> None:
    """With as many events waiting as may, each is refused with Retry-After and leaves no counter; drained, they are taken again."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET, "API_EVENTS_MOST": "20"}
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, read_only=False, **environ, API_DRAIN="0") as api:
        shop = EventShop(api, client, offers_database, company)
        product = f"{company} p"
        shop.opens(product)
        answers = [shop.view(product) for _ in range(25)]
        assert [answer.status for answer in answers] == [200] * 20 + [503] * 5
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client.xlen(STREAM_KEY) == 20
        eventually(lambda: api.get("/api/health").json()["checks"]["events"]["backlog"] == 20, "the backlog is not told")
        with running_api(tmp_path, read_only=False, **environ):
            assert len(shop.stored("ProductView", "id, id")) == 20
        assert shop.view(product).status == 200


def test_a_replica_takes_nothing(own_redis: RedisServer, offers_database: str, company: str, tmp_path: Path) -> None:
    """Where Redis refuses to write, an event is 503, nothing is lost that was acknowledged, and pages are read as before."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "JWT_SECRET": SECRET}
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, read_only=False, **environ) as api:
        shop = EventShop(api, client, offers_database, company)
        product = f"{company} p"
        shop.opens(product)
        assert shop.view(product).status == 200
        shop.drained()
        client.config_set("min-replicas-to-write", 1)
        answer = shop.view(product)
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
        client.config_set("min-replicas-to-write", 0)
        assert shop.view(product).status == 200
        assert len(shop.stored("ProductView", "id, id")) == 2


def test_read_only(own_redis: RedisServer, company: str, tmp_path: Path) -> None:
    """A process that only reads takes no event, and says in health nothing of any."""
    with redis.Redis.from_url(own_redis.url) as client, running_api(tmp_path, REDIS_URL=own_redis.url) as api:
        publish(client, company)
        shop = EventShop(api, client, "", company)
        assert (shop.view("p1").status, shop.view("p1").json()["title"]) == (503, "Read only")
        assert "events" not in api.get("/api/health").json()["checks"]
        assert not client.exists(STREAM_KEY)


def test_health_tells_what_a_crash_would_cost(own_redis: RedisServer, offers_database: str, tmp_path: Path) -> None:
    """With an append-only file the check is good; without one it says what to do, and the status stays."""
    environ = {"REDIS_URL": own_redis.url, "DATABASE_URL": offers_database, "API_DRAIN": "0"}
    with redis.Redis.from_url(own_redis.url) as client:
        for append_only, advised in (("yes", False), ("no", True)):
            client.config_set("appendonly", append_only)
            with running_api(tmp_path, read_only=False, **environ) as api:

                def told(api: Api = api) -> dict[str, Any]:
                    check: dict[str, Any] = api.get("/api/health").json()["checks"]["events"]
                    return check

                eventually(lambda told=told: told()["appendOnly"] is not None, "Redis was not asked")  # type: ignore[misc]
                check = told()
                assert (check["ok"], check["appendOnly"], "advice" in check) == (not advised, not advised, advised)
                assert check["appendFsync"] == "always"
