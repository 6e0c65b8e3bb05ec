"""`upsell services` and `upsell migrate`: the embedded servers, and the schema."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from flows import embedded
from flows.console import Json, say
from flows.doors import DATABASE, open_services
from flows.errors import UpsellError
from flows.settings import Settings

services = App(name="services", help="The embedded Postgres and Redis by themselves.")
migrations = App(name="migrate", help="The schema: enums, tables, their indexes.")


@services.command
def start(*, json: Json = False) -> None:
    """Start the embedded servers, or find them running, and print their addresses."""
    running = embedded.start(Settings.from_env().local_dir)
    say(json, {"databaseUrl": running.database_url, "redisUrl": running.redis_url})


@services.command
def stop(*, json: Json = False) -> None:
    """Stop the embedded servers cleanly."""
    say(json, {"stopped": embedded.stop(Settings.from_env().local_dir)})


@services.command(name="status")
def services_status(*, json: Json = False) -> None:
    """Addresses of the embedded servers; exit code 1 when they do not run."""
    running = embedded.status(Settings.from_env().local_dir)
    if running is None:
        raise UpsellError("The embedded servers do not run: `upsell services start` starts them.")
    say(json, {"databaseUrl": running.database_url, "redisUrl": running.redis_url})


@migrations.command
def up(*, json: Json = False) -> None:
    """Apply what is pending; twice is once."""
    from flows import migrate
    from flows.connections import postgres

    with postgres(open_services(Settings.from_env(), DATABASE)) as connection:
        say(json, {"applied": migrate.up(connection)})


@migrations.command
def down(*, yes: Annotated[bool, Parameter(negative="")] = False, json: Json = False) -> None:
    """Roll everything back; says which rows it drops and wants --yes."""
    from flows import migrate
    from flows.connections import postgres

    with postgres(open_services(Settings.from_env(), DATABASE)) as connection:
        say(json, {"droppedRows": migrate.down(connection, confirmed=yes)})


@migrations.command
def verify(*, json: Json = False) -> None:
    """Check that every enum, table and index exists; names what is missing and exits 1."""
    from flows import migrate
    from flows.connections import postgres

    with postgres(open_services(Settings.from_env(), DATABASE)) as connection:
        missing = migrate.verify(connection)
    say(json, {"missing": missing})
    if missing:
        raise UpsellError(
            f"The schema lacks {', '.join(missing)}: run `upsell migrate up`, or down and up where it was changed by hand."
        )


@migrations.command(name="status")
def migrate_status(*, json: Json = False) -> None:
    """Each migration and when it was applied."""
    from flows import migrate
    from flows.connections import postgres

    with postgres(open_services(Settings.from_env(), DATABASE)) as connection:
        say(json, {row.name: row.applied_at or "pending" for row in migrate.status(connection)})
