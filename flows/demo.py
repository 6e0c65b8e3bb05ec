"""The demo: embedded services, migrations, sample shops, one night, and the read API, from nothing to the first answer."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import polars as pl
from psycopg.types.json import Jsonb

import sql
from flows import embedded, migrate
from flows.connections import postgres, redis_client
from flows.demo_checks import Running, check, page, page_of_customer
from flows.doors import open_services
from flows.errors import UpsellError
from flows.load import CompanyRow, load
from flows.nightly import failures, night
from flows.object_store import open_store
from flows.progress import Reporter
from flows.publish import live_generation, read_kind
from flows.samples import SAMPLES, Sample
from flows.settings import Settings
from flows.simulate import simulate, write
from flows.tokens import COMPANY_SCOPES, sign, signing_secret
from models.flags import DEFAULTS
from models.generation import WHOLE_COMPANY

COMPANIES = (*SAMPLES, "simulated")
SIMULATED_LINES = 20_000
# a year of a wholesaler is looked back on as a whole; the other shops have the defaults
CONFIGURED = {"online-retail": {"lookbackDays": 365}}


def run_demo(settings: Settings, *, leave: bool, as_json: bool) -> None:
    """Prepare everything, run the API, then check and stop (`leave`) or serve until SIGINT or SIGTERM.

    Raises CheckFailed when an endpoint does not answer as it must.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    were_running = embedded.status(settings.local_dir) is not None
    try:
        opened = open_services(settings)
        prepare(opened)
        with _api(opened) as address:
            demo = Running(address, opened, _tokens(opened), *_asked_for(opened))
            if leave:
                check(demo)
                print(json.dumps({"demo": "ok"}) if as_json else "demo ok", flush=True)
            else:
                _announce(demo, as_json)
                signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        # what this run started ends with it
        if not were_running:
            embedded.stop(settings.local_dir)


def prepare(settings: Settings) -> None:
    """Schema, sample shops and one night. A second demo finds all that the first one loaded."""
    with postgres(settings) as connection:
        migrate.up(connection)
    with Reporter() as progress:
        for company in COMPANIES:
            if not _is_loaded(settings, company):
                sample = SAMPLES.get(company) or _simulated(settings)
                load(settings, company, sample.files, progress=progress, company_row=sample.row)
                _configure(settings, company)
            _switch_on(settings, company)
        nights = night(settings, list(COMPANIES), datetime.now(UTC), progress)
    if failed := failures(nights):
        raise UpsellError(failed)


@contextmanager
def _api(settings: Settings) -> Iterator[str]:
    """The read API as a process of its own; yields its address once it listens."""
    environ = {**os.environ, "REDIS_URL": settings.redis_url or "", "DATABASE_URL": settings.database_url or ""}
    environ["JWT_SECRET"] = signing_secret(settings)
    environ.setdefault("API_LOG_LEVEL", "warning")
    command = [sys.executable, "-m", "serving", "--port", str(_port())]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise UpsellError("The read API did not start: its reason stands above.")
        try:
            yield json.loads(line)["api"]
        finally:
            process.terminate()


def _announce(demo: Running, as_json: bool) -> None:
    document = {
        "api": demo.api,
        # the admin pages are not built yet
        "admin": None,
        "databaseUrl": demo.settings.database_url,
        "redisUrl": demo.settings.redis_url,
        "tokens": demo.tokens,
    }
    if as_json:
        print(json.dumps(document), flush=True)
        return
    lines = [f"API       {demo.api}", f"Postgres  {demo.settings.database_url}", f"Redis     {demo.settings.redis_url}", "", "Try:"]
    lines += [f"  curl '{demo.api}{page(company, products[0])}'" for company, products in demo.best_sellers.items()]
    lines += [f"  curl '{demo.api}{page_of_customer(demo, company, id)}'" for company, id in demo.customers.items()]
    lines += [f"  curl '{demo.api}/api/health'", "", f"A token of {next(iter(demo.tokens))}: {next(iter(demo.tokens.values()))}"]
    print("\n".join([*lines, "", "Ctrl-C stops everything that this demo started."]), flush=True)


def _tokens(settings: Settings) -> dict[str, str]:
    return {company: sign(settings, company, list(COMPANY_SCOPES), hours=12) for company in COMPANIES}


def _asked_for(settings: Settings) -> tuple[dict[str, list[str]], dict[str, str]]:
    store = open_store(settings.snapshots, settings.local_dir / "cache")
    best_sellers, customers = {}, {}
    with redis_client(settings) as client:
        for company in COMPANIES:
            live = live_generation(client, company) or ""
            best = read_kind(store, company, live, "popular").filter(pl.col("anchor_id") == WHOLE_COMPANY)
            best_sellers[company] = best.sort("rank")["product_id"].head(3).to_list()
            if known := read_kind(store, company, live, "you-might-like")["anchor_id"].head(1).to_list():
                customers[company] = known[0]
    return best_sellers, customers


def _simulated(settings: Settings) -> Sample:
    files = write(simulate(SIMULATED_LINES), settings.local_dir / "simulated")
    return Sample("simulated", CompanyRow("Simulated"), files)


def _is_loaded(settings: Settings, company: str) -> bool:
    with postgres(settings) as connection:
        return connection.execute(sql.load("load/is_loaded"), {"company": company}).fetchone() is not None


def _configure(settings: Settings, company: str) -> None:
    if also_bought := CONFIGURED.get(company):
        with postgres(settings) as connection:
            connection.execute(sql.load("load/configuration"), {"company": company, "also_bought": Jsonb(also_bought)})


def _switch_on(settings: Settings, company: str) -> None:
    """Every feature: the demo is to show what there is."""
    with postgres(settings) as connection:
        connection.execute(sql.load("load/flags"), {"company": company, "flags": Jsonb(dict.fromkeys(DEFAULTS, True))})


def _port() -> int:
    """8080 where it is free, else any."""
    with socket.socket() as probe:
        return 0 if probe.connect_ex(("127.0.0.1", 8080)) == 0 else 8080


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
