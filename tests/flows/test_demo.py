"""The demo as a newcomer runs it: the real sample shops, one night, the API, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import polars as pl
import pytest

from flows import embedded

CHECKOUT = Path(__file__).parents[2]
UPSELL = Path(sys.executable).with_name("upsell")


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which nothing is set but where to put things."""
    kept = {key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "REDIS_URL", "SNAPSHOT_URI")}
    return {**kept, "LOCAL_DIR": str(tmp_path_factory.mktemp("demo"))}


@pytest.fixture(scope="module")
def demo(environ: dict[str, str]) -> Iterator[dict[str, Any]]:
    """What a running demo printed; it is ended by SIGTERM, leaves with code 0 and stops its servers."""
    command = [UPSELL, "demo", "--json"]
    with subprocess.Popen(command, env=environ, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield json.loads(line)
        process.terminate()
        assert process.stdout.read() == "", "one line on stdout and nothing else"
        process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert embedded.status(Path(environ["LOCAL_DIR"])) is None


def get(demo: dict[str, Any], path: str) -> Any:
    """The JSON answer of the demo's API."""
    with urllib.request.urlopen(demo["api"] + path, timeout=10) as response:
        return json.load(response)


def test_the_line_names_everything(demo: dict[str, Any], environ: dict[str, str]) -> None:
    """Addresses of API and servers, and per company a token with every company scope, signed with this checkout's secret."""
    assert demo["databaseUrl"].startswith("postgresql://") and demo["redisUrl"].startswith("redis://")
    assert set(demo["tokens"]) == {"online-retail", "clothing", "simulated"}
    secret = (Path(environ["LOCAL_DIR"]) / "jwt.secret").read_text()
    for company, token in demo["tokens"].items():
        claims = jwt.decode(token, secret, algorithms=["HS256"])
        assert (claims["companyId"], claims["scope"]) == (company, ["company:read", "company:write"])


def test_half_a_million_real_lines_become_recommendations(demo: dict[str, Any], environ: dict[str, str], tmp_path: Path) -> None:
    """The cake stand of the wholesaler is shown with what shared its orders; served evidence equals the exported one."""
    section = get(demo, "/api/products/22423/recommendations/also-bought?companyId=online-retail")
    out = tmp_path / "also-bought.parquet"
    command = [UPSELL, "export", "--company", "online-retail", "--kind", "also-bought", "--out", out]
    subprocess.run(command, env=environ, cwd=CHECKOUT, check=True, capture_output=True)
    exported = pl.read_parquet(out)
    own = exported.filter(pl.col("anchor_id") == "22423").sort("rank")
    assert [item["id"] for item in section["products"]] == own["product_id"].to_list()
    assert [item["coOccurrenceCount"] for item in section["products"]] == own["n_xy"].to_list()
    assert own["source"].to_list() == ["co-purchase"] * 10
    # codes that are no products are nowhere
    services = {"POST", "DOT", "M", "D", "C2", "BANK CHARGES", "AMAZONFEE", "CRUK", "S", "B"}
    assert not services & {*exported["anchor_id"], *exported["product_id"]}


def test_a_shop_without_orders_shows_what_is_viewed(demo: dict[str, Any]) -> None:
    """The clothing shop has only views: its pages show what else was viewed in the same visits, and the reasons say so."""
    page = get(demo, "/api/products/5/recommendations?companyId=clothing")
    assert [section["type"] for section in page["sections"]] == ["ALSO_BOUGHT", "YOU_MIGHT_LIKE", "FREQUENTLY_VIEWED"]
    also_bought, you_might_like, frequently_viewed = (section["products"] for section in page["sections"])
    for item in also_bought + frequently_viewed:
        assert re.fullmatch(r"\d+ of \d+ visits; .* times as often as by chance", item["reason"])
    assert all(item["reason"].startswith("Because you viewed ") for item in you_might_like)
    assert page["sections"][2]["bundles"][0]["products"][0]["id"] == "5"


def test_a_live_session_changes_what_is_shown(demo: dict[str, Any]) -> None:
    """A guest of the clothing shop: the third page shows other products than to a stranger, personalised, none of those viewed."""
    pages = [f"/api/products/{product}/recommendations/you-might-like?companyId=clothing" for product in (5, 9, 14)]
    stranger = get(demo, pages[2])
    for page in pages:
        seen = get(demo, f"{page}&sessionId=guest-of-test")
    shown = [item["id"] for item in seen["products"]]
    assert shown != [item["id"] for item in stranger["products"]]
    assert (stranger["personalized"], seen["personalized"]) == (False, True)
    assert shown and not {"5", "9", "14"} & set(shown)


def test_a_known_customer_has_a_list_of_their_own(demo: dict[str, Any], environ: dict[str, str], tmp_path: Path) -> None:
    """What a wholesaler's customer is shown is what was published for them, less the page's own product, in its order."""
    out = tmp_path / "you-might-like.parquet"
    command = [UPSELL, "export", "--company", "online-retail", "--kind", "you-might-like", "--out", out]
    subprocess.run(command, env=environ, cwd=CHECKOUT, check=True, capture_output=True)
    listed = pl.read_parquet(out).filter(pl.col("anchor_id") == "17850").sort("rank")
    page = "/api/products/22423/recommendations/you-might-like?companyId=online-retail"
    section = get(demo, f"{page}&customerId=17850")
    due = [product for product in listed["product_id"] if product != "22423"][:8]
    assert section["personalized"] is True and [item["id"] for item in section["products"]] == due


def test_health_counts_the_shops(demo: dict[str, Any]) -> None:
    """Three companies have a live generation."""
    health = get(demo, "/api/health")
    assert (health["status"], health["generations"]) == ("ok", 3)


def test_exit_checks_and_stops(demo: dict[str, Any], environ: dict[str, str]) -> None:
    """`upsell demo --exit` beside a running demo uses its servers, prints `demo ok` and leaves them running."""
    done = subprocess.run([UPSELL, "demo", "--exit"], env=environ, cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "demo ok\n"), done.stderr
    assert get(demo, "/api/health")["status"] == "ok"


def test_verify_asks_every_operation(demo: dict[str, Any], environ: dict[str, str]) -> None:
    """The checklist finds schema, stores and every operation of the running API as they should be; a miss is exit code 1."""
    # the demo's API is no part of the environment
    reached = {**environ, "DATABASE_URL": demo["databaseUrl"], "REDIS_URL": demo["redisUrl"]}

    def verified(api: str) -> tuple[int, list[dict[str, Any]], str]:
        command = [UPSELL, "verify", "--api", api, "--json"]
        done = subprocess.run(command, env=reached, cwd=CHECKOUT, capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout), done.stderr

    code, rows, said = verified(demo["api"])
    assert [row for row in rows if row["ok"] != "ok"] == []
    assert (code, said) == (0, "")
    asked = {row["what"] for row in rows}
    assert {"GET /api/upsell/cart/verify-nothing", "POST /api/upsell/impressions", "every figure to watch is told"} <= asked
    code, rows, said = verified("http://127.0.0.1:1")
    assert code == 1
    assert "GET /api/health" in said
