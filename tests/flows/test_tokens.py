"""Tokens for trials."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from flows.errors import SettingsError
from flows.settings import Settings
from flows.tokens import LONGEST_HOURS, SCOPES, sign, signing_secret

SECRET = "0123456789abcdef0123456789abcdef"


def test_claims(tmp_path: Path) -> None:
    """A token says who, for which company, with which scopes, and until when; the secret proves it."""
    token = sign(Settings(tmp_path, jwt_secret=SECRET), "shop/ü", ["company:read", "company:write"], hours=2)
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert (claims["companyId"], claims["scope"], claims["sub"]) == ("shop/ü", ["company:read", "company:write"], "upsell-token")
    assert claims["exp"] - claims["iat"] == timedelta(hours=2).total_seconds()
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, SECRET[::-1], algorithms=["HS256"])


def test_without_a_secret_the_checkout_keeps_one(tmp_path: Path) -> None:
    """The same secret signs every time, is long enough for HS256, and only its owner can read it."""
    settings = Settings(tmp_path / "new" / "local")
    secret = signing_secret(settings)
    assert signing_secret(settings) == secret
    assert len(secret) >= 32
    assert jwt.decode(sign(settings, "shop", ["company:read"], 1), secret, algorithms=["HS256"])["companyId"] == "shop"
    kept = tmp_path / "new" / "local" / "jwt.secret"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["jwt.secret"]


def test_two_checkouts_have_two_secrets(tmp_path: Path) -> None:
    """A secret is drawn, not constant."""
    assert signing_secret(Settings(tmp_path / "a")) != signing_secret(Settings(tmp_path / "b"))


def test_an_unknown_scope_is_refused(tmp_path: Path) -> None:
    """The sentence names the scope and the known ones."""
    with pytest.raises(SettingsError, match="company:delete is unknown: use company:read, company:write, platform:admin"):
        sign(Settings(tmp_path), "shop", [*SCOPES, "company:delete"], 1)


@pytest.mark.parametrize("hours", [0, -1, LONGEST_HOURS + 1, 10**12])
def test_a_life_that_cannot_be_is_refused(tmp_path: Path, hours: int) -> None:
    """No token is born expired, and none lives past the calendar."""
    with pytest.raises(SettingsError, match=f"--hours is {hours}"):
        sign(Settings(tmp_path), "shop", ["company:read"], hours)
