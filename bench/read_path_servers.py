"""The servers that bench.read_path measures: `python -m bench.read_path_servers NAME`, one worker, the address on stdout."""

from __future__ import annotations

import json
import os
import sys
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

RIVALS = {"fastapi": "fastapi_app", "fastapi_bulk": "fastapi_bulk"}
CONSTANT = json.dumps({"products": ["x" * 1_500]}).encode()


async def constant(_lookup: Lookup, _request: ReadRequest) -> Reply:
    """A constant of a page's size by the fast path."""
    return Reply(200, JSON_HEAD, CONSTANT)


async def starlette_constant(_: Request) -> Response:
    """The same constant by Starlette."""
    return Response(CONSTANT, media_type="application/json")


def main(name: str) -> None:
    """Serve until SIGTERM."""
    if hasattr(os, "sched_setaffinity"):
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
        uvicorn.Server(config).run([bound])
    else:
        extra = [ReadRoute("/constant", constant), Route("/starlette-constant", starlette_constant)]
        settings = replace(settings, cache_megabytes=0 if name == "uncached" else 400)
        serve(settings, bound, ready, routes=[*ROUTES, *extra])


if __name__ == "__main__":
    main(sys.argv[1])
