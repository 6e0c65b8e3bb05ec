"""The analysis of experiments on a real Postgres and Redis: what was planted is found, what was stored is merged, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import redis
from psycopg.types.json import Jsonb

import sql
from flows import nightly as night_module
from flows.analyze import CompanyAnalysis, analyze_companies, analyze_company
from flows.connections import postgres
from flows.copy_reader import CopyReader
from flows.errors import UpsellError
from flows.experiment_report import analysis_report
from flows.experiments_extract import latest_experiments
from flows.extract import latest_snapshot
from flows.layout import experiment_chart_key, experiment_results_key, experiment_snapshot_key
from flows.load import load
from flows.nightly import failures, night
from flows.object_store import ObjectStore, open_store
from flows.progress import silent
from flows.settings import Settings
from flows.simulate import simulate, write
from models import holdout
from models.generation import experiments_key
from tests.shops import DAY, add_order, insert, make_shop

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
WATERMARK = BEGAN + timedelta(days=20)
Row = dict[str, Any]


def experiment(settings: Settings, company: str = "shop", **columns: Any) -> None:
    """A company with one running experiment, `{company}:exp`, of control and treatment."""
    make_shop(settings, company, ["ab"] * 4)
    row = {
        "id": f"{company}:exp", "companyId": company, "name": "Wording", "status": "RUNNING", "primaryMetric": "revenue_per_unit",
        "control": Jsonb({"id": "control"}), "variants": Jsonb([{"id": "control"}, {"id": "treatment"}]), "startedAt": BEGAN,
        **columns,
    }  # fmt: skip
    with postgres(settings) as connection:
        insert(connection, "UpsellExperiment", [row])


def expose(settings: Settings, sessions: dict[str, list[str]], company: str = "shop", day: float = 1.0, **columns: Any) -> None:
    """Variant -> sessions that see a list within the experiment, `day` days after it began."""
    rows = [
        {
            "companyId": company, "productId": f"{company}-a", "type": "ALSO_BOUGHT", "sessionId": session, "variant": variant,
            "experimentId": f"{company}:exp", "impressedAt": BEGAN + timedelta(days=day), **columns,
        }
        for variant, names in sessions.items() for session in names
    ]  # fmt: skip
    with postgres(settings) as connection:
        insert(connection, "RecommendationImpression", rows)


def buy(settings: Settings, session: str, total: str, day: float = 2.0, company: str = "shop", **columns: Any) -> None:
    """An order of `total` from a session, by way of its cart."""
    name, at = f"{company}-{session}-{day}", BEGAN + timedelta(days=day)
    with postgres(settings) as connection:
        add_order(connection, company, name, [f"{company}-a"], at, total=total, **columns)
        cart = {"id": f"cart-{name}", "companyId": company, "sessionToken": session, "orderId": name, "status": "CONVERTED"}
        insert(connection, "Cart", [cart])


def run(settings: Settings, company: str = "shop", at: datetime = WATERMARK, **arguments: Any) -> CompanyAnalysis:
    """One analysis."""
    return analyze_company(settings, company, at, silent, **arguments)


def stored(settings: Settings, company: str = "shop") -> dict[str, Row]:
    """Results by experiment, as the database has them."""
    query = 'select id, status, results from "UpsellExperiment" where "companyId" = %s'
    with postgres(settings) as connection:
        return {row["id"]: row["results"] for row in connection.execute(query, (company,))}


def published(settings: Settings, company: str = "shop") -> dict[str, Row]:
    """Results by experiment, as Redis has them."""
    assert settings.redis_url
    with redis.Redis.from_url(settings.redis_url, decode_responses=True) as client:
        return {name: json.loads(value) for name, value in client.hgetall(experiments_key(company)).items()}


def store_of(settings: Settings) -> ObjectStore:
    """The store of the test's settings."""
    return open_store(settings.snapshots, settings.local_dir / "cache")


def record(document: Row, variant: str, metric: str, segment: str | None = None) -> Row:
    """The result of one arm and metric."""
    [found] = [
        row for row in document["results"] if (row["variant"], row["metric"], row.get("segment")) == (variant, metric, segment)
    ]
    assert isinstance(found, dict)
    return found


def test_a_shop_by_hand(settings: Settings) -> None:
    """Four sessions a variant; the control buys for 10 and 20, the treatment for 30: means 7.50 and 7.50; a sandbox order, a
    pending one and one of another company count for nothing, and a canceled one is a refund."""
    experiment(settings)
    make_shop(settings, "other", ["ab"])
    names = {variant: [f"{variant}-{number}" for number in range(4)] for variant in ("control", "treatment")}
    expose(settings, names)
    buy(settings, "control-0", "10.00")
    buy(settings, "control-1", "20.00")
    buy(settings, "treatment-0", "30.00")
    buy(settings, "treatment-1", "99.00", environment="sandbox")
    buy(settings, "treatment-2", "99.00", status="PENDING")
    buy(settings, "treatment-3", "99.00", status="CANCELED")
    buy(settings, "control-2", "99.00", company="other")
    [document] = run(settings).experiments
    for variant, buyers in (("control", 2), ("treatment", 1)):
        revenue = record(document, variant, "revenue_per_unit")
        assert (revenue["n"], revenue["nPositive"], revenue["mean"]) == (4, buyers, 7.5)
    assert record(document, "treatment", "refund_rate")["mean"] == 0.5
    assert record(document, "control", "average_order_value")["mean"] == 15.0
    assert (document["decision"], document["windowDays"], document["dirtyRows"]) == ("WAIT", 7.0, {})
    assert [arm["n"] for arm in document["srm"]["arms"]] == [4, 4]


def test_the_simulated_shop_gives_back_what_was_planted(settings: Settings, tmp_path: Path) -> None:
    """Intervals cover the true effects, the broken split is not read, what has no effect is not shipped, dirt is counted to the
    row, and the permanent holdout becomes an experiment by itself."""
    frames = simulate(6_000, seed=3)
    load(settings, "sim", write(frames, tmp_path / "sim"))
    found = {
        row["experiment"].removeprefix("sim:"): row for row in run(settings, "sim", datetime(2026, 8, 1, tzinfo=UTC)).experiments
    }
    truth = frames["truth_variants"].filter(pl.col("variant") != "control", ~pl.col("split_is_broken"))
    for row in truth.iter_rows(named=True):
        low, high = record(found[row["experiment_id"]], row["variant"], row["metric"])["interval"]["reading"]
        assert low <= row["effect"] <= high, row
    assert found["exp-broken-split"]["decision"] == "INVALID"
    for name in truth.group_by("experiment_id").agg(pl.col("effect").max()).filter(effect=0.0)["experiment_id"]:
        assert found[name]["decision"] != "SHIP"
    for name, kind, n in frames["truth_dirt"].rows():
        assert found[name]["dirtyRows"].pop(kind) == n
    assert all(row["dirtyRows"] == {} for row in found.values())
    apart, effect = found[holdout.EXPERIMENT], frames["truth_holdout"].filter(variant=holdout.OFFERS)["effect"][0]
    low, high = apart["incremental"]["interval"]
    assert low <= effect <= high and apart["status"] == "RUNNING"
    assert apart["incremental"]["revenue"] == apart["incremental"]["revenuePerSession"] * apart["incremental"]["sessions"]
    assert apart["srm"]["p"] > 0.001 and set(published(settings, "sim")) == {f"sim:{name}" for name in found}


def test_a_rerun_replaces_and_another_day_adds(settings: Settings) -> None:
    """Rows, Redis and files are the same bytes after a second run; the next day adds one entry; an older watermark replaces
    nothing but its own day; what others change in the row stays."""
    experiment(settings)
    expose(settings, {"control": ["a", "b", "c"], "treatment": ["d", "e", "f"]})
    buy(settings, "a", "10.00")
    run(settings)
    first, files = stored(settings), store_of(settings).get(experiment_results_key("shop", "2026-05-20"))
    assert published(settings) == first and list(first["shop:exp"]["history"]) == ["2026-05-20"]
    with postgres(settings) as connection:
        connection.execute('update "UpsellExperiment" set status = %s', ("PAUSED",))
    before = updated_at(settings)
    run(settings)
    first["shop:exp"]["latest"]["status"] = "PAUSED"
    assert stored(settings) == first and updated_at(settings) > before
    before = updated_at(settings)
    run(settings)
    assert stored(settings) == first and updated_at(settings) == before
    run(settings, at=WATERMARK + timedelta(days=1))
    later = stored(settings)["shop:exp"]
    assert list(later["history"]) == ["2026-05-20", "2026-05-21"]
    run(settings, at=WATERMARK - timedelta(days=1))
    again = stored(settings)["shop:exp"]
    assert again["latest"] == later["latest"] and list(again["history"]) == ["2026-05-19", "2026-05-20", "2026-05-21"]
    assert published(settings) == stored(settings)
    assert files and json.loads(files)[0]["experiment"] == "shop:exp"


def updated_at(settings: Settings) -> datetime:
    """When the experiment's row was last changed."""
    with postgres(settings) as connection:
        row = connection.execute('select "updatedAt" as at from "UpsellExperiment"').fetchone()
    assert row is not None
    at: datetime = row["at"]
    return at


def test_what_changes_later_is_read_again(settings: Settings) -> None:
    """A click, a cart that is joined to its order, and a refund, all days after the exposure's day was read, change the results; a
    day that did not change is not read again."""
    experiment(settings)
    expose(settings, {"control": ["a", "b"], "treatment": ["c", "d"]})
    buy(settings, "c", "40.00")
    with postgres(settings) as connection:
        connection.execute('update "Cart" set "orderId" = null')
    [before] = run(settings).experiments
    assert record(before, "treatment", "revenue_per_unit")["mean"] == 0
    moment = BEGAN + timedelta(days=3)
    with postgres(settings) as connection:
        connection.execute('update "Cart" set "orderId" = %s, "updatedAt" = %s', ("shop-c-2.0", moment))
        click = 'update "RecommendationImpression" set "clickedAt" = %s, "updatedAt" = %s where "sessionId" = %s'
        connection.execute(click, (moment, moment, "a"))
    [between] = run(settings).experiments
    assert record(between, "treatment", "revenue_per_unit")["mean"] == 20
    assert record(between, "control", "click_rate")["mean"] == 0.5
    with postgres(settings) as connection:
        connection.execute('update "Order" set status = %s, "updatedAt" = %s where id = %s', ("REFUNDED", moment, "shop-c-2.0"))
    [after] = run(settings).experiments
    assert record(after, "treatment", "revenue_per_unit")["mean"] == 0
    assert record(after, "treatment", "refund_rate")["mean"] == 1


def test_the_watermark_is_exclusive(settings: Settings) -> None:
    """Exposures, clicks and orders at or after it are not looked at; units whose window is open are counted apart, and in the
    split."""
    experiment(settings)
    expose(settings, {"control": ["a", "b"], "treatment": ["c", "d"]}, clickedAt=BEGAN + timedelta(days=8))
    expose(settings, {"control": ["open"]}, day=5)
    expose(settings, {"control": ["at"]}, day=8)
    buy(settings, "c", "40.00", day=7.99)
    buy(settings, "d", "40.00", day=8)
    [document] = run(settings, at=BEGAN + timedelta(days=8)).experiments
    assert record(document, "control", "click_rate")["mean"] == 0
    assert record(document, "treatment", "conversion")["nPositive"] == 1
    assert document["dirtyRows"] == {"unitsWithOpenWindow": 1}
    assert [arm["n"] for arm in document["srm"]["arms"]] == [3, 2]


def test_a_planned_end_is_read_in_daily_looks(settings: Settings) -> None:
    """With an end and a least size the reading is group-sequential, one look a day: the same at noon as at midnight; at the end of
    the last window the experiment is ended, and stays on that day."""
    planned: Row = {
        "minimumSampleSize": 20,
        "endedAt": BEGAN + timedelta(days=10),
        "control": Jsonb({"id": "control", "windowDays": 1}),
    }
    experiment(settings, **planned)
    for day in range(1, 5):
        expose(settings, {arm: [f"{arm}-{day}-{n}" for n in range(5)] for arm in ("control", "treatment")}, day=day + 0.25)
    for session, total in (
        ("control-1-0", "10.00"),
        ("control-2-0", "15.00"),
        ("treatment-1-1", "12.00"),
        ("treatment-1-2", "9.00"),
    ):
        buy(settings, session, total, day=2.2)
    [midnight] = run(settings, at=BEGAN + timedelta(days=4)).experiments
    [noon] = run(settings, at=BEGAN + timedelta(days=4.5)).experiments
    assert midnight["looks"] == [0.25, 0.5] and midnight["plannedUnits"] == 40
    assert record(midnight, "treatment", "revenue_per_unit")["reading"] == "group sequential"
    assert record(noon, "treatment", "revenue_per_unit") == record(midnight, "treatment", "revenue_per_unit")
    [after] = run(settings, at=BEGAN + timedelta(days=19)).experiments
    assert (after["isEnded"], after["looks"], after["day"]) == (True, [0.25, 0.5, 0.75, 1.0], "2026-05-11")


def test_a_company_without_experiments_is_left_alone(settings: Settings) -> None:
    """Nothing is extracted, stored or published, and a draft is no experiment yet."""
    experiment(settings, status="DRAFT")
    assert run(settings).experiments == []
    assert latest_experiments(store_of(settings), "shop") is None and published(settings) == {}


def test_no_company_reads_another(settings: Settings) -> None:
    """The same session and experiment names in two companies: each counts its own rows."""
    for company, n in (("left", 2), ("right", 3)):
        experiment(settings, company)
        expose(settings, {"control": [f"s{number}" for number in range(n)]}, company)
    found, failed = analyze_companies(settings, None, WATERMARK, silent)
    assert [(row.company, row.experiments[0]["srm"]["arms"][0]["n"]) for row in found] == [("left", 2), ("right", 3)]
    assert set(published(settings, "left")) == {"left:exp"} and failed is None


def test_a_company_that_fails_leaves_the_others_analyses(settings: Settings) -> None:
    """One that does not exist and one whose snapshot was damaged cost a sentence each; the one between them is analysed."""
    for company in ("damaged", "good"):
        experiment(settings, company)
        expose(settings, {"control": ["a"], "treatment": ["b"]}, company)
    run(settings, "damaged")
    store_of(settings).put(experiment_snapshot_key("damaged", WATERMARK), b"no more")
    found, failed = analyze_companies(settings, ["nobody", "good", "damaged"], WATERMARK, silent)
    assert [row.company for row in found] == ["good"] and set(published(settings, "good")) == {"good:exp"}
    assert failed and failed.startswith("Company 'nobody' does not exist: load it, or correct --company. damaged: ValueError: ")


def test_a_plan_that_cannot_be_read_stops_no_other(settings: Settings) -> None:
    """An experiment on an unknown metric is INVALID with a sentence; the other one is read."""
    experiment(settings)
    wrong = {"id": "shop:odd", "companyId": "shop", "name": "Odd", "status": "RUNNING", "primaryMetric": "happiness"}
    with postgres(settings) as connection:
        insert(connection, "UpsellExperiment", [wrong])
    expose(settings, {"control": ["a"], "treatment": ["b"]})
    analysis = run(settings)
    assert [row["decision"] for row in analysis.experiments] == ["WAIT", "INVALID"]
    assert "primaryMetric is 'happiness'" in analysis.experiments[1]["sentence"]
    assert "| Odd | INVALID | happiness |" in analysis_report(settings, analysis)


def test_the_night_and_the_analysis_fail_apart(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed analysis is reported and the generation is live; a failed training is reported and the results are published; both
    leave the other's snapshots alone."""
    experiment(settings)
    expose(settings, {"control": ["a", "b"], "treatment": ["c", "d"]})
    day = DAY + timedelta(days=30)

    def fails(*_: Any, **__: Any) -> None:
        raise UpsellError("It was not to be.")

    with monkeypatch.context() as patch:
        patch.setattr(night_module, "analyze_company", fails)
        [live] = night(settings, ["shop"], day, silent)
    assert (live.error, live.analysis_error) == (None, "It was not to be.") and live.generation
    assert failures([live]) == "It was not to be." and published(settings) == {}
    with monkeypatch.context() as patch:
        patch.setattr(night_module, "train", fails)
        [read] = night(settings, ["shop"], day, silent)
    assert (read.error, read.analysis_error, read.n_experiments) == ("It was not to be.", None, 1)
    assert set(published(settings)) == {"shop:exp"}
    snapshot = latest_snapshot(store_of(settings), "shop")
    assert snapshot is not None and set(snapshot.members) == {"order_lines", "views", "impressions"}


def test_the_nights_replay_stands_beside_the_hourly_results(settings: Settings) -> None:
    """The night replays the company's own units; an analysis of the next hour shows that rate again; a peeked t test has more
    false positives than the reading."""
    experiment(settings)
    for day in range(1, 9):
        expose(settings, {arm: [f"{arm}-{day}-{n}" for n in range(20)] for arm in ("control", "treatment")}, day=day)
        buy(settings, f"control-{day}-1", "10.00", day=day + 0.5)
        buy(settings, f"treatment-{day}-1", "12.00", day=day + 0.5)
    [nightly] = run(settings, with_replay=True).experiments
    [hourly] = run(settings).experiments
    assert nightly["replay"] == hourly["replay"] and nightly["replay"]["nUnits"] == 320
    assert nightly["replay"]["rate"] <= nightly["replay"]["peekedRate"] <= 1


def test_the_picture_shows_each_day(settings: Settings) -> None:
    """The chart of the object store is well-formed SVG with a point per variant, and the report holds table and picture."""
    experiment(settings)
    expose(settings, {arm: [f"{arm}-{n}" for n in range(30)] for arm in ("control", "treatment")})
    for number in range(6):
        buy(settings, f"control-{number}", f"{10 + number}.00")
        buy(settings, f"treatment-{number}", f"{12 + 2 * number}.00")
    run(settings)
    analysis = run(settings, at=WATERMARK + timedelta(days=1))
    drawn = store_of(settings).get(experiment_chart_key("shop", "shop:exp"))
    assert drawn is not None and b"2026-05-20" in drawn and b"2026-05-21" in drawn and drawn.count(b"<circle") == 1
    report = analysis_report(settings, analysis)
    assert "| Wording | WAIT | revenue_per_unit | treatment | 30 |" in report and "data:image/svg+xml;base64," in report


def test_the_holdouts_row_is_made_once_and_then_the_operators(settings: Settings) -> None:
    """The first exposure to the permanent holdout makes the company's row; weights that an operator corrects stay."""
    make_shop(settings, "shop", ["ab"] * 4)
    expose(settings, {holdout.HOLDOUT: ["a"], holdout.OFFERS: ["b", "c"]}, experimentId=holdout.EXPERIMENT)
    [document] = run(settings).experiments
    assert (document["experiment"], document["control"], document["primaryMetric"]) == (
        "shop:permanent-holdout", holdout.HOLDOUT, holdout.METRIC,
    )  # fmt: skip
    with postgres(settings) as connection:
        connection.execute('update "UpsellExperiment" set "variantWeights" = %s', (Jsonb({"holdout": 1, "offers": 2}),))
    [again] = run(settings).experiments
    assert [arm["expected"] for arm in again["srm"]["arms"]] == [1.0, 2.0]


def test_only_changed_days_are_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second analysis of the same rows reads no exposure and no order; a new order's day is read alone."""
    experiment(settings)
    expose(settings, {"control": ["a"], "treatment": ["b"]})
    run(settings)
    seen: list[str] = []
    read = CopyReader.read

    def watched(self: CopyReader, query: str, bound: Row) -> pl.DataFrame:
        seen.append(f"{bound['start']:%m-%d}")
        return read(self, query, bound)

    monkeypatch.setattr(CopyReader, "read", watched)
    run(settings)
    assert seen == []
    buy(settings, "a", "10.00", day=3)
    run(settings)
    assert seen == ["05-04"]


def test_exposures_are_found_by_their_partial_indexes(settings: Settings) -> None:
    """Both indexes are used where most impressions belong to no experiment: a night without experiments does not scan them."""
    make_shop(settings, "shop", ["a"])
    fill = """
    insert into "RecommendationImpression" (id, "companyId", "productId", type, "sessionId", "impressedAt")
    select n::text, 'shop', 'shop-a', 'ALSO_BOUGHT', 's' || n, timestamptz '2026-05-01' from generate_series(1, 5000) n
    """
    with postgres(settings, autocommit=True) as connection:
        connection.execute(fill)
        connection.execute("analyze")

        bound = {"company": "shop", "holdout": holdout.EXPERIMENT, "holdout_id": holdout.experiment_id("shop")}
        query = psycopg.ClientCursor(connection).mogrify(sql.load("extract/experiment_there"), bound)
        plan = "\n".join(row["QUERY PLAN"] for row in connection.execute(f"explain {query}"))
    assert "RecommendationImpression_companyId_impressedAt_experiment_idx" in plan
