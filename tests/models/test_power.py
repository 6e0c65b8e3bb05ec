"""Planning against the textbook, tea-tasting and statsmodels, round trips, and sizes of sequential readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models import power
from models.power import Plan, means, proportions
from models.sequential import always_valid
from tests.models.invented import QUICK

RATES = st.floats(0.001, 0.6)


def test_five_to_six_percent() -> None:
    """From 5 % to 6 % with 80 % power takes 8,155 units per arm: 7.849 x (.05 x .95 + .06 x .94) / .01^2."""
    total = power.units(0.01, proportions(0.05, 0.01))
    assert power.per_arm(total, [0.5, 0.5]).tolist() == [8155, 8155]
    assert power.power_of(0.01, proportions(0.05, 0.01), 2 * 8155) == pytest.approx(0.8, abs=1e-4)


def test_means_by_hand() -> None:
    """sd 10, an effect of 2, halves: 4 x 100 / 4 = 100 times the squared drift of 2.8016, 785 units of both arms."""
    assert power.units(2.0, means(10.0)) == pytest.approx(100 * (1.9599639845 + 0.8416212336) ** 2, rel=1e-5)
    shares = means(10.0, control_share=0.99, treatment_share=0.01)
    assert power.units(2.0, shares) == pytest.approx(power.units(2.0, means(10.0)) / 4 * (1 / 0.99 + 1 / 0.01), rel=1e-12)


@QUICK
@given(alpha=st.floats(1e-6, 0.3), wanted=st.floats(0.31, 0.999999))
def test_drift_is_the_root(alpha: float, wanted: float) -> None:
    """A z test at the drift has the power that was asked for, both tails counted; at or below alpha none is needed."""
    x, z = power.drift(alpha, wanted), stats.norm.isf(alpha / 2)
    assert stats.norm.sf(z - x) + stats.norm.cdf(-z - x) == pytest.approx(wanted, rel=1e-10)
    assert power.drift(0.05, 0.05) == 0.0


@QUICK
@given(
    sd=st.floats(0.1, 1e4),
    effect=st.floats(0.01, 2.0),
    share=st.sampled_from([0.5, 0.9, 0.01]),
    alpha=st.sampled_from([0.05, 0.01]),
)
def test_agrees_with_tea_tasting_and_statsmodels(sd: float, effect: float, share: float, alpha: float) -> None:
    """Power, detectable effect and units of means are theirs to 1e-9, for splits up to 99:1."""
    import tea_tasting
    from statsmodels.stats.power import NormalIndPower
    from tea_tasting.aggr import Aggregates

    plan, total, sided = means(sd, share, 1 - share), 10_000, effect * sd / 10
    options = {"use_t": False, "alpha": alpha, "ratio": (1 - share) / share, "n_obs": total, "power": 0.8}
    data = Aggregates(count_=total, mean_={"x": 10.0}, var_={"x": sd**2})
    theirs = tea_tasting.Mean("x", **options, effect_size=sided).solve_power_from_aggregates(data, "power")[0].power
    assert power.power_of(sided, plan, total, alpha) == pytest.approx(theirs, rel=1e-9)
    least = tea_tasting.Mean("x", **options).solve_power_from_aggregates(data, "effect_size")[0].effect_size
    assert power.detectable(plan, total, alpha) == pytest.approx(least, rel=1e-9)
    needed = tea_tasting.Mean("x", **options, effect_size=sided).solve_power_from_aggregates(data, "n_obs")[0].n_obs
    assert np.ceil(power.units(sided, plan, alpha) * (1 - 1e-9)) == pytest.approx(needed, abs=1)
    same = NormalIndPower().power(effect / 10, total * share, alpha, ratio=(1 - share) / share)
    assert power.power_of(sided, plan, total, alpha) == pytest.approx(same, rel=1e-9)


@QUICK
@given(rate=RATES, relative=st.floats(0.01, 0.6), share=st.sampled_from([0.5, 0.8]), wanted=st.sampled_from([0.8, 0.95]))
def test_round_trips(rate: float, relative: float, share: float, wanted: float) -> None:
    """The units for an effect detect that effect, have the power asked for, and of a share the rise leads back to them."""
    rise = rate * relative
    plan = proportions(rate, rise, share, 1 - share)
    total = power.units(rise, plan, 0.05, wanted)
    assert power.power_of(rise, plan, total) == pytest.approx(wanted, rel=1e-9)
    assert power.detectable(plan, total, 0.05, wanted) == pytest.approx(rise, rel=1e-9)
    assert power.detectable_rise(rate, total, 0.05, wanted, share, 1 - share) == pytest.approx(rise, rel=1e-6)


def test_finite_at_large_effects() -> None:
    """An effect of 50 standard errors has power 1, not NaN; a rise that no rate can show is NaN; no effect takes inf units."""
    assert power.power_of([0.5, -0.5], proportions(0.01, 0.98), 10_000).tolist() == [1.0, 1.0]
    assert np.isnan(power.detectable_rise(0.5, 4))
    assert power.units(0.0, means(1.0)) == np.inf
    assert power.always_valid_units(0.0, means(1.0)) == np.inf
    with pytest.raises(ValueError, match=r"rate is 1\.2"):
        proportions(0.6, 0.6)


def test_several_arms() -> None:
    """Three treatments with a quarter each are compared at alpha / 3; 0 treatments are refused."""
    alpha = power.per_treatment(0.05, 3)
    assert alpha == pytest.approx(0.05 / 3)
    total = power.units(0.01, proportions(0.05, 0.01, 0.25, 0.25), alpha)
    assert power.power_of(0.01, proportions(0.05, 0.01, 0.25, 0.25), total, alpha) == pytest.approx(0.8, rel=1e-9)
    with pytest.raises(ValueError, match="0 treatments"):
        power.per_treatment(0.05, 0)


def test_group_sequential_inflation() -> None:
    """One look needs no more units; 28 daily ones less than a tenth more; with that many, the power is the one asked for."""
    assert power.group_sequential_inflation(np.array([1.0])) == pytest.approx(1.0, rel=1e-9)
    daily = np.arange(1, 29) / 28
    factor = power.group_sequential_inflation(daily)
    assert 1.0 < factor < 1.1
    steps = np.random.default_rng(4).normal(np.sqrt(factor) * power.drift() / 28, np.sqrt(1 / 28), (4_000, 28))
    z = np.abs(steps.cumsum(axis=1) / np.sqrt(daily))
    from models.sequential import group_sequential_bounds

    assert (z >= group_sequential_bounds(daily, 0.05)).any(axis=1).mean() == pytest.approx(0.8, abs=0.025)


@QUICK
@given(effect=st.floats(0.01, 1.0), share=st.sampled_from([0.5, 0.9]), n_star=st.sampled_from([None, 500.0, 5_000.0, 1e6]))
def test_always_valid_units(effect: float, share: float, n_star: float | None) -> None:
    """At the planned units the interval's half-width is the effect less .8416 standard errors; its detectable effect is that."""
    plan = Plan(share, 1 - share, 2.0, 3.0)
    total = float(power.always_valid_units(effect, plan, n_star=n_star))
    error = np.sqrt(plan.spread() / total)
    half = always_valid(0.0, error, total, 0.05, n_star or total)[1]
    assert half + stats.norm.ppf(0.8) * error == pytest.approx(effect, rel=1e-9)
    assert power.always_valid_detectable(plan, total, n_star=n_star) == pytest.approx(effect, rel=1e-9)
    assert total > power.units(effect, plan)


def test_days_left() -> None:
    """1,000 missing units at 300 a day take 4 days; none are left where they are there; inf where none come; NaN for NaN."""
    left = power.days_left([3000, 2000, 3000, np.nan], 2000, [300, 300, 0, 300])
    assert left == pytest.approx([4, 0, np.inf, np.nan], nan_ok=True)
