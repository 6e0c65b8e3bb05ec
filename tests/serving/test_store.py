"""The store's reads, on Valkey and on genuine Redis: shared, in order, and never hanging."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from serving import wire
from serving.errors import StoreAway
from serving.store import KEYS_PER_READ, MOST_WRITES, Store, drive
from tests.conftest import RedisServer

Body = Callable[[Store, wire.Address], Awaitable[None]]


def with_store(server: RedisServer, body: Body, **changes: Any) -> None:
    """Run a test's body with a connected store."""

    async def run() -> None:
        address = replace(wire.Address.parse(server.url), **changes)
        store, tried = Store(address, 0.5), asyncio.Event()
        task = asyncio.create_task(store.keep_connected(tried))
        await tried.wait()
        try:
            await body(store, address)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


async def read(store: Store, *keys: bytes) -> Any:
    """What a driven coroutine gets for some keys, or the StoreAway that it meets."""

    async def ask() -> Any:
        try:
            return await store.read(keys)
        except StoreAway as away:
            return away

    outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    drive(ask(), outcome.set_result)
    return await outcome


@contextmanager
def counted(server: RedisServer) -> Iterator[Callable[[], int]]:
    """How many MGETs the server has answered since."""
    with redis.Redis.from_url(server.url) as client:
        client.config_resetstat()
        yield lambda: client.info("commandstats").get("cmdstat_mget", {}).get("calls", 0)


def test_one_turn_is_one_read(engine: RedisServer) -> None:
    """All requests that wait in one turn of the loop share an MGET, and each gets its own keys' values."""

    async def body(store: Store, _: wire.Address) -> None:
        with redis.Redis.from_url(engine.url) as client, counted(engine) as n_reads:
            client.mset({f"k{at}": f"v{at}" for at in range(100)})
            answers = await asyncio.gather(*(read(store, b"k%d" % at, b"absent", b"k%d" % (at + 1)) for at in range(99)))
            assert answers == [[b"v%d" % at, None, b"v%d" % (at + 1)] for at in range(99)]
            assert n_reads() == 1

    with_store(engine, body)


def test_reads_are_bounded(engine: RedisServer) -> None:
    """A crowd is split into reads of at most KEYS_PER_READ keys; one request's own keys stay together."""

    async def body(store: Store, _: wire.Address) -> None:
        with counted(engine) as n_reads:
            answers = await asyncio.gather(*(read(store, *(b"x%d" % at,) * 7) for at in range(400)))
            assert answers == [[None] * 7] * 400
            assert n_reads() == -(-400 // (KEYS_PER_READ // 7))
            assert await read(store, *(b"y",) * (KEYS_PER_READ + 1)) == [None] * (KEYS_PER_READ + 1)

    with_store(engine, body)


def test_one_broken_reader_breaks_no_other(engine: RedisServer) -> None:
    """A fault in one request's code leaves the others of its MGET alone."""

    async def body(store: Store, _: wire.Address) -> None:
        async def broken() -> None:
            await store.read([b"a"])
            raise RuntimeError("mine alone")

        drive(broken(), lambda _: None)
        assert await read(store, b"a") == [None]

    with_store(engine, body)


def test_a_command_rides_along(engine: RedisServer) -> None:
    """One read and one command of a request are answered together, in one turn with everybody else's MGET; a refusal of the
    command is that request's alone, and a read of no keys is one too."""

    async def body(store: Store, _: wire.Address) -> None:
        async def ask(command: tuple[Any, ...], *keys: bytes) -> tuple[Any, Any]:
            pending = store.read(keys, command)
            return await pending, pending.reply

        async def driven(command: tuple[Any, ...], *keys: bytes) -> Any:
            outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            drive(ask(command, *keys), outcome.set_result)
            return await outcome

        with redis.Redis.from_url(engine.url) as client, counted(engine) as n_reads:
            client.mset({"k": "v"})
            asked = [driven(("ECHO", "hello"), b"k"), driven(("NONSENSE",), b"k"), driven(("ECHO", "alone")), read(store, b"k")]
            one, two, three, four = await asyncio.gather(*asked)
            assert (one, three, four) == (([b"v"], b"hello"), ([], b"alone"), [b"v"])
            assert (two[0], type(two[1])) == ([b"v"], wire.Refused)
            assert await driven(("ECHO", "no keys at all")) == ([], b"no keys at all")
            assert n_reads() == 2

    with_store(engine, body)


def test_writes_come_before_the_reads_of_their_turn(engine: RedisServer) -> None:
    """Whoever reads after it has asked for a write finds it written; nobody waits for it."""

    async def body(store: Store, _: wire.Address) -> None:
        waiting = [read(store, b"w%d" % at) for at in range(10)]
        for at in range(10):
            store.write(("SET", f"w{at}", str(at)))
        assert await asyncio.gather(*waiting) == [[b"%d" % at] for at in range(10)]
        assert store.n_lost_writes == 0

    with_store(engine, body)


def test_lost_writes_are_counted(engine: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """A refused write fails no read, is counted, and is told once; so many at once that Redis cannot keep up are dropped."""

    async def body(store: Store, _: wire.Address) -> None:
        for _ in range(3):
            store.write(("NONSENSE", "x"))
            assert await read(store, b"absent") == [None]
        assert store.n_lost_writes == 3
        for _ in range(MOST_WRITES + 5):
            store.write(("SET", "w", "1"))
        assert store.n_lost_writes == 8
        assert await read(store, b"w") == [b"1"]

    with_store(engine, body)
    assert [row.message for row in caplog.records].count("Redis refused a write: live sessions are not kept") == 1


def test_writes_without_a_store() -> None:
    """With Redis away a write is dropped and counted; nothing is raised."""

    async def body(store: Store, _: wire.Address) -> None:
        store.write(("SET", "a", "1"))
        assert store.n_lost_writes == 1

    with_store(RedisServer(None, None, 1), body)  # type: ignore[arg-type]


def test_password_and_database(engine: RedisServer) -> None:
    """User, password and database of the address are used; a wrong password is StoreAway, told once and without it."""
    with redis.Redis.from_url(engine.url.removesuffix("0") + "3") as client:
        client.set("where", "three")
        client.acl_setuser("reader", enabled=True, passwords=["+se cret@"], keys=["*"], categories=["+@all"])

    async def body(store: Store, _: wire.Address) -> None:
        assert await read(store, b"where") == [b"three"]

    async def refused(store: Store, address: wire.Address) -> None:
        assert isinstance(await read(store, b"where"), StoreAway)
        assert "wrong" not in repr(address)

    with_store(engine, body, username="reader", password="se cret@", db=3)
    with_store(engine, refused, username="reader", password="wrong")


def test_pushes_and_replies_share_a_connection(engine: RedisServer) -> None:
    """A subscribed connection still answers commands, and pushed messages go to their own receiver."""

    async def run() -> None:
        pushed: list[Any] = []
        connection = await wire.connect(wire.Address.parse(engine.url), 2, pushed.append)
        try:
            connection.send(("SUBSCRIBE", "news"))
            assert await connection.call("SET", "a", "1") == b"OK"
            with redis.Redis.from_url(engine.url) as client:
                client.publish("news", "é")
            while len(pushed) < 2:
                await connection.call("GET", "a")
            assert pushed[1] == [b"message", b"news", "é".encode()]
            with pytest.raises(wire.Refused):
                await connection.call("NONSENSE")
        finally:
            connection.close()
            await connection.closed

    asyncio.run(run())


def test_tls_to_the_store(engine: RedisServer, tmp_path: Path) -> None:
    """A rediss:// address talks TLS, here to a proxy before the server, and refuses a certificate that it cannot verify."""
    certificate = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inward, outward = await asyncio.open_connection("127.0.0.1", engine.port)
        await asyncio.gather(forward(reader, outward), forward(inward, writer), return_exceptions=True)

    async def run() -> None:
        async with await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context) as proxy:
            url = f"rediss://localhost:{proxy.sockets[0].getsockname()[1]}/0"
            connection = await wire.connect(wire.Address.parse(f"{url}?ssl_ca_certs={certificate}"), 5)
            assert await connection.call("PING") == b"PONG"
            connection.close()
            await connection.closed
            with pytest.raises(wire.Lost, match="CERTIFICATE_VERIFY_FAILED"):
                await wire.connect(wire.Address.parse(url), 5)

    asyncio.run(run())


def _certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "proxy.pem").write_bytes(private + built.sign(key, hashes.SHA256()).public_bytes(pem))
    return folder / "proxy.pem"


def test_nobody_listens() -> None:
    """No server at all is StoreAway at once."""

    async def body(store: Store, _: wire.Address) -> None:
        assert isinstance(await read(store, b"a"), StoreAway)

    with_store(RedisServer(None, None, 1), body)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://", ("127.0.0.1", 6379, None, "default", None, 0)),
        ("redis://h:1/2", ("h", 1, None, "default", None, 2)),
        ("redis://:p%40ss@h", ("h", 6379, None, "default", "p@ss", 0)),
        ("redis://u:p@[::1]:7/?db=4", ("::1", 7, None, "u", "p", 4)),
        ("unix://u:p@/run/redis.sock?db=1", ("127.0.0.1", 6379, "/run/redis.sock", "u", "p", 1)),
    ],
)
def test_addresses(url: str, expected: tuple[object, ...]) -> None:
    """The forms of REDIS_URL that redis-py reads are read alike."""
    found = wire.Address.parse(url)
    assert (found.host, found.port, found.path, found.username, found.password, found.db) == expected


def test_tls_addresses() -> None:
    """rediss:// verifies the server unless it is told not to."""
    strict = wire.Address.parse("rediss://h").tls
    lenient = wire.Address.parse("rediss://h?ssl_cert_reqs=none").tls
    assert strict is not None and strict.check_hostname
    assert lenient is not None and not lenient.check_hostname


@pytest.mark.parametrize(
    "url", ["", "h:1", "http://h", "redis://h:x", "redis://h/x", "unix://", "rediss://h?ssl_ca_certs=/nowhere"]
)
def test_unusable_addresses(url: str) -> None:
    """Anything else is refused by the setting's name, without the value, which may hold a password."""
    with pytest.raises(ValueError, match=r"REDIS_URL is no address of the form redis://\[user:password@\]host:port/db\.$"):
        wire.Address.parse(url)
