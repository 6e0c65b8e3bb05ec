"""What the words of --metrics mean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flows.errors import SettingsError
from flows.exposures_metrics import asked, measured
from flows.exposures_options import FileOptions
from models.metrics import BY_NAME, GUARDRAIL, MEAN, PROPORTION, QUANTILE, RATIO, Metric

COLUMNS = ("bought", "revenue", "pre_revenue", "clicks", "views", "pre_clicks", "pre_views", "a/b")


def made(*specs: str, columns: tuple[str, ...] = COLUMNS, **options: Any) -> dict[str, Metric]:
    """The metrics of --metrics by name."""
    found = asked(FileOptions(metrics=list(specs), **options), columns, ["bought"])
    return {metric.name: metric for metric in found.metrics}


def test_columns_ratios_covariates_and_quantiles() -> None:
    """A column of 0 and 1 is a proportion, another a mean; a/b is a ratio; ~ adjusts; p90() is a quantile; a name may go before."""
    found = made("bought", "revenue~pre_revenue", "ctr=clicks/views~pre_clicks/pre_views", "p90(revenue)", "p99.9(views)")
    value = "value"
    assert found["bought"] == Metric("bought", PROPORTION, "bought", unit=value)
    assert found["revenue"] == Metric("revenue", MEAN, "revenue", covariate="pre_revenue", unit=value)
    assert found["ctr"] == Metric("ctr", RATIO, "clicks", "views", "pre_clicks", "pre_views")
    assert found["p90(revenue)"] == Metric("p90(revenue)", QUANTILE, "revenue", unit=value, quantile=0.9)
    assert found["p99.9(views)"].quantile == pytest.approx(0.999)
    assert measured("clicks/views~pre_clicks", COLUMNS, set()).covariate_denominator is None


def test_a_columns_own_name_goes_first() -> None:
    """A column whose name looks like a formula is that column; one metric with and without covariate keep names of their own."""
    assert made("a/b")["a/b"] == Metric("a/b", MEAN, "a/b", unit="value")
    assert list(made("revenue", "revenue~pre_revenue")) == ["revenue", "revenue~pre_revenue"]


def test_the_registrys_names_stand_for_their_columns() -> None:
    """A name of the registry is its metric where its columns are there, without its covariate where that is not there."""
    columns = ("revenue_cents", "n_orders")
    plain = replace(BY_NAME["revenue_per_unit"], covariate=None)
    found = made("revenue_per_unit", "average_order_value", columns=columns)
    assert found == {"revenue_per_unit": plain, "average_order_value": BY_NAME["average_order_value"]}
    assert made("revenue_per_unit", columns=(*columns, "pre_revenue_cents"))["revenue_per_unit"] == BY_NAME["revenue_per_unit"]
    with pytest.raises(SettingsError, match="click_rate"):
        made("click_rate", columns=columns)


def test_without_metrics_it_is_what_is_there() -> None:
    """The registry's metrics whose columns are there; else every column, each with the `pre_` column of its name."""
    found = asked(FileOptions(), ["revenue_cents", "n_orders", "other"], ()).metrics
    assert [metric.name for metric in found] == ["revenue_per_unit", "average_order_value"]
    plain = asked(FileOptions(), ["bought", "revenue", "pre_revenue"], ["bought"])
    assert [(metric.name, metric.covariate) for metric in plain.metrics] == [("bought", None), ("revenue", "pre_revenue")]
    assert plain.primary == "bought"


def test_roles() -> None:
    """A guardrail that is no metric yet becomes one; the primary is the first goal unless it is named."""
    found = asked(FileOptions(metrics=["revenue,clicks"], guardrail=["revenue:0.1", "views:2%"]), COLUMNS, ())
    roles = {metric.name: (metric.role, metric.margin) for metric in found.metrics}
    assert roles == {"revenue": (GUARDRAIL, 0.1), "clicks": ("goal", None), "views": (GUARDRAIL, 0.02)}
    assert found.primary == "clicks"
    assert asked(FileOptions(metrics=["revenue,clicks"], primary="clicks"), COLUMNS, ()).primary == "clicks"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nothing", "'nothing'"),
        ("clicks/nothing", "'nothing'"),
        ("revenue~nothing", "'nothing'"),
        ("p90(nothing)", "'nothing'"),
        ("p0(revenue)", "p0"),
        ("p100(revenue)", "p100"),
        ("p90(revenue)~pre_revenue", "covariate"),
        ("revenue,revenue", "twice"),
    ],
)
def test_what_is_no_metric_is_named(spec: str, words: str) -> None:
    """A metric of columns that are not there, of no percentile, or named twice, is refused."""
    with pytest.raises(SettingsError, match=words):
        made(spec)
