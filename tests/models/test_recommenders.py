"""The contract that every row of the registry inherits, and the guard that holds it at night."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.generation import ROWS
from models.recommenders import COLUMNS, RECOMMENDERS, Recommender, faults
from tests.models.invented import features, random_features, shuffled

EVERY_KIND = pytest.mark.parametrize("recommender", RECOMMENDERS, ids=lambda row: row.kind)
SEEDS = range(25)


@EVERY_KIND
def test_columns(recommender: Recommender) -> None:
    """The frame has COLUMNS first, in that order, with their types, and every evidence column that the row names."""
    frame = recommender.recommend(features(["ab"] * 5))
    assert tuple(frame.columns[: len(COLUMNS)]) == COLUMNS
    assert tuple(frame.columns[len(COLUMNS) :]) == recommender.evidence
    assert frame.schema["rank"] == pl.Int64
    assert frame.schema["score"] == pl.Float64
    assert all(frame.schema[name] == pl.String for name in ("anchor_id", "product_id", "source", "reason"))
    # a row of facts says for itself from what it is
    assert recommender.form == ROWS or frame["window_days"].null_count() == 0


@EVERY_KIND
def test_nothing_in_nothing_out(recommender: Recommender) -> None:
    """An empty shop gives an empty frame of the same columns and types as a busy one."""
    empty = recommender.recommend(features())
    assert empty.is_empty()
    assert empty.schema == recommender.recommend(features(["ab"] * 5)).schema


@EVERY_KIND
@pytest.mark.parametrize("seed", SEEDS)
def test_random_shops(recommender: Recommender, seed: int) -> None:
    """Whatever the shop, the frame may be published, scores lie in 0..1, and rows in another order change nothing."""
    shop = random_features(seed)
    frame = recommender.recommend(shop)
    assert faults(frame, shop.eligible()["product_id"], recommender.form) == []
    assert frame.filter(~pl.col("score").is_between(0, 1)).is_empty()
    assert_frame_equal(frame, recommender.recommend(shuffled(shop, seed)))


@EVERY_KIND
def test_section(recommender: Recommender) -> None:
    """A kind that shows on a page takes title and display settings from the configuration, and falls back to a known kind."""
    if recommender.section is None:
        return
    shop = features(alsoBought={"title": "Often together", "enabled": False, "displayStyle": "GRID"})
    section = recommender.section(shop)
    assert section.fallback in {row.kind for row in RECOMMENDERS}
    assert set(section.config) >= {"displayStyle", "showRatings", "showQuickAdd"}
    if section.type == "ALSO_BOUGHT":
        assert (section.title, section.enabled, section.config["displayStyle"]) == ("Often together", False, "GRID")


def test_kinds_are_unique_and_fit_into_a_key() -> None:
    """No two rows have one name, and no name holds a colon or a slash, which part keys."""
    kinds = [row.kind for row in RECOMMENDERS]
    assert len(set(kinds)) == len(kinds)
    assert all(kind.replace("-", "").isalpha() for kind in kinds)


GOOD = {"anchor_id": "a", "rank": 1, "product_id": "b", "score": 0.5, "source": "s", "reason": "r"}


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rows that differ from GOOD in what is given."""
    schema = {"anchor_id": pl.String, "rank": pl.Int64, "product_id": pl.String, "score": pl.Float64}
    made = [{**GOOD, **row} for row in rows]
    return pl.DataFrame(made, schema={**schema, "source": pl.String, "reason": pl.String})


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("ranks are not dense from 1", [{"rank": 2}]),
        ("ranks are not dense from 1", [{"rank": 0}]),
        ("ranks are not dense from 1", [{}, {"product_id": "c", "rank": 1}]),
        ("ranks are not dense from 1", [{}, {"product_id": "c", "rank": 3}]),
        ("ranks are not dense from 1", [{"rank": 0}, {"product_id": "c", "rank": 2}]),
        ("ranks are not dense from 1", [{"rank": None}]),
        ("a product recommends itself", [{"product_id": "a"}]),
        ("a product stands twice under one anchor", [{}, {"rank": 2}]),
        ("a product that may not be shown", [{"product_id": "hidden"}]),
        ("a product that may not be shown", [{"product_id": None}]),
        ("a score that is no finite number", [{"score": float("nan")}]),
        ("a score that is no finite number", [{"score": float("inf")}]),
        ("a score that is no finite number", [{"score": None}]),
        ("an item without its source or reason", [{"source": None}]),
        ("an item without its source or reason", [{"reason": None}]),
    ],
)
def test_faults_are_found(words: str, rows: list[dict[str, Any]]) -> None:
    """Each fault is named with the anchor at which it was found first."""
    found = faults(table(*rows), pl.Series(["a", "b", "c"]))
    assert [fault for fault in found if fault.startswith(words) and "at anchor 'a'" in fault], found


def test_a_good_frame_has_no_faults() -> None:
    """Dense ranks, other products, finite scores: nothing to say. An empty frame has nothing to say either."""
    good = table({}, {"rank": 2, "product_id": "c"}, {"anchor_id": "b", "product_id": "a"})
    assert faults(good, pl.Series(["a", "b", "c"])) == []
    assert faults(good.clear(), pl.Series([], dtype=pl.String)) == []
