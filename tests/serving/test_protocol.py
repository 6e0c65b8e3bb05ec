"""HTTP/1.1 on the wire: connections that stay, requests in a row, and both ways mixed on one connection."""

from __future__ import annotations

import socket
from itertools import product as combinations
from pathlib import Path

import pytest
import redis

from tests.conftest import RedisServer
from tests.serving.api import Api, Connection, eventually, running_api
from tests.serving.shelf import publish
from tests.serving.test_pages import path

READ, HEAD, HEALTH = "read", "head", "health"


def request(company: str, what: str, product_id: str, *headers: str) -> bytes:
    """A request's bytes."""
    target = "/api/health" if what == HEALTH else path(company, product_id, "/also-bought")
    lines = [f"{'HEAD' if what == HEAD else 'GET'} {target} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


def test_keep_alive(api: Api, client: redis.Redis, company: str) -> None:
    """A connection answers one request after the other, reads and others alike, also after an error."""
    publish(client, company)
    with api.connection() as connection:
        for address, status in (
            (path(company), 200),
            ("/api/health", 200),
            ("/no", 404),
            (path("nobody"), 404),
            (path(company), 200),
        ):
            connection.send(address)
            assert connection.receive().status == status


@pytest.mark.parametrize("order", list(combinations((READ, HEAD, HEALTH), repeat=3)), ids="-".join)
def test_pipelining_keeps_order(api: Api, client: redis.Redis, company: str, order: tuple[str, ...]) -> None:
    """Requests sent without waiting are answered in their order, whichever way each takes."""
    publish(client, company, anchors=("p0", "p1", "p2"))
    with api.connection() as connection:
        connection.socket.sendall(b"".join(request(company, what, f"p{at}") for at, what in enumerate(order)))
        for at, what in enumerate(order):
            answer = connection.receive("HEAD" if what == HEAD else "GET")
            assert answer.status == 200
            if what == READ:
                assert answer.json()["products"][0]["id"] == f"p{at}-of-also-bought"
            elif what == HEALTH:
                assert "checks" in answer.json()


def test_long_pipeline_to_a_slow_reader(api: Api, client: redis.Redis, company: str) -> None:
    """A client that sends thousands of requests before it reads gets every answer, in order."""
    publish(client, company, anchors=("p0", "p1"))
    n = 3000
    with socket.create_connection(("127.0.0.1", api.port), timeout=20) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection = Connection(opened)
        with connection.file:
            for start in range(0, n, 100):
                opened.sendall(b"".join(request(company, READ, f"p{at % 2}") for at in range(start, start + 100)))
            for at in range(n):
                assert connection.receive().json()["products"][0]["id"] == f"p{at % 2}-of-also-bought"


def test_request_in_pieces(api: Api, client: redis.Redis, company: str) -> None:
    """A request may arrive byte by byte."""
    publish(client, company)
    with api.connection() as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request(company, READ, "p1"):
            connection.socket.sendall(bytes([byte]))
        assert connection.receive().status == 200


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_connection_close(api: Api, client: redis.Redis, company: str, version: str) -> None:
    """`Connection: close` and HTTP/1.0 end the connection after a complete answer that says so."""
    publish(client, company)
    header = b"Connection: close\r\n" if version == "1.1" else b""
    with api.connection() as connection:
        target = path(company).encode()
        connection.socket.sendall(b"GET " + target + b" HTTP/" + version.encode() + b"\r\nHost: x\r\n" + header + b"\r\n")
        answer = connection.receive()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert connection.ended()


def test_body_of_a_get(api: Api, client: redis.Redis, company: str) -> None:
    """A GET may have a body, of known length or chunked: it is passed over and the connection goes on."""
    publish(client, company)
    chunked = request(company, READ, "p1", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n"
    sized = request(company, READ, "p1", "Content-Length: 3") + b"abc"
    expecting = request(company, READ, "p1", "Content-Length: 3", "Expect: 100-continue")
    with api.connection() as connection:
        connection.socket.sendall(chunked + sized + request(company, READ, "p2"))
        assert [connection.receive().status for _ in range(3)] == [200, 200, 200]
        connection.socket.sendall(expecting + b"abc" + request(company, READ, "p2"))
        assert [connection.receive().status for _ in range(2)] == [200, 200]


def test_nonsense_behind_a_request(api: Api, client: redis.Redis, company: str) -> None:
    """A good request is answered before nonsense behind it ends the connection."""
    publish(client, company)
    for first in (READ, HEALTH):
        received = api.raw(request(company, first, "p1") + b"\x00\x01 nonsense\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 200 ")
        assert received.count(b"HTTP/1.1 ") <= 2
    refused = api.raw(b"\x00\x01 nonsense\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in refused


def test_two_lengths_are_refused(api: Api) -> None:
    """What another proxy could read otherwise is not answered at all."""
    smuggled = b"GET /api/health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x"
    assert api.raw(smuggled).startswith(b"HTTP/1.1 400 ")


def test_absolute_address(api: Api, client: redis.Redis, company: str) -> None:
    """A request as to a proxy, with the whole URL, is answered."""
    publish(client, company)
    received = api.raw(f"GET {api.url}{path(company)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.1 200 ")


def test_upgrade_is_declined(api: Api, client: redis.Redis, company: str) -> None:
    """An offer to speak another protocol is passed over: the answer comes in this one."""
    publish(client, company)
    upgrade = request(
        company, READ, "p1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
    )
    assert api.raw(upgrade).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_end(shared_redis: RedisServer, client: redis.Redis, company: str, tmp_path: Path) -> None:
    """Who says nothing, who stops after an answer and who never finishes a head is let go; who keeps asking is not."""
    publish(client, company)
    with (
        running_api(tmp_path, REDIS_URL=shared_redis.url, API_KEEP_ALIVE_SECONDS="1") as api,
        api.connection() as mute,
        api.connection() as fallen_silent,
        api.connection() as half_said,
        api.connection() as busy,
    ):
        half_said.socket.sendall(b"GET /api/health HTTP/1.1\r\nX: ")
        fallen_silent.send(path(company))
        assert fallen_silent.receive().status == 200

        def one_more() -> bool:
            busy.send(path(company))
            return busy.receive().status == 200

        for connection in (mute, half_said, fallen_silent):
            connection.socket.settimeout(0.05)
            eventually(lambda gone=connection: one_more() and _gone(gone), "an idle connection was kept")
        assert one_more()


def _gone(connection: Connection) -> bool:
    try:
        return connection.socket.recv(1) == b""
    except TimeoutError:
        return False
