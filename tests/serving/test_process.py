"""The process: how it starts, what it loads, how it ends, and that dead workers come back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import redis

from serving.__main__ import main
from tests.conftest import RedisServer
from tests.serving.api import ROOT, Api, eventually, running_api
from tests.serving.shelf import publish
from tests.serving.test_pages import path

HEAVY = {
    "flows",
    "polars",
    "duckdb",
    "implicit",
    "sklearn",
    "scipy",
    "numpy",
    "prefect",
    "psycopg",
    "redis",
    "fastapi",
    "pydantic",
    "pandas",
}


def children(pid: int) -> set[int]:
    """Pids of a process's children."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_serving_loads_no_heavy_module() -> None:
    """Nothing that takes long to import, and nothing of flows, is loaded by the serving process."""
    code = "import json, sys; import serving.__main__; print(json.dumps(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {name.partition(".")[0] for name in json.loads(loaded)} & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--port", "x"], ["--port", "70000"], ["--workers", "0"], ["extra"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with code 2 and nothing on stdout."""
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "http://:secret@x"),
        ("REDIS_URL", "redis://:secret@x:port"),
        ("DATABASE_URL", "postgresql://u:secret@x:port/y?z"),
        ("API_JWKS_FILE", "nowhere.json"),
        ("API_PORT", "many"),
        ("API_LOG_LEVEL", "loud"),
        ("API_TRUSTED_PROXIES", "proxy.example"),
    ],
)
def test_bad_setting(name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A setting that cannot be used ends with code 1 and one sentence that names it, without a secret."""
    monkeypatch.setenv(name, value)
    assert main([]) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert name in err
    assert "secret" not in err


def test_taken_port() -> None:
    """A port in use ends with code 1 and one sentence on stderr."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "serving", "--port", str(taken.getsockname()[1])]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)


@pytest.mark.parametrize(("workers", "number"), [("1", signal.SIGTERM), ("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_stops_with_zero(shared_redis: RedisServer, tmp_path: Path, workers: str, number: int) -> None:
    """SIGTERM and SIGINT end all processes with code 0, though clients stay connected; the log is JSON lines."""
    with running_api(tmp_path, "--workers", workers, REDIS_URL=shared_redis.url) as api, api.connection() as idle:
        idle.send("/api/health")
        assert idle.receive().status == 200
        pids = children(api.process.pid)
        assert len(pids) == (0 if workers == "1" else 2)
        assert api.stop(number) == 0
        assert idle.ended()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    lines = [json.loads(line) for line in api.log.read_text().splitlines()]
    assert all({"at", "level", "logger", "message"} <= line.keys() for line in lines)


def test_requests_in_flight_are_finished(own_redis: RedisServer, tmp_path: Path) -> None:
    """A stop waits for an answer that the store still owes."""
    with redis.Redis.from_url(own_redis.url) as client:
        publish(client, "acme")
    assert own_redis.process is not None
    with running_api(tmp_path, REDIS_URL=own_redis.url, API_CACHE_MEGABYTES="0", API_STORE_TIMEOUT_SECONDS="10") as api:
        assert api.get(path("acme")).status == 200
        with api.connection() as fast, api.connection() as slow:
            own_redis.process.send_signal(signal.SIGSTOP)
            fast.send(path("acme"))
            slow.send(path("acme"), body=b"{}")
            eventually(lambda: _established(api) >= 2, "the requests did not arrive")
            api.process.terminate()
            eventually(lambda: "Shutting down" in api.log.read_text(), "the stop did not begin")
            own_redis.process.send_signal(signal.SIGCONT)
            for connection in (fast, slow):
                answer = connection.receive()
                assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert api.stop() == 0


def _established(api: Api) -> int:
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [row.split() for row in rows]
    return sum(row[1].endswith(f":{api.port:04X}") and row[3] == "01" and row[4].endswith(":00000000") for row in fields)


def test_killed_worker_is_replaced(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path) -> None:
    """After kill -9 of a worker the others go on and a new one takes its place."""
    publish(client, company)
    with running_api(tmp_path, "--workers", "2", REDIS_URL=shared_redis.url) as api:
        before = children(api.process.pid)
        assert len(before) == 2
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(children(api.process.pid) - {victim}) == 2, "the worker was not replaced")
        for _ in range(20):
            assert api.get(path(company)).status == 200


def test_workers_end_with_their_parent(shared_redis: RedisServer, tmp_path: Path) -> None:
    """No worker outlives a parent that was killed."""
    with running_api(tmp_path, "--workers", "2", REDIS_URL=shared_redis.url) as api:
        workers = children(api.process.pid)
        api.process.kill()
        api.process.wait()
        eventually(lambda: not any(_alive(pid) for pid in workers), "workers were left behind")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_every_worker_sees_a_change(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path) -> None:
    """Whichever worker answers, a published change reaches it."""
    publish(client, company)
    with running_api(tmp_path, "--workers", "2", REDIS_URL=shared_redis.url) as api:
        for _ in range(20):
            assert api.get(path(company)).json()["generation"] == "g1"
        publish(client, company, "g2")
        seen: list[str] = []
        lock = threading.Lock()

        def read() -> bool:
            found = [api.get(path(company)).json()["generation"] for _ in range(20)]
            with lock:
                seen.extend(found)
            return set(found) == {"g2"}

        eventually(read, "a worker still shows the earlier generation")


def test_no_secret_is_logged(own_redis: RedisServer, tmp_path: Path) -> None:
    """A password in REDIS_URL shows neither in the log nor in an answer, also when Redis refuses it."""
    url = own_redis.url.replace("redis://", "redis://nobody:hush-hush@")
    with running_api(tmp_path, REDIS_URL=url) as api:
        answer = api.get(path("acme"))
        assert answer.status == 503
        assert b"hush-hush" not in answer.body + api.get("/api/health").body
    assert "hush-hush" not in api.log.read_text()
    assert "Recommendation service error" in api.log.read_text()
