"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder without the checkout's `.env`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults() -> None:
    """Nothing set, or set to nothing, is the documented default."""
    assert Settings.from_env({}) == Settings()
    assert Settings.from_env({"API_PORT": "", "REDIS_URL": ""}) == Settings()


def test_environment_wins_over_the_file(elsewhere: Path) -> None:
    """`.env` is read, and the environment stands over it."""
    (elsewhere / ".env").write_text("API_PORT=1234\nAPI_WORKERS=3\n")
    read = Settings.from_env({"API_PORT": "4321", "API_CACHE_MEGABYTES": "0"})
    assert (read.port, read.workers, read.cache_megabytes) == (4321, 3, 0)


def test_what_writing_needs() -> None:
    """Database, secret and keys are read, and no secret shows when settings are printed."""
    given = {"DATABASE_URL": "postgresql://u:hush@db/one", "JWT_SECRET": "hush", "API_JWKS_FILE": "keys.json", "API_AUDIENCE": "us"}
    read = Settings.from_env({**given, "API_CONFIG_POLL_SECONDS": "5", "REDIS_URL": "redis://:hush@store/0"})
    assert (read.database_url, read.jwt_secret, read.jwks_file) == ("postgresql://u:hush@db/one", "hush", "keys.json")
    assert (read.audience, read.config_poll_seconds, read.read_only) == ("us", 5.0, False)
    assert "hush" not in repr(read)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_PORT", "x"),
        ("API_PORT", "65536"),
        ("API_WORKERS", "0"),
        ("API_CACHE_MEGABYTES", "-1"),
        ("API_CACHE_SECONDS", "0"),
        ("API_POLL_SECONDS", "nan"),
        ("API_STORE_TIMEOUT_SECONDS", "inf"),
        ("API_CONFIG_POLL_SECONDS", "0"),
        ("API_LOG_LEVEL", "all"),
        ("API_ACCESS_LOG", "yes"),
        ("API_HSTS_SECONDS", "-1"),
        ("API_METRICS_OPEN", "-1"),
    ],
)
def test_unusable_values(name: str, value: str) -> None:
    """A wrong value is refused by the name of its variable and the value seen."""
    with pytest.raises(SettingsError, match=f"{name} is '?{value}"):
        Settings.from_env({name: value})


def test_what_stands_around_requests() -> None:
    """Proxies, the access log, HTTPS and who reads the metrics are read; 0 is a value."""
    given = {"API_TRUSTED_PROXIES": "10.0.0.0/8", "API_ACCESS_LOG": "1", "API_HSTS_SECONDS": "60", "API_METRICS_OPEN": "0"}
    read = Settings.from_env(given)
    assert (read.trusted_proxies, read.access_log, read.hsts_seconds, read.metrics_open) == ("10.0.0.0/8", 1, 60, 0)


def test_what_events_need() -> None:
    """Secret, bound and drain are read; a secret that is too short is refused by its length and never shown."""
    secret = "s" * 32
    read = Settings.from_env({"API_SIGNING_SECRET": secret, "API_EVENTS_MOST": "10", "API_DRAIN": "0"})
    assert (read.signing_secret, read.events_most, read.drain) == (secret, 10, 0)
    assert secret not in repr(read)
    with pytest.raises(SettingsError, match="API_SIGNING_SECRET has 31 bytes"):
        Settings.from_env({"API_SIGNING_SECRET": secret[1:]})
    for name, value in (("API_EVENTS_MOST", "0"), ("API_DRAIN", "-1"), ("API_DRAIN", "yes")):
        with pytest.raises(SettingsError, match=f"{name} is '?{value}"):
            Settings.from_env({name: value})
