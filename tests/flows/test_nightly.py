"""The night over companies: bad shops, stores that are away, independence, isolation, determinism."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import redis

from flows import nightly as night_module
from flows.connections import postgres
from flows.embedded import free_port
from flows.errors import SettingsError
from flows.nightly import as_of_utc, failures, night
from flows.object_store import open_store
from flows.operate import export_kind
from flows.progress import silent
from flows.publish import live_generation
from flows.settings import Settings
from models.generation import COMPANIES_KEY, Manifest, manifest_key
from tests.conftest import RedisServer
from tests.shops import DAY, add_order, insert, make_shop

WATERMARK = DAY + timedelta(days=1)


@contextmanager
def client_of(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the settings' Redis."""
    assert settings.redis_url
    with redis.Redis.from_url(settings.redis_url) as client:
        yield client


def everything(settings: Settings) -> dict[bytes, bytes]:
    """Every string in Redis by its key."""
    with client_of(settings) as client:
        return {key: client.get(key) for key in client.scan_iter() if client.type(key) == b"string"}  # type: ignore[misc]


CLOCKED = re.compile(rb":config:(rules|experiments|recommendation-config|settings):$|:stamp$")


def test_two_runs_publish_identical_bytes(settings: Settings) -> None:
    """The same shop and watermark, from empty stores both times, give the same keys and the same bytes."""
    make_shop(settings, "shop", ["abc", "ab", "bc", "abd"] * 10)
    [first] = night(settings, ["shop"], WATERMARK, silent)
    before = everything(settings)
    with client_of(settings) as client:
        client.flushall()
    [second] = night(replace(settings, local_dir=settings.local_dir / "other"), ["shop"], WATERMARK, silent)
    # what the company decides has the database's clock for its version
    kept = [{key: value for key, value in each.items() if not CLOCKED.search(key)} for each in (before, everything(settings))]
    assert first.generation == second.generation
    assert kept[0] == kept[1]


def test_a_later_run_of_the_same_data_has_the_same_content(settings: Settings) -> None:
    """A watermark moved by a day changes the generation's id only in its first part: the content's hash stays."""
    make_shop(settings, "shop", ["ab"] * 6)
    [first] = night(settings, ["shop"], WATERMARK, silent)
    [second] = night(settings, ["shop"], WATERMARK + timedelta(days=1), silent)
    assert first.generation and second.generation and first.generation != second.generation
    assert first.generation.split("-")[1] == second.generation.split("-")[1]


def test_no_company_sees_another(settings: Settings) -> None:
    """Two shops that use the same product ids: no key or value of one names what belongs to the other."""
    make_shop(settings, "left", ["ab"] * 6)
    make_shop(settings, "right", ["cd"] * 6)
    with postgres(settings) as connection:
        # an order line of the one names a product of the other, as a broken import would
        add_order(connection, "left", "left-stray", ["left-a", "right-c"], DAY)
    [left, right] = night(settings, ["left", "right"], WATERMARK, silent)
    assert left.quarantined == {"unknown product": 1}
    assert right.quarantined == {}
    stored = everything(settings)
    assert any(b":left:" in key for key in stored) and any(b":right:" in key for key in stored)
    for key, value in stored.items():
        if key.startswith(b"upsell::"):
            # the settings of all companies
            assert b"left" not in value and b"right" not in value
            continue
        own, other = (b"left", b"right") if b":left:" in key else (b"right", b"left")
        assert own in key + value and other not in key + value


@pytest.mark.parametrize(
    ("baskets", "n_payloads"),
    [
        pytest.param([], 0, id="an empty company"),
        # best sellers; of each product itself, two sections and its interval
        pytest.param(["a"], 1 + 4, id="one product"),
        pytest.param(["a", "b"], 1 + 8, id="orders of one product each"),
    ],
)
def test_a_small_shop_has_a_night(settings: Settings, baskets: list[str], n_payloads: int) -> None:
    """However little there is, the night ends with a generation that readers can ask."""
    make_shop(settings, "small", baskets)
    [done] = night(settings, ["small"], WATERMARK, silent)
    assert (done.error, done.n_payloads) == (None, n_payloads)


def test_what_cannot_be_used_is_counted_and_stops_nothing(settings: Settings) -> None:
    """Orders without lines, null and unknown products, quantities that are not above zero: counted, and the rest published."""
    make_shop(settings, "shop", ["ab"] * 6)
    with postgres(settings) as connection:
        add_order(connection, "shop", "no-lines", [], DAY)
        add_order(connection, "shop", "no-product", [None], DAY)
        add_order(connection, "shop", "unknown", ["never-heard-of"], DAY)
        insert(connection, "OrderItem", [{"id": "minus", "orderId": "shop-order-0000", "productId": "shop-a", "quantity": -1}])
    [done] = night(settings, ["shop"], WATERMARK, silent)
    assert done.error is None
    assert done.quarantined == {
        "order_lines: quantity is not above zero": 1,
        "order_lines: the product was deleted": 1,
        "unknown product": 1,
    }


def test_a_company_that_fails_leaves_the_others_alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company that does not exist and one that meets an unforeseen error are reported in a sentence; the third is published."""
    make_shop(settings, "good", ["ab"] * 6)
    make_shop(settings, "odd", ["ab"] * 6)
    derive = night_module.derive

    def surprised(store: Any, snapshot: Any) -> dict[str, int]:
        if snapshot.company == "odd":
            raise RuntimeError("first line\nsecond line")
        return derive(store, snapshot)

    monkeypatch.setattr(night_module, "derive", surprised)
    missing, odd, good = night(settings, ["missing", "odd", "good"], WATERMARK, silent)
    assert missing.error == "Company 'missing' does not exist: load it, or correct --company."
    assert odd.error == "odd: RuntimeError: first line: the whole trace is in failures.log of the local folder."
    assert "second line" in (settings.local_dir / "failures.log").read_text()
    assert good.error is None and good.generation
    assert missing.analysis_error == missing.error and failures([missing, odd, good]) == f"{missing.error} {odd.error}"
    assert failures([good]) is None


def test_an_unreadable_partition_is_reported(settings: Settings) -> None:
    """A Parquet file of the store that was damaged costs its company the night, in one sentence, and keeps what is live."""
    make_shop(settings, "shop", ["ab"] * 6)
    [first] = night(settings, ["shop"], WATERMARK, silent)
    for path in (settings.local_dir / "snapshots" / "shop" / "order_lines").iterdir():
        path.write_bytes(b"PAR1 no more")
    [second] = night(settings, ["shop"], WATERMARK + timedelta(days=1), silent)
    assert second.generation is None and second.error and second.error.startswith("shop: ")
    with client_of(settings) as client:
        assert live_generation(client, "shop") == first.generation


def test_postgres_away_is_one_sentence(settings: Settings) -> None:
    """Where Postgres does not answer, the night gives up after its retries with a sentence that names host and setting."""
    make_shop(settings, "shop", ["ab"] * 6)
    night(settings, ["shop"], WATERMARK, silent)
    port = free_port()
    away = replace(settings, database_url=f"postgresql://nobody:secret@127.0.0.1:{port}/none", retry_seconds=0.2)
    [done] = night(away, ["shop"], WATERMARK, silent)
    assert done.error and f"Postgres at 127.0.0.1:{port} cannot be used" in done.error and "DATABASE_URL" in done.error
    assert "secret" not in done.error


def test_redis_away_is_waited_for(settings: Settings, redis_server: RedisServer) -> None:
    """A Redis that is away costs the night nothing but its retries, and the built generation is published when it is back."""
    make_shop(settings, "shop", ["ab"] * 6)
    redis_server.kill()
    away = replace(settings, redis_url=redis_server.url, retry_seconds=0.2)
    [done] = night(away, ["shop"], WATERMARK, silent)
    assert done.error and f"Redis at 127.0.0.1:{redis_server.port} cannot be used" in done.error and "REDIS_URL" in done.error
    redis_server.start()
    [again] = night(away, ["shop"], WATERMARK, silent)
    assert again.error is None and again.n_payloads == 1 + 8 + 2


def test_redis_lost_half_way_keeps_the_live_generation(
    settings: Settings, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis dies while payloads are written and comes back: the retry publishes, and until then the old one was live."""
    make_shop(settings, "shop", ["ab"] * 6)
    served = replace(settings, redis_url=redis_server.url)
    [first] = night(served, ["shop"], WATERMARK, silent)
    mset, calls = redis.Redis.mset, []

    def deadly(client: redis.Redis, batch: dict[str, bytes]) -> Any:
        calls.append(1)
        if len(calls) == 2:
            redis_server.kill()
            with pytest.raises(redis.ConnectionError):
                mset(client, batch)
            redis_server.start()
            assert live_generation(client, "shop") == first.generation
            raise redis.ConnectionError("lost")
        return mset(client, batch)

    monkeypatch.setattr(redis.Redis, "mset", deadly)
    [second] = night(served, ["shop"], WATERMARK + timedelta(days=1), silent)
    assert second.error is None and second.generation != first.generation


def test_the_configuration_of_the_company_is_honoured(settings: Settings) -> None:
    """Title, number of results and least support come from the company's row; a value that cannot be keeps the default and is
    named in the figures."""
    make_shop(settings, "shop", ["abc", "abd", "abe"] * 3)
    with postgres(settings) as connection:
        stored = '{"title": "Goes well with", "maxResults": 2, "minCoOccurrences": 9, "lookbackDays": "long"}'
        connection.execute('insert into "RecommendationConfig" ("companyId", "alsoBought") values (%s, %s)', ("shop", stored))
    night(settings, ["shop"], WATERMARK, silent)
    with client_of(settings) as client:
        live = live_generation(client, "shop")
        assert live
        document = client.get(manifest_key("shop", live))
    assert isinstance(document, bytes)
    manifest = Manifest.from_json(document)
    section = manifest.section("also-bought")
    assert section and section.title == "Goes well with"
    assert manifest.figures["ignoredConfiguration"] == ["alsoBought.lookbackDays"]
    out = settings.local_dir / "out.parquet"
    export_kind(settings, "shop", "also-bought", out, None)
    frame = pl.read_parquet(out)
    assert frame["rank"].max() == 2
    assert set(frame.filter(pl.col("source") == "co-purchase").select("anchor_id", "product_id").rows()) == {
        ("shop-a", "shop-b"),
        ("shop-b", "shop-a"),
    }


def test_as_of_without_a_zone_is_utc() -> None:
    """An instant without a zone is UTC, one with a zone is converted, none is now."""
    assert as_of_utc(datetime(2026, 1, 2, 3)) == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert as_of_utc(datetime.fromisoformat("2026-01-02T03:00:00+02:00")) == datetime(2026, 1, 2, 1, tzinfo=UTC)
    assert as_of_utc(None).tzinfo == UTC
    for nonsense in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(SettingsError, match="give an instant of the years 1900 to 2199"):
            as_of_utc(datetime.fromisoformat(nonsense))


def test_every_published_company_is_listed(settings: Settings) -> None:
    """The set of companies in Redis names exactly those that have a live generation."""
    make_shop(settings, "shop", ["ab"] * 6)
    night(settings, ["shop", "missing"], WATERMARK, silent)
    with client_of(settings) as client:
        assert client.smembers(COMPANIES_KEY) == {b"shop"}


def test_the_store_holds_one_manifest_per_watermark(settings: Settings) -> None:
    """A run that is repeated overwrites its manifest with the same bytes and appends nothing."""
    make_shop(settings, "shop", ["ab"] * 6)
    store = open_store(settings.snapshots, settings.local_dir)
    night(settings, ["shop"], WATERMARK, silent)
    before = {key: store.get(key) for key in store.keys("shop/")}
    night(settings, ["shop"], WATERMARK, silent)
    assert {key: store.get(key) for key in store.keys("shop/")} == before
