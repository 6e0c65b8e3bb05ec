"""Which of the seven frequencies costs least."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.subscription_frequency import DAYS, FREQUENCIES, TOO_FREQUENT_COSTS, frequency_of, losses, nearest
from tests.models.invented import QUICK


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (7, "WEEKLY"),
        (14, "BIWEEKLY"),
        (30, "MONTHLY"),
        (61, "BIMONTHLY"),
        (90, "QUARTERLY"),
        (180, "BIANNUALLY"),
        (360, "ANNUALLY"),
    ],
)
def test_a_sure_interval_has_its_own_frequency(days: float, expected: str) -> None:
    """With hardly any doubt the nearest one is chosen."""
    assert frequency_of(float(np.log(days)), 0.01) == expected


def test_doubt_makes_it_rarer() -> None:
    """Too frequent costs twice: at 40 days, between monthly and every two months, doubt decides for the rarer."""
    assert frequency_of(np.log(40), 0.05) == "MONTHLY"
    assert frequency_of(np.log(40), 0.8) == "BIMONTHLY"


def test_losses_agree_with_draws() -> None:
    """The closed form is the mean loss of drawn gaps, for each of the seven."""
    gaps = np.exp(np.random.default_rng(1).normal(3.5, 0.6, 400_000))[:, None]
    drawn = (TOO_FREQUENT_COSTS * np.maximum(gaps - DAYS, 0) + np.maximum(DAYS - gaps, 0)).mean(axis=0)
    assert losses(3.5, 0.6) == pytest.approx(drawn, rel=0.01)


def test_an_sd_of_nothing_is_refused() -> None:
    """The error names the value."""
    with pytest.raises(ValueError, match=r"deviation 0\.0 is not above 0"):
        frequency_of(3.0, 0.0)


def test_worked_nearest() -> None:
    """Nearest in ratio: 20 days are nearer to 14 than to 30.4, 21 are not."""
    assert [FREQUENCIES[number] for number in nearest(np.array([1, 20, 21, 1000]))] == ["WEEKLY", "BIWEEKLY", "MONTHLY", "ANNUALLY"]


@given(st.floats(0, 8), st.floats(0.05, 2), st.floats(0, 2))
@QUICK
def test_a_longer_interval_is_never_more_frequent(mean: float, sd: float, more: float) -> None:
    """Frequencies rise with the mean; losses are above 0."""
    assert FREQUENCIES.index(frequency_of(mean + more, sd)) >= FREQUENCIES.index(frequency_of(mean, sd))
    assert (losses(mean, sd) > -1e-6).all()
