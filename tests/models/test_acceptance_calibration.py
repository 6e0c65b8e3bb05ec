"""The calibration of expected acceptance on impressions that came later."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from flows.simulate import simulate
from models.acceptance import KEYS, upsell_acceptance
from models.acceptance_calibration import calibration, expected
from tests.models.test_acceptance import AT, impressions

LATER = AT + timedelta(days=1)


def moved(frame: pl.DataFrame, to: datetime) -> pl.DataFrame:
    """The impressions at another time."""
    return frame.with_columns(
        pl.lit(to).cast(pl.Datetime("ms")).alias("viewed_at"),
        pl.when(pl.col("accepted_at").is_not_null()).then(pl.lit(to)).cast(pl.Datetime("ms")).alias("accepted_at"),
    )


def test_worked_example() -> None:
    """Learnt at 20 % of very many, then half of a hundred are accepted: the error is .3, far beyond chance."""
    before, after = impressions([("r", "A", "X", 20_000, 4_000)]), impressions([("r", "A", "X", 100, 50)])
    found = calibration(pl.concat([before, moved(after, LATER)]), LATER)
    assert found.error == pytest.approx(0.3, abs=0.002)
    assert found.n_impressions == 100
    assert found.low is not None
    assert found.high is not None
    assert found.by_chance is not None
    assert found.low < found.error < found.high
    # the mean distance of a share of 100 from .2: sqrt(2 / pi) * .04
    assert found.by_chance == pytest.approx(0.032, abs=0.003)


def test_what_is_expected_of_new_cells() -> None:
    """A segment that is new at a placement, a placement that is new to a rule, and a new rule: the nearest rate that is known."""
    rates = upsell_acceptance(impressions([("r", "A", "X", 50, 10), ("r", "B", "X", 50, 2), ("s", "A", "X", 50, 5)]))
    at = {(row["anchor_id"], row["placement"], row["segment"]): row["score"] for row in rates.iter_rows(named=True)}
    cells = pl.DataFrame(
        [("r", "A", "X"), ("r", "A", "Y"), ("r", "C", "X"), ("t", "A", "X")],
        schema=list(KEYS),
        orient="row",
    )
    wanted = [("r", "A", "X"), ("r", "A", ""), ("r", "", ""), ("", "", "")]
    assert expected(cells, rates)["rate"].to_list() == [at[key] for key in wanted]


def test_nothing_to_judge_by() -> None:
    """Without impressions before or after the split there is no figure."""
    some = impressions([("r", "A", "X", 10, 1)])
    for split_at, n in ((AT, 10), (LATER, 0)):
        found = calibration(some, split_at)
        assert (found.error, found.low, found.high, found.by_chance, found.n_impressions) == (None, None, None, None, n)


def test_what_is_decided_later_is_not_known_before() -> None:
    """An offer viewed before the split and accepted after it counts as not accepted yet."""
    late = impressions([("r", "A", "X", 100, 100)]).with_columns(pl.lit(LATER).cast(pl.Datetime("ms")).alias("accepted_at"))
    never = moved(impressions([("r", "A", "X", 100, 0)]), LATER)
    found = calibration(pl.concat([late, never]), LATER)
    assert found.error is not None
    assert found.error < 0.02


def test_the_simulated_shop_is_calibrated() -> None:
    """Learnt from four fifths of a year, the last fifth is missed by little more than chance, in the mean over eight shops."""
    errors, chance = [], []
    for seed in range(8):
        shown = simulate(500, seed)["impressions"].with_columns(segment=pl.lit(None, dtype=pl.String))
        first, last = shown["viewed_at"].min(), shown["viewed_at"].max()
        assert isinstance(first, datetime)
        assert isinstance(last, datetime)
        found = calibration(shown, first + (last - first) * 0.8, seed)
        assert found == calibration(shown.sample(fraction=1, shuffle=True, seed=seed), first + (last - first) * 0.8, seed)
        errors.append(found.error)
        chance.append(found.by_chance)
    assert np.mean(errors) < np.mean(chance) + 0.01
