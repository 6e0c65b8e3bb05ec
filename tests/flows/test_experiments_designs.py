"""Plans and how units came -> designs: looks, days, ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flows.experiments_designs import day_of, designs
from models.experiment_frames import DESIGNS
from models.experiment_plans import Plan, plan_of
from tests.models.test_experiment_plans import BEGAN, ROW

LOOK: dict[str, Any] = {
    "experiment_id": pl.String,
    "variant": pl.String,
    "day": pl.Int64,
    "n": pl.Int64,
    "first_exposed_at": pl.Datetime("us", "UTC"),
}


def looks(*rows: tuple[str, int | None, int]) -> pl.DataFrame:
    """Units by variant and the day since 1970 on which their windows were over."""
    return pl.DataFrame([("exp", variant, day, n, BEGAN) for variant, day, n in rows], schema=LOOK, orient="row")


def planned(**columns: object) -> Plan:
    """A plan of two arms and 20 units each."""
    weights = {"control": 1, "treatment": 1}
    return plan_of({**ROW, "minimum_sample_size": 20, "ended_at": BEGAN + timedelta(days=9), "variant_weights": weights, **columns})


def test_a_look_a_day_up_to_all_units() -> None:
    """Shares of the 40 planned units add up over days and arms, rise, and stop at 1; open windows are no look."""
    seen = looks(
        ("control", 3, 5), ("treatment", 3, 5), ("control", 1, 4), ("control", 9, 40), ("control", 12, 7), ("control", None, 99)
    )
    made = designs([planned()], seen, BEGAN + timedelta(days=2))
    assert dict(made.schema) == DESIGNS
    assert made["looks"].to_list() == [[0.1, 0.35, 1.0]] * 2 and made["planned_units"].to_list() == [40, 40]
    assert made["days"].to_list() == [2.0, 2.0] and made["is_control"].to_list() == [True, False]


def test_without_a_unit_nothing_is_planned() -> None:
    """Planned units without a look would be read as one: they are left out until there is one."""
    made = designs([planned()], looks(), BEGAN)
    assert made["planned_units"].null_count() == made["looks"].null_count() == made["days"].null_count() == 2


def test_days_stop_at_the_end() -> None:
    """An experiment that is over has run until its end, not until today."""
    made = designs([planned()], looks(("control", 1, 1)), BEGAN + timedelta(days=30))
    assert made["days"].to_list() == [9.0, 9.0] and made["is_ended"].all()


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 5, 2, tzinfo=UTC), "2026-05-01"),
        (datetime(2026, 5, 2, 0, 0, 1, tzinfo=UTC), "2026-05-02"),
        (datetime(2026, 5, 2, 1, tzinfo=UTC).astimezone(), "2026-05-02"),
    ],
)
def test_midnight_belongs_to_the_day_before(moment: datetime, day: str) -> None:
    """The watermark is exclusive, so an analysis up to midnight is the ended day's."""
    assert day_of(moment) == day
