"""Gates tell what they compared, and pass at their floor."""

from __future__ import annotations

from models.gates import GateResult, coverage
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


def test_a_result_is_shown_whole() -> None:
    """The document has what was compared and whether it passed."""
    assert GateResult("coverage", "popular", 4, 5.5).to_json() == {
        "gate": "coverage",
        "kind": "popular",
        "value": 4,
        "floor": 5.5,
        "passed": False,
    }
