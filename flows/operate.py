"""What an operator asks of generations: publish a built one, roll back, list, export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.connections import redis_client
from flows.errors import PublishRefused, SettingsError
from flows.nightly import release
from flows.object_store import ObjectStore, open_store, parquet_bytes
from flows.publish import built_generations, kept_generations, live_generation, read_kind, read_manifest, rollback
from flows.settings import Settings
from models.generation import COMPANIES_KEY, Manifest, manifest_key, refused_key

Progress = Callable[[str, int, int], None]


def publish_built(settings: Settings, companies: list[str] | None, to: str | None, progress: Progress) -> list[dict[str, Any]]:
    """Publish the newest built generation of each company, or `to`, which may be older than what is live.

    Raises PublishRefused where nothing was built or a gate fails.
    """
    store = _store(settings)
    done = []
    for company in companies or published_companies(settings):
        built = [to] if to else built_generations(store, company)
        if not built:
            raise PublishRefused(f"{company}: nothing was built yet: run `upsell nightly --company {company}`.")
        n_payloads = release(settings, read_manifest(store, company, built[-1]), progress, allow_older=to is not None)
        done.append({"company": company, "generation": built[-1], "nPayloads": n_payloads})
    return done


def roll_back(settings: Settings, companies: list[str] | None, to: str | None) -> list[dict[str, Any]]:
    """Roll each company back, all of them where none is named."""
    store = _store(settings)
    done = []
    for company in companies or published_companies(settings):
        manifest = rollback(settings, store, company, to)
        done.append({"company": company, "generation": manifest.id, "watermark": manifest.watermark})
    return done


def generations(settings: Settings, companies: list[str] | None) -> list[dict[str, Any]]:
    """Per company the live generation with its counts and figures, and every generation that Redis keeps."""
    rows = []
    for company in companies or published_companies(settings):
        with redis_client(settings) as client:
            live = live_generation(client, company)
            document = client.get(manifest_key(company, live)) if live else None
            manifest = Manifest.from_json(document) if document else None
            refused = client.get(refused_key(company))
            kept = {
                row.id: {
                    "watermark": row.watermark,
                    "publishedAt": row.published_at,
                    "payloads": row.n_keys,
                    "gates": row.gates,
                    "expiresInSeconds": max(client.ttl(manifest_key(company, row.id)), 0) or None,
                }
                for row in kept_generations(client, company)
            }
        rows.append(
            {
                "company": company,
                "live": live,
                "watermark": manifest.watermark if manifest else None,
                "kinds": {kind.kind: {"anchors": kind.n_anchors, "items": kind.n_items} for kind in manifest.kinds}
                if manifest
                else {},
                "counts": manifest.counts if manifest else {},
                "figures": manifest.figures if manifest else {},
                "kept": kept,
                "refused": json.loads(refused) if refused else None,
            }
        )
    return rows


def export_kind(settings: Settings, company: str, kind: str, out: Path, generation: str | None) -> dict[str, Any]:
    """Write a kind of the live generation, or of `generation`, to `out`: anchor_id, rank, product_id, score, source, reason and
    the kind's evidence.

    Raises SettingsError for a kind that the generation does not have or a place that cannot be written.
    """
    with redis_client(settings) as client:
        chosen = generation or live_generation(client, company)
    if chosen is None:
        raise PublishRefused(f"{company}: no generation is live: run `upsell nightly --company {company}`.")
    store = _store(settings)
    manifest = read_manifest(store, company, chosen)
    kinds = [row.kind for row in manifest.kinds]
    if kind not in kinds:
        raise SettingsError(f"{company}: generation {chosen} has no kind {kind!r}: it has {', '.join(kinds)}.")
    frame = read_kind(store, company, chosen, kind)
    try:
        out.write_bytes(parquet_bytes(frame))
    except OSError as error:
        raise SettingsError(f"--out {out} cannot be written ({error.strerror}): give a file in a folder that exists.") from error
    return {"company": company, "generation": chosen, "kind": kind, "rows": frame.height, "out": str(out)}


def published_companies(settings: Settings) -> list[str]:
    """The companies that have a live generation, by id."""
    with redis_client(settings) as client:
        return sorted(str(member, "utf-8") if isinstance(member, bytes) else member for member in client.smembers(COMPANIES_KEY))


def _store(settings: Settings) -> ObjectStore:
    return open_store(settings.snapshots, settings.local_dir / "cache")
