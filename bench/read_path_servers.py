"""The servers that bench.read_path measures: `python -m bench.read_path_servers NAME WORKERS`, the address on stdout."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving import logs
from serving.app import ROUTES
from serving.lookup import Lookup
from serving.pages import JSON_HEAD
from serving.reply import Reply
from serving.requests import ReadRequest
from serving.routing import ReadRoute
from serving.server import listen, serve
from serving.settings import Settings

RIVALS = {
    "fastapi": "fastapi_app",
    "fastapi_personal": "fastapi_personal",
    "fastapi_bulk": "fastapi_bulk",
    "fastapi_cart": "fastapi_cart",
}
CONSTANT = json.dumps({"products": ["x" * (int(os.environ.get("BENCH_CONSTANT_BYTES", "1517")) - 17)]}).encode()


async def constant(_lookup: Lookup, _request: ReadRequest) -> Reply:
    """A constant of a page's size by the fast path."""
    return Reply(200, JSON_HEAD, CONSTANT)


async def starlette_constant(_: Request) -> Response:
    """The same constant by Starlette."""
    return Response(CONSTANT, media_type="application/json")


def forked(n: int, run: Callable[[], None]) -> None:
    """Run it in `n` processes until SIGTERM; one runs right here."""
    if n == 1:
        return run()
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    children = []
    for _ in range(n):
        if not (pid := os.fork()):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ending)
            run()
            os._exit(0)
        children.append(pid)
    signal.sigwait(ending)
    for pid in children:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    return None


def main(name: str, workers: int = 1) -> None:
    """Serve until SIGTERM."""
    if hasattr(os, "sched_setaffinity") and workers == 1:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    settings = replace(Settings.from_env(), log_level="warning")
    logs.configure(settings.log_level)
    bound = listen("127.0.0.1", 0)

    def ready() -> None:
        print(json.dumps({"api": bound.getsockname()[1]}), flush=True)

    if name.startswith("fastapi"):
        import uvicorn

        # the port answers from the socket's backlog until the application is up
        ready()
        config = uvicorn.Config(
            f"bench.rivals.{RIVALS[name]}:app", loop="uvloop", http="httptools", access_log=False, log_level="warning"
        )
        forked(workers, lambda: uvicorn.Server(config).run([bound]))
    else:
        extra = [ReadRoute("/constant", constant), Route("/starlette-constant", starlette_constant)]
        settings = replace(settings, cache_megabytes=0 if name == "uncached" else 400)
        if workers > 1:
            ready()
        forked(workers, lambda: serve(settings, bound, ready if workers == 1 else lambda: None, routes=[*ROUTES, *extra]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
