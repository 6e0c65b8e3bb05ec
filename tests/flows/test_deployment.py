"""prefect.yaml on a real Prefect server with a process worker: a scheduled run really starts, and does its work."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from flows.connections import postgres
from flows.deployments import night_table
from flows.nightly import CompanyNight
from flows.publish import live_generation
from flows.settings import Settings
from tests.flows.conftest import PREFECT, PrefectServer, running
from tests.shops import DAY, insert, make_shop

CHECKOUT = Path(__file__).parents[2]
PATIENCE_SECONDS = 240


@pytest.fixture
def prefect(environ: dict[str, str], prefect_server: PrefectServer) -> dict[str, str]:
    """The environment of a program that uses the test run's Prefect server."""
    until(lambda: answers(f"{prefect_server.url}/health"), prefect_server.log)
    return {**environ, **prefect_server.environ, "UPSELL_HOME": str(CHECKOUT), "PREFECT_WORKER_QUERY_SECONDS": "1"}


def test_a_scheduled_nightly_starts_and_publishes(settings: Settings, prefect: dict[str, str], tmp_path: Path) -> None:
    """The deployment of prefect.yaml, its schedule moved to every few seconds, publishes the shop's generation by itself; a
    backfill, an evaluation and an analysis started by hand complete; all but the backfill leave artifacts."""
    make_shop(settings, "scheduled", ["ab"] * 8)
    with postgres(settings) as connection:
        row = {"id": "exp", "companyId": "scheduled", "name": "Wording", "status": "RUNNING", "primaryMetric": "conversion"}
        insert(connection, "UpsellExperiment", [row])
    # the same file as the repository's, but that its schedule is due at once
    declared = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())
    nightly = next(row for row in declared["deployments"] if row["name"] == "nightly")
    assert nightly["schedules"] == [{"cron": "15 2 * * *", "timezone": "UTC", "slug": "nightly"}]
    nightly["schedules"] = [{"interval": 10, "slug": "nightly"}]
    hourly = next(row for row in declared["deployments"] if row["name"] == "analyze")
    assert hourly.pop("schedules") == [{"cron": "5 * * * *", "timezone": "UTC", "slug": "analyze"}]
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(declared))
    run([PREFECT, "work-pool", "create", "upsell", "--type", "process"], prefect)
    run([PREFECT, "--no-prompt", "deploy", "--all", "--prefect-file", tmp_path / "prefect.yaml"], prefect)
    worker = [PREFECT, "worker", "start", "--pool", "upsell", "--type", "process", "--limit", "1"]
    with running(worker, prefect, tmp_path / "worker.log"):
        until(lambda: any(row["auto_scheduled"] for row in runs(prefect, "COMPLETED")), tmp_path / "worker.log")
        days = {"start": str(DAY.date()), "end": str((DAY + timedelta(days=1)).date())}
        started = {
            start(prefect, "backfill", {**days, "reason": "trial", "companies": ["scheduled"]}),
            start(prefect, "evaluate", {"companies": ["scheduled"]}),
            start(prefect, "analyze", {"companies": ["scheduled"]}),
        }
        until(lambda: started <= {row["id"] for row in runs(prefect, "COMPLETED")}, tmp_path / "worker.log")
    artifacts = {row["key"]: row["data"] for row in post(prefect, "artifacts/filter", {})}
    assert "| scheduled | also-bought |" in artifacts["evaluation"] and "best sellers" in artifacts["evaluation"]
    assert "- scheduled, also-bought: " in artifacts["nightly"]
    assert "| Wording | " in artifacts["experiments"] and "data:image/svg+xml;base64," in artifacts["experiments"]
    assert settings.redis_url
    with redis.Redis.from_url(settings.redis_url) as client:
        assert live_generation(client, "scheduled")


def test_the_report_is_a_table() -> None:
    """The artifact has a row per company with what went live and what went wrong."""
    counts, readiness = {"orders": 6, "views": 0}, {"popular": "live"}
    good = CompanyNight("shop", "2026-05-02T00:00:00Z", "20260502-abc", 1234, counts, {"reason": 2}, readiness, 0.5)
    good = replace(good, n_revenue_checked=3, n_revenue_mismatches=1)
    bad = CompanyNight("missing", "2026-05-02T00:00:00Z", None, 0, {}, {}, {}, 0.1, "Company 'missing' does not exist.")
    report = night_table([good, bad])
    rows = report.splitlines()[2:]
    assert rows[0] == "| shop | 20260502-abc | 1,234 | 6 | 0 | 2 | 0 | 1 of 3 | 0.5 |  |"
    assert rows[1] == "| missing | unchanged | 0 | 0 | 0 | 0 | 0 | 0 of 0 | 0.1 | Company 'missing' does not exist. |"
    assert report.endswith("\n\n- shop, popular: live")


def start(env: dict[str, str], name: str, parameters: dict[str, Any]) -> str:
    """Start a deployment by hand; returns the id of its flow run."""
    deployment = post(env, "deployments/filter", {"deployments": {"name": {"any_": [name]}}})[0]
    run_id: str = post(env, f"deployments/{deployment['id']}/create_flow_run", {"parameters": parameters})["id"]
    return run_id


def runs(env: dict[str, str], state: str) -> list[dict[str, Any]]:
    """Flow runs of the server that are in `state`; fails the test when one has failed or crashed."""
    found = post(env, "flow_runs/filter", {})
    broken = [row for row in found if row["state_type"] in ("FAILED", "CRASHED")]
    assert not broken, broken[0]["state"]["message"]
    return [row for row in found if row["state_type"] == state]


def post(env: dict[str, str], path: str, body: dict[str, Any]) -> Any:
    """One call of the Prefect API."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{env['PREFECT_API_URL']}/{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def answers(url: str) -> bool:
    """Whether the server is up."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def run(command: list[Any], env: dict[str, str]) -> None:
    """Run one command of Prefect in the checkout."""
    done = subprocess.run(command, env=env, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def until(holds: Any, log: Path) -> None:
    """Wait for a condition; after a generous time show what the process said."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.5)
