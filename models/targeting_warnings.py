"""What is allowed in a targeting rule and hardly meant: told to whoever stores it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from models.bulk_fields import Fault
from models.messages import PLACEHOLDERS, placeholders
from models.targeting_facts import FREE_SHIPPING, Rule


def warnings(rule: Rule, now: datetime) -> list[Fault]:
    """Each with the field that it is about and a sentence, in the order of the fields; `now` is an aware instant."""
    return list(_warnings(rule, now))


def _warnings(rule: Rule, now: datetime) -> Iterator[Fault]:
    offer = rule.offer
    gives = offer.free_shipping or offer.free_gift or offer.bonus_product or offer.discount_percent
    # shipping that is free from an amount on is the company's, not the rule's
    if not gives and rule.upsell_type != FREE_SHIPPING:
        yield _warning("offer", "The offer gives nothing: no discount, shipping, gift or product.")
    for name in placeholders(rule.message):
        if name not in PLACEHOLDERS:
            known = ", ".join(PLACEHOLDERS)
            yield _warning("message", f"{name!r:.40} is no placeholder and is left out; there are {known}.")
    for field, cap in (("maxImpressions", rule.max_impressions), ("maxAcceptances", rule.max_acceptances)):
        if cap == 0:
            yield _warning(field, f"With {field} 0 the offer is never shown.")
    if rule.valid_until is not None and rule.valid_until <= now:
        yield _warning("validUntil", "The rule's time is over: the offer is not shown.")


def _warning(field: str, message: str) -> Fault:
    return {"field": field, "message": message}
