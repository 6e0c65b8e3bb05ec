"""Gates: what a generation must satisfy before it goes live, as results that can be shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from models.generation import Manifest


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


def coverage(share: float, live: Manifest, manifest: Manifest) -> list[GateResult]:
    """Anchors with a list, per kind of the live generation: at least `share` (0..1) of what the live generation has."""
    new = {kind.kind: kind.n_anchors for kind in manifest.kinds}
    return [GateResult("coverage", kind.kind, new.get(kind.kind, 0), share * kind.n_anchors) for kind in live.kinds]
