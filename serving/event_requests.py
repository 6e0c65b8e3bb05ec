"""What every POST of an event begins and ends with: whose it is, when it came, what repeats it, and how it is answered."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from hashlib import blake2b
from time import time
from typing import Any, NamedTuple
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from models import exact_json
from models.events import Event
from models.impression_ids import Signer
from models.offer_counters import DAY_MS
from serving.bodies import read_object
from serving.errors import ApiError, StoreAway, invalid, refused
from serving.events import NEVER_REPEATED, Once, Ruled
from serving.events_fields import Body, idempotency_key
from serving.lookup import Lookup
from serving.requests import query_fields
from serving.routing import settled
from serving.sections import Live

log = logging.getLogger("serving.events")
SUCCESS = b'{"success":true}'
NO_STORE = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Said(NamedTuple):
    """One request: whose, what its body says, the repetition key of its header, and when it came (ms since 1970)."""

    lookup: Lookup
    company: str
    given: dict[str, Any]
    key: str
    at: int
    request_id: str

    @property
    def body(self) -> Body:
        """Its fields."""
        return Body(self.given)

    @property
    def fingerprint(self) -> str:
        """What tells its body from others."""
        return blake2b(exact_json.write(self.given), digest_size=16).hexdigest()

    def signer(self) -> Signer:
        """What ids are signed with. Raises StoreAway until Redis has been reached once."""
        if self.lookup.signer is None:
            raise StoreAway
        return self.lookup.signer

    def ruled(self) -> Ruled:
        """The company's rules and their experiments."""
        ruled: Ruled = self.lookup.intake.ruled(self.company, self.lookup.documents.of(self.company))
        return ruled

    async def live(self) -> Live:
        """The company's live generation, with which its documents are here. Raises ApiError 404, StoreAway."""
        generations = self.lookup.generations
        known: Live | None = generations.known.get(self.company)
        return known if known is not None else await settled(generations.load(self.company))

    async def submit(self, script: str, event: Event, once: Once, keys: Iterable[str], *own: Any) -> Any:
        """Have the event taken in; the reply of its step. Raises ApiError 503, which counts as a failed write."""
        try:
            return await self.lookup.intake.submit(script, event, once, keys, *own)
        except ApiError:
            self.counted("failed_writes")
            raise

    def once_by_key(self, answer: str) -> Once:
        """For a request with the header: the same key is told the same for a day, and is refused for another request."""
        if not self.key:
            return NEVER_REPEATED
        return Once(remembered(self.company, "key", self.key), DAY_MS, f"{self.fingerprint} {answer}")

    def once_of(self, impression_id: str, what: str, word: str = "") -> Once:
        """For what is said of an impression, however it is sent: Postgres knows it for good."""
        return Once(remembered(self.company, what, impression_id), DAY_MS, word)

    def first_answer(self, reply: Any, answer: str) -> str:
        """What the first of the same requests was answered. Raises ApiError 409 where its key was another request's."""
        if not isinstance(reply, bytes):
            return answer
        fingerprint, parted, first = reply.decode().rpartition(" ")
        if parted and fingerprint != self.fingerprint:
            raise ApiError(409, "Conflict", "This Idempotency-Key was given with another request.")
        return first

    def told(self, words: str, **more: str) -> None:
        """Log in the contract's words."""
        log.info(words, extra={"company": self.company, "requestId": self.request_id, **more})

    def counted(self, name: str) -> None:
        """Count it in the metrics."""
        if self.lookup.metrics is not None:
            self.lookup.metrics.count(name, self.company)


async def said_in(request: Request) -> Said:
    """The request, as far as all events are alike. Raises ApiError 400, 413, 415."""
    company = query_fields(request.scope["query_string"].decode("latin-1")).get("companyId")
    if not company:
        raise invalid("companyId", "is required.")
    request.state.company = company
    key = idempotency_key(request.headers.getlist("idempotency-key"))
    given = await read_object(request)
    return Said(request.state.lookup, company, given, key, int(time() * 1000), request.state.request_id.decode())


def remembered(company: str, what: str, of: str) -> str:
    """Key under which Redis knows a repetition."""
    return f"upsell:{quote(company, safe='')}:once:{what}:{of}"


def unknown_impression(field: str = "impressionId", message: str = "was never issued here.") -> ApiError:
    """The 404 of an id of somebody's own."""
    return refused(404, "Unknown impression", [{"field": field, "message": message}])


def answered(body: bytes = SUCCESS) -> Response:
    """The answer of an event that was taken."""
    return Response(body, 200, NO_STORE, "application/json")
