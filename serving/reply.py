"""What a read answers, as bytes that both ways out understand: the fast protocol and Starlette."""

from __future__ import annotations

import os
from typing import NamedTuple

from starlette.responses import Response

HARDENED = b"x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\n"
BODILESS = (204, 304)


class Reply(NamedTuple):
    """Status, header lines (each ends with CRLF; no date, no length) and body."""

    status: int
    head: bytes
    body: bytes = b""

    def response(self) -> Response:
        """The same reply for Starlette."""
        response = Response(self.body, self.status)
        kept = [pair for pair in response.raw_headers if self.status not in BODILESS and pair[0] == b"content-length"]
        response.raw_headers = [*header_pairs(self.head), *kept]
        return response


def header_pairs(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Header lines as ASGI wants them."""
    pairs = (line.partition(b": ") for line in lines.split(b"\r\n") if line)
    return [(name, value) for name, _, value in pairs]


class Identifiers:
    """Fresh ids that nobody can guess: 128 random bits as 32 hex digits.

    Randomness is drawn in bulk, a system call per id would cost more than the rest of an answer's header. Make one per
    process, after forking.
    """

    def __init__(self) -> None:
        self._pool = b""
        self._at = 0

    def fresh(self) -> bytes:
        """The next id."""
        at = self._at
        if at >= len(self._pool):
            self._pool = os.urandom(8192).hex().encode()
            at = 0
        self._at = at + 32
        return self._pool[at : at + 32]
