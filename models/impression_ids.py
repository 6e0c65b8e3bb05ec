"""Ids of what was shown: unguessable, bound to the company and to what stood there, and readable without a store."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest

UPSELL, OFFER, PAGE = "upsell", "offer", "page"
SECRET_BYTES = 32
MAC_BYTES = 16
# of random or derived bytes that keep two ids of the same thing apart
NONCE_BYTES = 16
# an index of Postgres holds no key of 2,700 bytes, and base64 adds a third
MOST_REF_BYTES = 1_900
BYTES = [bytes([number]) for number in range(256)]
# base64 as it stands in addresses (RFC 4648, 5)
URL_SAFE = bytes.maketrans(b"+/", b"-_")
LONGEST = 4 * (1 + MAC_BYTES + NONCE_BYTES + MOST_REF_BYTES) // 3 + 100


class Signer:
    """Issues and reads ids under one secret.

    An id is base64url of the nonce's length, a keyed BLAKE2b (RFC 7693) over kind, nonce, company and reference, the nonce, and the
    reference, whose parts are joined by NUL. The company is not in it: whoever reads has to name the right one.
    """

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError for a secret that is no secret."""
        if not SECRET_BYTES <= len(secret) <= blake2b.MAX_KEY_SIZE:
            raise ValueError(f"The signing secret has {len(secret)} bytes: give {SECRET_BYTES} to {blake2b.MAX_KEY_SIZE}.")
        # copied per id: the key is worked in once
        self._keyed = {kind: blake2b(key=secret, digest_size=MAC_BYTES, person=kind.encode()) for kind in (UPSELL, OFFER, PAGE)}

    def issue(self, kind: str, company: str, ref: Sequence[str], nonce: bytes) -> str:
        """The id of what `ref` names (texts without NUL); nonce: up to 255 bytes, the same one gives the same id.

        Raises ValueError for a reference of more than MOST_REF_BYTES.
        """
        named = "\0".join(ref).encode()
        if len(named) > MOST_REF_BYTES:
            raise ValueError(f"A reference of {len(named)} bytes fits no id: give {MOST_REF_BYTES} at most.")
        return self._issue(kind, company, named, nonce).decode()

    def read(self, kind: str, company: str, given: str) -> list[str] | None:
        """The reference of an id; None for one that was never issued here for this company and kind."""
        raw = _decoded(given)
        if raw is None:
            return None
        start = 1 + MAC_BYTES
        end = start + raw[0]
        nonce, named = raw[start:end], raw[end:]
        # of the many spellings that base64 has for the same bytes one alone was issued
        if len(nonce) != raw[0] or not compare_digest(self._issue(kind, company, named, nonce), given.encode()):
            return None
        return named.decode().split("\0")

    def page(self, company: str, product_id: str, nonce: bytes) -> bytes:
        """The id of a page's answer, ASCII; a section's id is this, a dot, and its kind."""
        return self._issue(PAGE, company, product_id.encode(), nonce)

    def read_page(self, company: str, given: str) -> tuple[str, str] | None:
        """Product and kind of a section's id; the kind is whatever the client has put behind the dot.

        None where the page was never answered here for this company.
        """
        base, dot, kind = given.partition(".")
        ref = self.read(PAGE, company, base) if dot else None
        return (ref[0], kind) if ref is not None else None

    def _issue(self, kind: str, company: str, named: bytes, nonce: bytes) -> bytes:
        length = BYTES[len(nonce)]
        mac = self._keyed[kind].copy()
        mac.update(length + nonce + company.encode() + b"\0" + named)
        raw = length + mac.digest() + nonce + named
        return binascii.b2a_base64(raw, newline=False).translate(URL_SAFE).rstrip(b"=")


def derived_nonce(*parts: str) -> bytes:
    """A nonce that follows from texts without NUL, so that whoever repeats them gets the same id again."""
    return blake2b("\0".join(parts).encode(), digest_size=NONCE_BYTES).digest()


def _decoded(given: str) -> bytes | None:
    if not 4 * MAC_BYTES // 3 < len(given) <= LONGEST or not given.isascii():
        return None
    try:
        return urlsafe_b64decode(given + "=" * (-len(given) % 4))
    except (binascii.Error, ValueError):
        return None
