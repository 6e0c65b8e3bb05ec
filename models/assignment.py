"""Which variant a unit is in: a function of the experiment's id and the unit's alone, so that every process says the same for good.

Each question draws a number of its own for a unit: BLAKE2b of 8 bytes, the question as its `person`, over the names joined by NUL,
of which the upper 52 bits are a number inside (0, 1). Traffic and variant are thus independent of each other and of every other
experiment. Among variants the least of -ln(number) / weight wins (weighted rendezvous hashing; Thaler & Ravishankar 1998), which
gives each its share, and moves nobody between two arms when a third one's weight changes: of a paused arm only its own units move.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

TRAFFIC, VARIANT, HELD_OUT = b"traffic", b"variant", b"held-out"
STEPS = 2**52


def assigned(experiment_id: str, unit: str, weights: Mapping[str, float], traffic_percent: float) -> str | None:
    """The unit's variant, or None where it is outside the traffic or every weight is 0.

    weights: variant -> share in any scale, from 0 on, 0 for a paused arm. traffic_percent: 0..100; with a higher one whoever was
    in stays in, in the same variant. ValueError for a weight that is negative or no finite number.
    """
    if not 100 * drawn(TRAFFIC, experiment_id, unit) < traffic_percent:
        return None
    chosen, least = None, math.inf
    for variant in sorted(weights):
        weight = weights[variant]
        if not 0 <= weight < math.inf:
            raise ValueError(f"The weight of {variant} is {weight}: give a number from 0 on.")
        if weight:
            waited = -math.log(drawn(VARIANT, experiment_id, variant, unit)) / weight
            if waited < least:
                chosen, least = variant, waited
    return chosen


def is_held_out(company: str, unit: str, percent: float) -> bool:
    """Whether the unit is in the company's permanent holdout of `percent` (0..100); with a higher one it stays in."""
    return 100 * drawn(HELD_OUT, company, unit) < percent


def drawn(question: bytes, *names: str) -> float:
    """A number inside (0, 1), the same for the same question (16 bytes at most) and names in every process, version and machine.

    Names hold no NUL, as no id of Postgres or of a request does.
    """
    digest = hashlib.blake2b("\0".join(names).encode("utf-8", "surrogatepass"), digest_size=8, person=question).digest()
    return ((int.from_bytes(digest, "big") >> 12) + 0.5) / STEPS
