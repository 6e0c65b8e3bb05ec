"""Inference over frames: each arm is compared with its own control by its metric's formula, and nothing is mixed up."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.arms import NO_CONTROL, NOT_PLANNED, THE_CONTROL, UNKNOWN_METRIC
from models.estimates import FEW_UNITS, NO_DENOMINATOR, NO_UNITS, NO_VARIANCE
from models.inference import RESULTS, SPLITS, infer, sample_ratios
from models.metrics import BY_NAME, METRICS, QUANTILE, Metric
from models.multiplicity import benjamini_hochberg, holm
from models.sequential import group_sequential_bounds
from tests.models.experiments import designs, drawn, moments, moments_of, shares, units
from tests.models.invented import QUICK

SIZES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0, 1, 2, 3, 50, 400]), min_size=1)


def row_of(results: pl.DataFrame, **keys: str) -> dict[str, Any]:
    """The one row with these keys."""
    return results.row(by_predicate=pl.all_horizontal(pl.col(name) == value for name, value in keys.items()), named=True)


def one_of(**metric: Any) -> Metric:
    """A metric named `m`."""
    return Metric("m", **{"kind": "mean", "numerator": "x", **metric})


def test_a_proportion_by_hand() -> None:
    """100 of 1,000 against 130 of 1,000: difference .03, pooled p .115, z = .03 / sqrt(.115 x .885 x .002) = 2.1028."""
    found = row_of(infer(shares({"a": (1000, 100), "b": (1000, 130)}), designs("a", "b"), METRICS), variant="b")
    assert (found["difference"], found["lift"]) == (pytest.approx(0.03), pytest.approx(0.3))
    assert found["p"] == pytest.approx(2 * stats.norm.sf(2.10275), abs=1e-6)
    assert (found["n"], found["n_positive"], found["mean"], found["control_mean"]) == (1000, 130, 0.13, 0.1)
    assert (found["method"], found["reading"], found["n_star"]) == ("pooled z", "always valid", 5000)
    assert found["p_adjusted"] == found["p_always_valid"] > found["p"]


def test_nothing_is_mixed_up() -> None:
    """Every arm of every experiment, segment and metric has the figures that it has alone, in whatever order the rows come."""
    metrics = (BY_NAME["conversion"], BY_NAME["revenue_per_unit"], BY_NAME["average_order_value"], BY_NAME["decline_rate"])
    rows, planned = [], []
    for number, (experiment, variants) in enumerate({"x": "cab", "y": "ba", "z": "abcd"}.items()):
        planned.append(designs(*variants, experiment=experiment))
        for segment in ({}, {"segment": "s", "segment_value": "u"}, {"segment": "s", "segment_value": "v"}):
            for arm, variant in enumerate(variants):
                for place, metric in enumerate(metrics):
                    values = units(metric, 40 + 10 * arm, 7 * number + 100 * arm + place + 1000 * len(rows))
                    rows.append(moments_of(metric, values, variant, experiment, **segment))
    together = infer(moments(rows).sample(fraction=1, shuffle=True, seed=1), pl.concat(planned[::-1]), metrics[::-1])
    compared = (
        "difference",
        "standard_error",
        "p",
        "p_always_valid",
        "mean",
        "control_mean",
        "lift",
        "chance_to_win",
        "low",
        "method",
    )
    assert together.height == len(rows)
    for found in together.filter(~pl.col("is_control")).iter_rows(named=True):
        keys = {name: found[name] for name in ("experiment_id", "segment", "segment_value", "metric")}
        control = planned["xyz".index(found["experiment_id"])].row(0, named=True)["variant"]
        pair = [row for row in rows if row["variant"] in (control, found["variant"]) and all(row[key] == keys[key] for key in keys)]
        alone = infer(moments(pair), designs(control, found["variant"], experiment=keys["experiment_id"]), metrics)
        assert {name: found[name] for name in compared} == {
            name: row_of(alone, variant=found["variant"])[name] for name in compared
        }


@QUICK
@given(seed=st.integers(0, 10_000), sizes=st.tuples(st.integers(20, 300), st.integers(20, 300)))
def test_means_agree_with_scipy(seed: int, sizes: tuple[int, int]) -> None:
    """A mean without covariate is Welch's t test, in the shown scale."""
    metric = one_of(scale=0.01)
    a, b = (units(metric, n, seed + number) for number, n in enumerate(sizes))
    found = row_of(
        infer(moments([moments_of(metric, a, "a"), moments_of(metric, b, "b")]), designs("a", "b"), [metric]), variant="b"
    )
    expected = stats.ttest_ind(b["num"] / 100, a["num"] / 100, equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found["p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found["low"], found["high"]) == (pytest.approx(interval.low, abs=1e-12), pytest.approx(interval.high, abs=1e-12))
    assert found["standard_deviation"] == pytest.approx(b["num"].std(ddof=1) / 100, rel=1e-9)


@pytest.mark.parametrize("kind", ["mean", "ratio", "mean with covariate", "ratio with covariate"])
def test_frames_agree_with_tea_tasting(kind: str) -> None:
    """One metric of each kind, from units to the frame, to 1e-9 of the same analysis by tea-tasting."""
    import tea_tasting as tt

    with_den, with_pre = kind.startswith("ratio"), kind.endswith("covariate")
    extra = {"denominator": "y"} if with_den else {}
    extra |= {"covariate": "px"} if with_pre else {}
    extra |= {"covariate_denominator": "py"} if with_den and with_pre else {}
    metric = one_of(**{"kind": "ratio" if with_den else "mean", **extra})
    arms = {variant: units(metric, n, 3 + n) for variant, n in (("a", 900), ("b", 700))}
    found = row_of(
        infer(moments([moments_of(metric, values, variant) for variant, values in arms.items()]), designs("a", "b"), [metric]),
        variant="b",
    )
    table = pl.concat([pl.DataFrame(values).with_columns(variant=pl.lit(variant == "b")) for variant, values in arms.items()])
    theirs = tt.RatioOfMeans("num", *(name if name in table.columns else None for name in ("den", "pre_num", "pre_den")))
    expected = tt.Experiment(m=theirs).analyze(table.to_pandas(), control=False)["m"]
    assert found["method"] == ("delta method" if with_den else "Welch t") + (" with CUPED" if with_pre else "")
    assert found["p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert found["difference"] == pytest.approx(expected.effect_size, rel=1e-9)
    assert found["low"] == pytest.approx(expected.effect_size_ci_lower, rel=1e-9)
    assert found["high"] == pytest.approx(expected.effect_size_ci_upper, rel=1e-9)


def test_cuped_leaves_the_means_as_they_are() -> None:
    """The difference is adjusted; means are those that were seen, and the lift is over the control's own."""
    found = row_of(infer(drawn({"a": 500, "b": 400}, 5, [BY_NAME["conversion"]]), designs("a", "b"), METRICS), variant="b")
    assert found["method"] == "Welch t with CUPED"
    assert found["difference"] != pytest.approx(found["mean"] - found["control_mean"], rel=1e-3)
    assert found["lift"] == pytest.approx(found["difference"] / found["control_mean"])


def test_a_covariate_that_does_not_vary_adjusts_nothing() -> None:
    """New customers have no past: the proportion is read as without a covariate."""
    plain = shares({"a": (300, 30), "b": (300, 50)})
    constant = plain.with_columns(mean_pre_num=0.0, var_pre_num=0.0, cov_num_pre_num=0.0)
    one, other = (row_of(infer(each, designs("a", "b"), METRICS), variant="b") for each in (plain, constant))
    assert one == other
    assert one["method"] == "pooled z"


def test_what_cannot_be_compared_says_why() -> None:
    """A control, an arm without units, an unplanned arm, an unknown metric, a design without control: null, with the reason."""
    seen = shares({"a": (500, 50), "x": (500, 60), "one": (1, 0)})
    strange = shares({"a": (500, 50), "b": (500, 60)}, metric="strange")
    found = infer(pl.concat([seen, strange]), designs("a", "b", "one"), METRICS)
    why = {(row["metric"], row["variant"]): (row["reason"], row["difference"], row["n"]) for row in found.iter_rows(named=True)}
    assert why["conversion", "a"] == (THE_CONTROL, None, 500)
    assert why["conversion", "b"] == (NO_UNITS, None, 0)
    assert why["conversion", "x"] == (NOT_PLANNED, None, 500)
    assert why["strange", "b"] == (UNKNOWN_METRIC, None, 500)
    assert why["conversion", "one"][0] is None
    orphans = infer(seen, designs("a", "x").with_columns(is_control=False), METRICS)
    assert set(orphans["reason"]) == {NO_CONTROL, NOT_PLANNED}
    single = infer(drawn({"a": 100, "b": 1}, 1, [BY_NAME["revenue_per_unit"]]), designs("a", "b"), METRICS)
    assert row_of(single, variant="b")["reason"] == FEW_UNITS
    no_orders = drawn({"a": 50, "b": 50}, 1, [BY_NAME["refund_rate"]]).with_columns(mean_den=0.0)
    assert row_of(infer(no_orders, designs("a", "b"), METRICS), variant="b")["reason"] == NO_DENOMINATOR
    flat = infer(shares({"a": (500, 0), "b": (500, 0)}), designs("a", "b"), METRICS)
    assert (row_of(flat, variant="b")["reason"], row_of(flat, variant="b")["difference"]) == (NO_VARIANCE, 0.0)


def test_few_units_have_no_quantile() -> None:
    """The interval of order statistics lies outside of three units."""
    metric = one_of(kind=QUANTILE, quantile=0.9)
    few, many = (
        row_of(infer(drawn({"a": n, "b": n}, 4, [metric]), designs("a", "b", primary="m"), [metric]), variant="b") for n in (3, 300)
    )
    assert (few["p"], few["method"]) == (None, "quantile")
    assert few["reason"] == FEW_UNITS
    assert many["reason"] is None
    assert 0 < many["p"] <= 1


@QUICK
@given(sizes=SIZES, seed=st.integers(0, 1000), planned=st.booleans())
def test_every_row_has_figures_or_a_reason(sizes: dict[str, int], seed: int, planned: bool) -> None:
    """Whatever the arms are, the frame has its schema and no NaN, and a row without a p-value says why."""
    ends = {"planned_units": 1000, "looks": [0.25, 0.5]} if planned else {}
    found = infer(drawn(sizes, seed), designs("a", "b", "c", **ends), METRICS)
    assert found.schema == pl.Schema(RESULTS)
    assert not any(found[name].is_nan().any() for name, dtype in RESULTS.items() if dtype == pl.Float64)
    assert found.filter(pl.col("p").is_null() & pl.col("reason").is_null()).is_empty()
    assert found.filter(pl.col("lift").is_null() & pl.col("lift_reason").is_null() & pl.col("reason").is_null()).is_empty()
    shuffled = drawn(sizes, seed).sample(fraction=1, shuffle=True, seed=seed)
    assert found.equals(infer(shuffled, designs("a", "b", "c", **ends)[::-1], METRICS))


def test_nothing_in_nothing_out() -> None:
    """No moments, no designs and no metrics give the empty frame, and moments without a design reasons alone."""
    assert infer(moments([]), designs("a", "b")[:0], METRICS).equals(pl.DataFrame(schema=RESULTS))
    assert infer(moments([]), designs("a", "b"), []).is_empty()
    assert set(infer(shares({"a": (5, 1)}), designs("a")[:0], METRICS)["reason"]) == {NOT_PLANNED}
    assert set(infer(shares({"a": (5, 1)}), designs("a"), [])["reason"]) == {UNKNOWN_METRIC}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (designs("a", "b", "b"), "more than one row of a variant"),
        (designs("a", "b").with_columns(is_control=True), "more than one control"),
        (designs("a", "b", planned_units=100), "planned units and no looks"),
        (designs("a", "b", planned_units=100, looks=[]), "planned units and no looks"),
    ],
)
def test_designs_that_contradict_themselves_are_refused(wrong: pl.DataFrame, said: str) -> None:
    """The message names the experiment and what is wrong with it."""
    with pytest.raises(ValueError, match=f"experiment e has {said}"):
        infer(shares({"a": (5, 1)}), wrong, METRICS)


def test_a_planned_end_is_read_group_sequentially() -> None:
    """The interval is that of the bound of the last look, and the p-value is below alpha where it excludes 0."""
    looks = [0.2, 0.4]
    seen = shares({"a": (2000, 200), "b": (2000, 260)})
    found = row_of(infer(seen, designs("a", "b", planned_units=10_000, looks=looks), METRICS), variant="b")
    half = group_sequential_bounds(looks, 0.05)[-1] * np.sqrt(0.115 * 0.885 * 0.001)
    assert (found["reading"], found["n_star"]) == ("group sequential", 10_000)
    assert found["low_group_sequential"] == found["low_reading"] == pytest.approx(0.03 - half, rel=1e-9)
    assert found["is_significant"] is (found["low_group_sequential"] > 0) is (found["p_adjusted"] <= 0.05)


def test_different_schedules_keep_apart() -> None:
    """Two experiments with the same counts and other looks, and one without an end, are each read as alone."""
    plans: list[dict[str, Any]] = [{"planned_units": 8000, "looks": [0.5]}, {"planned_units": 4000, "looks": [0.25, 0.5, 1.0]}, {}]
    names = ["late", "often", "free"]
    seen = [shares({"a": (2000, 200), "b": (2000, 260)}, experiment=name) for name in names]
    planned = [designs("a", "b", experiment=name, **plan) for name, plan in zip(names, plans, strict=True)]
    together = infer(pl.concat(seen), pl.concat(planned), METRICS)
    alone = pl.concat([infer(one, plan, METRICS) for one, plan in zip(seen, planned, strict=True)])
    assert together.equals(alone.sort("experiment_id", maintain_order=True))


def test_several_tests_are_adjusted() -> None:
    """Holm over the arms of the primary metric, Benjamini-Hochberg over all secondary goals, guardrails as they are; an arm's
    secondary goals are called only where its primary is."""
    counts = {
        "conversion": {"a": (9000, 900), "b": (9000, 1150), "c": (9000, 1010)},
        "click_rate": {"a": (9000, 900), "b": (9000, 1200), "c": (9000, 1200)},
        "acceptance_rate": {"a": (9000, 900), "b": (9000, 1050), "c": (9000, 1020)},
        "decline_rate": {"a": (9000, 900), "b": (9000, 1000), "c": (9000, 990)},
    }
    metrics = [
        Metric(name, "proportion", name, role=BY_NAME[name].role, better=BY_NAME[name].better, margin=0.0) for name in counts
    ]
    seen = pl.concat([shares(arms, metric=name) for name, arms in counts.items()])
    found = infer(seen, designs("a", "b", "c"), metrics).filter(~pl.col("is_control"))
    primary = found.filter(pl.col("metric") == "conversion")
    assert primary["p_adjusted"].to_list() == holm(primary["p_always_valid"]).tolist()
    secondary = found.filter(pl.col("metric").is_in(["click_rate", "acceptance_rate"]))
    assert secondary["p_adjusted"].to_list() == benjamini_hochberg(secondary["p_always_valid"]).tolist()
    guardrail = found.filter(pl.col("metric") == "decline_rate")
    assert guardrail["p_adjusted"].to_list() == guardrail["p_always_valid"].to_list()
    assert primary["is_significant"].to_list() == [True, False]
    clicks = secondary.filter(pl.col("metric") == "click_rate")
    assert clicks["p_adjusted"].max() < 0.05
    assert clicks["is_significant"].to_list() == [True, False]


def test_intervals_of_several_arms_hold_together() -> None:
    """The reading's interval of two treatments is that of one at half of alpha; the published ones are each at alpha."""
    three = shares({"a": (3000, 300), "b": (3000, 360), "c": (3000, 330)})
    found = row_of(infer(three, designs("a", "b", "c"), METRICS), variant="b")
    half = row_of(infer(three, designs("a", "b", "c", alpha=0.025), METRICS), variant="b")
    alone = row_of(infer(three.filter(pl.col("variant") != "c"), designs("a", "b"), METRICS), variant="b")
    assert (found["low_reading"], found["high_reading"]) == (half["low_always_valid"], half["high_always_valid"])
    assert found["low_always_valid"] == alone["low_always_valid"] == alone["low_reading"]


def test_a_guardrail_is_harmed_beyond_its_margin_only() -> None:
    """Worse by 30 % with certainty is harm, by 5 % is within the margin of 10 %, and a few units show neither."""
    metric = Metric("m", "proportion", "x", role="guardrail", better=-1, margin=0.1)
    arms = {
        "a": (100_000, 10_000),
        "bad": (100_000, 13_000),
        "close": (100_000, 10_500),
        "few": (100, 14),
        "good": (100_000, 9_000),
    }
    found = infer(shares(arms, metric="m"), designs(*arms), [metric])
    harmed = {row["variant"]: (row["is_harmed"], row["is_non_inferior"]) for row in found.iter_rows(named=True)}
    assert harmed == {
        "a": (None, None),
        "bad": (True, False),
        "close": (False, True),
        "few": (False, False),
        "good": (False, True),
    }


@QUICK
@given(counts=st.lists(st.integers(0, 3000), min_size=1, max_size=14), seed=st.integers(0, 99))
def test_splits_agree_with_scipy(counts: list[int], seed: int) -> None:
    """Each experiment's chi-square is scipy's over the arms with a weight, with as many degrees of freedom as these less one."""
    rng = np.random.default_rng(seed)
    weights = rng.choice([0.0, 1.0, 2.0], len(counts))
    names = [f"arm{number}" for number in range(len(counts))]
    planned = designs(*names).with_columns(weight=pl.Series(weights))
    other = designs("a", "b", experiment="other")
    seen = pl.DataFrame({"experiment_id": "e", "variant": [*names, "stranger"], "n": [*counts, 9]})
    found = sample_ratios(seen.sample(fraction=1, shuffle=True, seed=seed), pl.concat([other, planned]))
    assert found.schema == pl.Schema(SPLITS)
    assert set(found.filter(pl.col("experiment_id") == "other")["reason"]) == {"there are no units"}
    ours = found.filter(pl.col("experiment_id") == "e").row(0, named=True)
    used = weights > 0
    observed = np.array(counts)[used]
    if used.sum() < 2 or observed.sum() == 0:
        assert (ours["p"], ours["reason"] is None) == (None, False)
    else:
        expected = stats.chisquare(observed, observed.sum() * weights[used] / weights[used].sum())
        assert ours["p"] == pytest.approx(expected.pvalue, rel=1e-9)
        assert (ours["statistic"], ours["df"]) == (pytest.approx(expected.statistic, rel=1e-9), used.sum() - 1)
