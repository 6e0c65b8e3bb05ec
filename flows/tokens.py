"""Tokens for trials, signed with JWT_SECRET or with a secret that this checkout keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jwt

from flows.embedded import secret
from flows.errors import SettingsError
from flows.settings import Settings

COMPANY_SCOPES = ("company:read", "company:write")
SCOPES = (*COMPANY_SCOPES, "platform:admin")
LONGEST_HOURS = 87_600


def sign(settings: Settings, company: str, scopes: list[str], hours: int) -> str:
    """A JWT (HS256) with the claims `sub`, `scope` (list), `companyId`, `iat` and `exp`.

    Raises SettingsError for a scope that the API does not know or a life that is not positive or longer than ten years.
    """
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise SettingsError(f"--scope {unknown[0]} is unknown: use {', '.join(SCOPES)}.")
    if not 1 <= hours <= LONGEST_HOURS:
        raise SettingsError(f"--hours is {hours}: give 1 to {LONGEST_HOURS}.")
    issued_at = datetime.now(UTC)
    claims = {
        "sub": "upsell-token",
        "scope": scopes,
        "companyId": company,
        "iat": issued_at,
        "exp": issued_at + timedelta(hours=hours),
    }
    return jwt.encode(claims, signing_secret(settings), algorithm="HS256")


def signing_secret(settings: Settings) -> str:
    """JWT_SECRET, or the secret of this checkout, made on first use."""
    if settings.jwt_secret:
        return settings.jwt_secret
    settings.local_dir.mkdir(parents=True, exist_ok=True)
    return secret(settings.local_dir / "jwt.secret")
