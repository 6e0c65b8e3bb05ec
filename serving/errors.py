"""The one place where errors become answers: `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from time import monotonic

from serving.reply import HARDENED, Reply

log = logging.getLogger("serving")
_said_at: dict[str, float] = {}
FAILED = "Recommendation service error"
MOST_NAMED = 5
PROBLEM_HEAD = b"content-type: application/problem+json\r\ncache-control: no-store\r\n" + HARDENED


class ApiError(Exception):
    """Raised wherever a request cannot be answered as asked; `title` names the kind of problem and gives its `type`."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
        self.errors, self.headers = errors, headers or {}


class StoreAway(ApiError):
    """Raised when Redis does not answer in time, refuses, or is not there."""

    def __init__(self, detail: str = "The store of recommendations does not answer; try again shortly.") -> None:
        super().__init__(503, "Store away", detail, headers={"retry-after": "1"})


def invalid(field: str, message: str) -> ApiError:
    """The 400 for one bad field."""
    return ApiError(400, "Invalid parameter", f"{field} {message}", [{"field": field, "message": message}])


def refused(status: int, title: str, errors: Sequence[Mapping[str, str]]) -> ApiError:
    """The problem of a body in which one field or several are wrong; each names its field and says what is due."""
    detail = " ".join(f"{error['field']}: {error['message']}" for error in errors[:MOST_NAMED])
    return ApiError(status, title, detail, [dict(error) for error in errors])


def unknown_fault(product_id: str, field: str = "productId") -> dict[str, str]:
    """What is wrong with a product that the company does not show, or that is another company's."""
    return {"field": field, "message": f"names {brief(product_id)}, which is no product of the company."}


def no_price_fault(product_id: str, field: str = "productId") -> dict[str, str]:
    """What is wrong with a product that is not sold at any price yet."""
    return {"field": field, "message": f"names {brief(product_id)}, which has no price."}


def unknown_product(product_id: str) -> ApiError:
    """The 404 of one product."""
    return refused(404, "Unknown product", [unknown_fault(product_id)])


def brief(value: str) -> str:
    """A value from outside, short enough to be named in a message."""
    return repr(value if len(value) <= 80 else value[:80] + "…")


def problem(error: ApiError, request_id: bytes) -> Reply:
    """The problem document of an error, with the request's id to find it in the log."""
    document = {
        "type": "/problems/" + error.title.lower().replace(" ", "-"),
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        **({"errors": error.errors} if error.errors else {}),
        "requestId": request_id.decode(),
    }
    own = "".join(f"{name}: {value}\r\n" for name, value in error.headers.items()).encode()
    head = b"%b%bx-request-id: %b\r\n" % (PROBLEM_HEAD, own, request_id)
    return Reply(error.status, head, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


def _first_of_its_second(words: str) -> bool:
    # with the store away every request fails alike: one line a second tells as much as ten thousand
    now = monotonic()
    first = now - _said_at.get(words, float("-inf")) >= 1
    if first:
        _said_at[words] = now
    return first


def failure(error: Exception, request_id: bytes, company: str | None = None, words: str = FAILED) -> Reply:
    """The answer to any exception; what is our fault is logged with its request, in the contract's words (one of a few)."""
    known = error if isinstance(error, ApiError) else None
    if known is None or (known.status >= 500 and _first_of_its_second(words)):
        context = {"requestId": request_id.decode(), "company": company, "reason": str(error)}
        log.error(words, extra=context, exc_info=None if known else error)
    return problem(known or ApiError(500, "Internal error", "The request failed on our side."), request_id)
