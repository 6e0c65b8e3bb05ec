"""Does any request yield a 5xx? Seeded requests over every operation of the document against two processes and both stores."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import redis

from bench.event_intake import COMPANY, fill
from bench.fuzz_requests import Requests
from bench.measure import show, trial
from flows.settings import Settings
from flows.tokens import COMPANY_SCOPES, SCOPES, sign, signing_secret
from serving.openapi.document import document

N_CLIENTS = 4
PRODUCTS, RULES = ("p1", "p2", "p3"), ("r1", "r2", "r3")
KNOWN = {
    "companyId": (COMPANY,),
    **dict.fromkeys(("productId", "clickedProductId", "hasProduct", "excludeProduct", "bonusProduct", "freeGift"), PRODUCTS),
    **dict.fromkeys(("ruleId", "rule_id"), RULES),
    **dict.fromkeys(("customerId", "sessionId", "cartId"), ("c1", "s1", "k1")),
    "experimentId": ("x1",),
    "items": ("p1:2,p2:1", "p3:5"),
    "kind": ("also-bought", "you-might-like", "frequently-viewed"),
    "placements": ("CART_PAGE", "CHECKOUT,CART_PAGE"),
    "primaryMetric": ("conversion", "revenue_per_unit"),
    "Idempotency-Key": ("k1", "k2"),
    "If-Match": ("*", '"0"'),
}


@dataclass
class Seen:
    """How requests ended, by status; and what got a 5xx, or nothing at all though it was HTTP."""

    by_status: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)


class Client:
    """One connection at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: socket.socket | None = None

    def ask(self, data: bytes, *, alone: bool) -> bytes:
        """Status line and head of the answer, b"" where the connection just ends; alone: on a connection of its own."""
        if alone:
            self.close()
        opened = self._open or socket.create_connection(("127.0.0.1", self._port), timeout=30)
        self._open = opened
        try:
            opened.sendall(data)
            if alone:
                opened.shutdown(socket.SHUT_WR)
            return self._answer(opened, is_head=data.startswith(b"HEAD "))
        except OSError:
            self.close()
            return b""
        finally:
            if alone:
                self.close()

    def _answer(self, opened: socket.socket, *, is_head: bool) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = opened.recv(65_536)
            if not piece:
                self.close()
                return received
            received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0)
        if is_head or head.split()[1] in (b"204", b"304"):
            length = 0
        while len(body) < length:
            piece = opened.recv(65_536)
            if not piece:
                break
            body += piece
        if b"connection: close" in lines or len(body) < length:
            self.close()
        return head

    def close(self) -> None:
        """End it."""
        if self._open is not None:
            self._open.close()
        self._open = None


def client_run(port: int, n: int, requests: Requests) -> Seen:
    """Ask `n` times."""
    seen, client = Seen(), Client(port)
    for _ in range(n):
        named, data = requests.next()
        head = client.ask(data, alone=named == "raw")
        if not head and named != "raw":
            # a connection that was closed behind the answer before is no answer to this one
            head = client.ask(data, alone=True)
        status = head.split()[1].decode() if len(head.split()) > 1 else "none"
        seen.by_status[status] += 1
        if status.startswith("5") or (status == "none" and named != "raw"):
            seen.failures.append({"operation": named, "status": status, "request": repr(data[:600])})
    client.close()
    return seen


def run(n: int, seed: int, workers: int) -> tuple[Counter[str], list[dict[str, str]]]:
    """All clients' answers by status, and what failed."""
    with trial() as settings, redis.Redis.from_url(settings.redis_url or "") as store:
        fill(settings, store)
        api = started(settings, workers)
        try:
            assert api.stdout is not None
            port = urlsplit(json.loads(api.stdout.readline())["api"]).port
            assert port is not None
            own, of_all = (sign(settings, COMPANY, list(scopes), hours=2) for scopes in (COMPANY_SCOPES, SCOPES))
            tokens = [*[own] * 6, *[of_all] * 2, sign(settings, "another", list(COMPANY_SCOPES), hours=2), "x", own[:-3] + "abc"]
            each = [Requests(document(), KNOWN, tokens, seed + number) for number in range(N_CLIENTS)]
            with ThreadPoolExecutor(N_CLIENTS) as pool:
                found = list(pool.map(lambda requests: client_run(port, n // N_CLIENTS, requests), each))
        finally:
            api.terminate()
            api.wait()
    return sum((seen.by_status for seen in found), Counter()), [row for seen in found for row in seen.failures]


def started(settings: Settings, workers: int) -> subprocess.Popen[bytes]:
    """The API; what fails there it says on stderr."""
    environ = {"DATABASE_URL": settings.database_url or "", "REDIS_URL": settings.redis_url or "", "API_LOG_LEVEL": "error"}
    environ["JWT_SECRET"] = signing_secret(settings)
    command = [sys.executable, "-m", "serving", "--port", "0", "--workers", str(workers)]
    return subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE)


def main() -> None:
    """Command line; exit code 1 where a request got a 5xx, or no answer."""
    parser = argparse.ArgumentParser("python -m bench.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args()
    by_status, failures = run(given.requests, given.seed, given.workers)
    rows: list[dict[str, Any]] = [{"status": status, "answers": n} for status, n in sorted(by_status.items())]
    show(f"{given.requests:,} requests, seed {given.seed}", rows)
    for row in failures[:20]:
        print(json.dumps(row), file=sys.stderr)
    if failures:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
