"""Generations in Redis: write all keys, count them, pass the gates, move one pointer; roll back; retire.

Readers are never in the way: a generation's keys carry its id, nobody reads them before the pointer moves, and the one
before keeps its keys until RETIRE_AFTER_HOURS have passed. Every step may be killed and run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

import polars as pl
import redis

from flows.connections import redis_client
from flows.errors import PublishRefused
from flows.layout import generation_key, generations_prefix
from flows.object_store import ObjectStore
from flows.payload_keys import all_keys, all_payloads, n_payloads
from flows.settings import Settings
from models.gates import GateResult, coverage, kept
from models.generation import (
    CHANGED_CHANNEL,
    COMPANIES_KEY,
    Manifest,
    kept_key,
    live_key,
    manifest_key,
    payload_prefix,
    refused_key,
)
from models.recommenders import RECOMMENDERS
from models.snapshot import instant

Progress = Callable[[str, int, int], None]
BATCH = 500

# KEYS: live pointer, kept generations, companies. ARGV: generation, its record, company, channel, "1" to allow an older one.
# Ids begin with the watermark, so they compare by it.
SWITCH = """
local live = redis.call('GET', KEYS[1])
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 'superseded' end
if live and ARGV[5] ~= '1' and string.sub(live, 1, 23) > string.sub(ARGV[1], 1, 23) then return live end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('SADD', KEYS[3], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[3])
return 'switched'
"""


@dataclass(frozen=True)
class Kept:
    """A generation that Redis holds; `published_at` is None for one whose writing was cut off, `gates` are what it passed."""

    id: str
    watermark: str
    n_keys: int
    published_at: str | None
    gates: list[dict[str, Any]]


def publish(settings: Settings, store: ObjectStore, manifest: Manifest, progress: Progress, *, allow_older: bool = False) -> int:
    """Make a built generation live; returns the number of payloads written.

    allow_older: an operator asked for this very generation, so it may replace a newer one.
    Raises PublishRefused when a gate fails, the counts differ, or a newer watermark is live; the live generation then stays.
    """
    company = manifest.company
    with redis_client(settings) as client:
        gates: list[GateResult] = []
        if live := _live_manifest(client, company):
            # a rollback that was killed after it had moved the pointer
            _unexpire(client, store, live)
            gates = _gates(settings, client, store, live, manifest)
        _drop_unfinished(client, store, manifest)
        # a generation that was published before keeps its record: writing the same bytes again changes nothing
        client.hsetnx(kept_key(company), manifest.id, _record(manifest, 0, None, []))
        n_keys = _write(client, store, manifest, progress)
        record = _record(manifest, n_keys, instant(datetime.now(UTC)), gates)
        outcome = _switch(client, manifest, record, allow_older=allow_older)
        if outcome != "switched":
            _give_up(settings, client, store, manifest)
        if outcome == "superseded":
            raise PublishRefused(
                f"{company}: another run published while {manifest.id} was written: run the command again if it should win."
            )
        if outcome != "switched":
            raise PublishRefused(
                f"{company}: {outcome} is live and newer than {manifest.id}: "
                f"`upsell publish --company {company} --to {manifest.id}` would go back to it."
            )
        client.delete(refused_key(company))
        _unexpire(client, store, manifest)
        _retire(settings, client, store, company, live=manifest.id)
    return n_keys


def rollback(settings: Settings, store: ObjectStore, company: str, to: str | None = None) -> Manifest:
    """Move the pointer back to generation `to`, or to the one published before the live one; returns its manifest.

    Raises PublishRefused when there is none to go back to.
    """
    with redis_client(settings) as client:
        live = live_generation(client, company)
        there = {row.id: row for row in kept_generations(client, company) if row.published_at}
        target = to or _before(list(there.values()), live)
        document = client.get(manifest_key(company, target)) if target in there else None
        if document is None:
            raise PublishRefused(
                f"{company}: there is no generation {to or 'before the live one'} in Redis: `upsell status` lists what is kept, "
                "`upsell publish --to ...` brings back a built one."
            )
        manifest = Manifest.from_json(document)
        _switch(client, manifest, _decoded(client.hget(kept_key(company), manifest.id) or ""), allow_older=True)
        _unexpire(client, store, manifest)
        _retire(settings, client, store, company, live=manifest.id)
    return manifest


def live_generation(client: redis.Redis, company: str) -> str | None:
    """Id of the company's live generation, or None."""
    live = client.get(live_key(company))
    return _decoded(live) if live else None


def kept_generations(client: redis.Redis, company: str) -> list[Kept]:
    """What Redis holds for the company, in order of publishing; unfinished ones first."""
    rows = [(_decoded(key), json.loads(value)) for key, value in client.hgetall(kept_key(company)).items()]
    kept = [Kept(id, row["watermark"], row["nKeys"], row["publishedAt"], row["gates"]) for id, row in rows]
    return sorted(kept, key=lambda row: (row.published_at or "", row.id))


def built_generations(store: ObjectStore, company: str) -> list[str]:
    """Ids of the complete generations in the object store, oldest watermark first."""
    keys = store.keys(generations_prefix(company))
    return [key.split("/")[-2] for key in keys if key.endswith("/manifest.json")]


def read_manifest(store: ObjectStore, company: str, generation: str) -> Manifest:
    """A built generation's manifest. Raises PublishRefused where there is none."""
    document = store.get(generation_key(company, generation, "manifest.json"))
    if document is None:
        raise PublishRefused(f"{company}: generation {generation} was never built completely: run `upsell nightly`.")
    return Manifest.from_json(document)


def read_kind(store: ObjectStore, company: str, generation: str, kind: str) -> pl.DataFrame:
    """A built kind's RECOMMENDATIONS frame. Raises FileNotFoundError where the generation has no such kind."""
    return pl.read_parquet(store.fetch(generation_key(company, generation, f"{kind}.parquet")))


def _items(store: ObjectStore, company: str, generation: str, kind: str) -> pl.DataFrame | None:
    try:
        return read_kind(store, company, generation, kind).select("anchor_id", "product_id")
    except FileNotFoundError:
        return None


def _live_manifest(client: redis.Redis, company: str) -> Manifest | None:
    live = live_generation(client, company)
    document = client.get(manifest_key(company, live)) if live else None
    return Manifest.from_json(document) if document else None


def _gates(settings: Settings, client: redis.Redis, store: ObjectStore, live: Manifest, manifest: Manifest) -> list[GateResult]:
    """The gates' results. Raises PublishRefused, and keeps the reason where `upsell status` shows it, when one failed."""
    floors = settings.gates(manifest.company)
    exempt = {*manifest.figures.get("withheld", {}), *(row.kind for row in RECOMMENDERS if not row.steady)}
    results = coverage(floors.coverage, live, manifest, exempt)
    for kind in (row for row in live.kinds if row.kind not in exempt):
        before, after = (_items(store, manifest.company, generation, kind.kind) for generation in (live.id, manifest.id))
        if before is not None and after is not None:
            results += kept(floors.kept, kind.kind, before, after)
    failed = next((row for row in results if not row.passed), None)
    if failed is None:
        return results
    if failed.gate == "coverage":
        n_anchors = next(kind.n_anchors for kind in live.kinds if kind.kind == failed.kind)
        told_of = f"would cover {failed.value} anchors where the live generation covers {n_anchors}"
    else:
        told_of = f"would keep {failed.value:.1%} of the items of the live generation"
    setting = f"{failed.gate.upper()}_GATE ({getattr(floors, failed.gate)})"
    reason = f"{manifest.company}: {failed.kind} {told_of}: look at the source tables, or lower {setting} for one run."
    told = {"generation": manifest.id, "refusedAt": instant(datetime.now(UTC)), "reason": reason}
    client.set(refused_key(manifest.company), json.dumps({**told, "gates": [row.to_json() for row in results]}))
    raise PublishRefused(reason)


def _write(client: redis.Redis, store: ObjectStore, manifest: Manifest, progress: Progress) -> int:
    """Write every payload, then the manifest, and count them in Redis."""
    company, generation = manifest.company, manifest.id
    read = partial(read_kind, store, company, generation)
    expected, found = n_payloads(manifest, read), 0
    # a kept generation that is published again: killed half-way, it must look unexpired, or its new keys would never expire
    client.persist(manifest_key(company, generation))
    for prefix, rows in all_payloads(manifest, read):
        pairs = iter(zip((prefix + anchor for anchor in rows["anchor_id"]), rows["payload"], strict=True))
        while batch := dict(islice(pairs, BATCH)):
            client.mset(batch)
            found += client.exists(*batch)
            progress(f"publish {company}", found, expected)
    client.set(manifest_key(company, generation), manifest.to_json())
    if found != expected:
        raise PublishRefused(
            f"{company}: Redis holds {found} of {expected} payloads of {generation}: look at its maxmemory and log."
        )
    return found


def _switch(client: redis.Redis, manifest: Manifest, record: str, *, allow_older: bool) -> str:
    company = manifest.company
    keys = [live_key(company), kept_key(company), COMPANIES_KEY]
    outcome = client.eval(SWITCH, len(keys), *keys, manifest.id, record, company, CHANGED_CHANNEL, "1" if allow_older else "0")
    return _decoded(outcome)


def _record(manifest: Manifest, n_keys: int, published_at: str | None, gates: list[GateResult]) -> str:
    told = {"watermark": manifest.watermark, "nKeys": n_keys, "publishedAt": published_at}
    return json.dumps({**told, "gates": [row.to_json() for row in gates]})


def _before(published: list[Kept], live: str | None) -> str | None:
    ids = [row.id for row in published]
    earlier = ids[: ids.index(live)] if live in ids else ids
    return earlier[-1] if earlier else None


def _drop_unfinished(client: redis.Redis, store: ObjectStore, manifest: Manifest) -> None:
    """Keys of a run that was killed while it wrote were never read by anyone: delete them."""
    for row in kept_generations(client, manifest.company):
        if row.published_at is None and row.id != manifest.id:
            _drop(client, store, manifest.company, row.id)


def _give_up(settings: Settings, client: redis.Redis, store: ObjectStore, manifest: Manifest) -> None:
    """Leave no key of a generation that may not go live, unless it was published before: then it is retired again."""
    published = {row.id for row in kept_generations(client, manifest.company) if row.published_at}
    if manifest.id not in published:
        _drop(client, store, manifest.company, manifest.id)
    elif live := live_generation(client, manifest.company):
        _retire(settings, client, store, manifest.company, live)


def _drop(client: redis.Redis, store: ObjectStore, company: str, generation: str) -> None:
    client.hdel(kept_key(company), generation)
    for batch in _key_batches(client, store, company, generation):
        client.unlink(*batch)


def _unexpire(client: redis.Redis, store: ObjectStore, manifest: Manifest) -> None:
    """What is live must not expire. The manifest's key comes last: while it has an expiry, others may have one."""
    if client.ttl(manifest_key(manifest.company, manifest.id)) == -1:
        return
    _each_key(client, store, manifest.company, manifest.id, lambda pipe, key: pipe.persist(key))


def _retire(settings: Settings, client: redis.Redis, store: ObjectStore, company: str, live: str) -> None:
    """Give every other generation its expiry, once, and forget those that have expired."""
    seconds = settings.retire_after_hours * 3600
    for row in kept_generations(client, company):
        remaining = client.ttl(manifest_key(company, row.id))
        if row.id == live or row.published_at is None:
            continue
        if remaining == -2:
            client.hdel(kept_key(company), row.id)
        elif remaining == -1:
            _each_key(client, store, company, row.id, lambda pipe, key: pipe.expire(key, seconds))


def _each_key(
    client: redis.Redis, store: ObjectStore, company: str, generation: str, command: Callable[[redis.client.Pipeline, str], object]
) -> None:
    for batch in _key_batches(client, store, company, generation):
        with client.pipeline(transaction=False) as pipe:
            for key in batch:
                command(pipe, key)
            pipe.execute()


def _key_batches(client: redis.Redis, store: ObjectStore, company: str, generation: str) -> Iterator[list[str]]:
    """A generation's keys, its manifest's last; read from the built frames, or by a scan where these are gone."""
    keys = iter(_keys(client, store, company, generation))
    while batch := list(islice(keys, BATCH)):
        yield batch
    yield [manifest_key(company, generation)]


def _keys(client: redis.Redis, store: ObjectStore, company: str, generation: str) -> Iterator[str]:
    document = store.get(generation_key(company, generation, "manifest.json"))
    if document is None:
        pattern = payload_prefix(company, generation, "")[:-1] + "*"
        yield from (_decoded(key) for key in client.scan_iter(match=pattern, count=1000))
        return
    yield from all_keys(Manifest.from_json(document), partial(read_kind, store, company, generation))


def _decoded(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply
