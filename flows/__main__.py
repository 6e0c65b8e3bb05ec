"""The operator's door: `upsell`. Exit code 0 when done, 1 when it refused or failed, 2 for wrong usage."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import stamina
from cyclopts import App, CycloptsError, Parameter

from flows.console import Json, say, show_table, tell
from flows.doors import DATABASE, REDIS, open_services
from flows.errors import SettingsError, UpsellError
from flows.exposures_options import FileOptions
from flows.plan_options import PlanOptions
from flows.progress import Reporter
from flows.service_commands import migrations, services
from flows.settings import Settings

# Commands import what they need when they run: `upsell status` must not wait for Prefect and polars.

app = App(
    name="upsell", help="Recommendations and upsell offers: nightly batch, generations, read API.", version_flags=["--version"]
)
app.command(services)
app.command(migrations)

AS_IT_IS, UNPLANNED = FileOptions(), PlanOptions()
Companies = Annotated[list[str] | None, Parameter(name="--company", negative="")]
AsOf = Annotated[datetime | None, Parameter(name="--as-of", help="Events at or after this instant are not looked at.")]


@app.command
def demo(*, leave: Annotated[bool, Parameter(name="--exit", negative="")] = False, json: Json = False) -> None:
    """Embedded services, migrations, sample shops, one night, the API; with --exit it checks its own endpoints and stops."""
    from flows.demo import run_demo

    run_demo(Settings.from_env(), leave=leave, as_json=json)


@app.command
def load(
    *,
    company: str,
    orders: Path | None = None,
    views: Path | None = None,
    products: Path | None = None,
    impressions: Path | None = None,
    exposures: Path | None = None,
    rules: Path | None = None,
    experiments: Path | None = None,
    carts: Path | None = None,
    cart_items: Path | None = None,
    subscriptions: Path | None = None,
    json: Json = False,
) -> None:
    """Load Parquet or CSV files into the platform's tables; rows that cannot be are quarantined with their reason."""
    from flows.load import LoadFiles
    from flows.load import load as load_files

    files = LoadFiles(
        products, rules, experiments, orders, views, carts, cart_items, subscriptions, impressions=impressions, exposures=exposures
    )
    with Reporter() as progress:
        report = load_files(open_services(Settings.from_env(), DATABASE), company, files, progress=progress)
    say(json, report.as_dict())


@app.command
def simulate(*, out: Path, lines: int = 20_000, seed: int = 1, json: Json = False) -> None:
    """Write the files of a simulated shop, and the truths planted in it, into a folder."""
    from flows.simulate import simulate as invent
    from flows.simulate import write

    try:
        frames = invent(lines, seed)
    except ValueError as error:
        raise UpsellError(f"--lines: {error}.") from error
    write(frames, out)
    say(json, {name: frame.height for name, frame in frames.items()})


@app.command
def nightly(*, company: Companies = None, as_of: AsOf = None, json: Json = False) -> None:
    """Extract, derive, train and publish: for all active companies, or for the named ones."""
    from flows import nightly as run

    settings = open_services(Settings.from_env())
    with Reporter() as progress:
        nights = run.night(settings, company, run.as_of_utc(as_of), progress)
    say(json, [asdict(row) for row in nights])
    if failed := run.failures(nights):
        raise UpsellError(failed)


@app.command
def backfill(
    *,
    start: Annotated[date, Parameter(name="--from")],
    end: Annotated[date, Parameter(name="--to", help="The first day that is not rebuilt.")],
    reason: str,
    company: Companies = None,
    json: Json = False,
) -> None:
    """Rebuild history day by day, then release once if that is newer; the same command resumes a killed one."""
    from flows.backfill import backfill_days

    with Reporter() as progress:
        done = backfill_days(open_services(Settings.from_env()), start, end, company, reason, progress)
    say(json, [asdict(row) for row in done])


@app.command
def reconcile(*, company: Companies = None, json: Json = False) -> None:
    """Put Redis' counters of offers right from Postgres, and hold claimed revenue against orders; twice is once."""
    from flows import reconcile as run
    from flows.companies import due_companies

    settings = open_services(Settings.from_env())
    now = datetime.now(UTC)
    say(json, [run.reconcile(settings, each, now).to_json() for each in due_companies(settings, company)])


@app.command
def verify(
    *,
    api: Annotated[str | None, Parameter(help="Address of a running API; without it, the stores alone.")] = None,
    json: Json = False,
) -> None:
    """The checklist after a deployment: schema, stores, generations, every endpoint of --api. Writes nothing; exit 1 on a miss."""
    from flows.verify import checklist, missed

    rows = checklist(open_services(Settings.from_env()), api)
    if json:
        say(json, [row.to_json() for row in rows])
    else:
        show_table([row.to_json() for row in rows])
    if sentences := missed(rows):
        raise UpsellError(sentences)


@app.command
def publish(*, company: Companies = None, to: str | None = None, json: Json = False) -> None:
    """Make a built generation live: the newest, or the one named by --to."""
    from flows.operate import publish_built

    with Reporter() as progress:
        say(json, publish_built(open_services(Settings.from_env(), REDIS), company, to, progress))


@app.command
def rollback(*, company: Companies = None, to: str | None = None, json: Json = False) -> None:
    """Move the live pointer back: to the generation published before, or to the one named by --to."""
    from flows.operate import roll_back

    say(json, roll_back(open_services(Settings.from_env(), REDIS), company, to))


@app.command
def status(*, company: Companies = None, json: Json = False) -> None:
    """What is live and what is kept, per company: watermarks, counts, figures."""
    from flows.operate import generations

    say(json, generations(open_services(Settings.from_env(), REDIS), company))


@app.command
def export(*, company: str, kind: str, out: Path, generation: str | None = None, json: Json = False) -> None:
    """Write a published kind as a Parquet table."""
    from flows.operate import export_kind

    say(json, export_kind(open_services(Settings.from_env(), REDIS), company, kind, out, generation))


@app.command
def evaluate(
    *,
    company: str,
    split_at: Annotated[datetime | None, Parameter(help="Train on what came before, judge on what came after.")] = None,
    json: Json = False,
) -> None:
    """Judge every kind and every rival on held-out days; default split: the last tenth of the history, at most 14 days."""
    from flows.evaluate import evaluate_company, method_rows
    from flows.nightly import as_of_utc

    split = as_of_utc(split_at) if split_at else None
    with Reporter() as progress:
        evaluation = evaluate_company(open_services(Settings.from_env(), DATABASE), company, split, progress)
    if json:
        say(json, {"company": company, **evaluation.to_json()})
    else:
        show_table(method_rows(evaluation))
        say(json, {"readiness": evaluation.readiness()})


@app.command
def analyze(
    *,
    exposures: Annotated[Path | None, Parameter(help="A file of units or of summaries; no database is opened.")] = None,
    plan: Annotated[bool, Parameter(negative="", help="How many units an effect needs; nothing is opened.")] = False,
    company: Companies = None,
    as_of: AsOf = None,
    file: FileOptions = AS_IT_IS,
    planned: PlanOptions = UNPLANNED,
    json: Json = False,
) -> None:
    """Results of experiments: of the companies in the database, or of a file; or the plan of one to come."""
    if plan and exposures:
        raise SettingsError(f"--plan and --exposures {exposures} are two questions: ask one of them.")
    if plan:
        _plan(planned, file, json)
    elif exposures:
        _analyze_file(exposures, file, json)
    else:
        _analyze_companies(company, as_of, json)


def _plan(planned: PlanOptions, design: FileOptions, json: bool) -> None:
    from flows.plan import plan as plan_experiment
    from flows.plan import plan_rows

    document = plan_experiment(planned, design)
    if json:
        say(json, document)
    else:
        show_table(plan_rows(document))


def _analyze_file(path: Path, options: FileOptions, json: bool) -> None:
    from flows.exposures import analyze_file, decision_lines, result_rows

    document = analyze_file(path, options)
    if json:
        say(json, document)
    else:
        say(json, decision_lines(document))
        show_table(result_rows(document))


def _analyze_companies(company: list[str] | None, as_of: datetime | None, json: bool) -> None:
    from flows.analyze import analyze_companies
    from flows.exposures import decision_lines
    from flows.nightly import as_of_utc

    settings = open_services(Settings.from_env())
    with Reporter() as progress:
        analyses, failed = analyze_companies(settings, company, as_of_utc(as_of), progress)
    documents = [analysis.to_json() for analysis in analyses]
    if json:
        say(json, documents)
    else:
        say(json, [{"company": document["company"], **line} for document in documents for line in decision_lines(document)])
    if failed:
        raise UpsellError(failed)


@app.command
def token(*, company: str, scope: Annotated[list[str], Parameter(negative="")], hours: int = 12, json: Json = False) -> None:
    """Sign a token for trials."""
    from flows.tokens import sign

    signed = sign(Settings.from_env(), company, scope, hours)
    if json:
        say(json, {"token": signed})
    else:
        print(signed)


@app.command
def serve(
    *, read_only: Annotated[bool, Parameter(negative="")] = False, host: str = "127.0.0.1", port: int = 8000, workers: int = 1
) -> None:
    """Run the API. With --read-only it needs Redis alone."""
    from flows.tokens import signing_secret

    settings = open_services(Settings.from_env(), *((REDIS,) if read_only else ()))
    arguments = ["--host", host, "--port", str(port), "--workers", str(workers), *(["--read-only"] if read_only else [])]
    environ = {**os.environ, "REDIS_URL": settings.redis_url or ""}
    if not read_only:
        environ |= {"DATABASE_URL": settings.database_url or "", "JWT_SECRET": signing_secret(settings)}
    # another program takes this one's place: flows and serving never import each other
    os.execve(sys.executable, [sys.executable, "-m", "serving", *arguments], environ)


def main() -> None:
    """Run one command; every refusal is one sentence on stderr."""
    # a retry that helps is nobody's business, and one that does not ends in that sentence
    stamina.instrumentation.set_on_retry_hooks([])
    try:
        app(exit_on_error=False, print_error=True)
    except CycloptsError:
        sys.exit(2)
    except UpsellError as error:
        tell(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
