"""What is dirty in a file of exposures: the names under which rows are set aside, and the counting of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

ONLY_EXPERIMENT = "experiment"
# of rows that are set aside
MISSING = {
    "experiment_id": "missingExperiment",
    "unit_id": "missingUnit",
    "variant": "missingVariant",
    "metric": "missingMetric",
}
UNKNOWN_VARIANT, REPEATED_EVENTS, REPEATED_ROWS = "unknownVariant", "repeatedEvents", "repeatedRows"
EARLY_OUTCOME = "exposureAfterOutcome"
# of units that are left out
SEVERAL_VARIANTS = "unitsInSeveralVariants"
# of what stays, with something to be said about it
REPEATS_THAT_DIFFER, UNREADABLE_INSTANTS = "repeatedRowsThatDiffer", "unreadableInstants"
LATE_OUTCOME, OPEN_WINDOW = "outcomesAfterWindow", "unitsWithOpenWindow"
FALLING = "countsThatFall"  # summaries over time are cumulative: a count that falls says that units were taken back
# of units that do not count for one metric, or not as they should
NOT_FINITE, NO_VALUE, NO_COVARIATE = "valuesNotFinite", "valuesMissing", "covariatesMissing"

OF_ROWS = (
    *MISSING.values(), UNKNOWN_VARIANT, REPEATED_EVENTS, REPEATED_ROWS, REPEATS_THAT_DIFFER, SEVERAL_VARIANTS, EARLY_OUTCOME,
    LATE_OUTCOME, OPEN_WINDOW, UNREADABLE_INSTANTS, FALLING,
)  # fmt: skip
OF_METRICS = (NOT_FINITE, NO_VALUE, NO_COVARIATE)
COUNTS = {"experiment_id": pl.String, "variant": pl.String, "name": pl.String, "of": pl.String, "n": pl.Int64}


@dataclass
class Cleaning:
    """Rows that are still good, and what was counted so far: COUNTS, in which `of` names a metric where it is about one."""

    frame: pl.DataFrame
    counted: list[pl.DataFrame] = field(default_factory=list)

    def set_aside(self, condition: pl.Expr, name: str) -> None:
        """Take out and count the rows for which `condition` is true."""
        marked = self.frame.select(condition.fill_null(False).alias("is_dirty")).to_series()
        if marked.any():
            self.count(self.frame.filter(marked), name)
            self.frame = self.frame.filter(~marked)

    def count(self, rows: pl.DataFrame, name: str, of: str = "") -> None:
        """Count `rows` by experiment and variant."""
        if rows.height:
            keys = [pl.col(key).fill_null("") for key in ("experiment_id", "variant")]
            counted = rows.group_by(keys).len("n").with_columns(name=pl.lit(name), of=pl.lit(of))
            self.counted.append(counted.select(pl.col(key).cast(dtype) for key, dtype in COUNTS.items()))
