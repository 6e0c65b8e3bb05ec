"""Posteriors by hand, against simulation and quadrature, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from models.bayes import FLAT, posterior
from tests.models.invented import QUICK


def test_by_hand() -> None:
    """Prior sd .3 of 10 is 3 and the standard error 4: the data weigh 9/25, the sd is 12/5, and 5 shrinks to 1.8."""
    found = posterior(5.0, 4.0, 10.0)
    assert (found.mean, found.sd, found.prior_sd) == pytest.approx((1.8, 2.4, 3.0))
    z = 0.75
    assert found.chance_to_win == pytest.approx(stats.norm.cdf(z), rel=1e-12)
    assert found.expected_loss == pytest.approx(2.4 * stats.norm.pdf(z) - 1.8 * stats.norm.cdf(-z), rel=1e-9)


def test_flat_prior() -> None:
    """Without a prior the posterior is the estimate; nor is there a relative one where the control's mean is not above 0."""
    for base, prior in ((10.0, FLAT), (0.0, 0.3), (-2.0, 0.3)):
        found = posterior(5.0, 4.0, base, prior)
        assert (found.mean, found.sd) == (5.0, 4.0)
        assert np.isinf(found.prior_sd)


@QUICK
@given(z=st.floats(-30, 30), error=st.floats(1e-6, 1e6))
def test_loss_is_the_integral(z: float, error: float) -> None:
    """The expected loss is the integral of max(0, -difference) over the posterior; both losses are >= 0 and differ by the mean."""
    found = posterior(z * error, error, 1.0, FLAT)
    by_quadrature = integrate.quad(lambda x: x * stats.norm.pdf(x + z), 0, max(0.0, -z) + 12, points=[max(0.0, -z)], limit=200)[0]
    assert found.expected_loss == pytest.approx(by_quadrature * error, rel=1e-6, abs=1e-14 * error)
    assert found.expected_loss >= 0 and found.expected_loss_of_control >= 0
    gain = found.expected_loss_of_control - found.expected_loss
    assert gain == pytest.approx(z * error, rel=1e-9, abs=1e-12 * error)


@QUICK
@given(difference=st.floats(-50, 50), error=st.floats(0.01, 50), base=st.floats(0.01, 100))
def test_less_may_be_better(difference: float, error: float, base: float) -> None:
    """Where less is better, chance and loss are those of the mirrored difference; the mean keeps its sign."""
    less, mirrored = posterior(difference, error, base, better=-1), posterior(-difference, error, base)
    assert less.chance_to_win == mirrored.chance_to_win
    assert less.expected_loss == mirrored.expected_loss
    assert less.mean == -mirrored.mean


def test_no_estimate_no_posterior() -> None:
    """Without a standard error above 0 everything is NaN; a prior that is no prior is refused."""
    found = posterior([1.0, 1.0, np.nan], [0.0, np.nan, 1.0], 1.0)
    assert np.isnan(found.chance_to_win).all() and np.isnan(found.expected_loss).all()
    with pytest.raises(ValueError, match=r"sd is 0\.0"):
        posterior(1.0, 1.0, 1.0, 0.0)
