"""How often offers were shown, accepted and declined, as Redis counts it while the events are on their way to Postgres.

Counted are rules that have a cap. The nightly run puts the same numbers together from Postgres: accepted ids are added to their
set, of what was shown the larger count stays, so that counting goes on meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from models.targeting_facts import Counts

SHOWN_MS = 48 * 60 * 60 * 1000
DAY_MS = 24 * 60 * 60 * 1000
LONGEST_SUBJECT = 64

# KEYS: shown, declined, accepted of each capped rule. It reads alone, so that a replica answers it too.
COUNTS = """
local counted = {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}
for at = 3, #KEYS do counted[at] = redis.call('SCARD', KEYS[at]) end
return counted
"""


def subject(customer: str, session: str) -> str:
    """Whom a cap per day and a cool-down are for: `c:` and the customer, else `s:` and the session.

    A long id is hashed: it becomes part of every impression's id.
    """
    named = f"c:{customer}" if customer else f"s:{session}"
    if len(named.encode()) <= LONGEST_SUBJECT:
        return named
    return named[:2] + "#" + blake2b(named.encode(), digest_size=24).hexdigest()


def utc_day(now_ms: int) -> str:
    """The UTC day of an instant in milliseconds since 1970: 2026-05-01."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()


def shown_key(company: str, day: str, subject: str) -> str:
    """Key of a hash: rule -> how often it was shown to a subject on that UTC day; it expires after SHOWN_MS."""
    return f"upsell:{quote(company, safe='')}:shown:{day}:{subject}"


def declined_key(company: str, subject: str) -> str:
    """Key of a hash: rule -> when a subject last declined it (ms since 1970); it expires with the cool-down."""
    return f"upsell:{quote(company, safe='')}:declined:{subject}"


def accepted_key(company: str, rule: str) -> str:
    """Key of the set of ids of the impressions that were accepted, of a rule that has maxAcceptances; at most so many."""
    return f"upsell:{quote(company, safe='')}:accepted:{rule}"


def counts_command(company: str, day: str, subject: str, capped_rules: Sequence[str]) -> tuple[Any, ...]:
    """The command that reads all counts of one visit; capped_rules: those that have maxAcceptances."""
    keys = [shown_key(company, day, subject), declined_key(company, subject)]
    keys += [accepted_key(company, rule) for rule in capped_rules]
    return ("EVAL", COUNTS, len(keys), *keys)


def read_counts(reply: Any, capped_rules: Sequence[str]) -> Mapping[str, Counts]:
    """Counts by rule id, of the same capped_rules; a rule without any is left out, and all are where the store refused."""
    if not isinstance(reply, list):
        return {}
    shown, declined, *accepted = reply
    impressions = {rule.decode(): int(n) for rule, n in _pairs(shown)}
    instants = {rule.decode(): int(at) for rule, at in _pairs(declined)}
    acceptances = {rule: n for rule, n in zip(capped_rules, accepted, strict=True) if n}
    return {
        rule: Counts(
            impressions.get(rule, 0),
            acceptances.get(rule, 0),
            datetime.fromtimestamp(instants[rule] / 1000, UTC) if rule in instants else None,
        )
        for rule in {**impressions, **instants, **acceptances}
    }


def _pairs(flat: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))
