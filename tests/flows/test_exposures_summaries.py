"""Summaries of every form -> the same moments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.errors import LoadError
from flows.exposures_options import FileOptions
from flows.exposures_read import open_file
from flows.exposures_summaries import Summaries, summaries_of
from models.experiment_frames import MOMENTS
from models.metrics import MEAN, PROPORTION, RATIO

ARMS = {"variant": ["control", "treatment"], "n": [100, 110]}


def told(folder: Path, columns: dict[str, Any], **options: Any) -> Summaries:
    """The summaries of a file with these columns."""
    path = folder / "summaries.csv"
    pl.DataFrame(columns).write_csv(path)
    chosen = FileOptions(**options)
    return summaries_of(open_file(path, chosen), chosen)


def test_a_variance_in_every_form(tmp_path: Path) -> None:
    """A variance, a standard deviation and a standard error of the mean are one figure."""
    forms = {"variance": [4.0, 9.0], "sd": [2.0, 3.0], "sem": [0.2, 3 / 110**0.5]}
    for name, values in forms.items():
        found = told(tmp_path, {**ARMS, "mean": [1.0, 2.0], name: values})
        assert dict(found.moments.schema) == MOMENTS and found.asked.metrics[0].kind == MEAN
        assert found.moments["var_num"].to_list() == pytest.approx([4.0, 9.0])


def test_successes_and_rates(tmp_path: Path) -> None:
    """Successes of n are a proportion with the variance of a sample; a rate says the same."""
    for name, values in {"conversions": [10, 22], "conversion_rate": [0.1, 0.2]}.items():
        found = told(tmp_path, {**ARMS, name: values})
        assert [metric.kind for metric in found.asked.metrics] == [PROPORTION] and found.asked.primary == name
        assert found.moments["mean_num"].to_list() == pytest.approx([0.1, 0.2])
        assert found.moments["var_num"].to_list() == pytest.approx([0.09 * 100 / 99, 0.16 * 110 / 109])
        assert found.moments["n_positive"].to_list() == [10, 22]


def test_a_mean_beside_successes(tmp_path: Path) -> None:
    """Successes and an amount's mean in one row are two metrics; a mean that is the share of successes is one."""
    both = told(tmp_path, {**ARMS, "conversions": [10, 22], "mean": [5.0, 6.0], "variance": [1.0, 1.0]})
    assert {metric.name: metric.kind for metric in both.asked.metrics} == {"conversions": PROPORTION, "mean": MEAN}
    same = told(tmp_path, {**ARMS, "conversions": [10, 22], "mean": [0.1, 0.2], "variance": [0.09, 0.16]})
    assert [metric.name for metric in same.asked.metrics] == ["conversions"]


def test_ratios_and_covariates(tmp_path: Path) -> None:
    """Means, variances and covariances of a ratio and of a covariate come through under the names of MOMENTS and their aliases."""
    ratio = {"mean": [2.0, 2.1], "variance": [1.0, 1.0], "denominator_mean": [4.0, 4.1], "denominator_variance": [2.0, 2.0]}
    found = told(tmp_path, {**ARMS, **ratio, "covariance": [0.5, 0.6]})
    assert found.asked.metrics[0].kind == RATIO and found.moments["cov_num_den"].to_list() == [0.5, 0.6]
    covariate = {"mean": [2.0, 2.1], "sd": [1.0, 1.0], "covariate_mean": [3.0, 3.1], "covariate_variance": [1.0, 1.0]}
    found = told(tmp_path, {**ARMS, **covariate, "covariate_covariance": [0.7, 0.8]})
    assert found.asked.metrics[0].covariate == "pre_num" and found.moments["cov_num_pre_num"].to_list() == [0.7, 0.8]


def test_metrics_choose_columns_or_rows(tmp_path: Path) -> None:
    """--metrics names columns of successes in a wide file, with another n behind a /, and metrics in a file that names them."""
    wide = {**ARMS, "carts": [30, 40], "conversions": [10, 22]}
    found = told(tmp_path, wide, metrics=["carts", "conversions/carts"])
    assert [metric.name for metric in found.asked.metrics] == ["carts", "conversions/carts"]
    last = found.moments.filter(pl.col("metric") == "conversions/carts")
    assert last["n"].to_list() == [30, 40] and last["mean_num"].to_list() == pytest.approx([1 / 3, 0.55])
    long = {"variant": ["a", "b"] * 2, "metric": ["x", "x", "y", "y"], "n": [9] * 4, "mean": [1.0] * 4, "variance": [1.0] * 4}
    assert told(tmp_path, long, metrics=["y"]).moments["metric"].unique().to_list() == ["y"]


def test_the_last_time_counts(tmp_path: Path) -> None:
    """Of cumulative summaries over time the last is the result, the others are looks; a count that falls is counted."""
    rows = {"variant": ["a", "b"] * 3, "days": [1, 1, 2, 2, 3, 3], "n": [10, 10, 21, 20, 30, 19], "clicks": [1] * 6}
    found = told(tmp_path, rows)
    assert found.moments["n"].to_list() == [30, 19] and found.looks.height == 6
    assert found.counts.filter(pl.col("name") == "countsThatFall")["n"].to_list() == [1]


def test_rows_that_are_dirty(tmp_path: Path) -> None:
    """Rows without a variant, with one that is not planned, or told twice alike, are set aside and counted."""
    rows = {"variant": ["a", "b", None, "purple", "a"], "n": [10, 10, 10, 10, 10], "clicks": [1, 2, 3, 4, 1]}
    found = told(tmp_path, rows, weights=["a=1,b=1"])
    assert found.moments["variant"].to_list() == ["a", "b"]
    counted = dict(found.counts.group_by("name").agg(pl.col("n").sum()).rows())
    assert counted == {"missingVariant": 1, "unknownVariant": 1, "repeatedRows": 1}


def test_a_control_that_is_told_twice_differently(tmp_path: Path) -> None:
    """Pairs of one experiment share their control; a control with two sets of figures is refused."""
    pairs = {"variant_id": [1, 2], "n_c": [10, 10], "n_t": [11, 12], "mean_c": [1.0, 1.5], "mean_t": [1.0, 1.0]}
    with pytest.raises(LoadError, match="'control'"):
        told(tmp_path, {**pairs, "var_c": [1.0, 1.0], "var_t": [1.0, 1.0]})
