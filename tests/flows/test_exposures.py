"""A file of exposures, from its rows to the JSON document: numbers, dirt, forms, refusals."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from flows.errors import LoadError, SettingsError, UpsellError
from flows.exposures import analyze_file, decision_lines, result_rows
from flows.exposures_counts import OF_ROWS
from flows.exposures_options import FileOptions
from tests.models.invented import QUICK

START = datetime(2026, 5, 1)
SHARED = Path(__file__).parents[3] / "shared" / "data"


def units(n: int = 4000, effect: float = 0.05, seed: int = 1) -> pl.DataFrame:
    """Units of one experiment: a buyer's share that the treatment raises, revenue with its covariate, clicks of impressions."""
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < 0.5
    before = rng.lognormal(0.0, 1.0, n)
    converted = rng.random(n) < 0.2 + effect * treated
    return pl.DataFrame(
        {
            "unit_id": [f"u{number:05}" for number in range(n)],
            "variant": np.where(treated, "treatment", "control"),
            "exposed_at": [START + timedelta(minutes=10 * number) for number in range(n)],
            "converted": converted.astype(int),
            "revenue": np.round(converted * before * 10, 2),
            "pre_revenue": np.round(before, 2),
            "clicks": rng.poisson(1.0, n),
            "impressions": 1 + rng.poisson(5.0, n),
            "country": rng.choice(["de", "fr"], n),
        }
    )


def analyzed(frame: pl.DataFrame, folder: Path, name: str = "units.parquet", **options: Any) -> dict[str, Any]:
    """The document of a frame that is written as a file."""
    path = folder / name
    if name.endswith(".csv"):
        frame.write_csv(path)
    else:
        frame.write_parquet(path)
    document = analyze_file(path, FileOptions(**options))
    json.dumps(document, allow_nan=False)
    return document


def record(document: dict[str, Any], metric: str, variant: str = "treatment", **more: Any) -> dict[str, Any]:
    """The one result of a metric and variant, over all units where no segment is named."""
    wanted = {"metric": metric, "variant": variant, "segment": None, **more}
    [found] = [row for row in document["results"] if all(row.get(key) == value for key, value in wanted.items())]
    return found


def numbers(document: dict[str, Any]) -> list[Any]:
    """What a document says but for counts of dirt and what they are told of."""
    return [{key: value for key, value in row.items() if key != "reasons"} for row in document["results"]]


def test_proportions_and_means_are_scipys(tmp_path: Path) -> None:
    """0 and 1 are compared by the pooled z test, amounts by Welch's; difference, p and interval are scipy's to 1e-9."""
    frame = units()
    document = analyzed(frame, tmp_path, metrics=["converted,revenue"])
    old, new = (frame.filter(pl.col("variant") == arm) for arm in ("control", "treatment"))
    found = record(document, "converted")
    share = frame["converted"].mean()
    error = np.sqrt(share * (1 - share) * (1 / old.height + 1 / new.height))
    difference = new["converted"].mean() - old["converted"].mean()
    assert found["method"] == "pooled z" and found["n"] == new.height
    assert found["difference"] == pytest.approx(difference, rel=1e-9)
    assert found["p"]["fixed"] == pytest.approx(2 * stats.norm.sf(abs(difference) / error), rel=1e-9)
    welch = stats.ttest_ind(new["revenue"], old["revenue"], equal_var=False)
    found = record(document, "revenue")
    assert found["method"] == "Welch t" and found["p"]["fixed"] == pytest.approx(welch.pvalue, rel=1e-9)
    assert found["interval"]["fixed"] == pytest.approx(list(welch.confidence_interval(0.95)), rel=1e-9)
    assert found["lift"] == pytest.approx(found["difference"] / old["revenue"].mean(), rel=1e-9)


def test_a_ratio_is_the_delta_methods(tmp_path: Path) -> None:
    """clicks/impressions is the ratio of sums, its variance that of the linearised units of each arm."""
    frame = units()
    found = record(analyzed(frame, tmp_path, metrics=["clicks/impressions"]), "clicks/impressions")
    ratios, variances = {}, {}
    for (arm,), rows in frame.group_by("variant"):
        ratios[arm] = rows["clicks"].sum() / rows["impressions"].sum()
        linear = (rows["clicks"] - ratios[arm] * rows["impressions"]) / rows["impressions"].mean()
        variances[arm] = linear.var() / rows.height
    assert found["difference"] == pytest.approx(ratios["treatment"] - ratios["control"], rel=1e-9)
    assert found["standardError"] == pytest.approx(np.sqrt(sum(variances.values())), rel=1e-9)


def test_a_covariate_narrows_the_interval(tmp_path: Path) -> None:
    """revenue~pre_revenue is called revenue, says that it was adjusted, and has a smaller standard error than revenue alone; the
    lift stays over the unadjusted control mean."""
    frame = units()
    plain = record(analyzed(frame, tmp_path, metrics=["revenue"]), "revenue")
    adjusted = record(analyzed(frame, tmp_path, metrics=["revenue~pre_revenue"]), "revenue")
    assert adjusted["method"] == "Welch t with CUPED" and adjusted["standardError"] < 0.98 * plain["standardError"]
    assert adjusted["controlMean"] == pytest.approx(plain["controlMean"], rel=1e-12)
    assert adjusted["lift"] == pytest.approx(adjusted["difference"] / plain["controlMean"], rel=1e-9)


def test_a_quantile_and_segments(tmp_path: Path) -> None:
    """p90(revenue) is the quantile of units; a segment's records are those of a file with its units alone."""
    frame = units()
    document = analyzed(frame, tmp_path, metrics=["p90(revenue)", "converted"], segments=["country"])
    found = record(document, "p90(revenue)")
    means = {arm: float(np.quantile(rows["revenue"], 0.9)) for (arm,), rows in frame.group_by("variant")}
    assert found["method"] == "quantile" and found["difference"] == pytest.approx(means["treatment"] - means["control"])
    inside = record(document, "converted", segment="country", segmentValue="fr")
    alone = record(analyzed(frame.filter(pl.col("country") == "fr"), tmp_path, metrics=["p90(revenue)", "converted"]), "converted")
    assert inside["p"]["fixed"] == pytest.approx(alone["p"]["fixed"], rel=1e-9) and inside["n"] == alone["n"]


def test_units_and_their_summary_say_the_same(tmp_path: Path) -> None:
    """An experiment told by its units, by its counts, and by its means and variances has the same figures."""
    frame = units()
    told = analyzed(frame, tmp_path, metrics=["converted", "revenue"])
    by = frame.group_by("variant")
    counts = by.agg(n=pl.len(), conversions=pl.col("converted").sum())
    means = by.agg(n=pl.len(), mean=pl.col("revenue").mean(), variance=pl.col("revenue").var())
    for metric, summary, name in (("converted", counts, "conversions"), ("revenue", means, "mean")):
        for form in ("s.csv", "s.parquet"):
            found = record(analyzed(summary, tmp_path, form), name)
            expected = record(told, metric)
            for key in ("n", "mean", "difference", "standardError", "chanceToWin", "lift", "method"):
                assert found[key] == (pytest.approx(expected[key], rel=1e-9) if isinstance(found[key], float) else expected[key])
            assert found["p"]["alwaysValid"] == pytest.approx(expected["p"]["alwaysValid"], rel=1e-9)


@QUICK
@given(seed=st.integers(0, 10**6))
def test_form_and_order_of_rows_change_nothing(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """CSV or Parquet, shuffled or not: the document is the same to the last digit."""
    folder = tmp_path_factory.mktemp("shuffled")
    frame = units(60, seed=seed)
    options: dict[str, Any] = {"metrics": ["revenue~pre_revenue,converted", "clicks/impressions"], "segments": ["country"]}
    first = analyzed(frame, folder, **options)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    assert analyzed(shuffled, folder, **options) == first
    assert analyzed(shuffled, folder, "units.csv", **options) == first


def dirtied(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with rows of every kind of dirt that can be set aside, outcomes beside them that would move any effect."""
    wild = pl.lit(1e6)
    some = frame.with_columns(outcome_at=pl.col("exposed_at") + timedelta(hours=1))
    of = some.filter(pl.col("variant") == "treatment")
    dirt = [
        of.head(7),
        some.head(5).with_columns(unit_id=pl.lit(None, pl.String), revenue=wild),
        some.head(6).with_columns(unit_id=pl.col("unit_id") + "x", variant=pl.lit(None, pl.String), revenue=wild),
        some.head(4).with_columns(unit_id=pl.col("unit_id") + "y", variant=pl.lit("purple"), revenue=wild),
        of.head(3).with_columns(
            unit_id=pl.col("unit_id") + "z", outcome_at=pl.col("exposed_at") - timedelta(hours=1), revenue=wild
        ),
        *(
            of.head(2).with_columns(unit_id=pl.col("unit_id") + "m", variant=pl.lit(arm), revenue=wild)
            for arm in ("control", "treatment")
        ),
    ]
    return pl.concat([some, *dirt])


def test_dirt_is_counted_and_moves_nothing(tmp_path: Path) -> None:
    """Every kind of dirty row is named with its number, by variant where it has one, and every result is that of the clean file."""
    frame = units()
    options: dict[str, Any] = {"metrics": ["revenue", "converted"], "weights": ["control=1,treatment=1"]}
    clean, dirty = analyzed(frame, tmp_path, **options), analyzed(dirtied(frame), tmp_path, **options)
    assert numbers(dirty) == numbers(clean)
    [said] = dirty["experiments"]
    expected = {
        "repeatedRows": 7,
        "missingUnit": 5,
        "missingVariant": 6,
        "unknownVariant": 4,
        "exposureAfterOutcome": 3,
        "unitsInSeveralVariants": 2,
    }
    assert said["dirtyRows"] == {**dict.fromkeys(OF_ROWS, 0), **expected}
    assert said["dirtyRowsByVariant"]["exposureAfterOutcome"] == {"treatment": 3} and said["units"] == frame.height
    assert clean["experiments"][0]["dirtyRows"] == dict.fromkeys(OF_ROWS, 0)


def test_uneven_dirt_is_warned_of(tmp_path: Path) -> None:
    """Outcomes before the exposure in one arm only, and many units in several arms, are each a warning; none where all is clean."""
    frame = units().with_columns(outcome_at=pl.col("exposed_at") + timedelta(hours=1))
    late = frame.with_columns(
        outcome_at=pl.when((pl.col("variant") == "treatment") & (pl.int_range(pl.len()) < 100))
        .then(pl.col("exposed_at") - timedelta(hours=1))
        .otherwise("outcome_at")
    )
    mixed = late.head(50).with_columns(variant=pl.lit("third"))
    [said] = analyzed(pl.concat([late, mixed]), tmp_path, metrics=["converted"])["experiments"]
    assert any("uneven" in warning and "exposureAfterOutcome" in warning for warning in said["warnings"])
    assert any("several variants" in warning for warning in said["warnings"])
    assert analyzed(frame, tmp_path, metrics=["converted"])["experiments"][0]["warnings"] == []


def test_values_that_are_missing_or_no_numbers(tmp_path: Path) -> None:
    """A unit without a finite value does not count for that metric alone; --missing zero makes 0 of what is missing, and never of
    what is no number; a missing covariate is the pooled mean."""
    rows = [("a", "control", "1"), ("b", "control", "3"), ("c", "control", ""), ("d", "treatment", "inf"), ("e", "treatment", "5")]
    rows += [("f", "treatment", "7"), ("g", "treatment", "many")]
    frame = pl.DataFrame(rows, schema=["unit_id", "variant", "spent"], orient="row").with_columns(seen=pl.lit("1"))
    document = analyzed(frame, tmp_path, "x.csv", metrics=["spent", "seen"])
    assert (record(document, "spent")["n"], record(document, "spent")["mean"]) == (2, 6.0)
    assert record(document, "spent", "control")["n"] == 2 and record(document, "seen")["n"] == 4
    [said] = document["experiments"]
    assert said["dirtyValues"] == {"spent": {"valuesNotFinite": 2, "valuesMissing": 1, "covariatesMissing": 0}}
    zeroed = analyzed(frame, tmp_path, "x.csv", metrics=["spent"], missing="zero")
    assert record(zeroed, "spent", "control")["mean"] == pytest.approx(4 / 3) and record(zeroed, "spent")["n"] == 2
    full = units(400)
    holes = full.with_columns(pre_revenue=pl.when(pl.int_range(pl.len()) % 10 > 0).then("pre_revenue"))
    filled = holes.with_columns(pl.col("pre_revenue").fill_null(pl.col("pre_revenue").mean()))
    found, expected = (record(analyzed(data, tmp_path, metrics=["revenue~pre_revenue"]), "revenue") for data in (holes, filled))
    assert found["difference"] == pytest.approx(expected["difference"], rel=1e-12)


def test_the_first_exposure_counts_or_events_are_summed(tmp_path: Path) -> None:
    """Of a unit's rows the first by exposed_at counts, wherever it stands; with --repeats sum rows are events, once per event_id,
    and a unit that was successful once is one success."""
    rows = [("a", "control", 3, 9.0, "e1"), ("a", "control", 1, 2.0, "e2"), ("b", "control", 1, 4.0, "e3")]
    rows += [("c", "treatment", 2, 5.0, "e4"), ("c", "treatment", 2, 5.0, "e4"), ("d", "treatment", 1, 0.0, "e5")]
    frame = pl.DataFrame(rows, schema=["unit_id", "variant", "day", "spent", "event"], orient="row").select(
        "unit_id", "variant", "spent", "event", exposed_at=START + pl.duration(days="day"), bought=pl.col("spent") > 0
    )
    first = analyzed(frame.drop("event"), tmp_path, metrics=["spent"])
    assert record(first, "spent", "control")["mean"] == 3.0
    dirty = first["experiments"][0]["dirtyRows"]
    assert (dirty["repeatedRows"], dirty["repeatedRowsThatDiffer"]) == (2, 1)
    summed = analyzed(frame, tmp_path, metrics=["spent", "bought"], repeats="sum", columns=["event_id=event"])
    assert record(summed, "spent", "control")["mean"] == 7.5 and record(summed, "spent")["mean"] == 2.5
    assert record(summed, "bought", "control")["mean"] == 1.0 and record(summed, "bought")["mean"] == 0.5
    assert summed["experiments"][0]["dirtyRows"]["repeatedEvents"] == 1


def test_the_window_ends_outcomes(tmp_path: Path) -> None:
    """What comes at or after the end of the window adds nothing; its unit stays, and units whose window is open are counted."""
    frame = pl.DataFrame({"unit_id": list("abcd"), "variant": ["control", "control", "treatment", "treatment"], "spent": [1.0] * 4})
    frame = frame.with_columns(exposed_at=pl.lit(START), outcome_at=START + pl.duration(days=pl.Series([0, 6, 7, 9])))
    document = analyzed(frame, tmp_path, metrics=["spent"], window_days=7)
    assert record(document, "spent", "control")["mean"] == 0.5 + 0.5 and record(document, "spent")["mean"] == 0.0
    assert record(document, "spent")["n"] == 2 and record(document, "spent")["windowDays"] == 7
    dirty = document["experiments"][0]["dirtyRows"]
    assert (dirty["outcomesAfterWindow"], dirty["unitsWithOpenWindow"]) == (2, 0)


def test_outcomes_that_are_told_by_the_day(tmp_path: Path) -> None:
    """An outcome's date is no instant before an exposure later on that day; a date before that day is."""
    frame = pl.DataFrame({"unit_id": list("abcd"), "variant": ["control", "treatment"] * 2, "spent": [1.0] * 4}).with_columns(
        exposed_at=pl.lit(START + timedelta(hours=10)), outcome_at=pl.lit(START.date()) - pl.duration(days=pl.Series([0, 0, 0, 1]))
    )
    dirty = analyzed(frame, tmp_path, metrics=["spent"])["experiments"][0]["dirtyRows"]
    assert dirty["exposureAfterOutcome"] == 1


def test_a_cap_is_stated(tmp_path: Path) -> None:
    """An amount or a pooled quantile caps means of all arms alike, and is stated with the number of units that it cut; a proportion
    is never capped, a ratio only by name."""
    frame = units()
    limit = float(np.quantile(frame["revenue"], 0.99))
    found = record(analyzed(frame, tmp_path, metrics=["revenue,converted,clicks/impressions"], cap=["p99"]), "revenue")
    treated = frame.filter(pl.col("variant") == "treatment")["revenue"]
    assert found["cap"] == {"value": pytest.approx(limit), "unitsCapped": int((frame["revenue"] > limit).sum())}
    assert found["mean"] == pytest.approx(float(np.minimum(treated, limit).mean()), rel=1e-12)
    document = analyzed(frame, tmp_path, metrics=["revenue", "clicks/impressions"], cap=["clicks/impressions=1", "revenue=20"])
    assert record(document, "clicks/impressions")["cap"]["value"] == 1 and record(document, "revenue")["cap"]["value"] == 20
    plain = record(analyzed(frame, tmp_path, metrics=["revenue"], cap=["none"]), "revenue")
    assert plain["cap"] is None and plain["nulls"]["cap"]


def test_a_planned_end_is_read_group_sequentially(tmp_path: Path) -> None:
    """With planned units the looks are the days of exposure so far, the reading is group sequential, and ends with them; without,
    it is always valid, tightest at --n-star."""
    frame = units()
    document = analyzed(frame, tmp_path, metrics=["converted"], planned_units=8000)
    [said] = document["experiments"]
    daily = frame.group_by(pl.col("exposed_at").dt.date()).len().sort("exposed_at")["len"].cum_sum() / 8000
    assert said["looks"] == pytest.approx(daily.to_list()) and not said["isEnded"]
    assert record(document, "converted")["reading"] == "group sequential"
    assert analyzed(frame, tmp_path, metrics=["converted"], planned_units=3000)["experiments"][0]["isEnded"]
    found = record(analyzed(frame, tmp_path, metrics=["converted"], n_star=2000), "converted")
    assert (found["reading"], found["nStar"], found["interval"]["groupSequential"]) == ("always valid", 2000, None)


def test_a_paused_arm_is_no_degree_of_freedom(tmp_path: Path) -> None:
    """--weights plan the split: an arm of weight 0 takes no part in the test of it, a split of 50:50 against 99:1 is INVALID."""
    frame = pl.DataFrame({"variant": ["control", "treatment", "paused"], "n": [5000, 5050, 30], "conversions": [500, 510, 3]})
    [said] = analyzed(frame, tmp_path, weights=["control=1,treatment=1,paused=0"])["experiments"]
    assert said["srm"]["df"] == 1 and said["srm"]["p"] == pytest.approx(stats.chisquare([5000, 5050]).pvalue, rel=1e-9)
    [said] = analyzed(frame.head(2), tmp_path, weights=["control=99,treatment=1"])["experiments"]
    assert said["decision"] == "INVALID" and said["winner"] is None


def test_which_arm_is_the_control(tmp_path: Path) -> None:
    """The named one; else the one called control, in any case; else the first by name, numbers by size; the result says which."""
    frame = pl.DataFrame({"arm": ["10", "9", "2"], "n": [100, 100, 100], "clicks": [5, 6, 7]})
    [said] = analyzed(frame, tmp_path)["experiments"]
    assert (said["control"], said["controlBy"]) == ("2", "it is the first by name")
    assert analyzed(frame, tmp_path, control="9")["experiments"][0]["control"] == "9"
    renamed = frame.with_columns(arm=pl.Series(["a", "Control", "b"]))
    assert analyzed(renamed, tmp_path)["experiments"][0]["control"] == "Control"


def test_guardrails_and_directions(tmp_path: Path) -> None:
    """--guardrail gives a metric a margin and takes it out of the goals, --lower-is-better turns its wanted sign, --primary names
    the metric that decides."""
    frame = units()
    options: dict[str, Any] = {"metrics": ["clicks", "revenue"], "guardrail": ["impressions:10%"], "primary": "revenue"}
    document = analyzed(frame, tmp_path, lower_is_better=["impressions"], **options)
    found = record(document, "impressions")
    assert (found["role"], found["margin"]) == ("guardrail", 0.1) and found["isBetter"] == (found["difference"] < 0)
    assert record(document, "revenue")["isPrimary"] and document["experiments"][0]["primaryMetric"] == "revenue"


def test_many_experiments_in_one_file(tmp_path: Path) -> None:
    """Each experiment of a file has the figures that it has in a file of its own."""
    parts = [units(300, seed=seed).with_columns(experiment=pl.lit(f"e{seed}")) for seed in range(3)]
    together = analyzed(pl.concat(parts), tmp_path, metrics=["revenue"])
    alone = [row for part in parts for row in analyzed(part, tmp_path, metrics=["revenue"])["results"]]
    assert together["results"] == alone


REFUSED: list[tuple[dict[str, list[Any]], dict[str, Any], str]] = [
    ({"who": ["a"], "variant": ["x"]}, {}, "unit_id"),
    ({"unit_id": ["a"], "spent": [1.0]}, {}, "variant"),
    ({"unit_id": ["a"], "variant": ["x"], "name": ["Ann"]}, {}, "column of values"),
    ({"unit_id": ["a"], "variant": ["x"], "name": ["Ann"]}, {"metrics": ["name"]}, "'name'"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"metrics": ["spend"]}, "'spend'"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"segments": ["land"]}, "'land'"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"control": "y"}, "'y'"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"window_days": 7.0}, "--window-days"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"alpha": 1.5}, "1.5"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"looks": ["0.5"]}, "--planned-units"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"primary": "x"}, "--primary"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"cap": ["x=4"]}, "--cap"),
    ({"unit_id": ["a"], "variant": ["x"], "spent": [1.0]}, {"prior_sd": "0"}, "--prior-sd"),
    ({"variant": ["x"], "n": [10], "mean": [1.0], "variance": [-1.0]}, {}, "variance"),
    ({"variant": ["x"], "n": [10], "conversions": [11]}, {}, "successes"),
    ({"variant": ["x", "x"], "n": [10, 11], "conversions": [1, 1]}, {}, "different figures"),
    ({"variant": ["x"], "n": [10]}, {}, "successes"),
    ({"variant": ["x"] * 2, "metric": ["a", "b"], "n": [9, 9], "clicks": [1, 1], "weight": [1, 2]}, {}, "weight"),
    ({"variant": ["x"], "n": [10.5], "clicks": [1]}, {}, "no count"),
    ({"variant": ["x"], "n": [10], "clicks": [1]}, {"metrics": ["carts"]}, "'carts'"),
]


@pytest.mark.parametrize(("columns", "options", "words"), REFUSED)
def test_what_cannot_be_is_refused_in_one_sentence(
    tmp_path: Path, columns: dict[str, list[Any]], options: dict[str, Any], words: str
) -> None:
    """A file or an option that cannot be is refused in one sentence that names what was seen."""
    with pytest.raises((LoadError, SettingsError)) as refused:
        analyzed(pl.DataFrame(columns), tmp_path, **options)
    assert words in str(refused.value) and "\n" not in str(refused.value)


ODD = st.sampled_from(["", "1", "0", "-3", "2.5", "nan", "inf", "-1e308", "abc", "true", "2026-01-05T10:00:00Z", "a", "control"])
FORMS = (
    ["unit_id", "variant", "experiment", "exposed_at", "outcome_at", "x", "y", "pre_x"],
    ["variant", "n", "mean", "variance", "successes", "metric", "days", "weight"],
    ["n_c", "n_t", "mean_c", "mean_t", "sd_c", "sd_t", "experiment"],
)


@QUICK
@given(
    header=st.sampled_from(FORMS),
    rows=st.lists(st.lists(ODD, min_size=8, max_size=8), max_size=12),
    options=st.fixed_dictionaries(
        {},
        optional={
            "metrics": st.sampled_from([["x"], ["x/y"], ["x~pre_x", "p50(x)"], ["successes"]]),
            "repeats": st.just("sum"),
            "missing": st.just("zero"),
            "planned_units": st.just(10),
            "cap": st.just(["p50"]),
        },
    ),
)
def test_whatever_a_file_holds_is_no_failure(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], rows: list[list[str]], options: dict[str, Any]
) -> None:
    """Any text in any column gives a strict document or a refusal in one sentence."""
    path = tmp_path_factory.mktemp("odd") / "odd.csv"
    path.write_text("\n".join(",".join(row[: len(header)]) for row in [header, *rows]))
    try:
        document = analyze_file(path, FileOptions(**options))
    except UpsellError as refused:
        assert "\n" not in str(refused)
        return
    json.dumps(document, allow_nan=False)
    assert len(decision_lines(document)) == len(document["experiments"]) and len(result_rows(document)) <= len(document["results"])


def test_files_that_are_none(tmp_path: Path) -> None:
    """A file that is absent, empty or damaged is refused by its path."""
    for name, content in (("none.csv", None), ("empty.csv", b""), ("damaged.parquet", b"PAR1 and no more")):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UpsellError, match=name):
            analyze_file(path, FileOptions())


def test_no_units_are_no_failure(tmp_path: Path) -> None:
    """A file with a header alone, or with one arm or one unit, has a document of nulls with reasons."""
    empty = analyzed(units(0), tmp_path, metrics=["revenue"])
    assert (empty["experiments"], empty["results"], empty["file"]["rows"]) == ([], [], 0)
    one = analyzed(units(1), tmp_path, metrics=["revenue", "p50(revenue)"])
    assert len(one["experiments"]) == 1 and all(row["difference"] is None for row in one["results"])
    two = pl.DataFrame({"unit_id": ["a", "b"], "variant": ["control", "treatment"], "spent": [1.0, 2.0]})
    found = record(analyzed(two, tmp_path), "spent")
    assert found["p"]["fixed"] is None and found["nulls"]["p.fixed"]


def test_what_a_person_reads(tmp_path: Path) -> None:
    """The table has one row per treatment and metric, the lines before it the decision in a sentence and what was dirty."""
    document = analyzed(dirtied(units()), tmp_path, metrics=["converted", "revenue"], weights=["control=1,treatment=1"])
    assert [row["metric"] for row in result_rows(document)] == ["converted", "revenue"]
    [line] = decision_lines(document)
    assert line["sentence"] == document["experiments"][0]["sentence"] and line["dirtyRows"]["repeatedRows"] == 7


def test_nothing_slow_is_imported() -> None:
    """A file is analysed without Prefect, without a database's driver, without Redis."""
    code = (
        "import sys, flows.exposures, flows.plan; print([m for m in ('prefect', 'psycopg', 'redis', 'boto3') if m in sys.modules])"
    )
    done = run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def shared(name: str) -> Path:
    """A file of the shared data, or a skip where they do not lie beside this checkout."""
    path = SHARED / name / "summaries.parquet"
    if not path.exists():
        pytest.skip("the shared data do not lie beside this checkout")
    return path


def test_headline_tests_at_scale() -> None:
    """4,873 tests of 2 to 14 arms: each has one degree of freedom less than arms, and 15.5 % of the splits fail at p < .001."""
    document = analyze_file(shared("ab_upworthy"), FileOptions())
    frame = pl.read_parquet(shared("ab_upworthy"))
    arms = dict(frame.group_by("test_id").len().rows())
    assert {row["experiment"]: row["srm"]["df"] for row in document["experiments"]} == {id: n - 1 for id, n in arms.items()}
    assert round(sum(row["srm"]["p"] < 0.001 for row in document["experiments"]) / len(arms), 3) == 0.155
    one = frame.filter(pl.col("test_id") == frame["test_id"][0])
    [said] = [row for row in document["experiments"] if row["experiment"] == frame["test_id"][0]]
    assert said["srm"]["p"] == pytest.approx(stats.chisquare(one["impressions"]).pvalue, rel=1e-9)


def test_paired_summaries_over_time() -> None:
    """78 experiments with 99 treatments: the control is told once, the last time counts, and every interval that has a variance is
    Welch's over the stated moments."""
    frame = pl.read_parquet(shared("ab_asos"))
    document = analyze_file(shared("ab_asos"), FileOptions())
    assert len(document["experiments"]) == 78 and document["file"]["form"] == "paired summaries"
    treatments = [row for row in document["results"] if not row["isControl"]]
    assert len({(row["experiment"], row["variant"]) for row in treatments}) == 99
    last = frame.filter(pl.col("time_since_start") == pl.col("time_since_start").max().over("experiment_id"))
    for row in last.iter_rows(named=True):
        found = record(document, str(row["metric_id"]), str(row["variant_id"]), experiment=row["experiment_id"])
        if row["variance_c"] is None or row["variance_t"] is None:
            assert found["p"]["fixed"] is None and found["nulls"]["p.fixed"]
            continue
        sides = [row["mean_t"], row["variance_t"] ** 0.5, row["count_t"], row["mean_c"], row["variance_c"] ** 0.5, row["count_c"]]
        expected = stats.ttest_ind_from_stats(*sides, equal_var=False)
        assert found["p"]["fixed"] == pytest.approx(expected.pvalue, rel=1e-9)
