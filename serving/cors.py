"""Which other origins' pages may read an answer: those that the company names; where it names none, any may read what is public.

No answer allows credentials: there are no cookies here. What asks with a token, or is asked to let one through, is management.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from serving.company_documents import Documents

EXPOSED = b"access-control-expose-headers: etag, location, retry-after, x-request-id\r\n"
ANY_ORIGIN = b"access-control-allow-origin: *\r\n" + EXPOSED
BY_ORIGIN = b"vary: origin\r\n"
SENT = ("content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id")
# how long a browser goes by what it was told: settings may change
MAX_AGE_SECONDS = 600


class Cors:
    """The header lines of answers, by the settings of the companies; `known` are those that this process serves."""

    def __init__(self, documents: Documents, known: Callable[[], Iterable[str]]) -> None:
        self._documents, self._known = documents, known

    def lines(self, company: str, origin: bytes, management: bool = False) -> bytes:
        """Of an answer of `company` ("" where a request names none) to a page of `origin` (b"" where it tells none)."""
        allowed = self._documents.of(company).settings.cors_origins
        if not allowed:
            return b"" if management else ANY_ORIGIN
        if not self._names(company, origin):
            return BY_ORIGIN
        return b"access-control-allow-origin: %b\r\n%b%b" % (origin, EXPOSED, BY_ORIGIN)

    def preflight(self, company: str, origin: bytes, asked: str, methods: Iterable[str]) -> bytes:
        """What a browser may send, when it asks with the headers `asked` in mind.

        It shows no token yet, so that of management may be of any company that names the origin; the answer itself then tells.
        """
        named = {each.strip().lower() for each in asked.split(",")}
        management = "authorization" in named
        if management and not company:
            company = next((each for each in self._known() if self._names(each, origin)), "")
        lines = self.lines(company, origin, management)
        if b"access-control-allow-origin" not in lines:
            return lines
        headers = ", ".join((*(("authorization",) if management else ()), *SENT))
        allow = f"access-control-allow-methods: {', '.join(methods)}\r\naccess-control-allow-headers: {headers}\r\n"
        return lines + allow.encode() + b"access-control-max-age: %d\r\n" % MAX_AGE_SECONDS

    def _names(self, company: str, origin: bytes) -> bool:
        return origin.decode("latin-1") in self._documents.of(company).settings.cors_origins
