"""Settings from the environment, and the file that documents them."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from flows.errors import SettingsError
from flows.settings import Settings
from models.gates import Gates
from serving.settings import Settings as ApiSettings

EXAMPLE = Path(__file__).parents[2] / ".env.example"
# read by libraries, not by us
LIBRARIES = {"AWS_ENDPOINT_URL", "PREFECT_API_URL"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without an .env of the developer."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def documented() -> dict[str, str]:
    """Names and values of .env.example."""
    lines = EXAMPLE.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_field_is_documented_and_nothing_else() -> None:
    """.env.example holds each setting of the batch; what else it holds is the API's or a library's."""
    ours = {field.name.upper() for field in fields(Settings)}
    assert ours <= documented().keys()
    assert documented().keys() - ours <= LIBRARIES | {f"API_{field.name.upper()}" for field in fields(ApiSettings)}


def test_every_setting_is_explained() -> None:
    """Each setting of the example stands below a comment of its own."""
    assert len(re.findall(r"(?m)^# .+\n[A-Z_]+=", EXAMPLE.read_text())) == len(documented())


def test_the_example_as_it_stands_is_the_default(elsewhere: Path) -> None:
    """Copied and left alone, .env.example changes nothing."""
    plain = Settings.from_env({})
    (elsewhere / ".env").write_text(EXAMPLE.read_text())
    assert Settings.from_env({}) == plain


def test_defaults(elsewhere: Path) -> None:
    """With nothing set, no service is named and files lie in .local of the folder."""
    settings = Settings.from_env({})
    assert (settings.database_url, settings.redis_url, settings.snapshot_uri, settings.jwt_secret) == (None, None, None, None)
    assert settings.local_dir == elsewhere / ".local"
    assert settings.snapshots == (elsewhere / ".local/snapshots").as_uri()
    assert (settings.retry_seconds, settings.retire_after_hours, settings.coverage_gate) == (30.0, 72, 0.5)


def test_every_field_is_read() -> None:
    """Each variable reaches its field, with the field's type."""
    given = {
        "LOCAL_DIR": "/srv/upsell",
        "DATABASE_URL": "postgresql://db/one",
        "REDIS_URL": "redis://cache/0",
        "SNAPSHOT_URI": "s3://bucket/prefix",
        "JWT_SECRET": "s",
        "RETRY_SECONDS": "1.5",
        "STATEMENT_TIMEOUT_SECONDS": "60",
        "RETIRE_AFTER_HOURS": "24",
        "COVERAGE_GATE": "0.75",
        "KEPT_GATE": "0.1",
        "QUALITY_GATE": "1.2",
        "COMPANY_GATES": '{"shop": {"quality": 2}}',
    }
    settings = Settings.from_env(given)
    own = {"shop": {"quality": 2.0}}
    assert settings == Settings(
        Path("/srv/upsell"), "postgresql://db/one", "redis://cache/0", "s3://bucket/prefix", "s", 1.5, 60, 24, 0.75, 0.1, 1.2, own
    )
    assert settings.snapshots == "s3://bucket/prefix"
    assert given.keys() == {field.name.upper() for field in fields(Settings)}


def test_empty_is_unset() -> None:
    """An empty value takes the default, for every field."""
    assert Settings.from_env({field.name.upper(): "" for field in fields(Settings)}) == Settings.from_env({})


def test_the_environment_stands_above_the_file(elsewhere: Path) -> None:
    """.env is read where the environment does not say otherwise."""
    (elsewhere / ".env").write_text("DATABASE_URL=postgresql://file/x\nREDIS_URL=redis://file/0\n")
    settings = Settings.from_env({"REDIS_URL": "redis://environment/0"})
    assert (settings.database_url, settings.redis_url) == ("postgresql://file/x", "redis://environment/0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETRY_SECONDS", "soon"),
        ("RETRY_SECONDS", "-1"),
        ("RETRY_SECONDS", "nan"),
        ("RETRY_SECONDS", "inf"),
        ("STATEMENT_TIMEOUT_SECONDS", "1.5"),
        ("STATEMENT_TIMEOUT_SECONDS", "0"),
        ("RETIRE_AFTER_HOURS", "three"),
        ("RETIRE_AFTER_HOURS", "-1"),
        ("RETIRE_AFTER_HOURS", "0"),
        ("COVERAGE_GATE", "50%"),
        ("COVERAGE_GATE", "1.1"),
        ("COVERAGE_GATE", "nan"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    """A value of the wrong type or out of range is a sentence with its name and itself."""
    with pytest.raises(SettingsError, match=f"{name} is '{value}': give "):
        Settings.from_env({name: value})


def test_settings_are_frozen() -> None:
    """Nobody changes a setting after the door."""
    with pytest.raises(FrozenInstanceError):
        Settings.from_env({}).local_dir = Path()  # type: ignore[misc]


def test_a_companys_own_gates() -> None:
    """A company has its own thresholds where it has any, and the general ones for the rest."""
    settings = Settings.from_env({"QUALITY_GATE": "1.5", "COMPANY_GATES": '{"shop": {"coverage": 0.9}}'})
    assert settings.gates("shop") == Gates(coverage=0.9, kept=Gates.kept, quality=1.5)
    assert settings.gates("another") == Gates(quality=1.5)


@pytest.mark.parametrize("given", ["{", "[]", "1", '{"shop": 1}', '{"shop": {"speed": 1}}', '{"shop": {"quality": "high"}}'])
def test_company_gates_that_cannot_be_read(given: str) -> None:
    """What is no object of known gates and numbers is refused with an example of what is."""
    with pytest.raises(SettingsError, match=r'COMPANY_GATES is .*\{"company"'):
        Settings.from_env({"COMPANY_GATES": given})
