"""How a new generation reaches readers: at once, whole, and for that company alone."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import redis

from models.generation import COMPANIES_KEY, live_key, manifest_key, payload_prefix
from tests.conftest import RedisServer
from tests.serving.api import Api, eventually, running_api
from tests.serving.shelf import publish, switch, write
from tests.serving.test_pages import path


def shown(api: Api, company: str, product_id: str = "p1") -> str:
    """The generation that a page is of; every product on it is of that generation too."""
    answer = api.get(path(company, product_id))
    assert answer.status == 200, answer
    page = answer.json()
    assert {row["name"] for section in page["sections"] for row in section["products"]} == {f"of {company} in {page['generation']}"}
    return str(page["generation"])


def test_new_company_is_served_at_once(api: Api, client: redis.Redis, company: str) -> None:
    """The first request after publishing finds the company, without a poll in between."""
    assert api.get(path(company)).status == 404
    publish(client, company)
    assert shown(api, company) == "g1"


def test_published_change_is_seen(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path) -> None:
    """The message alone moves readers on: polling is off here."""
    publish(client, company)
    with running_api(tmp_path, REDIS_URL=shared_redis.url, API_POLL_SECONDS="3600") as api:
        for generation in ("g2", "g1", "g3"):
            assert shown(api, company)
            publish(client, company, generation)
            eventually(lambda want=generation: shown(api, company) == want, "the published change was not acted on")


def test_lost_message_is_made_up_for(api: Api, client: redis.Redis, company: str) -> None:
    """A pointer that moved in silence is noticed by the poll."""
    publish(client, company)
    assert shown(api, company) == "g1"
    write(client, company, "g2")
    switch(client, company, "g2", tell=False)
    eventually(lambda: shown(api, company) == "g2", "the poll did not notice")


def test_withdrawn_company(api: Api, client: redis.Redis, company: str) -> None:
    """A company whose pointer is taken away is unknown again."""
    publish(client, company)
    assert shown(api, company) == "g1"
    client.delete(live_key(company))
    client.srem(COMPANIES_KEY, company)
    eventually(lambda: api.get(path(company)).status == 404, "the withdrawn company is still served")


def test_switching_under_constant_reading(api: Api, client: redis.Redis, company: str) -> None:
    """Readers never see an error or a page of two generations, however often the pointer moves back and forth."""
    for generation in ("g1", "g2"):
        write(client, company, generation, anchors=tuple(f"p{at}" for at in range(50)))
    switch(client, company, "g1")
    stop, failures, seen = threading.Event(), [], set()

    def read() -> None:
        with api.connection() as connection:
            for at in range(1_000_000):
                if stop.is_set():
                    return
                connection.send(path(company, f"p{at % 70}"))
                answer = connection.receive()
                page = answer.json()
                names = {row["name"] for section in page.get("sections", ()) for row in section["products"]}
                if answer.status != 200 or names != {f"of {company} in {page['generation']}"}:
                    failures.append(answer)
                seen.add(page.get("generation"))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for turn in range(60):
        switch(client, company, "g2" if turn % 2 == 0 else "g1")
        stop.wait(0.01)
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert seen == {"g1", "g2"}


def test_vanished_generation_is_left_for_the_one_live_now(
    shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path
) -> None:
    """Where payload and fallback are gone, the pointer is asked once more, before any poll or message."""
    publish(client, company, popular=None)
    with running_api(tmp_path, REDIS_URL=shared_redis.url, API_POLL_SECONDS="3600", API_CACHE_MEGABYTES="0") as api:
        assert shown(api, company) == "g1"
        write(client, company, "g2")
        switch(client, company, "g2", tell=False)
        prefix = payload_prefix(company, "g1", "")[:-1]
        client.delete(*client.keys(f"{prefix}*"))
        assert shown(api, company) == "g2"


def test_emptied_store_gives_empty_answers(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path) -> None:
    """With pointer and payloads gone, what was live answers with nothing to show, not with an error."""
    publish(client, company, popular=None)
    with running_api(tmp_path, REDIS_URL=shared_redis.url, API_POLL_SECONDS="3600", API_CACHE_MEGABYTES="0") as api:
        assert shown(api, company) == "g1"
        client.delete(live_key(company), *client.keys(payload_prefix(company, "g1", "")[:-1] + "*"))
        page = api.get(path(company))
        assert (page.status, [section["products"] for section in page.json()["sections"]]) == (200, [[], []])


@pytest.mark.parametrize("document", [b"{}", b"not json", None])
def test_unreadable_manifest(api: Api, client: redis.Redis, company: str, document: bytes | None) -> None:
    """A broken manifest never replaces a good generation; without one it is a 503 that asks to come back."""
    client.set(live_key(company), "broken")
    if document is not None:
        client.set(manifest_key(company, "broken"), document)
    refused = api.get(path(company))
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    publish(client, company)
    assert shown(api, company) == "g1"
    switch(client, company, "broken")
    for _ in range(20):
        assert shown(api, company) == "g1"


def test_manifest_of_another_company_is_not_believed(api: Api, client: redis.Redis, company: str) -> None:
    """A manifest under the wrong key shows nothing."""
    publish(client, f"{company} owner")
    client.set(live_key(company), "g1")
    client.set(manifest_key(company, "g1"), client.get(manifest_key(f"{company} owner", "g1")))
    assert api.get(path(company)).status == 503
