"""What every operation shares: the problem documents by status, common parameters and headers, and who may ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.auth import OPERATOR, READ, WRITE
from serving.openapi.vocabulary import ID, PROBLEM, Schema, header, listed, named_headers, query, shape, text, whole

PROBLEM_SCHEMA = shape(
    {
        "type": text(examples=["/problems/invalid-parameter"]),
        "title": text(examples=["Invalid parameter"]),
        "status": whole(400, 599),
        "detail": text(),
        "requestId": text(description="Names the request in the log; the header X-Request-Id says the same."),
    },
    {"errors": listed(shape({"field": text(), "message": text()}), description="The bad fields, each with what is due.")},
    description="A problem as in RFC 9457.",
)
SAID = {
    400: "A parameter or a field of the body is not what it must be.",
    401: "No token, or one that is not valid here.",
    403: "The token's scopes do not include the one needed.",
    404: "There is none of that name for this company; another company's counts as none.",
    409: "Conflicts with what is stored.",
    412: "If-Match names another version than the one that is stored.",
    413: "The body is larger than 64 KB.",
    414: "The address is longer than 8,000 bytes.",
    415: "The body is declared as something else than JSON.",
    429: "Too many requests of this company or address; Retry-After says when to come back.",
    431: "The headers are too long.",
    503: "A store is away, or nothing is written here; Retry-After says when to try again.",
}
OWN_HEADERS = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
HEADERS: dict[str, Schema] = {
    "X-Request-Id": {"description": "The request's id, the client's own where it sent a fit one.", "schema": text(1, 80)},
    "Retry-After": {"description": "Seconds until it is worth trying again.", "schema": text(1, pattern="^[0-9]+$")},
    "WWW-Authenticate": {"description": "How to authenticate (RFC 6750).", "schema": text()},
    "ETag": {"description": "Names this version, for If-None-Match and If-Match.", "schema": text(1)},
    "Location": {"description": "Where the new one is found.", "schema": text(1)},
    "Cache-Control": {"description": "Who may keep the answer.", "schema": text()},
}
COMPANY = query("companyId", ID, "The company (tenant) that is asked.", required=True)
OPERATORS_COMPANY = query(
    "companyId", {**ID, "minLength": 0}, "The company; required of an operator's token, else the token's own."
)
CUSTOMER = query("customerId", {**ID, "minLength": 0}, "Who asks, where that is known.")
SESSION = query("sessionId", {**ID, "minLength": 0}, "The visitor's session.")
IF_NONE_MATCH = header("If-None-Match", text(), "ETags that the client has: 304 where one of them still holds.")
IF_MATCH = header("If-Match", text(), "Write only over the version of this ETag, or over any that is there (`*`); else 412.")
IDEMPOTENCY_KEY = header(
    "Idempotency-Key",
    text(1, 200, pattern="^[\\x21-\\x7e]+$"),
    "Names this request: sent again within 24 hours it counts once and gets the same answer.",
)
NOT_MODIFIED = {"description": "What the client has still holds.", "headers": named_headers("X-Request-Id", "ETag")}
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "HS256, or RS256 and ES256 where there is a file of keys. Claims: `sub`, `exp`, `scope` (a list) and `companyId`. "
            f"Scopes: `{READ}`, `{WRITE}`, each by itself, and `{OPERATOR}`, which stands for both of any company and names it by "
            "`?companyId=`. The scope that an operation needs stands beside it as `x-scope`."
        ),
    }
}


def problems(*statuses: int) -> dict[str, Schema]:
    """The refusals of an operation, each by reference."""
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def responses() -> dict[str, Schema]:
    """The problem documents of the components."""
    media = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {
            "description": said,
            "headers": named_headers("X-Request-Id", *OWN_HEADERS.get(status, ())),
            "content": media,
        }
        for status, said in SAID.items()
    }


def operation(
    name: str,
    tag: str,
    summary: str,
    answers: Mapping[int, Schema],
    refusals: Sequence[int] = (),
    parameters: Sequence[Schema] = (),
    scope: str = "",
    sent: Schema | None = None,
    description: str = "",
) -> Schema:
    """One operation; `refusals` beside those that any address of ours may meet, `scope` "" for the public ones."""
    everywhere = {400, 404, 414, 429, 431, 503}
    secured = {401, 403} if scope else set()
    with_body = {413, 415} if sent is not None else set()
    made: dict[str, Any] = {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        **({"description": description} if description else {}),
        "parameters": [*parameters, *([OPERATORS_COMPANY] if scope not in ("", OPERATOR) and COMPANY not in parameters else [])],
        **({"requestBody": sent} if sent is not None else {}),
        "responses": {str(status): answers[status] for status in answers}
        | problems(*(everywhere | secured | with_body | set(refusals)) - set(answers)),
    }
    if scope:
        made |= {"security": [{"bearer": []}], "x-scope": scope}
    return made
