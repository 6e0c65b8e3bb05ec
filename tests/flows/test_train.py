"""Training: a generation's files and id follow from its content, and nothing wrong gets past the guard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.errors import CheckFailed
from flows.layout import generation_key
from flows.object_store import FileStore
from flows.progress import silent
from flows.publish import built_generations, read_kind, read_manifest
from flows.train import train
from models.evaluation import Evaluation, Verdict
from models.judging import Comparison, Estimate, Figures
from models.recommenders import COLUMNS, RECOMMENDERS, Recommender, faults
from tests.flows.built import built, small_shop, snapshot
from tests.models.invented import END, features, random_features, shuffled


def files(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_same_input_same_bytes(tmp_path: Path, seed: int) -> None:
    """Twice, with rows in another order: the same files with the same bytes under the same id."""
    shop = random_features(seed)
    first = built(FileStore(tmp_path / "one"), "shop", shop)
    second = built(FileStore(tmp_path / "two"), "shop", shuffled(shop, seed))
    assert first == second
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_files_of_a_generation(tmp_path: Path) -> None:
    """A frame per kind, the catalogue and the manifest lie under the id; the manifest counts what the frames hold."""
    store = FileStore(tmp_path)
    manifest = built(store, "sh/op", small_shop())
    bundled = [f"{row.kind}.bundles.parquet" for row in RECOMMENDERS if row.bundles]
    names = [*(f"{row.kind}.parquet" for row in RECOMMENDERS), *bundled, "evaluation.json", "manifest.json", "products.parquet"]
    assert store.keys("") == sorted(generation_key("sh/op", manifest.id, name) for name in names)
    assert read_manifest(store, "sh/op", manifest.id) == manifest
    assert built_generations(store, "sh/op") == [manifest.id]
    for kind in manifest.kinds:
        frame = read_kind(store, "sh/op", manifest.id, kind.kind)
        assert tuple(frame.columns[: len(COLUMNS)]) == COLUMNS
        assert (kind.n_anchors, kind.n_items) == (frame["anchor_id"].n_unique(), frame.height)
    section = manifest.section("also-bought")
    assert section is not None
    assert section.type == "ALSO_BOUGHT"


def test_manifest_counts(tmp_path: Path) -> None:
    """Orders, entries, products and views are counted; quarantined rows and ignored settings are told."""
    shop = features(
        ["ab", "a"],
        views=[("s", "a", 0)],
        catalogue={"b": {"in_stock": False}, "c": {"is_shown": False}},
        alsoBought={"maxResults": 99},
    )
    reason = {"views: a view of no product": 2}
    manifest = train(FileStore(tmp_path), snapshot("shop", quarantined=reason), shop, Evaluation(), 3, silent)
    assert manifest.counts == {
        "orders": 2,
        "basketEntries": 3,
        "customers": 0,
        "views": 1,
        "products": 3,
        "eligibleProducts": 1,
    }
    assert manifest.figures["quarantined"] == {**reason, "unknown product": 3}
    assert manifest.figures["ignoredConfiguration"] == ["alsoBought.maxResults"]
    assert manifest.watermark == "2026-05-01T12:00:00Z"


def test_id_follows_from_the_content(tmp_path: Path) -> None:
    """Other data, other id; the same data at another watermark differs in the beginning alone, which is that watermark."""
    store = FileStore(tmp_path)
    first = built(store, "shop", small_shop())
    assert first.id.startswith("20260501T120000.000000Z-")
    variants = {
        "another order": features(["abc"] * 6),
        "another name": features(["abc"] * 5, catalogue={"a": {"name": "New"}}),
        "another price": features(["abc"] * 5, catalogue={"a": {"price_cents": 999}}),
        "another setting": features(["abc"] * 5, alsoBought={"title": "New"}),
    }
    ids = {words: built(store, "shop", shop).id for words, shop in variants.items()}
    assert len({first.id, *ids.values()}) == 1 + len(variants)
    later = built(store, "shop", small_shop(), day=1)
    assert later.id.split("-")[1] == first.id.split("-")[1]
    assert later.id.startswith("20260502T120000.000000Z-")
    assert built_generations(store, "shop")[-1] == later.id


def test_an_empty_shop_builds_an_empty_generation(tmp_path: Path) -> None:
    """No product and no event: every kind is there, with nothing in it."""
    manifest = built(FileStore(tmp_path), "shop", features())
    assert [(kind.kind, kind.n_anchors, kind.n_items) for kind in manifest.kinds] == [(row.kind, 0, 0) for row in RECOMMENDERS]


def _misbehaving(**columns: Any) -> Recommender:
    good = {"anchor_id": "a", "rank": 1, "product_id": "b", "score": 0.5, "source": "s", "reason": "r"}
    return Recommender("broken", lambda _: pl.DataFrame([{**good, **columns}]), ())


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"product_id": "a"}, "a product recommends itself"),
        ({"product_id": "hidden"}, "a product that may not be shown"),
        ({"score": float("nan")}, "a score that is no finite number"),
        ({"rank": 2}, "ranks are not dense from 1"),
        ({"reason": None}, "an item without its source or reason"),
    ],
)
def test_a_recommender_that_misbehaves_stops_its_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: dict[str, Any], words: str
) -> None:
    """The sentence names company, kind and fault; nothing is stored."""
    monkeypatch.setattr("flows.train.RECOMMENDERS", (*RECOMMENDERS, _misbehaving(**columns)))
    with pytest.raises(CheckFailed, match=f"shop: broken may not be published: {words}"):
        built(FileStore(tmp_path), "shop", small_shop())
    assert files(tmp_path) == {}


def test_a_generation_exists_once_its_manifest_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before the manifest, the frames are of no generation; run again, it is the undisturbed one."""
    undisturbed = built(FileStore(tmp_path / "one"), "shop", small_shop())
    store = FileStore(tmp_path / "two")
    put = FileStore.put

    def killed(self: FileStore, key: str, content: bytes) -> None:
        if key.endswith("manifest.json"):
            raise KeyboardInterrupt
        put(self, key, content)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(FileStore, "put", killed)
        built(store, "shop", small_shop())
    assert store.keys("") != []
    assert built_generations(store, "shop") == []
    assert built(store, "shop", small_shop()) == undisturbed
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_generations_are_listed_by_watermark(tmp_path: Path) -> None:
    """Oldest first, whatever the order of building; another company's are not among them."""
    store = FileStore(tmp_path)
    ids = {day: built(store, "shop", small_shop(), day).id for day in (3, 0, 1.5)}
    built(store, "shop2", small_shop())
    assert built_generations(store, "shop") == [ids[0], ids[1.5], ids[3]]


def test_progress_counts_the_kinds(tmp_path: Path) -> None:
    """One step per kind."""
    told: list[tuple[str, int, int]] = []
    shop = replace(small_shop(), company="shop")
    train(FileStore(tmp_path), snapshot("shop", END + timedelta(0)), shop, Evaluation(), 0, lambda *step: told.append(step))
    assert told == [("train shop", done, len(RECOMMENDERS)) for done in range(1, len(RECOMMENDERS) + 1)]


def test_a_withheld_kind_has_no_lists_and_says_why(tmp_path: Path) -> None:
    """A kind that lost on the held-out days shows best sellers, says so, and its readiness line gives the figures."""
    store = FileStore(tmp_path)
    lost = Estimate(0.5, 0.4, 0.6)
    judged = Figures(10, 200, lost, lost, lost, 0.1, 0.1, 1.0)
    verdict = Verdict(
        "also-bought", "task", 200, 100, "orders", 1.0, judged, {"best sellers": judged}, {"best sellers": Comparison(lost, lost)}
    )
    manifest = train(store, snapshot("shop"), replace(small_shop(), company="shop"), Evaluation(END, (verdict,)), 0, silent)
    lists = read_kind(store, "shop", manifest.id, "also-bought")
    assert set(lists["source"]) == {"best seller of the shop"} and set(lists["anchor_id"]) == set("abc")
    assert lists["n_xy"].null_count() == lists.height and faults(lists, pl.Series(["a", "b", "c"])) == []
    assert not read_kind(store, "shop", manifest.id, "popular").is_empty()
    assert list(manifest.figures["withheld"]) == ["also-bought"]
    assert manifest.figures["readiness"]["also-bought"].endswith("loses, best sellers are shown")
