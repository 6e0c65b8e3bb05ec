"""POST of what became of an offer: shown, accepted, declined. Its impression's id carries the rule and the visitor, signed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from models import events, exact_json
from models.impression_ids import LONGEST, OFFER, UPSELL, derived_nonce
from models.offer_counters import DAY_MS, SHOWN_MS, accepted_key, declined_key, shown_key, subject, utc_day
from serving import events_scripts as scripts
from serving.errors import ApiError, brief, invalid, refused
from serving.event_requests import Said, answered, remembered, said_in, unknown_impression
from serving.events import NEVER_REPEATED, Once

# a capped step may be sent twice when its connection breaks, and must count once
RESENT_MS = 60_000
N_PARTS = 5


class Shown(NamedTuple):
    """The body of an impression; what is not given is ""."""

    rule_id: str
    cart: str
    session: str
    customer: str
    placement: str
    offer: bytes
    token: str

    @classmethod
    def read(cls, said: Said) -> Shown:
        """Raises ApiError 400."""
        body = said.body
        ids = body.id("ruleId"), body.id("cartId"), body.id("sessionId"), body.optional_id("customerId")
        shown = cls(*ids, body.placement(), body.object("offer"), body.optional_id("impressionToken", LONGEST))
        body.done()
        return shown

    @property
    def whom(self) -> str:
        """Whom it counts for."""
        return subject(self.customer, self.session)


async def impression(request: Request) -> Response:
    """POST /api/upsell/impressions: an offer was shown; answers the id that accepting and declining name."""
    said = await said_in(request)
    shown = Shown.read(said)
    await said.live()
    rule = said.ruled().by_id.get(shown.rule_id)
    if rule is None:
        message = f"names {brief(shown.rule_id)}, which is no rule of the company."
        raise refused(404, "Unknown rule", [{"field": "ruleId", "message": message}])
    cap = _cap(rule, "maxImpressions")
    product, experiment, variant = _attributed(said, shown)
    id = _id(said, shown, product, experiment, variant)
    event = events.upsell_impression(
        id,
        said.company,
        said.at,
        shown.rule_id,
        shown.cart,
        shown.session,
        shown.placement,
        shown.offer,
        shown.customer,
        experiment,
        variant,
    )
    keys = [shown_key(said.company, utc_day(said.at), shown.whom)]
    reply = await said.submit(scripts.IMPRESSION, event, _once(said, shown, id, cap), keys, shown.rule_id, cap, SHOWN_MS)
    if reply == scripts.CAPPED:
        raise ApiError(409, "Shown often enough", f"The rule {brief(shown.rule_id)} may be shown {cap} times a day to one visitor.")
    first = said.first_answer(reply, id)
    if reply == scripts.DONE:
        said.counted("upsell_impressions")
        said.told("Upsell impression recorded", ruleId=shown.rule_id, placement=shown.placement)
    return answered(exact_json.write({"impressionId": first}))


async def accept(request: Request) -> Response:
    """POST /api/upsell/impressions/accept."""
    said = await said_in(request)
    body = said.body
    id, revenue = body.impression(), body.revenue()
    body.done()
    rule_id, whom = _issued(said, id)
    await said.live()
    cap = _cap(said.ruled().by_id.get(rule_id, {}), "maxAcceptances")
    event = events.accept(id, said.company, said.at, revenue)
    keys = [accepted_key(said.company, rule_id), declined_key(said.company, whom)]
    reply = await said.submit(scripts.ACCEPT, event, said.once_of(id, "said", event.kind), keys, id, rule_id, cap)
    if reply == scripts.CAPPED:
        raise ApiError(409, "Accepted often enough", f"The rule {brief(rule_id)} has been accepted {cap} times and rests.")
    if reply == scripts.DONE:
        said.counted("accepts")
    return answered()


async def decline(request: Request) -> Response:
    """POST /api/upsell/impressions/decline."""
    said = await said_in(request)
    body = said.body
    id = body.impression()
    body.done()
    rule_id, whom = _issued(said, id)
    await said.live()
    cool_down = timedelta(days=said.lookup.documents.of(said.company).settings.decline_cool_down_days)
    event = events.decline(id, said.company, said.at)
    own = rule_id, said.at, cool_down // timedelta(milliseconds=1)
    once = said.once_of(id, "said", event.kind)
    if await said.submit(scripts.DECLINE, event, once, [declined_key(said.company, whom)], *own) == scripts.DONE:
        said.counted("declines")
    return answered()


def _issued(said: Said, id: str) -> tuple[str, str]:
    """Rule and visitor of an id. Raises ApiError 404."""
    ref = said.signer().read(UPSELL, said.company, id)
    if ref is None or len(ref) != N_PARTS:
        raise unknown_impression()
    return ref[0], ref[1]


def _attributed(said: Said, shown: Shown) -> tuple[str, str, str]:
    """Product, experiment and variant, "" for none: as the cart's answer has signed them, else as the visitor is assigned."""
    if not shown.token:
        return "", *said.ruled().assigned(shown.rule_id, shown.customer, shown.session, said.at)
    ref = said.signer().read(OFFER, said.company, shown.token)
    # whoever has logged in since, or was nobody yet when the cart was asked for, has still seen it
    visitors = {shown.whom, subject("", shown.session), subject("", "")}
    if ref is None or len(ref) != N_PARTS or ref[0] != shown.rule_id or ref[1] not in visitors:
        raise unknown_impression("impressionToken", "was never issued here for this rule and visitor.")
    return ref[2], ref[3], ref[4]


def _id(said: Said, shown: Shown, *attributed: str) -> str:
    """The impression's id: the same for what is sent again with the same token or key."""
    repeated = shown.token or (f"{said.key}\0{said.fingerprint}" if said.key else "")
    nonce = derived_nonce(said.company, repeated) if repeated else said.lookup.ids.fresh()[:24]
    try:
        return said.signer().issue(UPSELL, said.company, [shown.rule_id, shown.whom, *attributed], nonce)
    except ValueError as error:
        raise invalid("ruleId", f"cannot be told apart: {error}") from None


def _once(said: Said, shown: Shown, id: str, cap: int) -> Once:
    if shown.token:
        return Once(remembered(said.company, "token", derived_nonce(shown.token).hex()), DAY_MS, id)
    if said.key:
        return said.once_by_key(id)
    return Once(remembered(said.company, "sent", id), RESENT_MS, id) if cap else NEVER_REPEATED


def _cap(rule: Mapping[str, Any], name: str) -> int:
    """A rule's cap, 0 for none."""
    value = rule.get(name)
    return max(0, int(value)) if value is not None else 0
