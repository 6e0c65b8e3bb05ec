"""A/A replay: a company's own past units, assigned anew a thousand times: how often would we have called what is not there?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models import sequential
from models.comparisons import compare
from models.estimates import Estimate, p_value
from models.experiment_documents import camel
from models.metrics import QUANTILE, Metric
from models.readings import ALWAYS_VALID, GROUP_SEQUENTIAL, normal_deviate

Floats = NDArray[np.float64]
# units that are assigned at once, so that a block of assignments stays in the processor's cache
BLOCK = 512
Z = 1.959964


@dataclass(frozen=True)
class Replay:
    """Of `n_permutations` assignments of the same `n_units` to two equal arms, the share in which any of `n_looks` looks was
    significant: `rate` by the reading of experiments (`reading`: "always valid" or "group sequential"), `peeked_rate` by a t test
    at every look, each with its 95 % interval (Wilson, JASA 22, 1927). Without a bias both would be at most `alpha`."""

    metric: str
    reading: str
    alpha: float
    n_units: int
    n_looks: int
    n_permutations: int
    rate: float
    low: float
    high: float
    peeked_rate: float
    peeked_low: float
    peeked_high: float

    def to_json(self) -> dict[str, Any]:
        """As it stands beside a result."""
        return {camel(name): value for name, value in asdict(self).items()}


def replay(
    units: pl.DataFrame,
    metric: Metric,
    alpha: float = 0.05,
    n_permutations: int = 1_000,
    seed: int = 0,
    n_looks: int | None = None,
    planned: bool = False,
    n_star: float = sequential.N_STAR,
) -> Replay:
    """Assign `units` to two arms by fair coins, `n_permutations` times, and look as often as at an experiment.

    units: exposed_at and the columns that `metric` names (numbers; null counts 0), at least four units; what a unit did counts
    from the day of its exposure. A look ends each day that had an exposure, or `n_looks` of these days, spread evenly, the last
    among them. planned: all units were the planned end, so the reading is group-sequential. The order of the rows says nothing.
    ValueError for a quantile, whose moments are no sums, and for fewer units.
    """
    if metric.kind == QUANTILE:
        raise ValueError(f"The metric {metric.name} is a quantile, which a replay cannot sum; replay a mean, ratio or proportion.")
    if units.height < 4:
        raise ValueError(f"There are {units.height} units to replay; give at least four.")
    roles = dict(metric.columns())
    ordered = units.select("exposed_at", *dict.fromkeys(roles.values())).sort(pl.all())
    values = ordered.select(roles.values()).fill_null(0).cast(pl.Float64).to_numpy()
    ends = _looks(ordered["exposed_at"], n_looks)
    estimate = compare(
        [metric], np.zeros(len(ends) * n_permutations, np.int64), *_arms(values, list(roles), ends, n_permutations, seed)
    )
    called = _called(estimate, ends, alpha, n_permutations, planned, n_star)
    peeked = p_value(estimate) <= alpha
    shares = [wilson(int(each.reshape(len(ends), -1).any(axis=0).sum()), n_permutations) for each in (called, peeked)]
    reading = GROUP_SEQUENTIAL if planned else ALWAYS_VALID
    return Replay(metric.name, reading, alpha, units.height, len(ends), n_permutations, *shares[0], *shares[1])


def wilson(n_called: int, n: int) -> tuple[float, float, float]:
    """Share n_called / n and the ends of its 95 % interval (Wilson, JASA 22, 1927)."""
    share, extra = n_called / n, Z**2 / n
    centre = (share + extra / 2) / (1 + extra)
    half = Z / (1 + extra) * np.sqrt(share * (1 - share) / n + extra / (4 * n))
    return share, max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _looks(exposed_at: pl.Series, n_looks: int | None) -> NDArray[np.int64]:
    """How many units each look sees."""
    days = exposed_at.dt.date().rle().struct.field("len").to_numpy().cumsum().astype(np.int64)
    if n_looks is not None and n_looks < len(days):
        days = days[np.linspace(0, len(days), n_looks + 1).round().astype(np.int64)[1:] - 1]
    # an arm of one unit has no variance
    return days[days >= 4]


def _arms(values: Floats, roles: list[str], ends: NDArray[np.int64], n: int, seed: int) -> Iterator[dict[str, Floats]]:
    """Moments of the control, then of the treatment, by look and assignment."""
    centre = values.mean(axis=0)
    centred = values - centre
    pairs = list(combinations_with_replacement(range(len(roles)), 2))
    summed = np.column_stack([np.ones(len(values)), centred, *(centred[:, one] * centred[:, other] for one, other in pairs)])
    treated = _treated_sums(summed, ends, n, seed)
    everyone = np.cumsum(summed, axis=0)[ends - 1][:, None, :]
    for sums in (everyone - treated, treated):
        yield _of_sums(sums.reshape(-1, summed.shape[1]), roles, pairs, centre)


def _treated_sums(summed: Floats, ends: NDArray[np.int64], n: int, seed: int) -> Floats:
    """Looks x assignments x columns: sums over the treated units seen by each look."""
    random = np.random.default_rng(seed)
    total, found = np.zeros((n, summed.shape[1])), []
    start = 0
    for end in ends:
        for first in range(start, int(end), BLOCK):
            block = summed[first : min(first + BLOCK, int(end))]
            coins = np.frombuffer(random.bytes((n * len(block) + 7) // 8), dtype=np.uint8)
            total += np.unpackbits(coins, count=n * len(block)).reshape(n, -1).astype(np.float64) @ block
        found.append(total.copy())
        start = int(end)
    return np.array(found)


@np.errstate(all="ignore")
def _of_sums(sums: Floats, roles: list[str], pairs: list[tuple[int, int]], centre: Floats) -> dict[str, Floats]:
    size = sums[:, 0]
    means = sums[:, 1 : len(roles) + 1] / size[:, None]
    moments = {"n": size, **{f"mean_{role}": means[:, number] + centre[number] for number, role in enumerate(roles)}}
    for number, (one, other) in enumerate(pairs):
        product = sums[:, len(roles) + 1 + number]
        spread = (product - size * means[:, one] * means[:, other]) / (size - 1)
        name = f"var_{roles[one]}" if one == other else f"cov_{roles[one]}_{roles[other]}"
        # sums of a constant column cancel to a rounding that may be negative
        moments[name] = np.maximum(spread, 0.0) if one == other else spread
    return moments


def _called(estimate: Estimate, ends: NDArray[np.int64], alpha: float, n: int, planned: bool, n_star: float) -> NDArray[np.bool_]:
    if planned:
        bounds = sequential.group_sequential_bounds(ends / ends[-1], alpha)
        return normal_deviate(estimate) >= np.repeat(bounds, n)
    seen = np.repeat(ends, n)
    return sequential.always_valid(estimate.difference, estimate.null_standard_error, seen, alpha, n_star)[2] <= alpha
