"""Recommendation configuration, settings, flags and the record of writes over HTTP, followed by every process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models import configuration, holdout
from models.company_settings import DEFAULTS
from models.published_configs import EVERYBODY, SETTINGS, config_key
from tests.models.invented import QUICK
from tests.serving.api import Answer, Api, eventually
from tests.serving.offers import TIERS, Shop, token
from tests.serving.shelf import publish
from tests.serving.test_pages import path
from tests.serving.test_rules import ANYTHING

CONFIG, OPERATOR = "recommendations/config", token(None, "platform:admin", sub="ops")


class Office:
    """A company whose people administrate it."""

    def __init__(self, api: Api, database_url: str, company: str) -> None:
        self.api, self.database_url, self.company = api, database_url, company
        with psycopg.connect(database_url) as connection:
            connection.execute(
                'insert into "Company" (id, name, slug, timezone) values (%s, %s, %s, %s) on conflict (id) do nothing',
                [company, company, company, "UTC"],
            )

    def send(self, method: str, what: str, body: Any = None, *headers: str, bearer: str | None = None) -> Answer:
        """A request to one of the documents."""
        given = b"" if body is None else json.dumps(body).encode()
        lines = [f"Authorization: Bearer {bearer or token(self.company)}", "Content-Type: application/json", *headers]
        return self.api.get(f"/api/admin/{what}", *lines, method=method, body=given)

    def put(self, what: str, body: Any) -> Any:
        """The document after a change."""
        answer = self.send("PUT", what, body)
        assert answer.status == 200, answer.body
        return answer.json()

    def ask(self, what: str) -> Any:
        """The document."""
        answer = self.send("GET", what)
        assert answer.status == 200, answer.body
        return answer.json()


@pytest.fixture
def office(writing_api: Api, offers_database: str, company: str) -> Office:
    """A company of this test's own, two processes."""
    return Office(writing_api, offers_database, company)


@pytest.fixture
def everybody(writing_api: Api, client: redis.Redis, offers_database: str) -> Iterator[None]:
    """The settings of all companies are as before afterwards."""
    yield
    with psycopg.connect(offers_database) as connection:
        connection.execute('delete from "UpsellSettings" where "companyId" is null')
    client.delete(config_key(EVERYBODY, SETTINGS, ""), "upsell:flags", "upsell::stamp")


def stored(office: Office, table: str, *columns: str) -> Any:
    """The company's row in Postgres."""
    names = ", ".join(f'"{column}"' for column in columns)
    with psycopg.connect(office.database_url) as connection:
        return connection.execute(f'select {names} from "{table}" where "companyId" = %s', [office.company]).fetchone()


def test_the_configuration_is_whole_and_stored_is_what_differs(office: Office) -> None:
    """GET shows four parts of defaults; PUT of a field changes that field; null, of a field or a part, is the default again."""
    default = configuration.merge({}).parts
    assert office.ask(CONFIG) == {"companyId": office.company, **default, "updatedAt": None}
    changed = office.put(CONFIG, {"alsoBought": {"maxResults": 6, "title": default["alsoBought"]["title"]}, "global": {}})
    assert changed["alsoBought"] == {**default["alsoBought"], "maxResults": 6}
    assert stored(office, "RecommendationConfig", "alsoBought", "youMightLike") == ({"maxResults": 6}, {})
    office.put(CONFIG, {"alsoBought": {"lookbackDays": 30}, "youMightLike": {"browsingWeight": 0.5, "diversityFactor": 0.5}})
    assert stored(office, "RecommendationConfig", "alsoBought", "youMightLike") == (
        {"maxResults": 6, "lookbackDays": 30},
        {"browsingWeight": 0.5},
    )
    now = office.ask(CONFIG)
    assert (now["alsoBought"]["maxResults"], now["alsoBought"]["lookbackDays"], now["youMightLike"]["browsingWeight"]) == (
        6,
        30,
        0.5,
    )
    # a client may send back what it got
    assert office.put(CONFIG, now)["alsoBought"] == now["alsoBought"]
    assert office.put(CONFIG, {"alsoBought": {"maxResults": None}, "youMightLike": None})["alsoBought"]["maxResults"] == 10
    assert stored(office, "RecommendationConfig", "alsoBought", "youMightLike") == ({"lookbackDays": 30}, {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"alsoBought": {"maxResults": 21}}, "alsoBought.maxResults"),
        ({"alsoBought": {"maxResults": 0}}, "alsoBought.maxResults"),
        ({"alsoBought": {"lookbackDays": 6}}, "alsoBought.lookbackDays"),
        ({"alsoBought": {"minCoOccurrences": 0}}, "alsoBought.minCoOccurrences"),
        ({"alsoBought": {"displayStyle": "COMPACT"}}, "alsoBought.displayStyle"),
        ({"alsoBought": {"excludeCategories": ["a", 1]}}, "alsoBought.excludeCategories"),
        ({"youMightLike": {"diversityFactor": 1.01}}, "youMightLike.diversityFactor"),
        ({"frequentlyViewed": {"maxBundleSize": 6}}, "frequentlyViewed.maxBundleSize"),
        ({"frequentlyViewed": {"bundleDiscountPercent": 51}}, "frequentlyViewed.bundleDiscountPercent"),
        ({"global": {"maxSectionsPerPage": 6}}, "global.maxSectionsPerPage"),
        ({"global": {"minRatingToShow": -1}}, "global.minRatingToShow"),
        ({"global": {"trackClicks": "yes"}}, "global.trackClicks"),
        ({"global": {"colour": "red"}}, "global.colour"),
        ({"sidebar": {}}, "sidebar"),
        ({"global": 3}, "global"),
        ({"companyId": "another"}, "companyId"),
    ],
)
def test_a_bad_configuration(office: Office, body: dict[str, Any], field: str) -> None:
    """Each range of the contract, an unknown field and an unknown part: 400 that names it; nothing is stored."""
    answer = office.send("PUT", CONFIG, body)
    assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)
    assert stored(office, "RecommendationConfig", "companyId") is None


def test_pages_follow_the_configuration(office: Office, client: redis.Redis) -> None:
    """A title that was set is on every process' pages within a second, and gone within one when it is the default again."""
    publish(client, office.company)

    def everywhere(due: str) -> bool:
        pages = [office.api.get(path(office.company)).json() for _ in range(6)]
        return all(due in [section["title"] for section in page["sections"]] for page in pages)

    office.put(CONFIG, {"alsoBought": {"title": "Bought along"}})
    eventually(lambda: everywhere("Bought along"), "the title was not followed", 1.0)
    office.put(CONFIG, {"alsoBought": {"title": None}})
    default = configuration.merge({}).parts["alsoBought"]["title"]
    eventually(lambda: everywhere(default), "the default was not followed", 1.0)


def test_settings(office: Office) -> None:
    """GET shows every setting, PUT changes what it names, null is the default, and what has a fault is 400 by its field."""
    assert office.ask("settings") == {"companyId": office.company, **DEFAULTS, "updatedAt": None}
    changed = office.put("settings", {"freeShippingFrom": 49.9, "maxUpsells": 5, "corsOrigins": ["https://shop.example"]})
    assert (changed["freeShippingFrom"], changed["maxUpsells"], changed["holdoutPercent"]) == (49.9, 5, 5)
    assert stored(office, "UpsellSettings", "settings") == (
        {"freeShippingFrom": 49.9, "maxUpsells": 5, "corsOrigins": ["https://shop.example"]},
    )
    assert office.put("settings", {"maxUpsells": None})["maxUpsells"] == 3
    assert office.put("settings", office.ask("settings"))["freeShippingFrom"] == 49.9
    for body, field in (({"holdoutPercent": 51}, "holdoutPercent"), ({"maxUpsells": 0}, "maxUpsells"), ({"tax": 1}, "tax")):
        answer = office.send("PUT", "settings", body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)


def test_the_holdout_follows_its_percent(office: Office) -> None:
    """The weights of the company's permanent holdout are its holdoutPercent's, measured anew from then on, and that is recorded."""
    with psycopg.connect(office.database_url) as connection:
        connection.execute(
            """insert into "UpsellExperiment" (id, "companyId", name, status, "primaryMetric", "variantWeights")
            values (%s, %s, 'holdout', 'RUNNING', 'revenue_per_unit', %s)""",
            [holdout.experiment_id(office.company), office.company, json.dumps(holdout.WEIGHTS)],
        )
    office.put("settings", {"maxUpsells": 4})
    assert stored(office, "UpsellExperiment", "variantWeights", "startedAt") == (holdout.WEIGHTS, None)
    office.put("settings", {"holdoutPercent": 10})
    weights, started = stored(office, "UpsellExperiment", "variantWeights", "startedAt")
    assert weights == {"holdout": 0.1, "offers": 0.9} and started is not None
    entries = office.ask("audit")
    assert [row["resource"] for row in entries] == ["settings", "experiments", "settings"]
    assert entries[1]["after"]["variantWeights"] == weights


def test_a_flag_is_followed_without_a_restart(shop: Shop) -> None:
    """A feature that a company switches off offers nothing within a second in every process; null has it on again."""
    shop.sells({"p": "10.00"})
    assert shop.put("p", {"tiers": TIERS}).status == 200
    office = Office(shop.api, shop.database_url, shop.company)

    def offered(due: bool) -> bool:
        answers = [shop.get("p", "bulk-recommendation", quantity=4) for _ in range(6)]
        assert all(answer.status == 200 for answer in answers)
        return all(("recommendation" in answer.json()) is due for answer in answers)

    assert offered(True)
    changed = office.put("flags", {"bulk_discounts_enabled": False})
    assert changed["bulk_discounts_enabled"] is False and changed["own"] == {"bulk_discounts_enabled": False}
    eventually(lambda: offered(False), "the flag was not followed", 1.0)
    assert office.put("flags", {"bulk_discounts_enabled": None})["own"] == {}
    eventually(lambda: offered(True), "the flag was not given up", 1.0)


def test_everybodys_flags(office: Office, everybody: None) -> None:
    """An operator alone sets them; they show through where a company has none of its own."""
    for method, body in (("GET", None), ("PUT", {"smart_upsell_enabled": True})):
        assert office.send(method, "flags/global", body).status == 403
        assert office.send(method, "flags/global", body, bearer="x").status == 401
    assert office.send("GET", "audit/global").status == 403
    office.put("flags", {"bulk_discounts_enabled": True})
    answer = office.send("PUT", "flags/global", {"smart_upsell_enabled": True, "bulk_discounts_enabled": False}, bearer=OPERATOR)
    assert answer.status == 200 and answer.json()["companyId"] is None
    shown = office.ask("flags")
    assert (shown["smart_upsell_enabled"], shown["bulk_discounts_enabled"], shown["own"]) == (
        True,
        True,
        {"bulk_discounts_enabled": True},
    )
    assert office.send("GET", "flags/global", bearer=OPERATOR).json()["bulk_discounts_enabled"] is False
    (entry,) = office.send("GET", "audit/global?limit=1", bearer=OPERATOR).json()
    assert (entry["writtenBy"], entry["resource"], entry["after"]["flags"]["smart_upsell_enabled"]) == ("ops", "settings", True)
    for body, field in (({"smart_upsell_enabled": 1}, "smart_upsell_enabled"), ({"new_flag": True}, "new_flag")):
        answer = office.send("PUT", "flags", body)
        assert (answer.status, answer.json()["errors"][0]["field"]) == (400, field)


@pytest.mark.parametrize(
    ("what", "body"), [(CONFIG, {"global": {"maxSectionsPerPage": 2}}), ("settings", {"maxUpsells": 2}), ("flags", {})]
)
def test_an_update_that_would_be_lost(office: Office, what: str, body: dict[str, Any]) -> None:
    """The tag of what nobody has stored is "0"; of writes at once that have read it one wins, and an older updatedAt is 409."""
    tag = office.send("GET", what).headers["etag"]
    assert tag == '"0"'
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: office.send("PUT", what, body, f"If-Match: {tag}"), range(4)))
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412]
    first = office.ask(what)
    assert office.send("PUT", what, first).status == 200
    assert office.send("PUT", what, first).status == 409
    assert [row["action"] for row in office.ask("audit")] == ["update", "create"]


def test_an_unchanged_document(office: Office) -> None:
    """Configuration and settings are 304 for who has them; flags never are, since everybody's show through."""
    for what, due in ((CONFIG, 304), ("settings", 304), ("flags", 200)):
        tag = office.send("GET", what).headers["etag"]
        assert office.send("GET", what, None, f"If-None-Match: W/{tag}").status == due


def test_the_record_is_read_from_the_latest_on(office: Office) -> None:
    """Entries with both sides, who and in which request; `limit` and `before` page through them; another company sees none."""
    for number in range(1, 6):
        assert office.send("PUT", "settings", {"maxUpsells": number}, f"X-Request-Id: r{number}").status == 200
    entries = office.ask("audit")
    assert [row["requestId"] for row in entries] == [f"r{number}" for number in (5, 4, 3, 2, 1)]
    last = entries[0]
    assert (last["writtenBy"], last["action"], last["resource"]) == ("tester", "update", "settings")
    assert (last["before"]["settings"], last["after"]["settings"]) == ({"maxUpsells": 4}, {"maxUpsells": 5})
    assert entries[-1]["before"] is None
    assert office.ask("audit?limit=2") == entries[:2]
    assert office.ask(f"audit?limit=2&before={entries[1]['id']}") == entries[2:4]
    for query in ("limit=0", "limit=201", "limit=x", "before=-1", "before=99999999999999999999"):
        assert office.send("GET", f"audit?{query}").status == 400
    assert office.send("GET", "audit", bearer=token(f"{office.company} too")).json() == []


def test_other_companies_and_scopes(office: Office) -> None:
    """Nothing is shown or written for another company; an operator names the company; each scope stands by itself."""
    other = Office(office.api, office.database_url, f"{office.company} too")
    office.put("settings", {"maxUpsells": 7})
    assert other.ask("settings")["maxUpsells"] == 3
    asked = quote(office.company, safe="")
    for what in (CONFIG, "settings", "flags"):
        for method, body, wrong in (("GET", None, "company:write"), ("PUT", {}, "company:read")):
            assert office.send(method, what, body, bearer=token(office.company, wrong)).status == 403
            assert office.send(method, f"{what}?companyId={asked}", body, bearer=token(other.company)).status == 404
            assert office.send(method, f"{what}?companyId={asked}", body, bearer=OPERATOR).status == 200
            assert office.send(method, what, body, bearer=OPERATOR).status == 400
        assert office.send("PUT", f"{what}?companyId=nobody", {}, bearer=OPERATOR).status == 404


@given(body=st.dictionaries(st.sampled_from(["alsoBought", "global", "holdoutPercent", "corsOrigins", "own", "x"]), ANYTHING))
@QUICK
def test_no_body_fails_it(writing_api: Api, offers_database: str, body: dict[str, Any]) -> None:
    """Whatever JSON is sent, the answer is 200, or 400 with the fields."""
    office = Office(writing_api, offers_database, "fuzzed")
    for what in (CONFIG, "settings", "flags"):
        answer = office.send("PUT", what, body)
        assert answer.status == 200 or (answer.status == 400 and answer.json()["errors"])
