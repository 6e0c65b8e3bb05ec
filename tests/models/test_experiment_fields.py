"""The fields of experiments' documents, each by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from models.experiment_fields import FIELDS, changed, read, whole
from tests.models.test_experiment_rules import PLAN


def test_an_end_is_the_companys() -> None:
    """A date is that day's end in the company's zone, an instant without an offset its clocks'."""
    assert read({"endedAt": "2026-05-31"}, "Europe/Berlin").values["endedAt"] == datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert read({"endedAt": "2026-05-31T10:00:00"}, "Europe/Berlin").values["endedAt"] == datetime(2026, 5, 31, 8, tzinfo=UTC)
    with pytest.raises(ValueError, match="Atlantis"):
        read({"endedAt": "2026-05-31"}, "Atlantis/Poseidonis")


def test_what_is_no_change() -> None:
    """A value that is another way to write the stored one: a number, an instant, a default."""
    stored = whole(read({**PLAN, "trafficPercent": Decimal("50.00"), "endedAt": "2026-06-01T00:00:00.000Z"}).values)
    same = {
        "trafficPercent": 50,
        "endedAt": "2026-06-01T02:00:00+02:00",
        "description": None,
        "status": "DRAFT",
        "name": PLAN["name"],
    }
    assert changed(stored, read(same).values) == []
    assert changed(stored, read({"endedAt": None, "name": "Other", "variants": PLAN["variants"]}).values) == ["name", "endedAt"]


def test_what_is_given() -> None:
    """Null is the default, what a row carries besides is left out, and a value with a fault stays as it was sent."""
    values, faults = read({"description": None, "trafficPercent": None, "results": {}, "status": "DONE", "endedAt": "soon"})
    assert values == {"description": None, "trafficPercent": 100, "status": "DONE", "endedAt": "soon"}
    assert [each["field"] for each in faults] == ["status", "endedAt"]
    assert list(whole(values)) == list(FIELDS) and whole(values)["status"] == "DONE"
