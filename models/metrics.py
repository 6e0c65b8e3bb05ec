"""The metrics of experiments: one row each. A metric names the columns of the unit table that it needs, no more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PROPORTION, MEAN, RATIO, QUANTILE = "proportion", "mean", "ratio", "quantile"
GOAL, GUARDRAIL, CLAIM = "goal", "guardrail", "claim"


@dataclass(frozen=True)
class Metric:
    """What is measured of a unit (sql/features/experiment_units.sql names the columns; null stands in none of them).

    kind: PROPORTION, the share of units whose `numerator` is above 0, which holds 0 or 1; MEAN of `numerator` over units; RATIO
    of the sums of `numerator` and `denominator`; QUANTILE, the `quantile` (0 to 1) of `numerator` over units.
    covariate, covariate_denominator: the same quantities before the exposure, which CUPED adjusts by.
    role: a GOAL is to be moved, a GUARDRAIL must not get worse by more than `margin`, a share of the control's value; a CLAIM is
    what a client sent: it stands beside what orders say, is never called significant, and no experiment is decided by it.
    better: 1 where more is better, -1 where less is. scale: what a figure is multiplied by before it is shown (cents to the
    currency's unit). unit: `rate`, `currency` or `items`.
    """

    name: str
    kind: str
    numerator: str
    denominator: str | None = None
    covariate: str | None = None
    covariate_denominator: str | None = None
    role: str = GOAL
    better: int = 1
    margin: float | None = None
    scale: float = 1.0
    unit: str = "rate"
    quantile: float | None = None

    def columns(self) -> Iterator[tuple[str, str]]:
        """What the metric reads: the role of a column in its moments (`num`, `den`, `pre_num`, `pre_den`), and its name."""
        named = (
            ("num", self.numerator),
            ("den", self.denominator),
            ("pre_num", self.covariate),
            ("pre_den", self.covariate_denominator),
        )
        return ((role, name) for role, name in named if name is not None)


METRICS = (
    Metric("acceptance_rate", RATIO, "n_accepts", "n_impressions"),
    Metric("click_rate", RATIO, "n_clicks", "n_impressions"),
    Metric("add_to_cart_rate", RATIO, "n_adds", "n_impressions"),
    Metric("conversion", PROPORTION, "is_buyer", covariate="pre_n_orders"),
    Metric("revenue_per_unit", MEAN, "revenue_cents", covariate="pre_revenue_cents", scale=0.01, unit="currency"),
    Metric("average_order_value", RATIO, "revenue_cents", "n_orders", scale=0.01, unit="currency"),
    Metric("items_per_order", RATIO, "n_items", "n_orders", unit="items"),
    Metric("discount_cost", MEAN, "discount_cents", role=GUARDRAIL, better=-1, margin=0.1, scale=0.01, unit="currency"),
    Metric("claimed_revenue_per_unit", MEAN, "claimed_revenue_cents", role=CLAIM, scale=0.01, unit="currency"),
    Metric("decline_rate", RATIO, "n_declines", "n_impressions", role=GUARDRAIL, better=-1, margin=0.1),
    Metric("refund_rate", RATIO, "n_refunds", "n_placed_orders", role=GUARDRAIL, better=-1, margin=0.1),
)  # fmt: skip
BY_NAME = {metric.name: metric for metric in METRICS}
