"""Documents of experiments -> UpsellExperiment.results, the object store's history, and Redis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from psycopg.types.json import Jsonb

import sql
from flows.connections import postgres, redis_client
from flows.experiment_chart import chart
from flows.experiments_documents import Document, entry_of, short
from flows.layout import experiment_chart_key, experiment_results_key
from flows.object_store import ObjectStore
from flows.settings import Settings
from models.generation import experiments_key


def publish_results(settings: Settings, store: ObjectStore, company: str, day: str, documents: Sequence[Document]) -> None:
    """Keep the documents of `day`, merge them into the experiments' rows, and publish what these then hold.

    Every step may be run again: a day's results replace those of the same day. Raises ServiceUnavailable.
    """
    store.put(experiment_results_key(company, day), strict_json(list(documents)))
    rows = [
        {
            "company": company,
            "experiment": document["experiment"],
            "latest": Jsonb(short(document), dumps=_dumps),
            "day": document["day"],
            "entry": Jsonb(entry_of(document), dumps=_dumps),
        }
        for document in documents
    ]
    with postgres(settings) as connection:
        with connection.cursor() as cursor:
            cursor.executemany(sql.load("analyze/store_results"), rows)
        stored = connection.execute(sql.load("analyze/results"), {"company": company}).fetchall()
    for row in stored:
        store.put(experiment_chart_key(company, row["experiment_id"]), chart(row["name"], row["results"]["history"]).encode())
    _to_redis(settings, company, {row["experiment_id"]: strict_json(row["results"]) for row in stored})


def strict_json(document: Any) -> bytes:
    """Canonical bytes; ValueError for what JSON has no word for."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _dumps(document: Any) -> bytes:
    return strict_json(document)


def _to_redis(settings: Settings, company: str, results: dict[str, bytes]) -> None:
    key = experiments_key(company)
    # one transaction: a reader sees the results of one analysis
    with redis_client(settings) as client, client.pipeline(transaction=True) as pipe:
        pipe.delete(key)
        if results:
            pipe.hset(key, mapping=results)  # type: ignore[arg-type]
        pipe.execute()
