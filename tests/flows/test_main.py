"""The command line as an operator meets it: exit codes, one sentence on stderr, one JSON document on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import polars as pl
import pytest

from flows.settings import Settings
from tests.shops import DAY, make_shop

CHECKOUT = Path(__file__).parents[2]
UPSELL = Path(sys.executable).with_name("upsell")
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def upsell(environ: dict[str, str]) -> Run:
    """Runs the program with arguments; `expect` is the exit code that is due."""

    def run(*arguments: object, expect: int = 0, **changed: str) -> subprocess.CompletedProcess[str]:
        command = [UPSELL, *map(str, arguments)]
        done = subprocess.run(command, env={**environ, **changed}, cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == expect, done.stdout + done.stderr
        return done

    return run


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout."""
    return json.loads(done.stdout)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr."""
    [line] = done.stderr.splitlines()
    return line


def test_an_operators_walk(upsell: Run, settings: Settings, tmp_path: Path) -> None:
    """Load, night, status, export, a second night, rollback, publish: each answers one JSON document and exits 0."""
    orders = tmp_path / "orders.csv"
    rows = [f"{number},c{number % 5},{product},1,2.50,2026-05-01T10:00:00Z" for number in range(8) for product in ("pen", "ink")]
    orders.write_text(
        "\n".join(["order_id,customer_id,product_id,quantity,unit_price,ordered_at", *rows, "9,c1,pen,-3,2.50,2026-05-01"])
    )
    loaded = answer(upsell("load", "--company", "shop", "--orders", orders, "--json"))["files"]["orders"]
    assert (loaded["rows"], loaded["loaded"], sum(loaded["quarantined"].values())) == (17, 16, 1)
    assert answer(upsell("load", "--company", "shop", "--orders", orders, "--json"))["files"]["orders"]["loaded"] == 0
    [first] = answer(upsell("nightly", "--company", "shop", "--as-of", "2026-05-02", "--json"))
    assert first["error"] is None and first["counts"]["orders"] == 8
    [second] = answer(upsell("nightly", "--company", "shop", "--as-of", "2026-05-03", "--json"))
    [shop] = answer(upsell("status", "--json"))
    assert shop["live"] == second["generation"] and list(shop["kept"]) == [first["generation"], second["generation"]]
    out = tmp_path / "out.parquet"
    assert answer(upsell("export", "--company", "shop", "--kind", "also-bought", "--out", out, "--json"))["rows"] == 2
    frame = pl.read_parquet(out)
    assert {"anchor_id", "rank", "product_id", "score", "source", "n_xy", "expected"} <= set(frame.columns)
    assert frame.filter(pl.col("anchor_id") == "pen")["n_xy"].to_list() == [8]
    assert answer(upsell("rollback", "--company", "shop", "--json"))[0]["generation"] == first["generation"]
    assert answer(upsell("publish", "--company", "shop", "--json"))[0]["generation"] == second["generation"]


def test_what_is_refused_is_one_sentence(upsell: Run, tmp_path: Path) -> None:
    """What cannot be done exits 1 with one sentence that says what and what to do, and nothing on stdout."""
    cases = [
        (["nightly", "--company", "nobody"], "Company 'nobody' does not exist"),
        (["export", "--company", "nobody", "--kind", "popular", "--out", tmp_path / "x"], "upsell nightly"),
        (["rollback", "--company", "nobody"], "upsell status"),
        (["publish", "--company", "nobody"], "upsell nightly"),
        (["load", "--company", "shop", "--orders", tmp_path / "none.parquet"], "none.parquet"),
        (["load", "--company", "no/slash", "--orders", tmp_path / "none.parquet"], "no/slash"),
        (["token", "--company", "shop", "--scope", "everything"], "company:read"),
        (["backfill", "--from", "2026-05-02", "--to", "2026-05-01", "--reason", "x"], "--from 2026-05-02"),
        (["simulate", "--out", tmp_path, "--lines", "3"], "--lines"),
        (["migrate", "down"], "--yes"),
    ]
    for arguments, words in cases:
        done = upsell(*arguments, expect=1)
        assert words in sentence(done), arguments
        assert done.stdout == "" or arguments[0] == "nightly"


def test_wrong_usage_is_exit_code_2(upsell: Run) -> None:
    """An unknown command or option, a missing option and a value of the wrong type exit 2."""
    for arguments in (["nope"], ["nightly", "--nope"], ["load"], ["nightly", "--as-of", "yesterday"], ["backfill", "--from", "x"]):
        assert upsell(*arguments, expect=2).stdout == ""


def test_a_store_that_is_away_is_exit_code_1(upsell: Run, settings: Settings) -> None:
    """Postgres or Redis away: after the retries one sentence names the setting, and the exit code is 1."""
    make_shop(settings, "shop", ["ab"] * 6)
    nowhere = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9/0"}
    for setting, url in nowhere.items():
        done = upsell("nightly", "--company", "shop", "--json", expect=1, RETRY_SECONDS="0.1", **{setting: url})
        [night] = answer(done)
        assert setting in night["error"] and night["error"] in done.stderr
    assert "REDIS_URL" in sentence(upsell("status", expect=1, RETRY_SECONDS="0.1", REDIS_URL=nowhere["REDIS_URL"]))


def test_the_schema_commands(upsell: Run) -> None:
    """verify is satisfied after up, names what is missing after down, and status tells which is which."""
    assert answer(upsell("migrate", "verify", "--json")) == {"missing": []}
    assert "UpsellImpression 0" in sentence(upsell("migrate", "down", expect=1))
    assert "ProductView" in answer(upsell("migrate", "down", "--yes", "--json"))["droppedRows"]
    missing = upsell("migrate", "verify", "--json", expect=1)
    assert "table UpsellExperiment" in answer(missing)["missing"] and "upsell migrate up" in sentence(missing)
    pending = answer(upsell("migrate", "status", "--json"))
    assert set(pending.values()) == {"pending"}
    assert answer(upsell("migrate", "up", "--json"))["applied"] == list(pending)


def test_a_database_without_our_tables_is_one_sentence(upsell: Run) -> None:
    """A night on a database that was never migrated says which command is missing."""
    upsell("migrate", "down", "--yes")
    assert "upsell migrate up" in sentence(upsell("nightly", expect=1))


def test_a_token_can_be_checked(upsell: Run) -> None:
    """The token is a JWT of the claims that the API reads, signed with JWT_SECRET."""
    secret = "a secret of thirty-two characters"
    printed = upsell("token", "--company", "shop", "--scope", "company:read", "--scope", "company:write", JWT_SECRET=secret).stdout
    claims = jwt.decode(printed.strip(), secret, algorithms=["HS256"])
    assert (claims["companyId"], claims["scope"]) == ("shop", ["company:read", "company:write"])


def test_a_backfill_resumes_and_never_replaces_a_newer_generation(upsell: Run, settings: Settings) -> None:
    """Each day of the range gets its generation; the release is refused by a newer live one, which is no failure."""
    make_shop(settings, "shop", ["ab"] * 8)
    upsell("nightly", "--company", "shop", "--as-of", DAY + timedelta(days=1))
    arguments = ["--from", (DAY - timedelta(days=3)).date(), "--to", (DAY - timedelta(days=1)).date(), "--reason", "trial"]
    [done] = answer(upsell("backfill", *arguments, "--company", "shop", "--json"))
    assert len(done["generations"]) == 2 and not done["published"] and "newer" in done["note"]
    [live] = answer(upsell("status", "--json"))
    assert datetime.fromisoformat(live["watermark"]) == DAY + timedelta(days=1)


def test_a_file_of_exposures_needs_no_store(upsell: Run, tmp_path: Path) -> None:
    """`analyze --exposures` and `--plan` answer with every store away, start none, and refuse in one sentence."""
    away = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:9/x", "REDIS_URL": "", "LOCAL_DIR": str(tmp_path / "nothing")}
    path = tmp_path / "exposures.csv"
    path.write_text("visitor,arm,bought\n" + "\n".join(f"v{n},{'ab'[n % 2]},{int(n % 5 == 0)}" for n in range(400)))
    document = answer(upsell("analyze", "--exposures", path, "--metrics", "bought", "--control", "b", "--json", **away))
    [said] = document["experiments"]
    assert (said["control"], said["decision"], said["units"]) == ("b", "WAIT", 400) and len(document["results"]) == 2
    printed = upsell("analyze", "--exposures", path, **away).stdout
    assert "decision: WAIT" in printed and "bought" in printed
    sizes = answer(upsell("analyze", "--plan", "--baseline", "0.05", "--effect", "20%", "--json", **away))["sizes"]
    assert sizes[0]["unitsPerArm"] == {"control": 8155, "treatment": 8155}
    assert "8155" in upsell("analyze", "--plan", "--baseline", "0.05", "--effect", "20%", **away).stdout
    for refused, words in (
        (["--exposures", path, "--metrics", "sold"], "'sold'"),
        (["--exposures", tmp_path / "none.csv"], "none.csv"),
        (["--plan"], "--baseline"),
        (["--plan", "--exposures", path], "--plan and --exposures"),
    ):
        done = upsell("analyze", *refused, expect=1, **away)
        assert words in sentence(done) and done.stdout == ""
    assert not (tmp_path / "nothing").exists()


def test_analyze_without_a_file_asks_the_database(upsell: Run, settings: Settings) -> None:
    """The bare command has one document per company, empty where nothing was tried; an unknown company is refused, after
    the documents of the others have been printed."""
    make_shop(settings, "shop", ["ab"] * 6)
    [document] = answer(upsell("analyze", "--company", "shop", "--as-of", DAY + timedelta(days=1), "--json"))
    assert (document["company"], document["experiments"]) == ("shop", [])
    refused = upsell("analyze", "--company", "nobody", "--company", "shop", "--json", expect=1)
    assert [document["company"] for document in answer(refused)] == ["shop"] and "'nobody'" in sentence(refused)
    assert "'nobody'" in sentence(upsell("analyze", "--company", "nobody", expect=1))


def test_simulate_writes_what_load_takes(upsell: Run, tmp_path: Path) -> None:
    """Every file of a simulated shop can be loaded as it is."""
    upsell("simulate", "--out", tmp_path, "--lines", "1000", "--json")
    names = [
        "products",
        "rules",
        "experiments",
        "orders",
        "views",
        "carts",
        "cart_items",
        "subscriptions",
        "impressions",
        "exposures",
    ]
    options = [part for name in names for part in (f"--{name.replace('_', '-')}", tmp_path / f"{name}.parquet")]
    report = answer(upsell("load", "--company", "sim", *options, "--json"))["files"]
    assert set(report) == set(names) and all(file["loaded"] for file in report.values())


def test_services_by_themselves(upsell: Run, tmp_path: Path) -> None:
    """start prints the addresses, status finds them, stop stops them, and status then exits 1."""
    elsewhere = {"LOCAL_DIR": str(tmp_path / "elsewhere"), "DATABASE_URL": "", "REDIS_URL": ""}
    started = answer(upsell("services", "start", "--json", **elsewhere))
    assert started["databaseUrl"].startswith("postgresql://") and started["redisUrl"].startswith("redis://")
    assert answer(upsell("services", "status", "--json", **elsewhere)) == started
    migrated = upsell("migrate", "up", "--json", **elsewhere)
    assert "DATABASE_URL not set: using the embedded server" in sentence(migrated)
    assert answer(upsell("services", "stop", "--json", **elsewhere)) == {"stopped": ["postgres", "redis"]}
    assert "upsell services start" in sentence(upsell("services", "status", expect=1, **elsewhere))


def test_the_read_api_needs_redis_alone(environ: dict[str, str], tmp_path: Path) -> None:
    """`upsell serve --read-only` with only REDIS_URL set answers, starts no Postgres, and ends with code 0 on SIGTERM."""
    alone = {key: value for key, value in environ.items() if key != "DATABASE_URL"} | {"LOCAL_DIR": str(tmp_path / "nothing")}
    command = [UPSELL, "serve", "--read-only", "--port", "0"]
    with subprocess.Popen(command, env=alone, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        api = json.loads(process.stdout.readline())["api"]
        with urllib.request.urlopen(f"{api}/api/health", timeout=10) as response:
            assert json.load(response)["checks"]["redis"]["ok"]
        process.terminate()
        assert process.wait(timeout=30) == 0
    assert not (tmp_path / "nothing").exists()
