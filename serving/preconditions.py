"""What a client has read of a document, held against the document as it stands, so that no update is lost unseen.

A document's tag is its version, the row's `updatedAt` in milliseconds. A write may name the version that it changes by If-Match
(RFC 9110, 13.1.1), and does so too where its body carries the `updatedAt` that was read. One that names none writes over the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from models.published_configs import version_of
from serving.errors import ApiError, invalid

# of a document that nobody has stored, which is answered with its defaults
UNSTORED = 0


def tag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def check(request: Request, given: Mapping[str, Any], version: int | None) -> None:
    """Refuse a write of something else than the client has read; version: of the document as it stands, None where there is none.

    Raises ApiError 412 for If-Match, 409 for the body's `updatedAt`, 400 where that is no instant.
    """
    expected = request.headers.getlist("if-match")
    if expected and not _matches(",".join(expected), version):
        now = "it is not there" if version is None else f"its tag is {tag(version)}"
        raise ApiError(412, "Precondition failed", f"If-Match names another version of the document: {now}. Read it again.")
    read = _version(given["updatedAt"]) if given.get("updatedAt") is not None else None
    if read is not None and version is not None and read != version:
        raise ApiError(409, "Conflict", "The document was changed after the one with this updatedAt was read. Read it again.")


def is_unchanged(request: Request, version: int) -> bool:
    """Whether the client has this version of a document already, by If-None-Match."""
    held = request.headers.getlist("if-none-match")
    return bool(held) and _matches(",".join(held).replace("W/", ""), version)


def _matches(tags: str, version: int | None) -> bool:
    named = {each.strip() for each in tags.split(",")}
    return version is not None and ("*" in named or tag(version) in named)


def _version(read: Any) -> int:
    try:
        instant = datetime.fromisoformat(read)
        return version_of(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
    except (TypeError, ValueError):
        raise invalid("updatedAt", "must be an instant in ISO 8601, as it was read.") from None
