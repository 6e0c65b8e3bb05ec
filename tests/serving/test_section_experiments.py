"""Experiments on sections, what the company has set since the night, flags, and the impressions of all of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from models import configuration
from models.assignment import assigned
from models.events import RECOMMENDATION_IMPRESSION, STREAM_KEY
from models.generation import PRODUCT, REFERENCES, Kind, Manifest, manifest_key, payload_prefix
from models.published_configs import EXPERIMENTS, RECOMMENDATION_CONFIG, SETTINGS, publish_company_command
from tests.conftest import RedisServer
from tests.serving.api import Api, eventually, running_api
from tests.serving.conftest import _server
from tests.serving.shelf import ALSO_BOUGHT, payload, product, publish, publish_personal, switch
from tests.serving.test_pages import WAYS, path
from tests.serving.test_personal import LISTS, NEIGHBOURS, POPULAR, ids

COLUMNS = ("id", "company", "at", "product", "type", "session", "customer", "experiment", "variant", "generation", "ids")
_versions = itertools.count(1)


@pytest.fixture(scope="module")
def quiet_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey whose stream of events nobody drains."""
    server = _server("valkey", tmp_path_factory.mktemp("quiet-redis"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def client(quiet_redis: RedisServer) -> Iterator[redis.Redis]:
    """A client of it."""
    with redis.Redis.from_url(quiet_redis.url) as connected:
        yield connected


@pytest.fixture(scope="module")
def noting(quiet_redis: RedisServer, offers_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Api]]:
    """Two processes that note impressions, and drain none."""
    folder = tmp_path_factory.mktemp("noting")
    environ = {"REDIS_URL": quiet_redis.url, "DATABASE_URL": offers_database, "API_DRAIN": "0"}
    with running_api(folder, read_only=False, **environ) as one, running_api(folder, read_only=False, **environ) as two:
        yield [one, two]


def tell(client: redis.Redis, company: str, resource: str, *rows: dict[str, Any]) -> None:
    """Publish a company's resource as a write of it does."""
    client.execute_command(*publish_company_command(company, resource, next(_versions), rows))


def experiment(id: str = "exp", unit: str = "session", **variants: dict[str, Any]) -> dict[str, Any]:
    """A running experiment on sections with equal weights; variants: their `sections`."""
    return {
        "id": id,
        "ruleId": None,
        "status": "RUNNING",
        "control": {"id": "control", "unit": unit},
        "variants": [{"id": "control"}, *({"id": name, "sections": sections} for name, sections in variants.items())],
        "trafficPercent": 100,
        "variantWeights": {},
        "primaryMetric": "click_rate",
        "confidenceLevel": 0.95,
        "startedAt": "2020-01-01T00:00:00.000Z",
        "endedAt": None,
    }


def in_arm(arm: str, id: str = "exp", other: str = "b") -> str:
    """A session, or a customer, that is in an arm of `experiment`."""
    return next(f"s{n}" for n in range(100) if assigned(id, f"s{n}", {"control": 1, other: 1}, 100) == arm)


def sections(api: Api, company: str, product_id: str = "p1", **query: str) -> list[dict[str, Any]]:
    """A page's sections."""
    answer = api.get(path(company, product_id, **query))
    assert answer.status == 200, answer
    read: list[dict[str, Any]] = answer.json()["sections"]
    return read


def noted(client: redis.Redis, company: str) -> list[dict[str, str]]:
    """The company's impressions in the stream, as their columns are written for Postgres."""
    # an entry may name a field more than once, which no dict can hold
    entries = client.eval("return redis.call('XRANGE', KEYS[1], '-', '+')", 1, STREAM_KEY)
    assert isinstance(entries, list)
    pairs = [pair for _, fields in entries for pair in zip(fields[::2], fields[1::2], strict=True)]
    rows = [value.decode().split("\t") for name, value in pairs if name.decode() == RECOMMENDATION_IMPRESSION]
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows if row[1] == company]


def told_of(client: redis.Redis, company: str, shown: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The impressions of these sections, once they are there; nobody waits for them."""
    wanted = [section["impressionId"] for section in shown]
    eventually(lambda: {*wanted} <= {row["id"] for row in noted(client, company)}, "impressions were not noted")
    rows = {row["id"]: row for row in noted(client, company)}
    return [rows[id] for id in wanted]


@pytest.fixture
def shop(noting: list[Api], client: redis.Redis, company: str) -> str:
    """A company with two sections, which also publishes another kind of items."""
    publish(client, company, sections={"also-bought": ALSO_BOUGHT, "view-to-bought": replace(ALSO_BOUGHT, position=2, type="V")})
    for api in noting:
        sections(api, company)
    return company


def run(client: redis.Redis, apis: list[Api], company: str, holds: Any, *rows: dict[str, Any]) -> None:
    """Publish experiments and wait until every process follows them."""
    tell(client, company, EXPERIMENTS, *rows)
    for api in apis:
        eventually(lambda api=api: holds(api), "an experiment was not followed")


def test_a_variant_has_its_own_sections(noting: list[Api], client: redis.Redis, shop: str) -> None:
    """Another kind's products, another title, in every process alike; the control, guests without a session, and other sections
    stay as they are, and each variant has a validator of its own."""
    session, control = in_arm("b"), in_arm("control")
    change = {"also-bought": {"kind": "view-to-bought", "title": "Others took"}}
    run(client, noting, shop, lambda api: sections(api, shop, sessionId=session)[0]["title"] == "Others took", experiment(b=change))
    for api in noting:
        for _ in range(3):
            first, second = sections(api, shop, sessionId=session)
            assert (ids(first), first["type"]) == (["p1-of-view-to-bought"], "ALSO_BOUGHT")
            assert (ids(second), second["title"]) == (["p1-of-view-to-bought"], ALSO_BOUGHT.title)
            for query in ({"sessionId": control}, {"customerId": "ann"}, {}):
                assert ids(sections(api, shop, **query)[0]) == ["p1-of-also-bought"]
        alone = api.get(path(shop, rest="/also-bought", sessionId=session)).json()
        assert (ids(alone), alone["title"]) == (["p1-of-view-to-bought"], "Others took")
    etags = {api.get(path(shop, **query)).headers["etag"] for api in noting for query in ({}, {"sessionId": session})}
    assert len(etags) == 2
    (etag,) = {noting[0].get(path(shop, sessionId=session)).headers["etag"]}
    assert noting[1].get(path(shop, sessionId=session), f"If-None-Match: {etag}").status == 304
    assert noting[1].get(path(shop, sessionId=control), f"If-None-Match: {etag}").status == 200


def test_every_arm_is_told_of(noting: list[Api], client: redis.Redis, shop: str) -> None:
    """Each shown section with its products, generation and page; the experiment's with its variant; nothing without a session."""
    session, control = in_arm("b"), in_arm("control")
    change = {"also-bought": {"title": "Others took"}}
    run(client, noting, shop, lambda api: sections(api, shop, sessionId=session)[0]["title"] == "Others took", experiment(b=change))
    of_nobody = sections(noting[0], shop, customerId="ann")
    for each, variant in ((session, "b"), (control, "control")):
        first, second = told_of(client, shop, sections(noting[0], shop, sessionId=each, customerId="ann"))
        assert first | {"id": "", "at": ""} == {
            **{"id": "", "company": shop, "at": "", "product": "p1", "type": "ALSO_BOUGHT", "session": each, "customer": "ann"},
            **{"experiment": "exp", "variant": variant, "generation": "g1", "ids": '{"p1-of-also-bought"}'},
        }
        assert (second["type"], second["experiment"], second["variant"]) == ("V", r"\N", r"\N")
    assert not {section["impressionId"] for section in of_nobody} & {row["id"] for row in noted(client, shop)}


def test_a_hidden_section_is_an_exposure_too(noting: list[Api], client: redis.Redis, shop: str) -> None:
    """Where a variant turns a section off, it is told of without products: else only the control would have exposures."""
    session = in_arm("b")
    change = {"also-bought": {"enabled": False}}
    run(client, noting, shop, lambda api: len(sections(api, shop, sessionId=session)) == 1, experiment(b=change))
    (other,) = sections(noting[0], shop, sessionId=session)
    assert other["type"] == "V"
    told_of(client, shop, [other])
    page = other["impressionId"].partition(".")[0]
    hidden = next(row for row in noted(client, shop) if row["id"] == f"{page}.also-bought")
    assert (hidden["ids"], hidden["experiment"], hidden["variant"]) == ("{}", "exp", "b")
    assert noting[0].get(path(shop, rest="/also-bought", sessionId=session)).json()["products"] == []


def test_customers_are_a_unit_too(noting: list[Api], client: redis.Redis, shop: str) -> None:
    """Randomised by customer, a session alone is in no variant, and a customer is in the same one in every session."""
    customer = in_arm("b")
    change = {"also-bought": {"title": "Others took"}}
    row = experiment(unit="customer", b=change)
    run(client, noting, shop, lambda api: sections(api, shop, customerId=customer)[0]["title"] == "Others took", row)
    for query in ({"customerId": customer}, {"customerId": customer, "sessionId": in_arm("control")}):
        assert sections(noting[0], shop, **query)[0]["title"] == "Others took"
    assert sections(noting[0], shop, sessionId=customer)[0]["title"] == ALSO_BOUGHT.title


def test_two_experiments_share_the_visitors(noting: list[Api], client: redis.Redis, shop: str) -> None:
    """On two sections they are independent; on one the first counts, the second is not run."""
    one = experiment("one", b={"also-bought": {"title": "One"}})
    two = experiment("two", b={"view-to-bought": {"title": "Two"}, "also-bought": {"title": "Never"}})
    both = next(
        s for n in range(100) if {assigned(id, s := f"s{n}", {"control": 1, "b": 1}, 100) for id in ("one", "two")} == {"b"}
    )
    run(client, noting, shop, lambda api: sections(api, shop, sessionId=both)[0]["title"] == "One", one, two)
    titles = Counter(tuple(each["title"] for each in sections(noting[0], shop, sessionId=f"s{n}")) for n in range(40))
    plain = ALSO_BOUGHT.title
    assert set(titles) == {("One", "Two"), ("One", plain), (plain, "Two"), (plain, plain)}


@pytest.mark.parametrize(
    "change",
    [
        {"no such": {"title": "x"}},
        {"also-bought": {"kind": "no such"}},
        {"also-bought": {"generation": "gone"}},
        {"also-bought": {"maxResults": 0}},
        {"also-bought": {"colour": "red"}},
        {"also-bought": "none"},
    ],
)
def test_what_cannot_be_followed_is_not_run(noting: list[Api], client: redis.Redis, shop: str, change: dict[str, Any]) -> None:
    """Not for the control either, and whoever reads the log is told; another experiment goes on."""
    session = in_arm("b", "other")
    rows = (experiment("broken", b=change), experiment("other", b={"view-to-bought": {"title": "Runs"}}))
    run(client, noting[:1], shop, lambda api: sections(api, shop, sessionId=session)[1]["title"] == "Runs", *rows)
    rows = told_of(client, shop, sections(noting[0], shop, sessionId=session))
    assert [row["experiment"] for row in rows] == [r"\N", "other"]
    assert f"broken: sections.{next(iter(change))}" in noting[0].log.read_text()


def test_another_generation_is_shown_at_present_prices(noting: list[Api], client: redis.Redis, company: str) -> None:
    """The lists of a kept generation, with the live one's products, and without what that does not sell any more."""
    publish_personal(client, company, "g2", neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR)
    old = [product(company, "g1", "a"), product(company, "g1", "gone"), product(company, "g1", "b")]
    client.set(manifest_key(company, "g1"), Manifest("g1", company, "2011-11-30T00:00:00Z", [Kind("also-bought", 1, 1)]).to_json())
    client.set(payload_prefix(company, "g1", "also-bought") + "p1", payload(old))
    session = in_arm("b")
    assert ids(sections(noting[0], company)[0]) == ["p1-of-also-bought"]
    row = experiment(b={"also-bought": {"generation": "g1"}})
    run(client, noting[:1], company, lambda api: ids(sections(api, company, sessionId=session)[0]) == ["a", "b"], row)
    shown = sections(noting[0], company, sessionId=session)
    assert [(each["name"], each["price"], each["score"], each["reason"]) for each in shown[0]["products"]] == [
        *[("Name of a", 12.5, 0.25, "bought together"), ("Name of b", 12.5, 0.25, "bought together")]
    ]
    assert [row["generation"] for row in told_of(client, company, shown)] == ["g1", "g2"]
    assert ids(sections(noting[0], company, sessionId=in_arm("control"))[0]) == ["p1-of-also-bought"]


def test_lists_of_customers_vary_too(noting: list[Api], client: redis.Redis, company: str) -> None:
    """Another kind of references in the place of a customer's list, cut to maxResults; what everybody sees is cut likewise."""
    publish_personal(client, company, neighbours=NEIGHBOURS, lists=LISTS, popular=POPULAR)
    manifest = client.get(manifest_key(company, "g1"))
    assert isinstance(manifest, bytes)
    read = Manifest.from_json(manifest)
    kinds = [*read.kinds, Kind("buy-again", 1, 1, form=REFERENCES)]
    client.set(manifest_key(company, "g2"), replace(read, id="g2", kinds=kinds).to_json())
    for key in client.keys(payload_prefix(company, "g1", "*") + "*"):
        client.copy(key, key.replace(b":g1:", b":g2:"))
    client.set(payload_prefix(company, "g2", "buy-again") + "ann", '[["c",0.9,"Again"],["b",0.8,"Again"],["a",0.1,"Again"]]')
    assert client.exists(payload_prefix(company, "g2", PRODUCT) + "c")
    switch(client, company, "g2")
    session = in_arm("b")
    sections(noting[0], company, "page")
    row = experiment(b={"you-might-like": {"kind": "buy-again", "maxResults": 2, "title": "Again"}})

    def shown(**query: str) -> dict[str, Any]:
        return sections(noting[0], company, "page", **query)[1]

    run(client, noting[:1], company, lambda _: shown(sessionId=session)["title"] == "Again", row)
    assert ids(shown(sessionId=session, customerId="ann")) == ["c", "b"]
    assert ids(shown(sessionId=session)) == ["x", "y"]
    assert ids(shown(sessionId=in_arm("control"), customerId="ann")) == ["a", "y", "b"]
    assert ids(shown()) == ["x", "y", "z"]


def test_without_tracking_nobody_is_in_an_experiment(noting: list[Api], client: redis.Redis, shop: str) -> None:
    """trackImpressions off: nothing is noted, and what could not be read is not run."""
    session = in_arm("b")
    holds = lambda api: sections(api, shop, sessionId=session)[0]["title"] == "Others took"  # noqa: E731
    run(client, noting[:1], shop, holds, experiment(b={"also-bought": {"title": "Others took"}}))
    config = configuration.merge({"global": {"trackImpressions": False}}).parts
    tell(client, shop, RECOMMENDATION_CONFIG, config)
    eventually(lambda: not holds(noting[0]), "the configuration was not followed")
    quiet = sections(noting[0], shop, sessionId=session)
    # what is noted on one connection is there before the answer of a later read
    eventually(lambda: noting[0].get(path(shop, "another", sessionId=session)).status == 200, "no answer")
    assert not {section["impressionId"] for section in quiet} & {row["id"] for row in noted(client, shop)}


def test_a_written_configuration_is_seen_at_once(noting: list[Api], client: redis.Redis, shop: str) -> None:
    """Titles, display, and what is on, before the next night; another validator; and back."""
    before = noting[0].get(path(shop)).headers["etag"]
    given = {"alsoBought": {"title": "Together", "displayStyle": "GRID"}, "global": {"maxSectionsPerPage": 1}}
    tell(client, shop, RECOMMENDATION_CONFIG, configuration.merge(given).parts)
    for api in noting:
        eventually(lambda api=api: sections(api, shop)[0]["title"] == "Together", "the configuration was not followed")
        (only,) = sections(api, shop)
        assert (only["config"]["displayStyle"], ids(only)) == ("GRID", ["p1-of-also-bought"])
        assert api.get(path(shop), f"If-None-Match: {before}").status == 200
    tell(client, shop, RECOMMENDATION_CONFIG, configuration.merge({"alsoBought": {"enabled": False}}).parts)
    eventually(lambda: [each["type"] for each in sections(noting[1], shop)] == ["V"], "the section was not turned off")


@pytest.mark.parametrize("way", WAYS)
def test_recommendations_switched_off(noting: list[Api], client: redis.Redis, shop: str, way: str) -> None:
    """A page without sections, a section without products, never an error, also for who has a validator; and on again."""
    etag = noting[0].get(path(shop)).headers["etag"]
    tell(client, shop, SETTINGS, {"flags": {"recommendations_enabled": False}, "settings": {}})
    for api in noting:
        eventually(lambda api=api: sections(api, shop) == [], "the flag was not followed")
        page = api.get(path(shop, sessionId="s"), f"If-None-Match: {etag}", body=WAYS[way])
        assert (page.status, page.json()) == (200, {"productId": "p1", "generation": "g1", "sections": []})
        section = api.get(path(shop, rest="/also-bought"), body=WAYS[way])
        assert (section.status, section.json()["products"], "etag" in section.headers) == (200, [], False)
        assert api.get(path(shop, rest="/no-such")).status == 404
    tell(client, shop, SETTINGS, {"flags": {}, "settings": {}})
    for api in noting:
        eventually(lambda api=api: len(sections(api, shop)) == 2, "the flag was not followed")


def test_any_id_is_told_as_it_is(noting: list[Api], client: redis.Redis, company: str, offers_database: str) -> None:
    """Quotes, backslashes, braces and letters of any alphabet arrive in Postgres' array as the page shows them."""
    odd = ['q"uo', "back\\slash", '{"id":"x"}', "a,b", "žluťoučký 🛒", "null", 'end\\"']
    publish(client, company, popular=tuple(odd), sections={"also-bought": replace(ALSO_BOUGHT, rules={"maxResults": 20})})
    shown = sections(noting[0], company, "unheard of", sessionId="s")
    assert ids(shown[0]) == odd
    written = told_of(client, company, shown)[0]["ids"].replace("\\\\", "\\")
    with psycopg.connect(offers_database) as connection:
        row = connection.execute("select %s::text[]", [written]).fetchone()
    assert row is not None and row[0] == odd


def test_a_reader_notes_nothing(quiet_redis: RedisServer, client: redis.Redis, shop: str, tmp_path: Path) -> None:
    """--read-only shows the variants, so that nobody sees two, and writes no impression."""
    session = in_arm("b")
    tell(client, shop, EXPERIMENTS, experiment(b={"also-bought": {"title": "Others took"}}))
    with running_api(tmp_path, REDIS_URL=quiet_redis.url) as api:
        shown = sections(api, shop, sessionId=session)
        assert shown[0]["title"] == "Others took"
    assert not {section["impressionId"] for section in shown} & {row["id"] for row in noted(client, shop)}
