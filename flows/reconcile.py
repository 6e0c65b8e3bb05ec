"""Postgres -> what must agree with it: the counters of offers in Redis, and the revenue that clients claim beside the orders'.

The API counts in Redis and writes to Postgres a moment later. This puts back what Redis has lost, beside an API that goes on
counting: nothing is ever taken away, and of two numbers the larger stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any

import redis

import sql
from flows.connections import Connection, postgres, redis_client
from flows.settings import Settings
from models import company_settings, exact_json
from models.offer_counters import SHOWN_MS, accepted_key, declined_key, shown_key, subject
from models.published_configs import version_of

BATCH = 500
# how long after an offer was accepted its order may come, and how long the order may change
ORDER_DAYS, CHANGE_DAYS = 7, 30
# KEYS: a hash. ARGV: ms for which it is kept at least, then fields and numbers; of each the larger stays
RAISE = """
local raised = 0
for at = 2, #ARGV, 2 do
    if tonumber(ARGV[at + 1]) > tonumber(redis.call('HGET', KEYS[1], ARGV[at]) or '0') then
        redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
        raised = raised + 1
    end
end
if raised > 0 and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return raised
"""

Command = tuple[Any, ...]


@dataclass(frozen=True)
class Reconciled:
    """What a reconciliation found: counters that Redis lacked (ids of accepted impressions, counts of today, declines), accepted
    offers that were held against orders, those of them that have none, and those whose claim is above what was ordered."""

    company: str
    accepted: int = 0
    shown: int = 0
    declined: int = 0
    revenue_checked: int = 0
    revenue_without_order: int = 0
    revenue_mismatches: int = 0

    def to_json(self) -> dict[str, Any]:
        """One JSON document, in camelCase."""
        return {_camel(name): value for name, value in asdict(self).items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def reconcile(settings: Settings, company: str, now: datetime) -> Reconciled:
    """Put the company's counters in Redis right and hold claimed revenue against orders, as of `now`; twice is once.

    Raises ServiceUnavailable.
    """
    with postgres(settings) as connection:
        bound = {"company": company, "now": now, "order_days": ORDER_DAYS, "change_days": CHANGE_DAYS}
        revenue = connection.execute(sql.load("reconcile/revenue"), bound).fetchone()
    assert revenue is not None
    with postgres(settings) as connection, redis_client(settings) as client:
        return Reconciled(
            company,
            accepted=_send(client, _accepted(connection, company)),
            shown=_send(client, _shown(connection, company, now)),
            declined=_send(client, _declined(connection, company, now)),
            revenue_checked=revenue["checked"],
            revenue_without_order=revenue["without_order"],
            revenue_mismatches=revenue["mismatches"],
        )


def _accepted(connection: Connection, company: str) -> Iterator[Command]:
    rows = _rows(connection, "accepted", company)
    for rule, members in groupby(rows, key=lambda row: str(row["rule_id"])):
        # adding to a set: an impression that the API adds meanwhile is in it once
        while some := [row["id"] for row in islice(members, BATCH)]:
            yield ("SADD", accepted_key(company, rule), *some)


def _shown(connection: Connection, company: str, now: datetime) -> Iterator[Command]:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for whom, rows in _of_subjects(_rows(connection, "shown", company, day=day)):
        pairs = (part for row in rows for part in (row["rule_id"], row["n"]))
        yield ("EVAL", RAISE, 1, shown_key(company, day.date().isoformat(), whom), SHOWN_MS, *pairs)


def _declined(connection: Connection, company: str, now: datetime) -> Iterator[Command]:
    cool_down = timedelta(days=_cool_down_days(connection, company))
    for whom, rows in _of_subjects(_rows(connection, "declined", company, since=now - cool_down)):
        said = [(row["rule_id"], version_of(row["declined_at"])) for row in rows]
        left = max(at for _, at in said) + cool_down // timedelta(milliseconds=1) - version_of(now)
        yield ("EVAL", RAISE, 1, declined_key(company, whom), max(left, 1), *(part for pair in said for part in pair))


def _rows(connection: Connection, name: str, company: str, **bound: Any) -> Iterable[dict[str, Any]]:
    # a cursor on the server: a large company's rows never lie in memory at once
    with connection.cursor(f"reconcile_{name}") as cursor:
        yield from cursor.execute(sql.load(f"reconcile/{name}").rstrip().removesuffix(";"), {"company": company, **bound})


def _of_subjects(rows: Iterable[dict[str, Any]]) -> Iterator[tuple[str, Iterator[dict[str, Any]]]]:
    return groupby(rows, key=lambda row: subject(row["customer_id"], row["session_id"]))


def _cool_down_days(connection: Connection, company: str) -> int:
    stored: dict[str, Any] = {}
    for whose in ("", company):
        row = connection.execute(sql.load("settings/published"), {"company": whose}).fetchone()
        stored |= exact_json.read(row["settings"]) if row else {}
    return company_settings.read(stored).settings.decline_cool_down_days


def _send(client: redis.Redis, commands: Iterator[Command]) -> int:
    """The sum of the replies."""
    done = 0
    while batch := list(islice(commands, BATCH)):
        with client.pipeline(transaction=False) as pipe:
            for command in batch:
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            done += sum(pipe.execute())
    return done
