"""The snapshot's manifest and its instants."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from models.snapshot import Partition, Snapshot, instant, stamp

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def snapshot() -> Snapshot:
    """One with everything in it."""
    days = [Partition("2026-04-30", "k1", 5, 1, "6:17"), Partition("2026-05-01", "k2", 0, 0, "0:0")]
    return Snapshot(
        company="sh/op ü",
        watermark=instant(NOON),
        currency="EUR",
        members={"order_lines": days, "views": []},
        products_key="p",
        config={"alsoBought": {"title": "é"}},
        quarantined={"order_lines: the product was deleted": 1},
    )


def test_round_trip() -> None:
    """What was written is read back, and writes the same bytes again."""
    document = snapshot().to_json()
    assert Snapshot.from_json(document) == snapshot()
    assert Snapshot.from_json(document).to_json() == document


@pytest.mark.parametrize(
    "document", [b"", b"null", b"5", b'"x"', b"[]", b"{}", b'{"members":[]}', b'{"members":{"views":[{}]}}', b'{"members":null}']
)
def test_what_is_no_snapshot_is_refused(document: bytes) -> None:
    """Anything else than a snapshot is a ValueError, never another error."""
    with pytest.raises(ValueError, match=r"."):
        Snapshot.from_json(document)


def test_an_unknown_field_is_refused() -> None:
    """A manifest of another version is no snapshot of this one."""
    with pytest.raises(ValueError, match="surprise"):
        Snapshot.from_json(json.dumps({**json.loads(snapshot().to_json()), "surprise": 1}).encode())


def test_partition_of_a_day() -> None:
    """A day's partition is found by member and day; a day or member without one has none."""
    found = snapshot().partition("order_lines", "2026-05-01")
    assert found is not None
    assert found.key == "k2"
    assert snapshot().partition("order_lines", "2026-05-02") is None
    assert snapshot().partition("views", "2026-05-01") is None
    assert snapshot().partition("nothing", "2026-05-01") is None


def test_instants_are_utc() -> None:
    """One moment is written alike from any zone; fractions only where there are any."""
    there = NOON.astimezone(timezone(timedelta(hours=-7)))
    assert instant(there) == instant(NOON) == "2026-05-01T12:00:00Z"
    assert instant(NOON + timedelta(microseconds=1)) == "2026-05-01T12:00:00.000001Z"
    assert stamp(there) == stamp(NOON) == "20260501T120000.000000Z"


def test_stamps_sort_as_their_moments() -> None:
    """As text, stamps of one length sort by time; publishing compares their first 23 letters."""
    moments = [datetime(1970, 1, 1, tzinfo=UTC), NOON, NOON + timedelta(microseconds=1), NOON + timedelta(days=9000)]
    assert sorted(map(stamp, reversed(moments))) == [stamp(moment) for moment in moments]
    assert {len(stamp(moment)) for moment in moments} == {23}
