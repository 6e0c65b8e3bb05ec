"""`python -m serving`: the read API. One line on stdout says where it listens once it does; logs go to stderr."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from serving import logs, wire
from serving.addresses import Addresses
from serving.app import ROUTES
from serving.auth import Keys
from serving.metrics import Board
from serving.server import listen, serve
from serving.settings import Settings, SettingsError
from serving.workers import Workers


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 after SIGTERM or SIGINT, 1 when it cannot start, 2 for wrong usage."""
    try:
        settings = _settings(arguments)
        _check(settings)
        bound = listen(settings.host, settings.port)
    except (SettingsError, ValueError) as error:
        return _refuse(str(error))
    except (OSError, OverflowError) as error:
        return _refuse(f"Cannot listen on {settings.host}:{settings.port} ({error}): choose another --host or --port.")
    logs.configure(settings.log_level)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    line = json.dumps({"api": f"http://{host}:{bound.getsockname()[1]}"})

    def ready() -> None:
        print(line, flush=True)

    # before any process is forked: all of them count in it
    board = Board(ROUTES, settings.workers)

    def run(ready: Callable[[], None], parent: int | None = None, number: int = 0) -> None:
        serve(settings, bound, ready, parent, metrics=board.writer(number))

    if settings.workers == 1:
        run(ready)
    else:
        Workers(settings.workers, run, settings.stop_seconds + 2).supervise(ready)
    return 0


def _settings(arguments: Sequence[str] | None) -> Settings:
    parser = argparse.ArgumentParser("python -m serving", description="Recommendations and offers over HTTP, from Redis.")
    parser.add_argument(
        "--read-only", action="store_true", help="serve what needs Redis alone: nothing is written, no Postgres is reached"
    )
    parser.add_argument("--host", help="address to listen on (API_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for a free one (API_PORT)")
    parser.add_argument("--workers", type=int, help="number of serving processes (API_WORKERS)")
    given = vars(parser.parse_args(arguments))
    flags = {name: given[name] for name in ("host", "port", "workers") if given[name] is not None}
    flags["read_only"] = given["read_only"]
    settings = Settings.from_env()
    try:
        return replace(settings, **flags)
    except SettingsError as error:
        parser.error(str(error))


def _check(settings: Settings) -> None:
    """What only the parts that use a setting can tell of it. Raises SettingsError or ValueError."""
    wire.Address.parse(settings.redis_url)
    Keys(settings)
    Addresses(settings.trusted_proxies)
    if settings.database_url and not settings.read_only:
        # a process that reads alone must start without psycopg
        from serving.database import check_address

        check_address(settings.database_url)


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
