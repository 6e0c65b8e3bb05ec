"""Inference over what others measured: thousands of real tests in one call, and a hundred read over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from models.inference import infer, sample_ratios
from models.metrics import METRICS, Metric
from tests.models.experiments import designs, moments

SHARED = Path(__file__).parents[3] / "shared" / "data"


def summaries_of(name: str) -> pl.DataFrame:
    """The summaries of the shared data, or a skip where they do not lie beside this checkout."""
    path = SHARED / name / "summaries.parquet"
    if not path.is_file():
        pytest.skip("the shared data do not lie beside this checkout")
    return pl.read_parquet(path)


def test_upworthy_in_one_call() -> None:
    """4,873 tests of 2 to 14 arms: each split has its own degrees of freedom, 15.5 % fail at p < .001, and every arm is the pooled
    z."""
    arms = summaries_of("ab_upworthy").with_columns(pl.col("arm").str.zfill(2).alias("variant"))
    rate = pl.col("clicks") / pl.col("impressions")
    seen = arms.select(
        pl.col("test_id").alias("experiment_id"),
        "variant",
        n="impressions",
        n_positive="clicks",
        mean_num=rate,
        metric=pl.lit("conversion"),
    )
    seen = pl.concat([moments([]), seen.with_columns(segment=pl.lit(""), segment_value=pl.lit(""))], how="diagonal_relaxed")
    planned = seen.select("experiment_id", "variant").with_columns(
        weight=1.0, is_control=pl.col("variant") == "00", alpha=0.05, primary_metric=pl.lit("conversion")
    )
    planned = pl.concat([designs("a")[:0], planned], how="diagonal_relaxed")
    splits = sample_ratios(seen, planned)
    sizes = arms.group_by("test_id").agg((pl.len() - 1).cast(pl.Int64).alias("df")).sort("test_id")
    first = splits.unique("experiment_id").sort("experiment_id")
    assert first["df"].to_list() == sizes["df"].to_list()
    assert (first["p"] < 0.001).mean() == pytest.approx(0.155, abs=0.0005)
    found = infer(seen, planned, METRICS).filter(~pl.col("is_control"))
    assert found.height == arms.height - 4873
    control = arms.filter(pl.col("arm") == "0").select("test_id", n0="impressions", x0="clicks")
    joined = found.join(control, left_on="experiment_id", right_on="test_id")
    n0, x0, n1, x1 = (joined[name].to_numpy().astype(float) for name in ("n0", "x0", "n", "n_positive"))
    pooled = (x0 + x1) / (n0 + n1)
    with np.errstate(invalid="ignore"):
        z = (x1 / n1 - x0 / n0) / np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    np.testing.assert_allclose(joined["p"].to_numpy(), 2 * stats.norm.sf(np.abs(z)), rtol=1e-9)


def test_asos_is_read_over_time() -> None:
    """Every treatment, metric and instant of ASOS's experiments: at each the always-valid interval holds the fixed one, and of the
    99 treatments that are read at every instant, fewer are ever called than by the fixed interval."""
    summaries = summaries_of("ab_asos")
    instant = pl.format("{}/{}/{}", "experiment_id", "variant_id", "time_since_start")
    arms = [
        summaries.select(
            instant.alias("experiment_id"),
            segment=pl.lit(""),
            segment_value=pl.lit(""),
            metric=pl.format("metric {}", "metric_id"),
            variant=pl.lit(arm),
            n=pl.col(f"count_{arm}").cast(pl.Int64),
            mean_num=f"mean_{arm}",
            var_num=f"variance_{arm}",
        )
        for arm in "ct"
    ]
    seen = pl.concat([moments([]), *arms], how="diagonal")
    ids = seen.select("experiment_id").unique()
    planned = ids.join(designs("c", "t", primary="metric 1").drop("experiment_id"), how="cross")
    metrics = [Metric(f"metric {number}", "mean", f"m{number}") for number in range(1, 5)]
    found = infer(seen, planned, metrics).filter(pl.col("variant") == "t")
    assert found.height == summaries.height
    assert found.filter(pl.col("p").is_null() & pl.col("reason").is_null()).is_empty()
    tested = found.drop_nulls("p")
    assert tested.height > 20_000
    assert (tested["p"] <= tested["p_always_valid"]).all()
    assert (tested["low_always_valid"] < tested["low"]).all()
    treatment = pl.col("experiment_id").str.split("/").list.head(2).list.join("/")
    ever = tested.filter(pl.col("is_primary")).group_by(treatment).agg((pl.col("p", "p_always_valid") <= 0.05).any())
    assert 90 <= ever.height <= 99
    assert ever["p_always_valid"].sum() < ever["p"].sum()
