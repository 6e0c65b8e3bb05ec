"""A Prefect server for the deployment test, and programs that run beside a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.embedded import free_port

PREFECT = Path(sys.executable).with_name("prefect")


@dataclass(frozen=True)
class PrefectServer:
    """Address of the server's API, the environment of its clients, and its output."""

    url: str
    environ: dict[str, str]
    log: Path


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A fresh Prefect server; nobody has waited for it to answer yet."""
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environ = {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
        "DO_NOT_TRACK": "1",
    }
    command = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with running(command, {**os.environ, **environ}, home / "server.log"):
        yield PrefectServer(url, environ, home / "server.log")


@contextmanager
def running(command: list[Any], env: dict[str, str], log: Path) -> Iterator[None]:
    """A process that runs inside the block, its output in a file; it and what it started end with the block."""
    checkout = Path(__file__).parents[2]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=env, cwd=checkout, stdout=output, stderr=output, start_new_session=True)
    try:
        yield
    finally:
        # its own process group: a worker's flow run outlives a signal to the worker alone
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
