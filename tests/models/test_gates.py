"""Gates tell what they compared, and pass at their floor."""

from __future__ import annotations

import polars as pl

from models.gates import ENOUGH_ITEMS, GateResult, coverage, kept
from models.generation import Kind, Manifest


def manifest(**n_anchors: int) -> Manifest:
    """A manifest of kinds with that many anchors."""
    return Manifest("g", "shop", "2026-05-01T00:00:00Z", [Kind(kind, count, 0) for kind, count in n_anchors.items()])


def test_coverage_compares_each_kind_of_the_live_generation() -> None:
    """A kind at its floor passes, one below it fails, a missing one counts nothing, and a new one is not compared."""
    results = coverage(0.5, manifest(same=10, less=11, gone=1), manifest(same=5, less=5, fresh=3))
    assert [(row.kind, row.value, row.floor, row.passed) for row in results] == [
        ("same", 5, 5.0, True),
        ("less", 5, 5.5, False),
        ("gone", 0, 0.5, False),
    ]


def test_a_kind_that_is_withheld_on_purpose_covers_nothing() -> None:
    """The evaluation keeps a kind back: its missing lists are no fault of the input."""
    assert coverage(0.5, manifest(lost=10), manifest(lost=0), exempt={"lost"}) == []


def lists(n_anchors: int, *products: str) -> pl.DataFrame:
    """The same list under every anchor."""
    anchors = pl.DataFrame({"anchor_id": [f"a{number}" for number in range(n_anchors)]})
    return anchors.join(pl.DataFrame({"product_id": products}), how="cross")


def test_kept_compares_the_anchors_that_both_have() -> None:
    """Two of four items stand again: a half; anchors that are new or gone are not compared."""
    live, frame = lists(ENOUGH_ITEMS, "p", "q", "r", "s"), lists(ENOUGH_ITEMS + 50, "p", "q", "x", "y")
    assert [(row.value, row.passed) for row in kept(0.5, "k", live, frame)] == [(0.5, True)]
    assert [(row.value, row.passed) for row in kept(0.51, "k", live, frame)] == [(0.5, False)]


def test_a_small_shop_may_turn_over() -> None:
    """Too few items to compare: no result, so nothing is refused."""
    assert kept(1.0, "k", lists(3, "p"), lists(3, "q")) == []


def test_a_result_is_shown_whole() -> None:
    """The document has what was compared and whether it passed."""
    assert GateResult("coverage", "popular", 4, 5.5).to_json() == {
        "gate": "coverage",
        "kind": "popular",
        "value": 4,
        "floor": 5.5,
        "passed": False,
    }
