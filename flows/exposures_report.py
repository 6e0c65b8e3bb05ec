"""What is told of a file beside its results: what was dirty in it, and what a reader should be warned of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from flows.exposures_counts import (
    EARLY_OUTCOME,
    FALLING,
    NO_COVARIATE,
    NO_VALUE,
    NOT_FINITE,
    OF_METRICS,
    OF_ROWS,
    REPEATED_ROWS,
    REPEATS_THAT_DIFFER,
    SEVERAL_VARIANTS,
)
from models.sample_ratio import chi_square

WARN_SHARE = 0.01
# rows that are set aside more often in one arm than in another move the effect
UNEVEN = (REPEATED_ROWS, EARLY_OUTCOME, NO_VALUE, NOT_FINITE, NO_COVARIATE)
UNEVEN_P = 0.001


@dataclass(frozen=True)
class Dirt:
    """What was dirty, by experiment: rows of (variant, name, metric or "", number); and units by experiment and variant."""

    counts: Mapping[str, list[tuple[str, str, str, int]]]
    arms: Mapping[str, dict[str, int]]

    def told(self, experiment: str) -> dict[str, Any]:
        """dirtyRows, dirtyRowsByVariant, dirtyValues and warnings of one experiment (docs/experiments.md)."""
        totals = dict.fromkeys(OF_ROWS, 0)
        by_variant: dict[str, dict[str, int]] = {}
        of_metrics: dict[str, dict[str, int]] = {}
        for variant, name, metric, n in self.counts.get(experiment, []):
            if metric:
                of_metrics.setdefault(metric, dict.fromkeys(OF_METRICS, 0))[name] += n
            else:
                totals[name] += n
            if variant:
                by_variant.setdefault(f"{name} of {metric}" if metric else name, {})[variant] = n
        arms = self.arms.get(experiment, {})
        warnings = [*_shares(totals, of_metrics, sum(arms.values())), *_uneven(by_variant, arms)]
        return {"dirtyRows": totals, "dirtyRowsByVariant": by_variant, "dirtyValues": of_metrics, "warnings": warnings}

    def of_no_experiment(self) -> dict[str, int]:
        """Rows that name no experiment, by name."""
        found: dict[str, int] = {}
        for _, name, _, n in self.counts.get("", []):
            found[name] = found.get(name, 0) + n
        return found


def dirt_of(counts: pl.DataFrame, arms: pl.DataFrame) -> Dirt:
    """counts: exposures_counts.COUNTS; arms: experiment_id, variant, n."""
    found: dict[str, list[tuple[str, str, str, int]]] = {}
    for experiment, variant, name, metric, n in counts.sort("experiment_id", "name", "of", "variant").rows():
        found.setdefault(experiment, []).append((variant, name, metric, n))
    units: dict[str, dict[str, int]] = {}
    for experiment, variant, n in arms.select("experiment_id", "variant", "n").sort("experiment_id", "variant").rows():
        units.setdefault(experiment, {})[variant] = n
    return Dirt(found, units)


def _shares(totals: dict[str, int], of_metrics: dict[str, dict[str, int]], n_units: int) -> Iterator[str]:
    mixed = totals[SEVERAL_VARIANTS]
    if mixed > WARN_SHARE * (n_units + mixed):
        share = mixed / (n_units + mixed)
        yield f"{mixed} units ({share:.1%}) were seen in several variants and left out: look for a fault of the assignment."
    if (differ := totals[REPEATS_THAT_DIFFER]) > WARN_SHARE * n_units:
        yield f"{differ} rows repeat a unit with other values and were left out: if rows are events, add them up by --repeats sum."
    for metric, gaps in of_metrics.items():
        missing = gaps[NO_VALUE] + gaps[NOT_FINITE]
        if missing > WARN_SHARE * n_units:
            yield f"{missing} units have no value of {metric} and do not count for it: if none means 0, say --missing zero."
    if falling := totals[FALLING]:
        yield f"In {falling} places a count falls over time: summaries over time are cumulative, so units were taken back."


def _uneven(by_variant: Mapping[str, Mapping[str, int]], arms: Mapping[str, int]) -> Iterator[str]:
    """A sentence for what was found in other shares of the arms than chance gives (chi-square, p < UNEVEN_P)."""
    for name, found in by_variant.items():
        if name.partition(" ")[0] not in UNEVEN:
            continue
        dirty = [found.get(variant, 0) for variant in arms]
        _, _, p = chi_square(dirty, [n + more for n, more in zip(arms.values(), dirty, strict=True)])
        if p < UNEVEN_P:
            by_arm = ", ".join(f"{n} in {variant}" for variant, n in zip(arms, dirty, strict=True))
            yield f"{name} is uneven over the variants ({by_arm}; p = {float(p):.2g}): the effect may come from that."
