"""What an operator asks for: publish, roll back, status, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import redis

from flows import embedded
from flows.errors import PublishRefused, SettingsError
from flows.object_store import ObjectStore, open_store
from flows.operate import export_kind, generations, publish_built, roll_back
from flows.payload_keys import n_payloads
from flows.progress import silent
from flows.publish import read_kind
from flows.settings import Settings
from models.recommenders import COLUMNS, RECOMMENDERS
from tests.flows.built import built, small_shop


@pytest.fixture
def desk(services: embedded.Services, tmp_path: Path) -> Settings:
    """Settings on an empty Redis, files below tmp_path; no Postgres is needed."""
    with redis.Redis.from_url(services.redis_url) as client:
        client.flushall()
    return Settings(tmp_path / "local", redis_url=services.redis_url)


@pytest.fixture
def store(desk: Settings) -> ObjectStore:
    """The desk's store."""
    return open_store(desk.snapshots, desk.local_dir / "cache")


@pytest.fixture
def client(desk: Settings) -> Iterator[redis.Redis]:
    """A client of the desk's Redis."""
    with redis.Redis.from_url(str(desk.redis_url)) as opened:
        yield opened


def test_publish_takes_the_newest_built(desk: Settings, store: ObjectStore) -> None:
    """Of several built generations the newest watermark goes live; the answer names it and counts its payloads."""
    newest = built(store, "shop", small_shop(), day=2)
    built(store, "shop", small_shop(), day=1)
    (row,) = publish_built(desk, ["shop"], None, silent)
    assert row == {
        "company": "shop",
        "generation": newest.id,
        "nPayloads": n_payloads(newest, partial(read_kind, store, "shop", newest.id)),
    }
    assert generations(desk, None)[0]["live"] == newest.id


def test_publish_takes_the_named_one(desk: Settings, store: ObjectStore) -> None:
    """--to names a built generation; one that was never built is refused."""
    older = built(store, "shop", small_shop(), day=1)
    built(store, "shop", small_shop(), day=2)
    assert publish_built(desk, ["shop"], older.id, silent)[0]["generation"] == older.id
    with pytest.raises(PublishRefused, match="shop: generation nothing was never built completely: run `upsell nightly`"):
        publish_built(desk, ["shop"], "nothing", silent)


def test_publish_without_anything_built(desk: Settings) -> None:
    """The sentence says which company and what to do."""
    with pytest.raises(PublishRefused, match="shop: nothing was built yet: run `upsell nightly --company shop`"):
        publish_built(desk, ["shop"], None, silent)


def test_all_companies_where_none_is_named(desk: Settings, store: ObjectStore) -> None:
    """Publishing and rolling back go over every published company, in order."""
    for company in ("b", "a"):
        for day in (0, 1):
            built(store, company, small_shop(), day)
        publish_built(desk, [company], built(store, company, small_shop(), 0).id, silent)
    assert [row["company"] for row in publish_built(desk, None, None, silent)] == ["a", "b"]
    rolled = roll_back(desk, None, None)
    assert [(row["company"], row["watermark"]) for row in rolled] == [("a", "2026-05-01T12:00:00Z"), ("b", "2026-05-01T12:00:00Z")]
    assert [row["live"] for row in generations(desk, None)] == [row["generation"] for row in rolled]


def test_status_tells_what_is_live_and_what_is_kept(desk: Settings, store: ObjectStore) -> None:
    """Per company the live generation with kinds, counts and figures, and every kept one; it is one JSON document."""
    first, second = (built(store, "shop", small_shop(), day) for day in (0, 1))
    for manifest in (first, second):
        publish_built(desk, ["shop"], manifest.id, silent)
    (row,) = generations(desk, ["shop"])
    assert (row["company"], row["live"], row["watermark"]) == ("shop", second.id, second.watermark)
    assert row["kinds"] == {kind.kind: {"anchors": kind.n_anchors, "items": kind.n_items} for kind in second.kinds}
    assert row["counts"] == second.counts
    assert row["figures"] == second.figures
    assert list(row["kept"]) == [first.id, second.id]
    assert row["kept"][second.id]["expiresInSeconds"] is None
    assert 71 * 3600 < row["kept"][first.id]["expiresInSeconds"] <= 72 * 3600
    assert row["kept"][first.id].keys() == {"watermark", "publishedAt", "payloads", "gates", "expiresInSeconds"}
    assert json.loads(json.dumps(row)) == row


def test_status_of_nothing(desk: Settings, client: redis.Redis) -> None:
    """No company is published: no row. A company that is not known has nothing live, and asking writes nothing."""
    assert generations(desk, None) == []
    (row,) = generations(desk, ["nobody"])
    assert (row["live"], row["watermark"], row["kinds"], row["kept"]) == (None, None, {}, {})
    assert client.keys() == []


@pytest.mark.parametrize("recommender", RECOMMENDERS, ids=lambda row: row.kind)
def test_export_is_the_kinds_frame(desk: Settings, store: ObjectStore, tmp_path: Path, recommender: object) -> None:
    """The table has the contract's columns, then the kind's evidence, and the published rows."""
    kind = recommender.kind  # type: ignore[attr-defined]
    manifest = built(store, "shop", small_shop())
    publish_built(desk, ["shop"], None, silent)
    out = tmp_path / f"{kind}.parquet"
    told = export_kind(desk, "shop", kind, out, None)
    frame = pl.read_parquet(out)
    assert frame.equals(read_kind(store, "shop", manifest.id, kind))
    assert {"anchor_id", "rank", "product_id", "score", "source"} <= set(COLUMNS) <= set(frame.columns)
    assert set(recommender.evidence) <= set(frame.columns)  # type: ignore[attr-defined]
    assert told == {"company": "shop", "generation": manifest.id, "kind": kind, "rows": frame.height, "out": str(out)}


def test_export_of_another_generation(desk: Settings, store: ObjectStore, tmp_path: Path) -> None:
    """--generation names any built one, live or not."""
    old = built(store, "shop", small_shop("abcd"), day=0)
    built(store, "shop", small_shop("ab"), day=1)
    publish_built(desk, ["shop"], None, silent)
    export_kind(desk, "shop", "also-bought", tmp_path / "x.parquet", old.id)
    assert set(pl.read_parquet(tmp_path / "x.parquet")["anchor_id"]) == set("abcd")


def test_export_refuses_an_unknown_kind(desk: Settings, store: ObjectStore, tmp_path: Path) -> None:
    """The sentence names the kind and those that there are; no file is written."""
    built(store, "shop", small_shop())
    publish_built(desk, ["shop"], None, silent)
    with pytest.raises(SettingsError, match="has no kind 'also_bought': it has popular, trending, also-bought"):
        export_kind(desk, "shop", "also_bought", tmp_path / "x.parquet", None)
    assert not (tmp_path / "x.parquet").exists()


def test_export_without_a_generation(desk: Settings, store: ObjectStore, tmp_path: Path) -> None:
    """Nothing live, and a generation that was never built, are sentences."""
    with pytest.raises(PublishRefused, match="shop: no generation is live: run `upsell nightly --company shop`"):
        export_kind(desk, "shop", "popular", tmp_path / "x.parquet", None)
    with pytest.raises(PublishRefused, match="shop: generation nothing was never built completely"):
        export_kind(desk, "shop", "popular", tmp_path / "x.parquet", "nothing")


@pytest.mark.parametrize("place", ["no/such/folder/x.parquet", ".", "file/x.parquet"])
def test_export_to_a_place_that_cannot_be_written(desk: Settings, store: ObjectStore, tmp_path: Path, place: str) -> None:
    """A missing folder, a folder, and a file in place of a folder are one sentence that names the place and the reason."""
    built(store, "shop", small_shop())
    publish_built(desk, ["shop"], None, silent)
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match=r"--out .* cannot be written \((?!None)") as refused:
        export_kind(desk, "shop", "popular", tmp_path / place, None)
    assert str(tmp_path / place) in str(refused.value)
    assert (tmp_path / "file").read_text() == "x"
