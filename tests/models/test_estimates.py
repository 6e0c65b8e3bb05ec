"""Estimates by hand, against tea-tasting, scipy and statsmodels from the same moments, and where there is none."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models import estimates
from models.estimates import Estimate, Moments, cuped, fixed_interval, lift, mean, non_inferiority, p_value, proportion, ratio
from tests.models.invented import QUICK

ROLES = ("num", "den", "pre_num", "pre_den")
PAIRS = tuple(combinations(ROLES, 2))
SIZES = st.one_of(st.integers(2, 40), st.sampled_from([2, 99, 9801]))


def units(n: int, seed: int, offset: float = 0.0) -> np.ndarray[Any, Any]:
    """Units of one arm, a column per role: correlated, heavy-tailed, denominators above 0, `offset` added to both numerators."""
    rng = np.random.default_rng(seed)
    taste, den, pre_den = rng.lognormal(0, 1, n), rng.integers(1, 9, n).astype(float), rng.integers(1, 9, n).astype(float)
    num, pre_num = taste * den + rng.normal(0, 1, n), taste * pre_den + rng.normal(0, 1, n)
    return np.stack([num + offset, den, pre_num + offset, pre_den], axis=1)


def moments(rows: np.ndarray[Any, Any], roles: tuple[str, ...] = ROLES) -> dict[str, float]:
    """The fields of Moments that `roles` need."""
    spread = np.cov(rows.T, ddof=1)
    found: dict[str, float] = {"n": len(rows)}
    for number, role in enumerate(ROLES):
        if role in roles:
            found[f"mean_{role}"], found[f"var_{role}"] = rows[:, number].mean(), spread[number, number]
    places = {role: number for number, role in enumerate(ROLES)}
    for one, other in PAIRS:
        if one in roles and other in roles:
            found[f"cov_{one}_{other}"] = spread[places[one], places[other]]
    return found


def by_tea_tasting(metric: str, control: dict[str, float], treatment: dict[str, float], **options: Any) -> Any:
    """tea-tasting's result for the same moments."""
    import tea_tasting
    from tea_tasting.aggr import Aggregates

    roles = [role for role in ROLES if f"mean_{role}" in control]
    arms = [
        Aggregates(
            count_=int(arm["n"]),
            mean_={role: float(arm[f"mean_{role}"]) for role in roles},
            var_={role: float(arm[f"var_{role}"]) for role in roles},
            cov_={pair: float(arm[f"cov_{pair[0]}_{pair[1]}"]) for pair in PAIRS if f"cov_{pair[0]}_{pair[1]}" in arm},
        )
        for arm in (control, treatment)
    ]
    return getattr(tea_tasting, metric)(*roles, **options).analyze_aggregates(*arms)


def assert_same(ours: Estimate, theirs: Any, near: float = 0.0) -> None:
    """Effect, two-sided interval and p to 1e-9, the effect within `near` too."""
    low, high = fixed_interval(ours, 0.05)
    assert ours.difference == pytest.approx(theirs.effect_size, rel=1e-9, abs=near)
    assert low == pytest.approx(theirs.effect_size_ci_lower, rel=1e-9, abs=near)
    assert high == pytest.approx(theirs.effect_size_ci_upper, rel=1e-9, abs=near)
    assert p_value(ours) == pytest.approx(theirs.pvalue, rel=1e-9 + near, abs=1e-300)


@QUICK
@given(sizes=st.tuples(SIZES, SIZES), seed=st.integers(0, 10**6), offset=st.sampled_from([0.0, 1e8]))
def test_means_are_tea_tastings_and_scipys(sizes: tuple[int, int], seed: int, offset: float) -> None:
    """Effect, interval, p and one-sided p of Welch's test are theirs to 1e-9, with an offset of 1e8 and arms of 99:1 too."""
    arms = [moments(units(n, seed + place, offset), ("num",)) for place, n in enumerate(sizes)]
    ours = mean(*(Moments(**arm) for arm in arms))
    assert_same(ours, by_tea_tasting("Mean", *arms), near=1e-9)
    control, treatment = [(arm["mean_num"], np.sqrt(arm["var_num"]), arm["n"]) for arm in arms]
    for alternative in ("two-sided", "greater", "less"):
        theirs = stats.ttest_ind_from_stats(*treatment, *control, equal_var=False, alternative=alternative)
        assert p_value(ours, alternative) == pytest.approx(theirs.pvalue, rel=1e-9)


@QUICK
@given(sizes=st.tuples(SIZES, SIZES), seed=st.integers(0, 10**6))
def test_ratios_are_tea_tastings(sizes: tuple[int, int], seed: int) -> None:
    """Effect, interval and p of a ratio by the delta method are tea-tasting's to 1e-9."""
    arms = [moments(units(n, seed + place), ("num", "den")) for place, n in enumerate(sizes)]
    assert_same(ratio(*(Moments(**arm) for arm in arms)), by_tea_tasting("RatioOfMeans", *arms), near=1e-12)


@QUICK
@given(sizes=st.tuples(SIZES, SIZES), seed=st.integers(0, 10**6), offset=st.sampled_from([0.0, 1e8]))
def test_cuped_is_tea_tastings(sizes: tuple[int, int], seed: int, offset: float) -> None:
    """Adjusted means and ratios are tea-tasting's to 1e-9; at an offset of 1e8, to the digits that its adjusted means keep."""
    rows = [units(n, seed + place, offset) for place, n in enumerate(sizes)]
    for metric, roles in (("Mean", ("num", "pre_num")), ("RatioOfMeans", ROLES)):
        if offset and metric == "RatioOfMeans":
            continue
        arms = [moments(arm, roles) for arm in rows]
        ours = cuped(*(Moments(**arm) for arm in arms))
        # two units per arm can be explained whole: what is left is rounding
        if min(sizes) > 3:
            assert_same(ours, by_tea_tasting(metric, *arms), near=1e-6 if offset else 1e-11)
        assert ours.control_mean == mean_or_ratio(arms[0])


def mean_or_ratio(arm: dict[str, float]) -> float:
    """What an arm shows, unadjusted."""
    return arm["mean_num"] / arm.get("mean_den", 1.0)


@QUICK
@given(
    sizes=st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)), rates=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)  # fmt: skip
def test_proportions_are_tea_tastings_and_statsmodels(sizes: tuple[int, int], rates: tuple[float, float]) -> None:
    """Effect, interval and p of the pooled z test without continuity correction are theirs to 1e-9, or there is none."""
    from statsmodels.stats.proportion import proportions_ztest

    buyers = [round(n * rate) for n, rate in zip(sizes, rates, strict=True)]
    arms = [{"n": n, "mean_num": k / n, "var_num": 0.0} for n, k in zip(sizes, buyers, strict=True)]
    ours = proportion(*(Moments(**arm) for arm in arms))
    p = p_value(ours)
    if sum(buyers) in (0, sum(sizes)):
        assert ours.null_standard_error == 0 and np.isnan(p)
        return
    assert p == pytest.approx(proportions_ztest(buyers[::-1], sizes[::-1])[1], rel=1e-9, abs=1e-300)
    if all(buyers):
        theirs = by_tea_tasting("Proportion", *arms, method="norm", correction=False)
        assert ours.difference == pytest.approx(theirs.effect_size, rel=1e-9)
        assert p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)
        # a share cannot differ by more than 1, where tea-tasting cuts its interval
        ends = np.clip(fixed_interval(ours, 0.05), -1, 1)
        assert ends == pytest.approx([theirs.effect_size_ci_lower, theirs.effect_size_ci_upper], rel=1e-9, abs=1e-12)


def test_nobody_bought_in_the_control() -> None:
    """0 of 100 against 5 of 100: the effect is .05; pooled error sqrt(.025 x .975 x .02), own error sqrt(.05 x .95 / 100)."""
    found = proportion(Moments(100, 0.0), Moments(100, 0.05))
    assert found.difference == 0.05
    assert found.null_standard_error == pytest.approx(np.sqrt(0.025 * 0.975 * 0.02), rel=1e-12)
    assert found.standard_error == pytest.approx(np.sqrt(0.05 * 0.95 / 100), rel=1e-12)
    assert p_value(found) == pytest.approx(2 * stats.norm.sf(0.05 / np.sqrt(0.025 * 0.975 * 0.02)), rel=1e-12)


def test_far_tails() -> None:
    """z = 21.039 has p = 2.9e-98 and z = 21 has 6.6e-98, not 0; a t statistic of 21 likewise."""
    base = mean(Moments(1e12, 0.0, 0.5e12), Moments(1e12, [21.039, 21.0, -21.0], 0.5e12))
    far = Estimate(**{**vars(base), "df": np.full(3, np.inf)})
    assert p_value(far)[0] == pytest.approx(2.9e-98, rel=0.01)
    assert p_value(far)[1:] == pytest.approx([6.558556e-98] * 2, rel=1e-6)
    assert p_value(base) == pytest.approx(p_value(far), rel=1e-6)
    assert p_value(far, "greater")[2] == 1.0


def test_one_sided_intervals() -> None:
    """An interval for `greater` has its low end at the effect minus 1.645 errors and none above; `less` mirrors it."""
    found = proportion(Moments(100, 0.4), Moments(100, 0.6))
    low, high = fixed_interval(found, 0.05, "greater")
    assert low == pytest.approx(0.2 - 1.6448536269514722 * found.null_standard_error, rel=1e-12)
    assert high == np.inf
    assert fixed_interval(found, 0.05, "less") == (-np.inf, pytest.approx(0.4 - low, rel=1e-12))
    with pytest.raises(ValueError, match="'larger'"):
        fixed_interval(found, 0.05, "larger")


@QUICK
@given(n=st.integers(2, 500), shift=st.floats(-3, 3), alpha=st.floats(1e-6, 0.5), offset=st.sampled_from([0.0, 1e8]))
def test_interval_and_p_agree(n: int, shift: float, alpha: float, offset: float) -> None:
    """The interval excludes 0 where p is below alpha, arms swapped have the opposite effect and the same p, which is 0..1."""
    control, treatment = Moments(n, offset, 1.0), Moments(n + 3, offset + shift, 2.0)
    found, swapped = mean(control, treatment), mean(treatment, control)
    low, high = fixed_interval(found, alpha)
    p = p_value(found)
    assert 0 <= p <= 1
    if abs(p / alpha - 1) > 1e-9:
        assert (low > 0 or high < 0) == (p < alpha)
    assert swapped.difference == -found.difference
    assert p_value(swapped) == p


def test_an_offset_changes_nothing() -> None:
    """1e8 added to every value leaves difference, error and CUPED as they are, where the means are exact."""
    rng = np.random.default_rng(5)
    rows = [np.stack([rng.integers(0, 9, n), np.ones(n), rng.integers(0, 9, n), np.ones(n)], axis=1) for n in (64, 16)]
    found = []
    for offset in (0.0, 1e8):
        moved = [arm + np.array([offset, 0, offset, 0]) for arm in rows]
        centred = [moments(arm, ("num", "pre_num")) for arm in rows]
        means = [{f"mean_{role}": arm[:, place].mean() for role, place in (("num", 0), ("pre_num", 2))} for arm in moved]
        found.append(cuped(*(Moments(**{**arm, **shown}) for arm, shown in zip(centred, means, strict=True))))
    assert found[0].theta != 0
    for name in ("difference", "standard_error", "df", "theta"):
        assert getattr(found[0], name) == pytest.approx(getattr(found[1], name), rel=1e-12)


def test_cuped_without_a_use() -> None:
    """A covariate that does not vary, or that an arm does not have, adjusts nothing; one that explains all leaves no error."""
    plain = mean(Moments(50, 1.0, 2.0), Moments(60, 1.5, 2.0))
    for before in ({"mean_pre_num": 3.0}, {"mean_pre_num": np.nan}, {"mean_pre_num": 0.0, "mean_pre_den": 0.0}):
        found = cuped(Moments(50, 1.0, 2.0, **before), Moments(60, 1.5, 2.0, **before))
        assert vars(found) == vars(plain)
    same = {"var_pre_num": 2.0, "cov_num_pre_num": 2.0}
    whole = cuped(Moments(50, 1.0, 2.0, mean_pre_num=1.0, **same), Moments(60, 1.5, 2.0, mean_pre_num=1.5, **same))
    assert whole.difference == pytest.approx(0.0, abs=1e-12)
    assert whole.standard_error == 0.0


def test_cuped_by_hand() -> None:
    """theta = 1/2 takes half the covariate's difference of 2 off; variance 4 + 1/4 x 4 - 1/2 x 2 x 2 = 3, a quarter less."""
    before = {"var_num": 4.0, "var_pre_num": 4.0, "cov_num_pre_num": 2.0}
    found = cuped(Moments(10**6, 10.0, mean_pre_num=5.0, **before), Moments(10**6, 10.0, mean_pre_num=5.0, **before))
    assert found.theta == pytest.approx(0.5, rel=1e-9)
    assert found.standard_error == pytest.approx(np.sqrt(2 * 3 / 10**6), rel=1e-9)
    assert found.control_standard_error == pytest.approx(np.sqrt(4 / 10**6), rel=1e-9)


def test_lift_only_where_it_means_something() -> None:
    """+10 % of a control at 10; none for controls of -2, 0, or 1 with an error of .7, nor without units or an error."""
    control = Moments([100, 100, 100, 100, 0, 1], [10.0, -2.0, 0.0, 1.0, np.nan, 3.0], [1.0, 1.0, 1.0, 49.0, np.nan, np.nan])
    treatment = Moments(100, [11.0, -1.5, 1.0, 2.0, 1.0, 4.0], 1.0)
    shown, why = lift(mean(control, treatment))
    assert shown == pytest.approx([0.1, *[np.nan] * 5], nan_ok=True)
    negative, near = estimates.NO_POSITIVE_CONTROL, estimates.NEAR_ZERO_CONTROL
    assert why.tolist() == [None, negative, negative, near, estimates.NO_VALUE, estimates.FEW_UNITS]


def test_reasons() -> None:
    """Empty arms, single units, values that do not vary and denominators of 0 have no p and no interval, and say why."""
    control = Moments([0, 1, 5, 5, 5], [np.nan, 1.0, 2.0, 2.0, 2.0], [np.nan, np.nan, 0.0, 1.0, 1.0], mean_den=[np.nan, 1, 1, 0, 1])
    treatment = Moments(5, 2.0, [1.0, 1.0, 0.0, 1.0, 1.0])
    found = ratio(control, treatment)
    why = estimates.reasons(control, treatment, found)
    expected = [estimates.NO_UNITS, estimates.FEW_UNITS, estimates.NO_VARIANCE, estimates.NO_DENOMINATOR, None]
    assert why.tolist() == expected
    missing = [reason is not None for reason in expected]
    assert np.isnan(p_value(found)).tolist() == missing
    assert np.isnan(fixed_interval(found, 0.05)).tolist() == [missing, missing]
    assert np.isnan(fixed_interval(found, 0.05, "greater")).tolist() == [missing, missing]


def test_a_ratio_that_is_constant_does_not_vary() -> None:
    """Where num is .3 of den in every unit, what is left of the variance is rounding: 0."""
    den = np.arange(1.0, 40.0)
    rows = np.stack([0.3 * den, den, den, den], axis=1)
    arm = Moments(**moments(rows, ("num", "den")))
    assert ratio(arm, arm).standard_error == 0.0


@pytest.mark.parametrize("better", [1, -1])
def test_non_inferiority(better: int) -> None:
    """A margin of 10 % of 10 is 1; worse by .5 with an error of .2 is shown to be within it: z = .5 / .2; harm has the rest."""
    found = proportion(Moments(100, 0.5), Moments(100, 0.5))
    chosen = {"difference": -0.5 * better, "standard_error": 0.2, "control_mean": 10.0}
    limit, p, p_harm = non_inferiority(
        Estimate(**{**vars(found), **{key: np.array(one) for key, one in chosen.items()}}), 0.1, better
    )
    assert limit == 1.0
    assert p == pytest.approx(stats.norm.sf(2.5), rel=1e-12)
    assert p + p_harm == pytest.approx(1.0, rel=1e-12)


def test_no_rows() -> None:
    """No comparisons give no estimates."""
    none = Moments([], [], [])
    for estimate in (proportion, mean, ratio, cuped):
        assert p_value(estimate(none, none)).shape == (0,)
