"""The documents of an offer: as the storefront gets it, and as the preview shows it to the company."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping, Sequence
from typing import Any

from models import exact_json
from models.impression_ids import OFFER
from models.offer_counters import subject
from models.targeting_facts import Counts, Offer, Offered, Product, Reason, Verdict
from serving.cart_requests import CartRequest
from serving.cart_visits import CartVisit, Targeted, cart_value
from serving.lookup import Lookup
from serving.rule_sets import RuleSet

# about 1 KB each
MOST_WRITTEN = 2_000
WITH_THE_OFFER, AS_A_PRESENT, CLOSES_THE_GAP = "Part of this offer", "A present with this offer", "Brings the cart to free shipping"


def offer_document(targeted: Targeted, offered: Offered, token: str) -> dict[str, Any]:
    """One of `upsells`; token: "" for none."""
    rule = offered.rule
    experiment = targeted.variants.get(rule.id)
    return {
        "ruleId": rule.id,
        **({"impressionToken": token} if token else {}),
        "name": rule.name,
        "type": rule.upsell_type,
        "message": offered.message,
        "offer": _given(rule.offer),
        "urgency": rule.urgency,
        "placement": offered.placement,
        "priority": rule.priority,
        "score": offered.score,
        "estimatedConversion": offered.rate,
        **({"experiment": {"id": experiment[0], "variant": experiment[1]}} if experiment else {}),
        "products": [
            {**targeted.products[product.id].shown, "score": offered.score, "reason": _reason(offered, product)}
            for product in (*offered.products, offered.gift)
            if product is not None
        ],
    }


def written_offer(targeted: Targeted, offered: Offered, token: str) -> bytes:
    """The same as JSON; all but the token is made once per rule set, and message, placement, place, rate and products."""
    rules, rule = targeted.rules, offered.rule
    said = (offered.message, offered.placement, offered.score, offered.rate, *[product.id for product in offered.products])
    made = (targeted.variants.get(rule.id), rule.id, offered.gift is None, *said)
    parts = rules.written.get(made)
    if parts is None:
        if len(rules.written) >= MOST_WRITTEN:
            rules.written.clear()
        whole = exact_json.write(offer_document(targeted, offered, ""))
        named = exact_json.write({"ruleId": rule.id}).removesuffix(b"}")
        parts = rules.written[made] = named, whole.removeprefix(named)
    return b'%b,"impressionToken":"%b"%b' % (parts[0], token.encode(), parts[1]) if token else b"%b%b" % parts


def impression_token(lookup: Lookup, request: CartRequest, targeted: Targeted, offered: Offered) -> str:
    """What an impression of the offer names it by: bound to the company, the rule, the visitor, and what was offered.

    "" before this process has the secret, as no event would know a token without: the impression is then told of by its rule alone.
    """
    if lookup.signer is None:
        return ""
    first = next((product.id for product in (*offered.products, offered.gift) if product), "")
    experiment = targeted.variants.get(offered.rule.id, ("", ""))
    ref = [offered.rule.id, subject(request.customer, request.session), first, *experiment]
    try:
        token: str = lookup.signer.issue(OFFER, request.company, ref, unhexlify(lookup.ids.fresh()))
    except ValueError:
        # ids of hundreds of letters that take four bytes each fit no token
        return ""
    return token


def preview_document(cart: CartVisit, targeted: Targeted, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What the preview answers beside the storefront's three lists."""
    visit, customer = targeted.visit, targeted.visit.customer
    found = visit.segments | customer.segments if customer else visit.segments
    return {
        "generation": cart.live.generation,
        "at": visit.now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "flags": dict(cart.documents.flags),
        "cartValue": cart_value(visit.lines),
        "segments": sorted(found),
        "counts": {rule: _counted(counts) for rule, counts in sorted(visit.counts.items())},
        "trace": [*_trace(targeted.rules, verdicts)],
    }


def with_margin(document: Mapping[str, Any], offered: Offered) -> dict[str, Any]:
    """An offer with what it is expected to bring, which tells what products cost: for the company alone."""
    return {**document, "expectedMargin": offered.expected_margin}


def _trace(rules: RuleSet, verdicts: Sequence[Verdict]) -> Sequence[dict[str, Any]]:
    told = [_verdict(verdict.rule_id, rules.names[verdict.rule_id], verdict.place, verdict.reasons) for verdict in verdicts]
    for rule in sorted(rules.unreadable):
        reasons = [Reason(fault["field"], fault["message"]) for fault in rule.faults]
        told.append(_verdict(rule.id, rule.name, None, reasons))
    return told


def _verdict(rule_id: str, name: str, place: int | None, reasons: Sequence[Reason]) -> dict[str, Any]:
    return {
        "ruleId": rule_id,
        "name": name,
        "place": place,
        "reasons": [{"field": reason.field, "message": reason.message} for reason in reasons],
    }


def _counted(counts: Counts) -> dict[str, Any]:
    declined = counts.declined_at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if counts.declined_at else None
    return {"impressionsToday": counts.impressions_today, "acceptances": counts.acceptances, "declinedAt": declined}


def _given(offer: Offer) -> dict[str, Any]:
    given = {
        "discountPercent": offer.discount_percent,
        "freeShipping": offer.free_shipping or None,
        "freeGift": offer.free_gift,
        "bonusProduct": offer.bonus_product,
    }
    return {name: value for name, value in given.items() if value is not None}


def _reason(offered: Offered, product: Product) -> str:
    if product is offered.gift:
        return AS_A_PRESENT
    return WITH_THE_OFFER if product.id == offered.rule.offer.bonus_product else CLOSES_THE_GAP
