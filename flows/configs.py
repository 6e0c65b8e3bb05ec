"""Configurations, rules, experiments and settings of a company: Postgres -> Redis, where the API reads them.

Their form is that of models/published_configs.py. The API publishes what it writes itself; this brings what else was written to the
platform's tables, and what Redis has lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

import sql
from flows.connections import postgres, redis_client
from flows.settings import Settings
from models import exact_json
from models.published_configs import (
    COMPANY_FOLDERS,
    EVERYBODY,
    FOLDERS,
    SETTINGS,
    document,
    index_key,
    publish_command,
    publish_company_command,
    version_of,
)

BATCH = 500


def publish_configs(settings: Settings, company: str) -> int:
    """Publish every configuration of the company, take away those that Postgres does not hold; returns how many it holds.

    Whatever the API wrote meanwhile is younger and stays.
    """
    with redis_client(settings) as client:
        # what is published is listed first: a configuration that is put from now on is in no danger of being taken away
        members = cast(set[bytes], client.smembers(index_key(company)))
        published = {member.decode() for member in members if member.decode().partition(":")[0] in FOLDERS}
        held, commands = _rows(settings, company, published)
        rows = iter(commands)
        while batch := list(islice(rows, BATCH)):
            with client.pipeline(transaction=False) as pipe:
                for command in batch:
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]
                pipe.execute()
    for resource in COMPANY_FOLDERS:
        publish_company(settings, company, resource)
    publish_company(settings, EVERYBODY, SETTINGS)
    return held


def publish_company(settings: Settings, company: str, resource: str) -> None:
    """Publish a company's resource (of COMPANY_FOLDERS; of EVERYBODY the settings) as Postgres holds it now.

    Whoever writes it meanwhile waits: so the later version is that of the later rows.
    """
    with postgres(settings) as connection, redis_client(settings) as client:
        connection.execute(sql.load("company_resources/lock"), {"company": company, "resource": resource})
        clock = connection.execute(sql.load("company_resources/version"), {"company": company}).fetchone()
        assert clock is not None
        asked = {"company": company, "row": None}
        rows = connection.execute(sql.load(f"{COMPANY_FOLDERS[resource]}/published"), asked).fetchall()
        client.execute_command(  # type: ignore[no-untyped-call]
            *publish_company_command(company, resource, version_of(clock["at"]), rows)
        )


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
