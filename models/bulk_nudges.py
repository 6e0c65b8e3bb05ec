"""The nudge to buy a few more: the next tier, where the shopper can and plausibly will reach it, and what it costs and saves."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from models.bulk_discounts import MOST_UNITS, Ladder, checked
from models.offers_documents import tier_document

CUSTOMER, PRODUCT, TIER = "customer", "product", "tier"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a shopper may be asked to go.

    stock: units that can be sold, None where they are not counted. customer, product: the 90th percentile of units per order, of
    this customer's orders of the product and of all customers', None where too few orders say so.
    """

    stock: int | None = None
    customer: float | None = None
    product: float | None = None

    def basis(self, quantity: int) -> str | None:
        """What says that `quantity` is within reach: CUSTOMER, PRODUCT, or TIER where no order says anything; None if it is not."""
        if self.customer is None and self.product is None:
            return TIER
        if self.customer is not None and quantity <= self.customer:
            return CUSTOMER
        return PRODUCT if self.product is not None and quantity <= self.product else None


def recommendation(product_id: str, ladder: Ladder, quantity: int, reach: Reach) -> dict[str, Any]:
    """The answer of bulk-recommendation: currentPrice and targetPrice are totals, so additionalCost is their difference.

    `recommendation` is there if a later tier is cheaper per unit, in stock and within reach. A tier at which all units cost less
    than these, of several the cheapest, goes before the next one, and is within anybody's reach. savings, and their percent, are
    of the target's total at the single price; additionalCost is negative where more costs less. ValueError as Ladder.line.
    """
    now = ladder.total(checked(quantity))
    answer: dict[str, Any] = {"productId": product_id, "currentQuantity": quantity, "currentPrice": now}
    target, basis = _target(ladder, quantity, reach) or (quantity, "")
    line = ladder.line(target)
    if target == quantity or (tier := line.tier) is None:
        return answer
    return answer | {
        "recommendation": {
            "targetQuantity": target,
            "quantityToAdd": target - quantity,
            "targetPrice": line.total,
            "additionalCost": line.total - now,
            "savings": line.saving,
            "savingsPercent": line.saving_percent,
            "tier": tier_document(tier),
            "message": _message(ladder, quantity, target),
            "basis": basis,
        }
    }


def _target(ladder: Ladder, quantity: int, reach: Reach) -> tuple[int, str] | None:
    most = MOST_UNITS if reach.stock is None else reach.stock
    # on cents a cheaper unit may save nothing
    steps = [at for step in ladder.later(quantity) if (at := step.min_quantity) <= most and ladder.line(at).saving]
    if not steps:
        return None
    cheapest = min(steps, key=ladder.total)
    if ladder.total(cheapest) < ladder.total(quantity):
        return cheapest, reach.basis(cheapest) or TIER
    basis = reach.basis(steps[0])
    return (steps[0], basis) if basis else None


def _message(ladder: Ladder, quantity: int, target: int) -> str:
    now, line = ladder.total(quantity), ladder.line(target)
    if line.total < now:
        return f"{target} cost less than {quantity}: {_money(line.total, ladder)} instead of {_money(now, ladder)}."
    share = f"{line.saving_percent:f}".rstrip("0").rstrip(".")
    saved = f"save {_money(line.saving, ladder)} ({share}%)"
    return f"Add {target - quantity} more for {_money(line.total - now, ladder)} and {saved} on {target}."


def _money(amount: Decimal, ladder: Ladder) -> str:
    return f"{amount:f} {ladder.currency}".rstrip()
