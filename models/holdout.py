"""The permanent holdout: the share of sessions that see no offer at all, read like any other experiment.

Whoever shows offers assigns every session once, for good, to HOLDOUT or OFFERS in the shares of WEIGHTS (or the company's own), and
logs an impression with `experimentId` EXPERIMENT (or `{company}:` before it) and that variant wherever an offer or a list would
have stood, whether or not it did. The analysis creates the company's experiment when it meets the first of these.
"""

from __future__ import annotations

import hashlib
from typing import Any

from models.assignment import is_held_out

EXPERIMENT = "permanent-holdout"
HOLDOUT, OFFERS = "holdout", "offers"
WEIGHTS = {HOLDOUT: 0.05, OFFERS: 0.95}
METRIC = "revenue_per_unit"
NAME = "Permanent holdout"
# type of the recommendation impressions that tell of the exposures, and the question that their ids are drawn for
EXPOSURE_TYPE = "UPSELL_OFFERS"
EXPOSURE = b"held-out-shown"


def experiment_id(company: str) -> str:
    """The id of the company's row in UpsellExperiment."""
    return f"{company}:{EXPERIMENT}"


def weights(percent: float) -> dict[str, float]:
    """Shares of the variants where `percent` (0..100) of the sessions are held out."""
    return {HOLDOUT: round(percent / 100, 6), OFFERS: round(1 - percent / 100, 6)}


def variant_of(company: str, session: str, percent: float) -> str:
    """HOLDOUT for `percent` (0..100) of a company's sessions, OFFERS for all others; a session stays held out with a higher one."""
    return HOLDOUT if is_held_out(company, session, percent) else OFFERS


def exposure_id(company: str, session: str, day: str) -> str:
    """The id of a session's exposure on a UTC day (`YYYY-MM-DD`): the same whenever it is noted again, so that it is one row."""
    named = "\0".join((company, session, day)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(named, digest_size=16, person=EXPOSURE).hexdigest()


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
