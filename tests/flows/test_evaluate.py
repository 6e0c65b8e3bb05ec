"""`upsell evaluate` against a real database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.connections import redis_client
from flows.errors import CheckFailed
from flows.evaluate import evaluate_company, evaluation_table, method_rows
from flows.load import load
from flows.nightly import company_night
from flows.progress import silent
from flows.publish import live_generation
from flows.settings import Settings
from flows.simulate import simulate, write
from models.judging import Estimate


@pytest.fixture
def shop(settings: Settings, tmp_path: Path) -> str:
    """A simulated shop of 20,000 lines in the database."""
    load(settings, "sim", write(simulate(20_000, seed=3), tmp_path / "files"))
    return "sim"


def test_every_kind_and_rival_is_judged_and_nothing_is_published(settings: Settings, shop: str) -> None:
    """The document has figures with intervals for each method; no generation is live afterwards."""
    evaluation = evaluate_company(settings, shop, datetime(2026, 6, 1, tzinfo=UTC), silent)
    document = json.loads(json.dumps(evaluation.to_json()))
    judged = [row for row in document["verdicts"] if row["ours"]]
    assert {"popular", "also-bought"} <= {row["kind"] for row in judged}
    for row in judged:
        for figures in (row["ours"], *row["rivals"].values()):
            for name in ("hitRate", "recall", "ndcg"):
                estimate = Estimate(**figures[name])
                assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    with redis_client(settings) as client:
        assert live_generation(client, shop) is None


def test_the_table_has_a_row_per_method(settings: Settings, shop: str) -> None:
    """Ours comes first, rivals follow with the ratio of ours over them."""
    evaluation = evaluate_company(settings, shop, None, silent)
    rows = method_rows(evaluation)
    assert rows[0]["method"] == "ours" and rows[0]["over"] is None
    assert all(row["over"] for row in rows if row["method"] != "ours")
    assert evaluation_table(shop, evaluation).count("\n") == len(rows) + 1


def test_a_split_outside_the_history_is_one_sentence(settings: Settings, shop: str) -> None:
    """Before the first event, or after the last one, there is nothing to learn from or to judge by."""
    for split in (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)):
        with pytest.raises(CheckFailed, match="choose --split-at between the company's first and last event"):
            evaluate_company(settings, shop, split, silent)


def test_the_night_reports_readiness(settings: Settings, shop: str) -> None:
    """Each judged kind has its line in the night's report, with the figures that decided."""
    night = company_night(settings, shop, datetime.now(UTC), silent)
    assert night.error is None
    assert "times that of best sellers" in night.readiness["popular"]
