"""kill -9 of the nightly run at any point: readers are served throughout, and the next run makes what an undisturbed one makes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import redis

from flows.connections import postgres
from flows.nightly import night, rebuild
from flows.object_store import open_store
from flows.payload_keys import all_payloads
from flows.progress import silent
from flows.publish import kept_generations, live_generation, read_kind, read_manifest
from flows.settings import Settings
from models.generation import manifest_key
from tests.shops import DAY, add_order, make_shop

CHECKOUT = Path(__file__).parents[2]
# before the first file, between two partitions, before the features, between the frames and their manifest, before the first
# and between two batches of payloads, before and after the pointer moves, while the old generation gets its expiry
POINTS = [
    ("flows.object_store:FileStore.put", 1),
    ("flows.object_store:FileStore.put", 3),
    ("flows.nightly:train", 1),
    ("flows.train:generation_key", 4),
    ("redis:Redis.mset", 1),
    ("redis:Redis.mset", 2),
    ("flows.publish:_switch", 1),
    ("flows.publish:_unexpire", 1),
    ("flows.publish:_each_key", 1),
]


class Reader:
    """Reads one page of the API as fast as it can, until it is asked to stop; keeps what was wrong."""

    def __init__(self, api: str, company: str, product: str) -> None:
        self.url = f"{api}/api/products/{product}/recommendations?companyId={company}"
        self.wrong: list[str] = []
        self.generations: set[str] = set()
        self.n_pages = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self.stopping.is_set():
            try:
                with urllib.request.urlopen(self.url, timeout=10) as response:
                    page = json.load(response)
            except OSError as error:
                self.wrong.append(str(error))
                continue
            self.n_pages += 1
            self.stopping.wait(0.01)
            self.generations.add(page["generation"])
            if not page["sections"][0]["products"]:
                self.wrong.append(f"an empty page of {page['generation']}")

    def __enter__(self) -> Reader:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        self.thread.join()


@pytest.fixture
def api(environ: dict[str, str]) -> Iterator[str]:
    """Address of a read API on the test's Redis."""
    command = [sys.executable, "-m", "serving", "--read-only", "--port", "0"]
    with subprocess.Popen(
        command, env=environ, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["api"]
        process.terminate()


def test_a_killed_night_is_made_good_by_the_next(settings: Settings, environ: dict[str, str], api: str) -> None:
    """At each point: the killed run leaves the live generation live, the next run publishes exactly what a run that was never
    disturbed builds, nothing unfinished stays, and a reader never meets an error or an empty page."""
    make_shop(settings, "shop", ["abc", "ab", "bc", "abd"] * 40)
    [first] = night(settings, ["shop"], DAY + timedelta(days=1), silent)
    live = {first.generation}
    with Reader(api, "shop", "shop-a") as reader:
        for number, (where, nth) in enumerate(POINTS, start=1):
            watermark = DAY + timedelta(days=1 + number)
            with postgres(settings) as connection:
                add_order(connection, "shop", f"late-{number}", ["shop-a", "shop-d"], watermark - timedelta(hours=1))
            live.add(killed_then_again(settings, environ, watermark, where, nth))
    assert reader.wrong == []
    assert reader.n_pages > len(POINTS)
    assert reader.generations <= live


def killed_then_again(settings: Settings, environ: dict[str, str], watermark: datetime, where: str, nth: int) -> str:
    """Kill a run at one point, run it again, compare with an undisturbed run elsewhere; returns the generation's id."""
    arguments = ["nightly", "--company", "shop", "--as-of", watermark.isoformat()]
    program = [sys.executable, "-m", "tests.flows.die", where, str(nth), *arguments]
    killed = subprocess.run(program, env=environ, cwd=CHECKOUT, capture_output=True, text=True)
    assert killed.returncode == -9, f"{where} was never called: {killed.stderr}"
    [again] = night(settings, ["shop"], watermark, silent)
    assert again.error is None
    elsewhere = replace(settings, local_dir=settings.local_dir.with_name(f"undisturbed-{watermark:%d}"))
    undisturbed = rebuild(elsewhere, "shop", watermark, silent)
    assert again.generation == undisturbed.id
    compare_with_redis(elsewhere, undisturbed.id)
    return undisturbed.id


def compare_with_redis(settings: Settings, generation: str) -> None:
    """Redis serves the payloads of `generation` byte for byte, for good, and keeps nothing unfinished."""
    store = open_store(settings.snapshots, settings.local_dir)
    manifest = read_manifest(store, "shop", generation)
    assert settings.redis_url
    with redis.Redis.from_url(settings.redis_url) as client:
        assert live_generation(client, "shop") == generation
        assert all(row.published_at for row in kept_generations(client, "shop"))
        for prefix, rows in all_payloads(manifest, partial(read_kind, store, "shop", generation)):
            for anchor, payload in rows.iter_rows():
                assert client.get(prefix + anchor) == payload
                assert client.ttl(prefix + anchor) == -1
        assert client.ttl(manifest_key("shop", generation)) == -1
