"""Offers for a cart over HTTP: the contract's rules, whoever asks and whichever process answers."""

from __future__ import annotations

import json
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models import holdout
from models.events import STREAM_KEY
from models.generation import session_key
from models.offer_counters import accepted_key, declined_key, shown_key, subject, utc_day
from tests.conftest import RedisServer
from tests.models.invented import QUICK
from tests.serving.api import Api, running_api
from tests.serving.carts import CartShop, items, rule
from tests.serving.offers import SECRET, token

PRICES: dict[str, str | None] = {"a": "10.00", "b": "5.00", "c": "7.50", "d": "40.00", "e": None}
LIMITS = [
    {"source": name, "score": value, "productId": ""}
    for name, value in {
        **{"small cart below": 2000.0, "large cart from": 6000.0, "small cart units": 3.0, "large cart units": 8.0},
        **{"quick buyer products": 2.0, "quick buyer seconds": 60.0, "researcher products": 4.0},
    }.items()
]
TOKEN = re.compile(rb'"impressionToken":"[^"]*",')


def customer_row(customer: str, **facts: Any) -> dict[str, Any]:
    """A customer's row of kind segments."""
    known = {"segments": ["REPEAT_CUSTOMER"], "nOrders": 3, "hasSubscription": False, "lastOrderAt": "2020-01-01T00:00:00Z"}
    return {"level": "customer", "productId": "", "score": 0.5, "source": "REPEAT_CUSTOMER", **known, **facts}


@pytest.fixture
def carts(writing_api: Api, client: redis.Redis, company: str) -> CartShop:
    """A shop of this test's own that sells PRICES, of the category `tea`, and knows its thresholds and the customer ann."""
    shop = CartShop(writing_api, client, company)
    shop.sells(PRICES, category="tea")
    shop.learns("segments", "", LIMITS)
    shop.learns("segments", "ann", [customer_row("ann")])
    return shop


@pytest.mark.parametrize(
    ("conditions", "holds", "fails"),
    [
        ({"cartValueMin": 20}, {"lines": "a:2"}, {"lines": "a:1"}),
        ({"cartValueMax": 20}, {"lines": "a:2"}, {"lines": "a:3"}),
        ({"cartValueMin": 0}, {"lines": "a:1"}, None),
        ({"productCategories": ["tea", "oil"]}, {"lines": "a:1"}, None),
        ({"productCategories": ["oil"]}, None, {"lines": "a:1"}),
        ({"hasProduct": ["a", "z"]}, {"lines": "a:1,b:1"}, {"lines": "b:1"}),
        ({"excludeProduct": ["a", "z"]}, {"lines": "b:1"}, {"lines": "a:1,b:1"}),
        ({"isNewCustomer": True}, {"lines": "a:1", "customerId": "stranger"}, {"lines": "a:1", "customerId": "ann"}),
        ({"isNewCustomer": False}, {"lines": "a:1", "customerId": "ann"}, {"lines": "a:1"}),
        ({"hasSubscription": False}, {"lines": "a:1", "customerId": "ann"}, None),
        ({"hasSubscription": True}, None, {"lines": "a:1", "customerId": "ann"}),
        ({"daysSinceLastOrder": {"min": 100}}, {"lines": "a:1", "customerId": "ann"}, {"lines": "a:1", "customerId": "stranger"}),
        ({"daysSinceLastOrder": {"max": 100}}, None, {"lines": "a:1", "customerId": "ann"}),
        ({"segments": ["SMALL_CART"]}, {"lines": "a:1"}, {"lines": "d:2"}),
        ({"segments": ["LARGE_CART"]}, {"lines": "b:9"}, {"lines": "a:1"}),
        ({"segments": ["REPEAT_CUSTOMER"]}, {"lines": "a:1", "customerId": "ann"}, {"lines": "a:1"}),
        ({"segments": ["FIRST_TIME_BUYER"]}, {"lines": "a:1", "customerId": "stranger"}, {"lines": "a:1"}),
        ({"cartValueMin": 20, "hasProduct": ["b"]}, {"lines": "a:2,b:1"}, {"lines": "a:2"}),
    ],
)
def test_each_condition(carts: CartShop, conditions: dict[str, Any], holds: Any, fails: Any) -> None:
    """A rule is shown where all of its conditions hold, and nowhere else; 0 is a value."""
    carts.decides(rule("r", conditions=conditions))
    for query, expected in ((holds, ["r"]), (fails, [])):
        if query is not None:
            assert carts.ids(**query) == expected


def test_the_order_and_the_number(carts: CartShop) -> None:
    """Rules stand by priority, then by expected margin; three are shown unless the request, or the company, says otherwise."""
    rules = [rule(f"r{at}", priority=at) for at in (5, 3, 4, 1)]
    tied = [rule("t1", priority=2, offer={"discountPercent": 50}), rule("t2", priority=2, offer={"discountPercent": 5})]
    carts.decides(*rules, *tied)
    assert carts.ids("a:1") == ["r1", "t2", "t1"]
    assert carts.ids("a:1", maxUpsells=10) == ["r1", "t2", "t1", "r3", "r4", "r5"]
    assert carts.ids("a:1", maxUpsells=1) == ["r1"]
    assert carts.ids("a:1", maxUpsells=0) == []
    carts.decides(*rules, maxUpsells=2)
    assert carts.ids("a:1") == ["r1", "r3"]
    assert [row["score"] for row in carts.shown("a:1", maxUpsells=3)] == [1.0, 0.5, 0.3333]


def test_placements(carts: CartShop) -> None:
    """Asked for some, only rules that may stand there are shown, at the most wanted one; one that names none may stand anywhere."""
    carts.decides(rule("r1", placements=["CHECKOUT", "CART_PAGE"]), rule("r2", placements=["EXIT_INTENT"]), rule("r3"))
    asked = {row["ruleId"]: row["placement"] for row in carts.shown("a:1", placements="CART_PAGE,CHECKOUT")}
    assert asked == {"r1": "CART_PAGE", "r3": "CART_PAGE"}
    assert carts.ids("a:1") == ["r1", "r2", "r3"]


def test_what_an_offer_says(carts: CartShop) -> None:
    """The document is the contract's; placeholders are filled in, one without a value leaves no trace; a gift comes last."""
    carts.learns("upsell-acceptance", "r", [{"placement": "CART_PAGE", "segment": "", "score": 0.125}])
    text = "{{firstName}}, take {{productName}} at {{discount}} off!"
    offer = {"discountPercent": 12.5, "freeGift": "c", "bonusProduct": "b"}
    carts.decides(rule("r", message=text, offer=offer, urgency="HIGH", priority=7))
    (shown,) = carts.shown("a:1")
    assert len(shown.pop("impressionToken")) > 40
    products = shown.pop("products")
    assert shown == {
        "ruleId": "r",
        "name": "Rule r",
        "type": "CROSS_SELL",
        "message": "Take Product b at 12.5 % off!",
        "offer": offer,
        "urgency": "HIGH",
        "placement": "CART_PAGE",
        "priority": 7,
        "score": 1.0,
        "estimatedConversion": 0.125,
    }
    assert [(row["id"], row["price"], row["reason"]) for row in products] == [
        ("b", 5.0, "Part of this offer"),
        ("c", 7.5, "A present with this offer"),
    ]
    assert all("cost" not in key.lower() for row in products for key in row)


def test_nothing_of_the_cart_is_offered(carts: CartShop) -> None:
    """A rule whose product is in the cart, has no price, or is not sold, is not shown."""
    carts.decides(*(rule(f"r-{id}", offer={"bonusProduct": id}) for id in ("a", "b", "e", "nowhere")))
    assert carts.ids("a:1") == ["r-b"]
    assert carts.ids("b:1") == ["r-a"]
    assert carts.ids("a:1,b:1") == []


def test_the_cheapest_relevant_product_closes_the_gap(carts: CartShop) -> None:
    """Of what is bought with the cart, the cheapest that closes the gap to free shipping; above it the rule has nothing to say."""
    listed = [{"id": id, "name": id, "price": price, "inStock": True} for id, price in (("d", 40.0), ("c", 7.5), ("b", 5.0))]
    carts.learns("also-bought", "a", listed)
    carts.decides(rule("r", upsellType="FREE_SHIPPING", message="Only {{remaining}} to go"), freeShippingFrom=26)
    (shown,) = carts.shown("a:2")
    assert [(row["id"], row["reason"]) for row in shown["products"]] == [("c", "Brings the cart to free shipping")]
    assert shown["message"] == "Only 6.00 EUR to go"
    assert carts.ids("a:2,b:2") == []
    (alone,) = carts.shown("b:1")
    assert alone["products"] == []


def test_caps_and_cool_down(carts: CartShop, client: redis.Redis) -> None:
    """What a visitor has seen often enough today, everybody has accepted often enough, or the visitor has declined, rests."""
    carts.decides(
        rule("seen", maxImpressions=2), rule("taken", maxAcceptances=2), rule("declined"), rule("free"), declineCoolDownDays=1
    )
    now = int(time.time() * 1000)
    everything = ["declined", "free", "seen", "taken"]
    whom = subject("", "s1")
    assert carts.ids("a:1", sessionId="s1", maxUpsells=9) == everything
    client.hset(shown_key(carts.company, utc_day(now), whom), "seen", 1)
    client.sadd(accepted_key(carts.company, "taken"), "i1")
    client.hset(declined_key(carts.company, whom), "declined", now - 25 * 3_600_000)
    assert carts.ids("a:1", sessionId="s1", maxUpsells=9) == everything
    client.hset(shown_key(carts.company, utc_day(now), whom), "seen", 2)
    client.sadd(accepted_key(carts.company, "taken"), "i2")
    client.hset(declined_key(carts.company, whom), "declined", now - 3_600_000)
    assert carts.ids("a:1", sessionId="s1", maxUpsells=9) == ["free"]
    # of all of it, only the acceptances are everybody's
    assert carts.ids("a:1", sessionId="s2", maxUpsells=9) == ["declined", "free", "seen"]
    assert carts.ids("a:1", customerId="ann", sessionId="s1", maxUpsells=9) == ["declined", "free", "seen"]


def test_same_visit_same_bytes(carts: CartShop) -> None:
    """Whatever the order of rules and lines, and whichever process answers, the bytes are the same but for the tokens."""
    rules = [rule(f"r{at}", priority=at % 3, offer={"discountPercent": at}) for at in range(12)]
    bodies = set()
    for seed in range(3):
        random.Random(seed).shuffle(rules)
        carts.decides(*rules)
        for lines in ("a:1,c:2,b:1", "b:1,a:1,c:2"):
            bodies |= {TOKEN.sub(b"", carts.asks(lines, maxUpsells=5).body) for _ in range(4)}
    assert len(bodies) == 1


def test_an_experiment_varies_its_rule(carts: CartShop) -> None:
    """Each visitor gets their variant of the rule for good, and is told which; outside the traffic it is plain."""
    experiment = {
        "id": "x",
        "name": "X",
        "status": "RUNNING",
        "ruleId": "r",
        "control": {"id": "plain"},
        "variants": [{"id": "more", "offer": {"discountPercent": 30}, "message": "More"}],
        "variantWeights": {"plain": 1, "more": 1},
        "startedAt": "2020-01-01T00:00:00Z",
    }
    carts.runs(experiment, {**experiment, "id": "later", "startedAt": "2021-01-01T00:00:00Z"})
    carts.decides(rule("r", offer={"discountPercent": 10}, message="Plain"))
    seen: dict[str, set[Any]] = {}
    for number in range(40):
        session = f"s{number % 20}"
        (shown,) = carts.shown("a:1", sessionId=session)
        assert shown["experiment"]["id"] == "x"
        seen.setdefault(session, set()).add((shown["experiment"]["variant"], shown["message"], shown["offer"]["discountPercent"]))
    assert {len(each) for each in seen.values()} == {1}
    assert {row for each in seen.values() for row in each} == {("plain", "Plain", 10), ("more", "More", 30)}
    # whoever has no session is in no experiment by session
    (shown,) = carts.shown("a:1")
    assert (shown["message"], "experiment" in shown) == ("Plain", False)
    carts.runs({**experiment, "trafficPercent": 0})
    carts.decides(rule("r", message="Plain"))
    assert "experiment" not in carts.shown("a:1", sessionId="s1")[0]


# events are taken where they can be stored one day
NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def exposures(client: redis.Redis, company: str) -> list[tuple[str, str]]:
    """Session and variant of every exposure in the stream."""
    found = []
    entries: Any = client.xrange(STREAM_KEY)
    for _, fields in entries:
        for row in fields.values():
            cells = row.decode().split("\t")
            if cells[1] == company and holdout.EXPOSURE_TYPE in cells:
                found.append((cells[5], cells[8]))
    return found


def test_the_holdout_sees_no_offer(own_redis: RedisServer, tmp_path: Path) -> None:
    """A held-out session gets no upsells, for good; both arms are noted once a day and process where an offer was due."""
    with (
        redis.Redis.from_url(own_redis.url) as store,
        running_api(
            tmp_path, read_only=False, REDIS_URL=own_redis.url, DATABASE_URL=NOWHERE, API_DRAIN="0", JWT_SECRET=SECRET
        ) as own,
    ):
        shop = CartShop(own, store, "held")
        shop.sells(PRICES)
        shop.decides(rule("r", conditions={"cartValueMin": 10}), holdoutPercent=50)
        sessions = [f"s{at}" for at in range(40)]
        arms = {each: shop.ids("a:1", sessionId=each) == [] for each in sessions}
        assert arms == {each: holdout.variant_of("held", each, 50) == holdout.HOLDOUT for each in sessions}
        assert {shop.ids("a:1", sessionId=each) == [] for each in sessions if arms[each]} == {True}
        # where none was due, and where nobody is known, there is no exposure
        shop.shown("b:1", sessionId="idle")
        shop.shown("a:1")
        expected = sorted((each, holdout.HOLDOUT if held else holdout.OFFERS) for each, held in arms.items())
        assert sorted(exposures(store, "held")) == expected
        preview = shop.preview(items="a:1", sessionId=next(each for each in sessions if arms[each])).json()
        assert (preview["isHeldOut"], len(preview["upsells"]), len(exposures(store, "held"))) == (True, 1, len(sessions))


def test_flags(carts: CartShop) -> None:
    """A feature that is off answers as if there were nothing to offer; the preview shows what there would be."""
    carts.decides(rule("r"))
    assert carts.ids("a:1") == ["r"]
    carts.decides(rule("r"), flags={"smart_upsell_enabled": False})
    assert carts.asks("a:1").json() == {"upsells": [], "bulkRecommendations": [], "subscriptionOffers": []}
    preview = carts.preview(items="a:1").json()
    assert (preview["isEnabled"], len(preview["upsells"])) == (False, 1)


def test_segments_of_a_live_session(carts: CartShop, client: redis.Redis) -> None:
    """Two products within a minute and a filled cart make a quick buyer, four products a researcher, anything between a browser."""
    carts.decides(*(rule(name, conditions={"segments": [name]}) for name in ("QUICK_BUYER", "RESEARCHER", "BROWSER")))
    now = time.time() * 1000
    for session, ages in {"quick": (0, 30), "slow": (0, 300), "many": (0, 1, 2, 3), "old": (3600,)}.items():
        client.zadd(session_key(carts.company, session), {f"p{at}": now - 1000 * age for at, age in enumerate(ages)})
    found = {session: carts.ids("a:1", sessionId=session) for session in ("quick", "slow", "many", "old", "none")}
    assert found == {"quick": ["QUICK_BUYER"], "slow": ["BROWSER"], "many": ["RESEARCHER"], "old": [], "none": []}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"items": "a"}, "items"),
        ({"items": "a:0"}, "items"),
        ({"items": "a:-1"}, "items"),
        ({"items": "a:1.5"}, "items"),
        ({"items": "a:1000001"}, "items"),
        ({"items": "a:1000000,a:1"}, "items"),
        ({"items": "a:٣"}, "items"),
        ({"items": ":1"}, "items"),
        ({"items": "a:1,"}, "items"),
        ({"items": "50%:1"}, "items"),
        ({"items": ",".join(f"p{at}:1" for at in range(201))}, "items"),
        ({"items": f"{'x' * 201}:1"}, "items"),
        ({"items": "a:1", "maxUpsells": "11"}, "maxUpsells"),
        ({"items": "a:1", "maxUpsells": "-1"}, "maxUpsells"),
        ({"items": "a:1", "maxUpsells": "two"}, "maxUpsells"),
        ({"items": "a:1", "placements": "CART_PAGE,SHELF"}, "placements"),
        ({"items": "a:1", "sessionId": "s" * 201}, "sessionId"),
        ({"items": "a:1", "companyId": ""}, "companyId"),
    ],
)
def test_what_cannot_be_asked(api: Api, query: dict[str, str], field: str) -> None:
    """A query that says nothing is refused by the field's name; nothing is guessed."""
    shop = CartShop(api, None, "nobody")  # type: ignore[arg-type]
    answer = shop.api.get(shop.path("/api/upsell/cart/any", **query))
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)


def test_ids_of_any_letters(carts: CartShop) -> None:
    """An id may hold a colon as it is, a comma and a percent sign percent-encoded within the list; two lines of one are one."""
    odd = {"a:b": "1.00", "a,b": "2.00", "50%": "4.00", "ä": "8.00"}
    carts.sells({**PRICES, **odd})
    carts.decides(rule("r", conditions={"cartValueMin": 16, "cartValueMax": 16, "hasProduct": ["a:b"]}))
    assert carts.ids("a:b:1,a%2Cb:1,50%25:1,ä:1,a%3Ab:1") == ["r"]
    assert carts.ids(items(**{"a:b": 2, "a,b": 1, "50%": 1, "ä": 1})) == ["r"]


def test_unknown_companies_products_and_empty_carts(carts: CartShop, api: Api) -> None:
    """A company that is not served is 404; products that it does not sell are no lines; an empty cart is offered nothing."""
    carts.decides(rule("r"))
    nothing: dict[str, Any] = {"upsells": [], "bulkRecommendations": [], "subscriptionOffers": []}
    assert carts.asks("").json() == carts.asks("nowhere:3").json() == nothing
    assert api.get("/api/upsell/cart/any?companyId=unheard-of&items=a:1").status == 404
    assert api.get("/api/upsell/cart/any?companyId=unheard-of&items=").status == 404


def test_no_cart_shows_another_company(carts: CartShop, client: redis.Redis) -> None:
    """Rules, customers and products of one company stay out of a cart of another, though all ids are alike."""
    other = CartShop(carts.api, client, f"{carts.company}:g1:product")
    other.sells({"a": "77.00", "secret": "77.00"}, generation="secret-generation")
    other.decides(rule("theirs", name="secret rule", offer={"bonusProduct": "secret"}))
    carts.decides(rule("ours", offer={"bonusProduct": "secret"}), rule("mine"))
    for query in ({}, {"customerId": "ann"}, {"sessionId": other.company}, {"placements": "CHECKOUT"}):
        for lines in ("a:1", "secret:1", f"{other.company}:a:1", "../secret:2"):
            answer = carts.asks(lines, **query)
            assert (answer.status, b"secret" in answer.body, b"77.0" in answer.body) == (200, False, False)
    assert carts.ids("a:1") == ["mine"]
    assert carts.preview(bearer=token(other.company), items="a:1").status == 404
    foreign = carts.api.send("GET", other.path("/api/admin/upsell/preview", items="a:1"), token(carts.company))
    assert (foreign.status, b"secret" in foreign.body) == (404, False)


def test_the_preview(carts: CartShop, client: redis.Redis) -> None:
    """It shows margins, segments, counts and a verdict on every rule, one that cannot be read included, and notes nothing."""
    client.hset(shown_key(carts.company, utc_day(int(time.time() * 1000)), "c:ann"), "capped", 5)
    broken = {**rule("broken"), "conditions": {"cartValueMin": "much"}}
    carts.decides(rule("capped", maxImpressions=5), rule("r", offer={"discountPercent": 10}), broken, holdoutPercent=50)
    length = client.xlen(STREAM_KEY)
    document = carts.preview(items="a:2", customerId="ann", sessionId="s1").json()
    assert [(row["ruleId"], row["expectedMargin"]) for row in document["upsells"]] == [("r", 4.0)]
    assert document["segments"] == ["REPEAT_CUSTOMER", "MEDIUM_CART"][::-1]
    assert document["counts"] == {"capped": {"impressionsToday": 5, "acceptances": 0, "declinedAt": None}}
    told = {row["ruleId"]: (row["place"], [reason["field"] for reason in row["reasons"]]) for row in document["trace"]}
    assert told.pop("r") == (1, [])
    assert told.pop("capped") == (None, ["maxImpressions"])
    assert told.pop("broken") == (None, ["conditions.cartValueMin"])
    assert {reasons[0] for _, reasons in told.values()} == {"enabled"}
    assert "impressionToken" not in document["upsells"][0]
    assert client.xlen(STREAM_KEY) == length
    assert carts.preview(bearer=token(carts.company, "company:write"), items="a:1").status == 403
    assert carts.preview().json()["errors"][0]["field"] == "cartId"
    assert carts.api.get(carts.path("/api/admin/upsell/preview", items="a:1")).status == 401


def test_many_at_once(carts: CartShop) -> None:
    """Fifty parallel requests of a shop that no process has met yet are all answered alike."""
    carts.decides(*(rule(f"r{at}", priority=at) for at in range(20)))
    carts.sells({**PRICES, "f": "1.00"}, generation="g2")
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda number: carts.asks("a:1", sessionId=f"s{number}"), range(50)))
    assert {answer.status for answer in answers} == {200}
    assert len({TOKEN.sub(b"", answer.body) for answer in answers}) == 1


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
LINES = st.lists(st.one_of(TEXT, st.builds("{}:{}".format, TEXT, st.integers(-2, 2_000_000))), max_size=4).map(",".join)


@QUICK
@given(
    query=st.fixed_dictionaries(
        {"items": LINES},
        optional={"maxUpsells": TEXT, "placements": TEXT, "customerId": TEXT, "sessionId": TEXT, "cartId": TEXT, "quantity": TEXT},
    )
)
def test_any_query(shared_company: CartShop, query: dict[str, str]) -> None:
    """Whatever is asked is answered or refused with the field's name, never a fault of ours."""
    answer = shared_company.api.get(shared_company.path("/api/upsell/cart/any", **query))
    assert answer.status in (200, 400)
    document = json.loads(answer.body)
    assert set(document) == {"upsells", "bulkRecommendations", "subscriptionOffers"} or document["errors"]


@pytest.fixture(scope="module")
def shared_company(writing_api: Api, client: redis.Redis) -> CartShop:
    """A shop for the requests of one property."""
    shop = CartShop(writing_api, client, "any query")
    shop.sells(PRICES)
    shop.decides(rule("r"))
    return shop
