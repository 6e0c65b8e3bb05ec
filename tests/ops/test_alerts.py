"""ops/alerts.yml: what the contract wants told, on figures that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from flows.settings import Settings
from models.generation import kept_key
from serving.app import ROUTES
from tests.ops import promql
from tests.serving.api import running_api
from tests.serving.shelf import publish
from tests.serving.test_pages import path

FILE = Path(__file__).parents[2] / "ops" / "alerts.yml"
GUIDE = FILE.parents[1] / "docs" / "operations.md"
DURATION = re.compile(r"\d+[smh]")
RULES: Mapping[str, Mapping[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]
}
RECOMMENDATIONS, UPSELLS = "/api/products/{product_id}/recommendations", "/api/upsell/cart/{cart_id}"
# the contract's table: what is compared, with how much, and how bad it is
CONTRACT = {
    "RecommendationLatencyHigh": ("upsell_request_duration_seconds_bucket", ">", 0.5, "warning"),
    "UpsellLatencyHigh": ("upsell_request_duration_seconds_bucket", ">", 0.3, "warning"),
    "CacheHitRateLow": ("upsell_cache_hits_total", "<", 0.8, "warning"),
    "UpsellImpressionsMany": ("upsell_impressions_total", ">", 1000, "info"),
    "ProductViewsMany": ("upsell_views_total", ">", 5000, "info"),
    "GenerationStale": ("upsell_generation_age_seconds", ">", 26 * 3600, "critical"),
}


@pytest.fixture(scope="module")
def told(services: Any, migrated_template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Metric]]:
    """What /metrics of a whole API answers once a page and a cart were asked for, by the names of its samples."""
    folder = tmp_path_factory.mktemp("alerts")
    settings = Settings(local_dir=folder, database_url=services.database_url, redis_url=services.redis_url)
    assert settings.database_url and settings.redis_url
    with redis.Redis.from_url(settings.redis_url) as client:
        publish(client, "alerts")
        client.hset(kept_key("alerts"), "g1", json.dumps({"publishedAt": "2011-12-01T02:00:00+00:00"}))
    database = settings.database_url.rpartition("/")[0] + f"/{migrated_template}"
    environ = {"REDIS_URL": settings.redis_url, "DATABASE_URL": database, "API_DRAIN": "0"}
    with running_api(folder, read_only=False, **environ) as api:
        assert api.get(path("alerts")).status == 200
        assert api.get("/api/upsell/cart/any?companyId=alerts&items=p1:1").status == 200
        text = api.get("/metrics").body.decode()
    yield {sample.name: family for family in text_string_to_metric_families(text) for sample in family.samples}


def test_the_file_has_prometheus_form() -> None:
    """Groups of rules with the known fields alone; every rule has a name of its own, a severity, and says what, how much and what
    to do about it."""
    document = yaml.safe_load(FILE.read_text())
    assert set(document) == {"groups"}
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert [set(group) for group in document["groups"]] == [{"name", "rules"}] * len(document["groups"])
    assert len({group["name"] for group in document["groups"]}) == len(document["groups"])
    assert len(RULES) == len(rules)
    for rule in rules:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert DURATION.fullmatch(rule["for"])
        assert set(rule["labels"]) == {"severity"} and rule["labels"]["severity"] in ("info", "warning", "critical")
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        for text in rule["annotations"].values():
            assert text.strip() and text.count("{{") == text.count("}}")
            assert all(each.strip().startswith(("$value", "$labels.")) for each in re.findall(r"{{(.*?)}}", text))
        assert rule["annotations"]["runbook"].endswith((".", ")."))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed; the strict reader still reads the rules")
def test_promtool_accepts_it() -> None:
    """Prometheus' own tool finds nothing to complain of."""
    done = subprocess.run(["promtool", "check", "rules", str(FILE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contract_s_thresholds(name: str) -> None:
    """Each row of the contract's table is a rule with its threshold and its severity."""
    metric, operator, threshold, severity = CONTRACT[name]
    asked = promql.read(RULES[name]["expr"])
    assert asked.comparison == (operator, threshold)
    assert asked.selectors[0].metric == metric
    assert RULES[name]["labels"]["severity"] == severity


@pytest.mark.parametrize("name", ["RecommendationLatencyHigh", "UpsellLatencyHigh"])
def test_latencies_are_the_95th_percentile(name: str) -> None:
    """Of the histogram's buckets, which end where the threshold is, so that it is exact there; nothing else is summed away."""
    assert re.match(r"histogram_quantile\(0\.95, sum by \(le\) \(rate\(", RULES[name]["expr"])


def test_rates_are_by_the_minute() -> None:
    """Impressions and views are compared by the minute, as the contract counts them."""
    for name in ("UpsellImpressionsMany", "ProductViewsMany"):
        assert re.fullmatch(r"sum\(rate\(\w+_total\[5m\]\)\) \* 60 > \d+", RULES[name]["expr"])


@pytest.mark.parametrize("name", RULES)
def test_every_metric_is_told(name: str, told: dict[str, Metric]) -> None:
    """Each metric of a rule stands in a real answer of /metrics, with every label that the rule picks, groups or words by; matched
    samples are there too."""
    rule = RULES[name]
    asked = promql.read(rule["expr"])
    for selector in asked.selectors:
        samples = [sample for sample in told[selector.metric].samples if sample.name == selector.metric]
        named = {label for label, _, _ in selector.matchers} | asked.grouped
        named |= set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert all(named <= set(sample.labels) for sample in samples)
        assert any(all(_matches(sample.labels, *matcher) for matcher in selector.matchers) for sample in samples)


def test_thresholds_are_ends_of_buckets(told: dict[str, Metric]) -> None:
    """A percentile is exact where a bucket ends, and only there."""
    ends = {sample.labels.get("le") for sample in told["upsell_request_duration_seconds_bucket"].samples}
    assert {"0.3", "0.5"} <= ends


@pytest.mark.parametrize(
    ("name", "watched"),
    [
        ("RecommendationLatencyHigh", {RECOMMENDATIONS, f"{RECOMMENDATIONS}/{{kind}}"}),
        (
            "UpsellLatencyHigh",
            {UPSELLS, *(f"/api/upsell/subscription-{each}/{{product_id}}" for each in ("eligibility", "offer"))}
            | {f"/api/upsell/impressions{each}" for each in ("", "/accept", "/decline")},
        ),
    ],
)
def test_latencies_watch_the_routes_that_shoppers_wait_for(name: str, watched: set[str]) -> None:
    """Of the table's routes, those and no other: management may take its time."""
    (selector,) = promql.read(RULES[name]["expr"]).selectors
    (pattern,) = [value for label, _, value in selector.matchers if label == "route"]
    assert {route.path for route in ROUTES if re.fullmatch(pattern, route.path)} == watched  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text",
    [
        "sum(rate(a[5m])",
        "sum(rate(a[5m])))",
        "rate(a) > 1",
        "a[5m] > 1",
        "rat(a[5m]) > 1",
        "sum by le (a)",
        'a{b="c"',
        "a{b=c}",
        "a > > 1",
        "a > b",
        "a;",
        "",
        "histogram_quantile(0.95) > 1",
    ],
)
def test_what_is_no_promql_is_refused(text: str) -> None:
    """The strict reader refuses brackets that do not close, unknown functions, and a rate without its time."""
    with pytest.raises(ValueError):
        promql.read(text)


def test_the_guide_tells_of_each_alert() -> None:
    """docs/operations.md has a line for every alert, and for no other."""
    told = re.findall(r"^\| (\w+) \| (?:info|warning|critical)", GUIDE.read_text(), re.MULTILINE)
    assert told == list(RULES)


def _matches(labels: Mapping[str, str], label: str, operator: str, value: str) -> bool:
    given = labels.get(label, "")
    holds = bool(re.fullmatch(value, given)) if "~" in operator else given == value
    return holds != operator.startswith("!")
