"""Public keys from a JWKS file (RFC 7517), read again when the file changes: keys rotate without a restart."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.settings import SettingsError

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger("serving.auth")
# the two kinds of keys that can only check: a symmetric one in the file is passed over
ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256"}
LEAST_RSA_BITS = 2048


class KeyFile:
    """The keys of a file by their `kid`. Raises SettingsError where there is none to be read."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._keys: dict[str, PyJWK] = {}
        self._stamp: tuple[int, int] | None = None
        try:
            self._read()
        except (OSError, ValueError) as error:
            raise SettingsError(f"API_JWKS_FILE is {path!r} and cannot be used ({error}): give a JSON Web Key Set.") from error

    def find(self, token: str) -> PyJWK:
        """The key that a token names by `kid`, or the only one. Raises ValueError or jwt.PyJWTError."""
        import jwt

        self._refresh()
        kid = jwt.get_unverified_header(token).get("kid")
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if not isinstance(kid, str) or kid not in self._keys:
            raise ValueError("no such key")
        return self._keys[kid]

    def _refresh(self) -> None:
        earlier = self._stamp
        try:
            self._read()
        except (OSError, ValueError) as error:
            # what is half written, or gone for a moment, must not lock everyone out; said once
            if self._stamp != earlier:
                log.error("The file of keys cannot be read: the earlier keys stay", extra={"reason": str(error)})

    def _read(self) -> None:
        earlier, self._stamp = self._stamp, None
        status = self._path.stat()
        self._stamp = status.st_mtime_ns, status.st_size
        if self._stamp == earlier:
            return
        document = json.loads(self._path.read_bytes())
        rows = document.get("keys") if isinstance(document, dict) else None
        keys = [(row.get("kid", ""), key) for row in rows or () if isinstance(row, dict) and (key := _key(row)) is not None]
        if not keys:
            raise ValueError("it holds no RSA or P-256 key for signatures")
        self._keys = dict(keys)


def _key(row: dict[str, Any]) -> PyJWK | None:
    import jwt

    algorithm = ALGORITHMS.get((str(row.get("kty")), row.get("crv")))
    if algorithm is None or row.get("use", "sig") != "sig" or row.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(row, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        log.warning("A key of the file cannot be used", extra={"kid": row.get("kid"), "reason": str(error)})
        return None
    return key if algorithm != "RS256" or key.key.key_size >= LEAST_RSA_BITS else None
