"""Publishing on both Redis engines: all or nothing, one pointer, nothing lost and nothing left."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import redis

from flows import payload_keys as payload_keys_of
from flows import publish as publishing
from flows.connections import redis_client
from flows.errors import PublishRefused, ServiceUnavailable
from flows.layout import generation_key
from flows.object_store import FileStore, parquet_bytes
from flows.progress import silent
from flows.publish import kept_generations, live_generation, publish, read_kind, rollback
from flows.settings import Settings
from models.features import Features
from models.generation import (
    CHANGED_CHANNEL,
    COMPANIES_KEY,
    ITEMS,
    NEIGHBOURS,
    PRODUCT,
    REFERENCES,
    ROWS,
    Kind,
    Manifest,
    Section,
    kept_key,
    live_key,
    manifest_key,
    payload_prefix,
    refused_key,
)
from models.payloads import bundle_extras, payloads, product_fragments, product_payloads, references, rows
from models.recommenders import RECOMMENDERS
from tests.conftest import RedisServer
from tests.flows.built import built, small_shop
from tests.models.invented import features, products
from tests.models.test_payloads import BUNDLES

HOUR = 3600


class Shelf:
    """A Redis, a store and what is done with them."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.settings = Settings(folder, redis_url=server.url, retry_seconds=0.2)
        self.store = FileStore(folder / "snapshots")
        self.client = redis.Redis.from_url(server.url)

    def build(self, day: float, products: str = "abc", company: str = "shop", seed: int = 5) -> Manifest:
        """A generation that is not published."""
        return built(self.store, company, small_shop(products, seed), day)

    def publish(self, manifest: Manifest) -> int:
        """Publish a built one."""
        return publish(self.settings, self.store, manifest, silent)

    def night(self, day: float, products: str = "abc", company: str = "shop") -> Manifest:
        """Build and publish."""
        manifest = self.build(day, products, company)
        self.publish(manifest)
        return manifest

    def rollback(self, to: str | None = None, company: str = "shop") -> str:
        """Roll back; returns what is live then."""
        return rollback(self.settings, self.store, company, to).id

    def live(self, company: str = "shop") -> str | None:
        """What is live."""
        return live_generation(self.client, company)

    def keys(self, generation: str = "") -> set[str]:
        """All keys, or those of a generation."""
        return {key.decode() for key in self.client.scan_iter(count=1000) if generation in key.decode()}

    def expiries(self, generation: str) -> set[int]:
        """Seconds that a generation's keys have left; -1 is for ever."""
        return {self.client.ttl(key) for key in self.keys(generation)}

    def content(self, company: str = "shop") -> dict[str, object]:
        """Everything that Redis holds of a company."""
        prefix = live_key(company).removesuffix("live")
        found = sorted(key for key in self.keys() if key.startswith(prefix))
        return {key: self.client.hgetall(key) if key == kept_key(company) else self.client.get(key) for key in found}


@pytest.fixture
def shelf(redis_server: RedisServer, tmp_path: Path) -> Shelf:
    """An empty shelf on one of the engines."""
    made = Shelf(redis_server, tmp_path / "local")
    yield made
    made.client.close()


def payload_keys(shelf: Shelf, manifest: Manifest) -> dict[str, bytes]:
    """Payload keys of a generation and their bytes, put together by hand."""
    products = read_kind(shelf.store, manifest.company, manifest.id, "products")
    fragments = product_fragments(products)
    expected: dict[str, bytes] = {}
    if manifest.has_fragments:
        alone = product_payloads(products.filter("is_shown"), fragments)
        expected |= {payload_prefix(manifest.company, manifest.id, PRODUCT) + id: line for id, line in alone.rows()}
    evidence = {row.kind: row.evidence for row in RECOMMENDERS}
    for kind in manifest.kinds:
        prefix = payload_prefix(manifest.company, manifest.id, kind.kind)
        frame = read_kind(shelf.store, manifest.company, manifest.id, kind.kind)
        if kind.form == ROWS:
            lines = rows(frame, evidence[kind.kind])
        elif kind.form != ITEMS:
            lines = references(frame, reasons=kind.form == REFERENCES)
        else:
            bundled = kind.section is not None and kind.section.extras == ["bundles"]
            bundles = read_kind(shelf.store, manifest.company, manifest.id, f"{kind.kind}.bundles") if bundled else None
            extras = bundle_extras(bundles, fragments, frame) if bundles is not None else None
            lines = payloads(frame, fragments, evidence[kind.kind], extras)
            if kind.section:
                expected |= {prefix + page: b"[]\n[]" for page in products.filter("is_shown")["product_id"]}
        expected |= {prefix + anchor: line for anchor, line in lines.rows()}
    return expected


def test_keys_are_the_documented_ones(shelf: Shelf) -> None:
    """models/generation.py names every key; there is no other, none expires, and each has its content."""
    shop = features(
        ["abc"] * 5, catalogue={"lonely": {"is_shown": True}, "hidden": {"is_shown": False}, "a": {"category_id": "x:y"}}
    )
    manifest = built(shelf.store, "sh:op/ü", shop)
    n_payloads = shelf.publish(manifest)
    expected = payload_keys(shelf, manifest)
    own = {live_key("sh:op/ü"), kept_key("sh:op/ü"), manifest_key("sh:op/ü", manifest.id)}
    assert shelf.keys() == {COMPANIES_KEY, *own, *expected}
    assert n_payloads == len(expected)
    assert {key: shelf.client.get(key) for key in expected} == expected
    assert shelf.expiries("") == {-1}
    assert shelf.client.smembers(COMPANIES_KEY) == {"sh:op/ü".encode()}
    assert shelf.client.get(live_key("sh:op/ü")) == manifest.id.encode()
    document = shelf.client.get(manifest_key("sh:op/ü", manifest.id))
    assert document is not None
    assert Manifest.from_json(document) == manifest
    record = json.loads(shelf.client.hget(kept_key("sh:op/ü"), manifest.id) or "{}")
    assert (record["watermark"], record["nKeys"]) == (manifest.watermark, n_payloads)
    assert datetime.fromisoformat(record["publishedAt"]).tzinfo is not None


def test_a_page_with_nothing_to_show_has_an_empty_payload(shelf: Shelf) -> None:
    """The only product of a shop has a page and nobody to recommend: two empty arrays, so that nothing else stands in."""
    manifest = shelf.night(0, "a")
    key = payload_prefix("shop", manifest.id, "also-bought") + "a"
    assert shelf.client.get(key) == b"[]\n[]"


def test_the_switch_is_announced(shelf: Shelf) -> None:
    """Whoever listens hears the company after its pointer has moved."""
    with shelf.client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(CHANGED_CHANNEL)
        listener.get_message(timeout=5)
        shelf.night(0)
        message = listener.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"shop"


def test_publishing_twice_is_publishing_once(shelf: Shelf) -> None:
    """The same generation again leaves the same keys with the same bytes; only the instant of publishing moves."""
    manifest = shelf.night(0)
    before = shelf.content()
    shelf.publish(manifest)
    after = shelf.content()
    assert before.keys() == after.keys()
    assert {key for key in before if before[key] != after[key]} <= {kept_key("shop")}


def test_the_one_before_expires_and_the_live_one_does_not(shelf: Shelf) -> None:
    """After the second night every key of the first has its 72 hours, once; none of the live ones, nor the pointers."""
    first = shelf.night(0)
    second = shelf.night(1)
    assert len(shelf.keys(first.id)) > 1
    assert all(71 * HOUR < left <= 72 * HOUR for left in shelf.expiries(first.id))
    assert shelf.expiries(second.id) == {-1}
    for key in shelf.keys(first.id):
        shelf.client.expire(key, 100)
    shelf.night(2)
    assert all(0 < left <= 100 for left in shelf.expiries(first.id))
    assert all(left > 71 * HOUR for left in shelf.expiries(second.id))
    assert {shelf.client.ttl(key) for key in (COMPANIES_KEY, live_key("shop"), kept_key("shop"))} == {-1}


def test_what_has_expired_is_forgotten(shelf: Shelf) -> None:
    """A generation whose keys are gone is not listed after the next night."""
    first = shelf.night(0)
    shelf.night(1)
    shelf.client.delete(*shelf.keys(first.id))
    third = shelf.night(2)
    assert first.id not in {row.id for row in kept_generations(shelf.client, "shop")}
    assert len(kept_generations(shelf.client, "shop")) == 2
    assert shelf.live() == third.id


def test_an_older_watermark_is_refused(shelf: Shelf) -> None:
    """A newer live generation stays, the sentence says how to go back, and the older one leaves no key."""
    older = shelf.build(0)
    newer = shelf.night(1)
    before = shelf.content()
    with pytest.raises(PublishRefused, match=f"shop: {newer.id} is live and newer than {older.id}: `upsell publish"):
        shelf.publish(older)
    assert shelf.content() == before


def test_an_operator_may_ask_for_an_older_one(shelf: Shelf) -> None:
    """A generation that is named explicitly replaces a newer one, even where Redis no longer has it."""
    older = shelf.build(0)
    newer = shelf.night(1)
    publish(shelf.settings, shelf.store, older, silent, allow_older=True)
    assert shelf.live() == older.id
    assert shelf.publish(newer)


def test_a_rollback_that_was_killed_is_made_good(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the pointer moved, a rollback leaves a live generation with an expiry: the next publishing takes it off, also
    when it is itself refused."""
    first = shelf.night(0)
    shelf.night(1)
    with monkeypatch.context() as patch:
        patch.setattr("flows.publish._unexpire", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rollback(shelf.settings, shelf.store, "shop")
    assert shelf.live() == first.id and shelf.client.ttl(manifest_key("shop", first.id)) > 0
    with pytest.raises(PublishRefused):
        shelf.publish(replace(shelf.build(2), kinds=[]))
    assert shelf.live() == first.id
    assert all(shelf.client.ttl(key) == -1 for key in shelf.client.scan_iter(f"upsell:shop:{first.id}:*"))


def test_an_older_one_that_was_live_before_is_refused_and_retired_again(shelf: Shelf) -> None:
    """Publishing it again neither makes it live nor lets its keys live for ever."""
    older = shelf.night(0)
    newer = shelf.night(1)
    with pytest.raises(PublishRefused, match="is live and newer"):
        shelf.publish(older)
    assert shelf.live() == newer.id
    assert shelf.expiries(newer.id) == {-1}
    assert all(left > 0 for left in shelf.expiries(older.id))
    assert shelf.rollback() == older.id


def test_other_content_of_the_same_watermark_goes_live(shelf: Shelf) -> None:
    """A night that was repeated after a correction replaces the first."""
    first = shelf.night(0, "abc")
    second = shelf.night(0, "abcd")
    assert first.watermark == second.watermark
    assert shelf.live() == second.id


def test_rollback_goes_back_and_back_again(shelf: Shelf) -> None:
    """One step per call along the order of publishing, until there is none before; --to goes forward as well."""
    first, second, third = shelf.night(0), shelf.night(1), shelf.night(2)
    assert shelf.rollback() == shelf.live() == second.id
    assert shelf.expiries(second.id) == {-1}
    assert -1 not in shelf.expiries(third.id) | shelf.expiries(first.id)
    assert shelf.rollback() == shelf.live() == first.id
    assert shelf.expiries(first.id) == {-1}
    assert -1 not in shelf.expiries(second.id) | shelf.expiries(third.id)
    with pytest.raises(PublishRefused, match="shop: there is no generation before the live one in Redis"):
        shelf.rollback()
    assert shelf.rollback(third.id) == shelf.live() == third.id
    assert shelf.expiries(third.id) == {-1}
    for manifest in (first, second, third):
        for key, payload in payload_keys(shelf, manifest).items():
            assert shelf.client.get(key) == payload


def test_rollback_to_what_is_not_there(shelf: Shelf) -> None:
    """An unknown generation, an unfinished one and an unknown company are refused; the live one stays."""
    manifest = shelf.night(0)
    unfinished = shelf.build(1)
    shelf.client.hset(kept_key("shop"), unfinished.id, json.dumps({"watermark": "", "nKeys": 0, "publishedAt": None, "gates": []}))
    for target in ("nothing", unfinished.id):
        with pytest.raises(PublishRefused, match=f"there is no generation {target} in Redis: `upsell status`"):
            shelf.rollback(target)
    with pytest.raises(PublishRefused, match="nobody: there is no generation before"):
        shelf.rollback(company="nobody")
    assert shelf.live() == manifest.id
    assert shelf.client.smembers(COMPANIES_KEY) == {b"shop"}


def test_after_a_rollback_the_newer_one_can_be_published_again(shelf: Shelf) -> None:
    """It goes live with keys that do not expire, and the older one gets its expiry."""
    first, second = shelf.night(0), shelf.night(1)
    shelf.rollback()
    shelf.publish(second)
    assert shelf.live() == second.id
    assert shelf.expiries(second.id) == {-1}
    assert -1 not in shelf.expiries(first.id)
    assert shelf.rollback() == first.id


def _cut_off(monkeypatch: pytest.MonkeyPatch, shelf: Shelf, manifest: Manifest, batches: int) -> None:
    """Publish and be killed after that many batches of payloads."""
    numbers = iter(range(100))
    mset = redis.Redis.mset

    def killed(self: redis.Redis, batch: dict[str, bytes]) -> object:
        if next(numbers) == batches:
            raise KeyboardInterrupt
        return mset(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(publishing, "BATCH", 2)
        patch.setattr(redis.Redis, "mset", killed)
        shelf.publish(manifest)


@pytest.mark.parametrize("store_is_there", [True, False])
def test_a_run_that_was_cut_off_leaves_nothing_behind(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, store_is_there: bool) -> None:
    """The live generation is untouched; the next publishing removes what the killed one wrote, also where its files are gone."""
    live = shelf.night(0)
    before = shelf.content()
    unfinished = shelf.build(1)
    _cut_off(monkeypatch, shelf, unfinished, batches=2)
    assert len(shelf.keys(unfinished.id)) == 3
    assert {key: value for key, value in shelf.content().items() if unfinished.id not in key and key != kept_key("shop")} == {
        key: value for key, value in before.items() if key != kept_key("shop")
    }
    assert [row.id for row in kept_generations(shelf.client, "shop") if row.published_at is None] == [unfinished.id]
    if not store_is_there:
        shelf.store.delete(shelf.store.keys("shop/generations/" + unfinished.id))
    third = shelf.night(2)
    assert shelf.keys(unfinished.id) == set()
    assert [row.id for row in kept_generations(shelf.client, "shop")] == [live.id, third.id]


def test_a_run_that_was_cut_off_can_be_repeated(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same generation again completes it."""
    shelf.night(0)
    manifest = shelf.build(1)
    _cut_off(monkeypatch, shelf, manifest, batches=1)
    shelf.publish(manifest)
    assert shelf.live() == manifest.id
    assert {key: shelf.client.get(key) for key in payload_keys(shelf, manifest)} == payload_keys(shelf, manifest)
    assert shelf.expiries(manifest.id) == {-1}


def test_a_run_that_another_one_overtook_gives_way(shelf: Shelf) -> None:
    """What was published while it wrote stays live, and the keys of the one that lost are gone."""
    loser, winner = shelf.build(0), shelf.build(0, "abcd")
    overtaken = iter([True])

    def overtake(label: str, done: int, total: int) -> None:
        if next(overtaken, False):
            shelf.publish(winner)

    with pytest.raises(PublishRefused, match=f"shop: another run published while {loser.id} was written"):
        publish(shelf.settings, shelf.store, loser, overtake)
    assert shelf.live() == winner.id
    assert shelf.keys(loser.id) == set()
    assert [row.id for row in kept_generations(shelf.client, "shop")] == [winner.id]


def _halved(catalogue: int, buyers: int) -> Features:
    """A shop of that many categories, the first of which sell."""
    letters = "abcdefghij"[:catalogue]
    products = {letter: {"category_id": f"c-{letter}"} for letter in letters}
    return features([letters[:buyers]] * 5, catalogue=products)


def test_less_coverage_keeps_what_is_live(shelf: Shelf) -> None:
    """A generation that covers less than half of the live one's anchors is refused with both numbers; a lower gate lets it
    pass, and a first generation has nothing to be compared with."""
    live = built(shelf.store, "shop", _halved(10, 10))
    shelf.publish(live)
    before = shelf.content()
    poor = built(shelf.store, "shop", _halved(10, 3), day=1)
    with pytest.raises(PublishRefused, match=r"popular would cover 4 anchors where the live generation covers 11: .*COVERAGE_GATE"):
        shelf.publish(poor)
    assert {key: value for key, value in shelf.content().items() if key != refused_key("shop")} == before
    publish(replace(shelf.settings, coverage_gate=0.3), shelf.store, poor, silent)
    assert shelf.live() == poor.id


def test_what_a_gate_said_can_be_shown(shelf: Shelf) -> None:
    """A generation keeps the results of the gates that it passed; a refused one leaves its reason until a later one goes live."""
    shelf.publish(built(shelf.store, "shop", _halved(10, 10)))
    poor, good = built(shelf.store, "shop", _halved(10, 3), day=1), built(shelf.store, "shop", _halved(10, 9), day=2)
    with pytest.raises(PublishRefused) as refused:
        shelf.publish(poor)
    told = json.loads(shelf.client.get(refused_key("shop")) or b"{}")
    assert (told["generation"], told["reason"]) == (poor.id, str(refused.value))
    coverage = dict.fromkeys(("also-bought", "frequently-viewed", "view-to-bought", "you-might-like", "buy-again"), True)
    assert {gate["kind"]: gate["passed"] for gate in told["gates"]} == coverage | {"popular": False, "session-neighbours": False}
    shelf.publish(good)
    assert shelf.client.get(refused_key("shop")) is None
    kept = {row.id: row.gates for row in kept_generations(shelf.client, "shop")}
    assert kept[good.id][0] == {"gate": "coverage", "kind": "popular", "value": 10, "floor": 5.5, "passed": True}


def test_a_generation_in_which_all_has_changed_is_refused(shelf: Shelf) -> None:
    """A large shop whose pages would keep none of their partners: refused with the share, the live generation stays; with the
    gate at 0 it goes live."""
    letters = [chr(0x4E00 + number) for number in range(600)]

    def couples(apart: int) -> Features:
        pairs = [letters[at] + letters[(at + apart) % 600] for at in range(600)]
        return features(pairs * 6, alsoBought={"maxResults": 2})

    shelf.publish(built(shelf.store, "shop", couples(1)))
    live, other = shelf.live(), built(shelf.store, "shop", couples(7), day=1)
    words = r"also-bought would keep 0\.0% of the items .* or lower KEPT_GATE \(0\.5\) for one run"
    with pytest.raises(PublishRefused, match=words):
        publish(replace(shelf.settings, kept_gate=0.5), shelf.store, other, silent)
    assert shelf.live() == live
    publish(replace(shelf.settings, kept_gate=0.0), shelf.store, other, silent)
    assert shelf.live() == other.id


def test_an_empty_generation_never_replaces_a_full_one(shelf: Shelf) -> None:
    """However low the gate above zero; where nothing was live, an empty one goes live."""
    empty = built(shelf.store, "shop", features())
    assert shelf.publish(empty) == 0
    assert shelf.live() == empty.id
    full = shelf.night(1)
    nothing = built(shelf.store, "shop", features(), day=2)
    with pytest.raises(PublishRefused, match="would cover 0 anchors"):
        publish(replace(shelf.settings, coverage_gate=0.001), shelf.store, nothing, silent)
    assert shelf.live() == full.id


def test_a_kind_that_is_missing_is_no_coverage(shelf: Shelf) -> None:
    """A generation without one of the live kinds is refused."""
    shelf.night(0)
    manifest = shelf.build(1)
    with pytest.raises(PublishRefused, match="also-bought would cover 0 anchors"):
        shelf.publish(replace(manifest, kinds=[kind for kind in manifest.kinds if kind.kind != "also-bought"]))


def test_a_redis_that_lost_everything_is_filled_again(shelf: Shelf) -> None:
    """After FLUSHALL publishing the built generation brings it all back."""
    manifest = shelf.night(0)
    before = shelf.content()
    shelf.client.flushall()
    assert shelf.live() is None
    shelf.publish(manifest)
    after = shelf.content()
    assert {key for key in before | after if before.get(key) != after.get(key)} <= {kept_key("shop")}
    assert shelf.client.smembers(COMPANIES_KEY) == {b"shop"}


def test_companies_are_isolated(shelf: Shelf) -> None:
    """Nights and rollbacks of one company change no key of another, not even of one whose id begins alike."""
    others = ["shop:x", "shop2", "SHOP", "sho", "*", "shop:live"]
    for company in others:
        shelf.night(5, company=company)
    before = {company: shelf.content(company) for company in others}
    shelf.night(0)
    shelf.night(1)
    shelf.rollback()
    assert {company: shelf.content(company) for company in others} == before
    assert shelf.client.smembers(COMPANIES_KEY) == {company.encode() for company in ["shop", *others]}
    assert all(shelf.live(company) is not None for company in others)


def test_a_large_generation_is_written_in_batches(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces and batches that end within a kind lose no payload and change none; progress ends with all."""
    manifest = shelf.build(0, "abcdefghijklmnopq")
    monkeypatch.setattr(payload_keys_of, "CHUNK_ROWS", 7)
    monkeypatch.setattr(publishing, "BATCH", 4)
    told: list[tuple[str, int, int]] = []
    n_payloads = publish(shelf.settings, shelf.store, manifest, lambda *step: told.append(step))
    assert {key: shelf.client.get(key) for key in payload_keys(shelf, manifest)} == payload_keys(shelf, manifest)
    assert told[-1] == ("publish shop", n_payloads, n_payloads)
    assert len(told) > 4


def built_by_hand(shelf: Shelf) -> Manifest:
    """A generation of every form: a customer's list, neighbours, and a section with bundles; product `h` has no page."""
    columns = ("anchor_id", "rank", "product_id", "score", "source", "reason")
    frames = {
        "products": products({"a": {"category_id": "c"}, "b": {}, "h": {"is_shown": False}}),
        "liked": pl.DataFrame([("ann", 1, "b", 0.5, "s", "r")], schema=columns, orient="row"),
        "near": pl.DataFrame([("a", 1, "b", 0.25, "s", "r"), ("b", 1, "a", 1.0, "s", "r")], schema=columns, orient="row"),
        "viewed": pl.DataFrame([("a", 1, "b", 0.5, "s", "r")], schema=columns, orient="row"),
        "viewed.bundles": pl.DataFrame([("a", 1, ["a", "b"], 7, None, 2000, 1800, 200, 10)], schema=BUNDLES, orient="row"),
    }
    kinds = [
        Kind("liked", 1, 1, Section("L", "Liked", 1, {}), REFERENCES),
        Kind("near", 2, 2, form=NEIGHBOURS),
        Kind("viewed", 1, 1, Section("V", "Viewed", 2, {}, extras=["bundles"])),
    ]
    manifest = Manifest("20260501T120000.000000Z-byhand", "shop", "2026-05-01T12:00:00Z", kinds)
    for name, frame in frames.items():
        shelf.store.put(generation_key("shop", manifest.id, f"{name}.parquet"), parquet_bytes(frame))
    shelf.store.put(generation_key("shop", manifest.id, "manifest.json"), manifest.to_json())
    return manifest


def test_lists_of_references_name_products_that_stand_by_themselves(shelf: Shelf) -> None:
    """References and neighbours are short, each product with a page is there once, a customer is no page, and bundles follow."""
    manifest = built_by_hand(shelf)
    assert shelf.publish(manifest) == 2 + 1 + 2 + 2
    prefix = payload_prefix("shop", manifest.id, "")[:-1]
    found = {key.removeprefix(prefix): shelf.client.get(key) or b"" for key in shelf.keys(manifest.id)}
    assert set(found) == {*("product:a", "product:b", "liked:ann", "near:a", "near:b", "viewed:a", "viewed:b", "manifest")}
    assert (found["liked:ann"], found["near:a"]) == (b'[["b",0.5,"r"]]', b'[["b",0.25]]')
    assert json.loads(found["product:a"].split(b"\n")[0])["id"] == "a"
    assert json.loads(found["product:a"].split(b"\n")[1]) == ["Product a", "c", None, None]
    (bundle,) = json.loads(found["viewed:a"].split(b"\n")[2])["bundles"]
    assert [row["id"] for row in bundle["products"]] == ["a", "b"]
    assert (bundle["bundlePrice"], "conversionLift" in bundle) == (18.0, False)
    assert found["viewed:b"] == b"[]\n[]"


def test_every_form_is_retired_and_dropped(shelf: Shelf) -> None:
    """Whatever form a key has, it gets its expiry when another generation goes live, loses it when it comes back, and goes with an
    unfinished generation."""
    manifest = built_by_hand(shelf)
    # the shop of the next nights has no such kinds
    shelf.settings = replace(shelf.settings, coverage_gate=0)
    shelf.publish(manifest)
    n_keys = len(shelf.keys(manifest.id))
    after = shelf.night(1)
    assert shelf.expiries(manifest.id) == {shelf.settings.retire_after_hours * HOUR}
    shelf.rollback()
    assert (shelf.expiries(manifest.id), len(shelf.keys(manifest.id))) == ({-1}, n_keys)
    shelf.rollback(after.id)
    record = json.loads(shelf.client.hget(kept_key("shop"), manifest.id) or "{}")
    shelf.client.hset(kept_key("shop"), manifest.id, json.dumps({**record, "publishedAt": None}))
    shelf.night(2)
    assert shelf.keys(manifest.id) == set()


def test_readers_see_one_generation_or_the_other(shelf: Shelf) -> None:
    """While generations come and go, a reader that follows the pointer always finds a whole page of that generation."""
    letters = ["abc", "abcd", "abcde"]
    shelf.night(0, letters[0])
    pages: list[tuple[bytes, bytes | None, bytes | None]] = []
    stop = threading.Event()

    def read() -> None:
        with redis.Redis.from_url(str(shelf.settings.redis_url)) as client:
            while not stop.is_set():
                live = client.get(live_key("shop")) or b""
                prefix = payload_prefix("shop", live.decode(), "also-bought")
                pages.append((live, client.get(prefix + "a"), client.get(manifest_key("shop", live.decode()))))

    reader = threading.Thread(target=read)
    reader.start()
    made = [shelf.night(day, letters[day % 3]) for day in range(1, 6)]
    for _ in range(2):
        shelf.rollback()
    stop.set()
    reader.join()
    assert {live.decode() for live, _, _ in pages} <= {*(manifest.id for manifest in made), pages[0][0].decode()}
    assert all(page is not None and manifest is not None for _, page, manifest in pages)
    expected = {manifest.id: payload_keys(shelf, manifest) for manifest in made}
    for live, page, _ in pages:
        if live.decode() in expected:
            assert page == expected[live.decode()][payload_prefix("shop", live.decode(), "also-bought") + "a"]


def test_a_redis_without_room_keeps_what_is_live(shelf: Shelf) -> None:
    """Out of memory half-way: one sentence, the live generation stays, and with room the same command succeeds."""
    live = shelf.night(0)
    manifest = shelf.build(1, "abcdefghijklmnopqrstuvwxyz")
    shelf.client.config_set("maxmemory-policy", "noeviction")
    shelf.client.config_set("maxmemory", 1)
    with pytest.raises(ServiceUnavailable, match=r"Redis at 127\.0\.0\.1:\d+ cannot be used .*maxmemory.*REDIS_URL"):
        shelf.publish(manifest)
    assert shelf.live() == live.id
    shelf.client.config_set("maxmemory", 0)
    shelf.publish(manifest)
    assert shelf.live() == manifest.id


@pytest.mark.parametrize("operation", ["publish", "rollback"])
def test_a_redis_that_is_away_is_one_sentence(tmp_path: Path, operation: str) -> None:
    """Host, port and setting, never the password."""
    gone = Settings(tmp_path, redis_url="redis://:secret@127.0.0.1:1/0", retry_seconds=0.2)
    store = FileStore(tmp_path)
    with pytest.raises(ServiceUnavailable, match=r"Redis at 127\.0\.0\.1:1 cannot be used .*REDIS_URL") as away:
        if operation == "publish":
            publish(gone, store, built(store, "shop", small_shop()), silent)
        else:
            rollback(gone, store, "shop")
    assert "secret" not in str(away.value)


def test_what_survives_a_crash_of_redis(shelf: Shelf, redis_server: RedisServer) -> None:
    """Killed and started again from its append-only file, the live generation is served as before."""
    manifest = shelf.night(0)
    with redis_client(shelf.settings) as client:
        client.wait(0, 0)
    before = shelf.content()
    redis_server.kill()
    redis_server.start()
    assert shelf.live() == manifest.id
    assert shelf.content() == before


def test_kept_generations_are_in_order_of_publishing(shelf: Shelf) -> None:
    """Unfinished ones first, then by the instant of publishing, with watermark and number of keys."""
    first = shelf.night(0)
    second = shelf.night(1)
    shelf.publish(second)
    rows = kept_generations(shelf.client, "shop")
    assert [row.id for row in rows] == [first.id, second.id]
    assert [row.watermark for row in rows] == [first.watermark, second.watermark]
    assert [row.n_keys for row in rows] == [len(payload_keys(shelf, first)), len(payload_keys(shelf, second))]
    instants = [datetime.fromisoformat(row.published_at or "") for row in rows]
    assert instants[0] < instants[1]
    assert instants[1] - instants[0] < timedelta(hours=1)
