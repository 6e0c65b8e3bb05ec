"""Keys and replies of the counters of offers."""

from __future__ import annotations

from datetime import UTC, datetime

from models.offer_counters import (
    LONGEST_SUBJECT,
    accepted_key,
    counts_command,
    declined_key,
    read_counts,
    shown_key,
    subject,
    utc_day,
)
from models.targeting_facts import Counts

AT = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)


def test_whom_a_cap_is_for() -> None:
    """The customer where one is known, else the session; ids alike are still told apart, and long ones stay short."""
    assert (subject("x", "y"), subject("", "x"), subject("x", "")) == ("c:x", "s:x", "c:x")
    long = {subject("é" * 200, ""), subject("é" * 199, ""), subject("", "é" * 200)}
    assert len(long) == 3
    assert all(len(each) <= LONGEST_SUBJECT for each in long)


def test_days_are_of_utc() -> None:
    """A day ends with its last millisecond in UTC."""
    midnight = int(datetime(2026, 5, 2, tzinfo=UTC).timestamp() * 1000)
    assert (utc_day(midnight - 1), utc_day(midnight)) == ("2026-05-01", "2026-05-02")


def test_keys_are_of_one_company() -> None:
    """No company's name runs into what stands behind it."""
    keys = [shown_key("a:shown", "d", "s:x"), shown_key("a", "shown:d", "s:x"), declined_key("a", "s:x"), accepted_key("a", "s:x")]
    assert len(set(keys)) == 4
    assert shown_key("a b", "2026-05-01", "c:x") == "upsell:a%20b:shown:2026-05-01:c:x"


def test_the_command_names_its_keys() -> None:
    """One command reads what was shown and declined, and each capped rule's set."""
    _, _, n, *keys = counts_command("acme", "2026-05-01", "c:x", ["r1", "r2"])
    assert n == len(keys) == 4
    assert keys[2:] == [accepted_key("acme", "r1"), accepted_key("acme", "r2")]


def test_counts_by_rule() -> None:
    """What was counted of a rule stands together; a rule without a count is left out."""
    reply = [[b"r1", b"2", b"r3", b"1"], [b"r1", b"%d" % AT_MS], 0, 7]
    assert read_counts(reply, ["r1", "r2"]) == {"r1": Counts(2, 0, AT), "r2": Counts(0, 7), "r3": Counts(1)}


def test_a_refusal_counts_nothing() -> None:
    """Where the store refused, nothing is known; the caps hold all the same when the event comes."""
    assert read_counts(ConnectionError("gone"), ["r1"]) == {}
