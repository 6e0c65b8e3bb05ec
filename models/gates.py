"""Gates: what a generation must satisfy before it goes live, as results that can be shown.

The gate of quality stands in models/evaluation.py: a kind that loses to best sellers is withheld, the rest of its generation
goes live. These gates refuse a whole generation, since they show a fault of its input.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from models.generation import Manifest

ENOUGH_ITEMS = 1_000


@dataclass(frozen=True)
class Gates:
    """A company's thresholds. coverage: least share (0..1) of the live generation's anchors that must have a list again.
    kept: least share (0..1) of the live generation's items that must stand under their anchor again. quality: least ratio of a
    kind's hit rate over that of best sellers."""

    coverage: float = 0.5
    kept: float = 0.02
    quality: float = 1.0


@dataclass(frozen=True)
class GateResult:
    """One gate of one kind: `value` had to be at least `floor`."""

    gate: str
    kind: str
    value: float
    floor: float

    @property
    def passed(self) -> bool:
        """Whether the generation may go live as far as this gate is concerned."""
        return self.value >= self.floor

    def to_json(self) -> dict[str, Any]:
        """As operators are shown it."""
        return {**asdict(self), "passed": self.passed}


def coverage(share: float, live: Manifest, manifest: Manifest, exempt: Collection[str] = ()) -> list[GateResult]:
    """Anchors with a list, per kind of the live generation: at least `share` (0..1) of what the live generation has.

    exempt: kinds that are meant to have none, or another number each night.
    """
    new = {kind.kind: kind.n_anchors for kind in manifest.kinds}
    due = [kind for kind in live.kinds if kind.kind not in exempt]
    return [GateResult("coverage", kind.kind, new.get(kind.kind, 0), share * kind.n_anchors) for kind in due]


def kept(share: float, kind: str, live: pl.DataFrame, frame: pl.DataFrame) -> list[GateResult]:
    """Share (0..1) of the live lists' items that their anchors have again, over the anchors of both RECOMMENDATIONS frames; no
    result where these have fewer than ENOUGH_ITEMS items, since a small shop's lists may well turn over in one night."""
    common = live.join(frame.select("anchor_id").unique(), on="anchor_id", how="semi")
    if common.height < ENOUGH_ITEMS:
        return []
    again = common.join(frame, on=["anchor_id", "product_id"], how="semi").height
    return [GateResult("kept", kind, round(again / common.height, 6), share)]
