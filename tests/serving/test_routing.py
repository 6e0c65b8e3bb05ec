"""Which read a raw target is for, and what is remembered of targets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from serving.app import ROUTES
from serving.metrics import Board
from serving.requests import LONGEST_KEPT, LONGEST_TARGET
from serving.routing import MOST_RESOLVED, Reads

PAGE = b"/api/products/p%201/recommendations?companyId=acme"


@pytest.fixture
def reads() -> Reads:
    """The table of the API, without a store."""
    without: Any = SimpleNamespace(metrics=Board(ROUTES).writer())
    return Reads(ROUTES, without, without)


def test_a_target_is_understood_alike_each_time(reads: Reads) -> None:
    """Read, raw segments, query and series are those of the first time; another target has its own."""
    read, params, query, series = first = reads.match(PAGE) or pytest.fail("no read")
    assert (read.__name__, params, query) == ("page", {"product_id": "p%201"}, "companyId=acme")
    assert reads.match(PAGE) == first
    assert (reads.match(PAGE.replace(b"p%201", b"p2")) or first)[1:] == ({"product_id": "p2"}, query, series)


@pytest.mark.parametrize(
    "target", [b"/api/nothing", PAGE + b"#x", PAGE + "é".encode(), PAGE + b"&x=" + b"x" * LONGEST_TARGET], ids=range(4)
)
def test_what_is_not_plain_is_left_to_starlette(reads: Reads, target: bytes) -> None:
    """No route, a fragment, other than ASCII, too long: also when it comes again."""
    assert reads.match(target) is reads.match(target) is None


def test_what_is_remembered_is_bounded(reads: Reads) -> None:
    """Targets that name a visitor or are long are resolved anew each time; of all others only so many are held."""
    for target in (PAGE + b"&sessionId=s", PAGE + b"&customerId=c", PAGE + b"&x=" + b"x" * LONGEST_KEPT):
        assert reads.match(target) == reads.match(target)
        assert reads.match(target) is not reads.match(target)
    assert reads.match(PAGE) is reads.match(PAGE)
    for number in range(MOST_RESOLVED + 1):
        reads.match(PAGE + b"%d" % number)
    assert len(reads._resolved) <= MOST_RESOLVED
