"""One serving process: uvicorn with the fast protocol, on a socket that is already bound."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn
from starlette.routing import BaseRoute

from serving.app import ROUTES, create_app
from serving.metrics import Metrics
from serving.protocol import ReadProtocol
from serving.settings import Settings


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    bound.listen(2048)
    bound.setblocking(False)
    return bound


class Server(uvicorn.Server):
    """uvicorn's server that tells when it is ready and ends when its parent does."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], parent: int | None) -> None:
        super().__init__(config)
        self._ready, self._parent = ready, parent

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's hook."""
        await super().startup(sockets)
        if self._parent is not None:
            asyncio.get_running_loop().add_reader(self._parent, self._parent_ended)
        # what is loaded by now stays: the collector need not look through it again and again
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        self._ready()

    def _parent_ended(self) -> None:
        assert self._parent is not None
        asyncio.get_running_loop().remove_reader(self._parent)
        self.should_exit = True


def serve(
    settings: Settings,
    bound: socket.socket,
    ready: Callable[[], None],
    parent: int | None = None,
    routes: Sequence[BaseRoute] = ROUTES,
    metrics: Metrics | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; answers in flight are finished, then the process ends with SystemExit(0).

    `parent` is a pipe that reads as ended when the supervising process is gone; `metrics` is what it counts with where it has
    siblings.
    """
    # uvicorn raises the signal that stopped it again, once it has stopped
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    config = uvicorn.Config(
        create_app(settings, routes, metrics),
        http=ReadProtocol,
        ws="none",
        loop="uvloop" if os.name == "posix" else "asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        headers=[("strict-transport-security", f"max-age={settings.hsts_seconds}")] if settings.hsts_seconds else [],
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.stop_seconds,
    )
    Server(config, ready, parent).run([bound])


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)
