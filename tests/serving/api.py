"""The API as a process of its own, and what tests ask it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 20.0


@dataclass
class Answer:
    """One HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Api:
    """A running API."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def send(self, method: str, path: str, token: str | None = None, body: Any = None) -> Answer:
        """A request with a bearer token and a body of JSON."""
        headers = [f"Authorization: Bearer {token}"] if token is not None else []
        given = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.get(path, *headers, "Content-Type: application/json", method=method, body=given)

    def get(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
        """One request on a connection of its own."""
        with self.connection() as connection:
            connection.send(path, *headers, method=method, body=body)
            return connection.receive(method)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A keep-alive connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS) as opened:
            connection = Connection(opened)
            with connection.file:
                yield connection

    def raw(self, data: bytes) -> bytes:
        """Everything that comes back for `data` until the server closes or falls silent after half-close."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS) as opened:
            opened.sendall(data)
            opened.shutdown(socket.SHUT_WR)
            received = b""
            try:
                while chunk := opened.recv(65536):
                    received += chunk
            except ConnectionResetError:
                pass
            return received

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)


class Connection:
    """One keep-alive connection, read answer by answer."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.file = opened.makefile("rb")

    def send(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> None:
        """Write a request."""
        lines = [f"{method} {path} HTTP/1.1", "Host: test", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def receive(self, method: str = "GET") -> Answer:
        """Read the next answer."""
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        length = 0 if method == "HEAD" or status in (204, 304) else int(headers["content-length"])
        return Answer(status, headers, self.file.read(length))

    def ended(self) -> bool:
        """Whether the server has closed."""
        return self.file.read(1) == b""


@contextmanager
def running_api(folder: Path, *arguments: str, read_only: bool = True, **environ: str) -> Iterator[Api]:
    """An API on a free port; its log is in `folder`. It must stop cleanly at the end."""
    log = folder / f"api-{time.monotonic_ns()}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving", *(["--read-only"] if read_only else []), "--port", "0", *arguments],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    assert process.stdout is not None
    with process.stdout as stdout:
        try:
            ready, _, _ = select.select([stdout], [], [], DEADLINE_SECONDS)
            line = stdout.readline() if ready else b""
            assert line, log.read_text()
            yield Api(process, json.loads(line)["api"], log)
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def eventually(holds: Callable[[], bool], complaint: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until something holds; the deadline is generous, it only tells life from death."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.01)
