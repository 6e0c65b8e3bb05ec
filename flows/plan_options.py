"""What `upsell analyze --plan` may be told; imports nothing that is slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True)
class PlanOptions:
    """What is known before an experiment; alpha, weights, looks, n_star, days and planned_units are those of FileOptions."""

    baseline: Annotated[float | None, Parameter(help="The control's rate, mean or ratio.")] = None
    effect: Annotated[str | None, Parameter(help="The effect to be seen: 10% of the baseline, or 0.005 as it stands.")] = None
    power: Annotated[float, Parameter(help="The chance to see it.")] = 0.8
    arms: Annotated[int, Parameter(help="Number of variants, the control among them, where no weights name them.")] = 2
    units_per_day: Annotated[float | None, Parameter(help="Units of all arms that come in a day.")] = None
    sd: Annotated[float | None, Parameter(help="Standard deviation of a unit's value; without it the baseline is a rate.")] = None
    denominator_mean: Annotated[float | None, Parameter(help="Of a ratio: the mean of a unit's denominator.")] = None
    denominator_sd: Annotated[float, Parameter(help="Of a ratio: the standard deviation of a unit's denominator.")] = 0.0
    denominator_correlation: Annotated[float, Parameter(help="Of a ratio: how numerator and denominator correlate.")] = 0.0
    covariate_correlation: Annotated[float, Parameter(help="How the value correlates with its covariate (CUPED).")] = 0.0
