"""What a read asks for, decoded strictly: whatever a client sends is either understood or a 400."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from serving.errors import FAILED, ApiError, invalid

if TYPE_CHECKING:
    from serving.limits import Limits

LONGEST_ID = 200
LONGEST_TARGET = 8_000
# what is remembered of what was asked: queries of one field, and targets, no longer than that
QUERIES_KEPT, LONGEST_KEPT = 1_000, 300
BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
CLIENT_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,80}")
NO_IDS = frozenset(("sections", "quantity", "items", "maxUpsells", "placements", "limit", "before"))
FIELDS = frozenset(("companyId", "customerId", "sessionId", "cartId")) | NO_IDS


class ReadRequest:
    """A GET of the read API, still raw: fields are decoded when the route asks for them, so that errors become answers.

    limits, caller: what it is still to be counted against, and whose it is there (addresses.Caller.key).
    """

    __slots__ = ("caller", "company", "failed", "if_none_match", "limits", "origin", "params", "query", "request_id")

    def __init__(
        self,
        params: Mapping[str, str],
        query: str,
        headers: Iterable[tuple[bytes, bytes]],
        fresh_id: bytes,
        limits: Limits | None = None,
        caller: str = "",
    ) -> None:
        self.params, self.query = params, query
        self.request_id = fresh_id
        self.limits, self.caller = limits, caller
        self.origin = b""
        self.company: str | None = None
        # what the log says should the answer fail on our side
        self.failed = FAILED
        self.if_none_match = b""
        for name, value in headers:
            if name == b"if-none-match":
                self.if_none_match = self.if_none_match + b"," + value if self.if_none_match else value
            elif name == b"x-request-id" and CLIENT_REQUEST_ID.fullmatch(value):
                self.request_id = value
            elif name == b"origin":
                self.origin = value

    def path_id(self, name: str, field: str) -> str:
        """A decoded segment of the path. Raises ApiError 400."""
        return identifier(field, decode(field, self.params[name]))

    def fields(self) -> Mapping[str, str]:
        """The query's known fields, each given at most once; companyId is there. Raises ApiError 400, 429.

        Fields of other names are not looked at.
        """
        found = query_fields(self.query)
        self.company = company = found.get("companyId")
        if self.limits is not None:
            self.limits.admit(company or "", self.caller)
        if not company:
            raise invalid("companyId", "is required.")
        return found

    def unchanged(self, etag: bytes) -> bool:
        """Whether the client already has what `etag` stands for."""
        given = self.if_none_match
        if not given or given == etag:
            return bool(given)
        return any(each.strip() in (b"*", etag, etag[2:]) for each in given.split(b","))


def query_fields(query: str) -> Mapping[str, str]:
    """The known fields of a raw query, each given at most once. Raises ApiError 400."""
    # one field is companyId, the same in all of a shop's plain pages
    return _fields(query) if "&" in query or len(query) > LONGEST_KEPT else _one_field(query)


@lru_cache(QUERIES_KEPT)
def _one_field(query: str) -> Mapping[str, str]:
    return _fields(query)


def _fields(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if "%" in name:
            name = decode("query", name)
        if name in FIELDS:
            if name in found:
                raise invalid(name, "is given more than once.")
            value = decode(name, value.replace("+", " ") if "+" in value else value)
            found[name] = value if name in NO_IDS else identifier(name, value)
    return found


def named_company(query: str) -> str:
    """The company that a raw query names, "" where it names none or is none."""
    try:
        return query_fields(query).get("companyId", "")
    except ApiError:
        return ""


def client_id(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The X-Request-Id that the client gave, where it is fit for a header and a log line."""
    for name, value in headers:
        if name == b"x-request-id" and CLIENT_REQUEST_ID.fullmatch(value):
            return value
    return None


def decode(field: str, raw: str) -> str:
    """Percent-decode strictly. Raises ApiError 400 for a broken escape, invalid UTF-8 or a NUL."""
    if "%" not in raw and raw.isascii():
        return raw
    if BROKEN_ESCAPE.search(raw):
        raise invalid(field, "has a % that no two hexadecimal digits follow.")
    try:
        value = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise invalid(field, "is not UTF-8.") from None
    if "\0" in value:
        raise invalid(field, "contains a NUL.")
    return value


def identifier(field: str, value: str) -> str:
    """An id as it is, unless it is too long. Raises ApiError 400."""
    if len(value) > LONGEST_ID:
        raise invalid(field, f"is longer than {LONGEST_ID} characters.")
    return value


def check_length(path: bytes, query: bytes) -> None:
    """Raises ApiError 414 for an address that nobody means."""
    if len(path) + len(query) > LONGEST_TARGET:
        raise ApiError(414, "Address too long", f"The address is longer than {LONGEST_TARGET} bytes.")
