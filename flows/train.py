"""Features -> a built generation in the object store: one RECOMMENDATIONS frame per kind, its evaluation, and the manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from typing import Any

import polars as pl

from flows.errors import CheckFailed
from flows.layout import generation_key
from flows.object_store import ObjectStore, parquet_bytes
from models.acceptance_calibration import calibration
from models.acceptance_impressions import segmented
from models.evaluation import Evaluation, held_out_from
from models.features import Features
from models.generation import Kind, Manifest
from models.page import page
from models.recommenders import RECOMMENDERS, Recommender, faults
from models.snapshot import Snapshot, stamp


def train(
    store: ObjectStore,
    snapshot: Snapshot,
    features: Features,
    evaluation: Evaluation,
    n_unknown: int,
    progress: Callable[[str, int, int], None],
) -> Manifest:
    """Run every recommender of the registry and store what it returns; the generation's id follows from its content.

    evaluation: what the held-out days chose, and which kinds they withhold: these have no lists, and what stands in for a kind
    without lists is shown. n_unknown: rows that `derive` set aside because the company has no such product.
    Raises CheckFailed when a recommender returns what must not be published.
    """
    eligible = features.eligible()["product_id"]
    files: dict[str, bytes] = {"products": parquet_bytes(features.products.sort("product_id"))}
    features = replace(features, choices=evaluation.choices)
    withheld = evaluation.withheld()
    kinds, without_lists = [], set()
    for done, recommender in enumerate(RECOMMENDERS, start=1):
        frame = recommender.recommend(features)
        if recommender.kind in withheld or frame.is_empty():
            without_lists.add(recommender.kind)
            frame = _stand_in(recommender, features, frame.clear())
        if wrong := faults(frame, eligible, recommender.form):
            raise CheckFailed(f"{features.company}: {recommender.kind} may not be published: {'; '.join(wrong)}.")
        section = recommender.section(features) if recommender.section else None
        kinds.append(Kind(recommender.kind, frame["anchor_id"].n_unique(), frame.height, section, recommender.form))
        if recommender.bundles:
            files[f"{recommender.kind}.bundles"] = parquet_bytes(recommender.bundles(features, frame))
        files[recommender.kind] = parquet_bytes(frame)
        progress(f"train {features.company}", done, len(RECOMMENDERS))
    quarantined = {**snapshot.quarantined, **({"unknown product": n_unknown} if n_unknown else {})}
    manifest = Manifest(
        id="",
        company=features.company,
        watermark=snapshot.watermark,
        kinds=kinds,
        counts=_counts(features),
        figures={
            "quarantined": quarantined,
            "ignoredConfiguration": features.config.ignored,
            "choices": evaluation.choices,
            "readiness": evaluation.readiness(without_lists),
            "withheld": withheld,
            **_expected_acceptance(features),
        },
        code_version=version("smart-upsell"),
        page={**page(features), "currency": snapshot.currency, "timezone": snapshot.timezone},
    )
    manifest = replace(manifest, id=_generation_id(manifest, files))
    for name, content in files.items():
        store.put(generation_key(features.company, manifest.id, f"{name}.parquet"), content)
    evaluated = json.dumps(evaluation.to_json(), sort_keys=True, ensure_ascii=False).encode()
    store.put(generation_key(features.company, manifest.id, "evaluation.json"), evaluated)
    # last: a generation exists once its manifest does
    store.put(generation_key(features.company, manifest.id, "manifest.json"), manifest.to_json())
    return manifest


def _expected_acceptance(features: Features) -> dict[str, Any]:
    """How far off the acceptance was that would have been expected of the held-out days' impressions; {} without impressions."""
    if features.impressions.is_empty():
        return {}
    return {"acceptanceCalibration": calibration(segmented(features), held_out_from(features)).to_json()}


def _stand_in(recommender: Recommender, features: Features, nothing: pl.DataFrame) -> pl.DataFrame:
    """Best sellers in the kind's columns, where it has any to show on its pages; `nothing` is its empty frame."""
    if recommender.stand_in is None:
        return nothing
    return pl.concat([nothing, recommender.stand_in(features)], how="diagonal_relaxed").select(nothing.columns)


def _counts(features: Features) -> dict[str, int]:
    return {
        "orders": features.baskets["order_id"].n_unique(),
        "basketEntries": features.baskets.height,
        "customers": features.baskets["customer_id"].drop_nulls().n_unique(),
        "views": features.views.height,
        "products": features.products.height,
        "eligibleProducts": features.eligible().height,
    }


def _generation_id(manifest: Manifest, files: dict[str, bytes]) -> str:
    # without the watermark: two nights with the same content are seen to have it by the end of their ids
    digest = hashlib.sha256(replace(manifest, watermark="").to_json())
    for name in sorted(files):
        digest.update(hashlib.sha256(files[name]).digest())
    return f"{stamp(datetime.fromisoformat(manifest.watermark))}-{digest.hexdigest()[:12]}"
