"""Offers' configurations, all of a company: Postgres -> Redis, where the API reads them (models/published_configs.py).

The API publishes what it writes itself. This brings what else was written to the platform's tables, and what Redis has lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import sql
from flows.connections import postgres, redis_client
from flows.settings import Settings
from models import exact_json
from models.published_configs import FOLDERS, document, index_key, publish_command, version_of

BATCH = 500


def publish_configs(settings: Settings, company: str) -> int:
    """Publish every configuration of the company, take away those that Postgres does not hold; returns how many it holds.

    Whatever the API wrote meanwhile is younger and stays.
    """
    with redis_client(settings) as client:
        # what is published is listed first: a configuration that is put from now on is in no danger of being taken away
        members = cast(set[bytes], client.smembers(index_key(company)))
        published = {member.decode() for member in members}
        held, commands = _rows(settings, company, published)
        rows = iter(commands)
        while batch := list(islice(rows, BATCH)):
            with client.pipeline(transaction=False) as pipe:
                for command in batch:
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]
                pipe.execute()
    return held


def _rows(settings: Settings, company: str, published: set[str]) -> tuple[int, list[tuple[Any, ...]]]:
    with postgres(settings) as connection:
        alive = connection.execute(sql.load("database/alive")).fetchone()
        assert alive is not None
        # its instant is read first: a row that is put later is younger than the deletion of an earlier one
        at = version_of(alive["at"])
        commands, held = [], set()
        for resource, folder in FOLDERS.items():
            asked = {"company": company, "product": None, "since": None}
            for row in connection.execute(sql.load(f"{folder}/published"), asked):
                product_id = row["productId"]
                held.add(f"{resource}:{product_id}")
                written = exact_json.write(document(row))
                commands.append(publish_command(company, resource, product_id, version_of(row["updatedAt"]), written))
    commands += _deletions(company, published - held, at)
    return len(held), commands


def _deletions(company: str, gone: set[str], at: int) -> Iterator[tuple[Any, ...]]:
    for member in sorted(gone):
        resource, _, product_id = member.partition(":")
        yield publish_command(company, resource, product_id, at, b"")
