"""The permanent holdout: the share of sessions that see no offer at all, read like any other experiment.

Whoever shows offers assigns every session once, for good, to HOLDOUT or OFFERS in the shares of WEIGHTS, and logs an impression
with `experimentId` EXPERIMENT (or `{company}:` before it) and that variant wherever an offer or a list would have stood, whether or
not it did. The analysis creates the company's experiment when it meets the first of these.
"""

from __future__ import annotations

from typing import Any

EXPERIMENT = "permanent-holdout"
HOLDOUT, OFFERS = "holdout", "offers"
WEIGHTS = {HOLDOUT: 0.05, OFFERS: 0.95}
METRIC = "revenue_per_unit"
NAME = "Permanent holdout"


def experiment_id(company: str) -> str:
    """The id of the company's row in UpsellExperiment."""
    return f"{company}:{EXPERIMENT}"


def incremental(record: dict[str, Any]) -> dict[str, Any]:
    """What offers earned beyond the holdout, from the document of the arm OFFERS on METRIC: the difference per exposed session in
    the currency's unit, with the interval of the reading, and both times the sessions that were offered something."""
    interval, difference, n = record["interval"]["reading"], record["difference"], record["n"]
    return {
        "revenuePerSession": difference,
        "interval": interval,
        "sessions": n,
        "revenue": None if difference is None else difference * n,
        "revenueInterval": None if interval is None else [end * n for end in interval],
        "reason": record["nulls"].get("difference"),
    }
