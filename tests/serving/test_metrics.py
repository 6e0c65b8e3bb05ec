"""What processes count in the memory that they share: exact, whole over all of them, and never less than before."""

from __future__ import annotations

import os
import signal
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route

from serving.app import ROUTES
from serving.metrics import BUCKETS, CLASSES, COUNTERS, MOST_COMPANIES, UNMATCHED, Board, Metrics
from tests.models.invented import QUICK

PAGE = "/api/products/{product_id}/recommendations"
CONFIG = "/api/products/{product_id}/bulk-discount"
LONGEST = "é" * 200


def test_a_request_s_place() -> None:
    """By route, class of status and duration: an end of a bucket belongs to it, as Prometheus has it."""
    board = Board(ROUTES)
    metrics = board.writer()
    page = metrics.series("GET", PAGE)
    for status, seconds in ((200, 0.3), (204, 0.30001), (200, 0.0), (200, 99.0), (304, 0.002), (404, 0.5), (503, 1.0)):
        metrics.observe(page, status, seconds)
    rows = {row.status: row for row in board.requests()}
    assert {(row.method, row.route) for row in rows.values()} == {("GET", PAGE)}
    ends = [*BUCKETS, inf]
    assert {end: n for end, n in zip(ends, rows["2xx"].n, strict=True) if n} == {0.001: 1, 0.3: 1, 0.5: 1, inf: 1}
    assert rows["2xx"].seconds == pytest.approx(99.60001)
    assert [sum(rows[status].n) for status in ("3xx", "4xx", "5xx")] == [1, 1, 1]
    # the thresholds of the alerts are ends of buckets
    assert {0.3, 0.5} <= set(BUCKETS)


def test_every_route_is_told_apart() -> None:
    """Each method and path of the table has a number of its own; HEAD is its GET, what nobody answers is the first one."""
    metrics = Board(ROUTES).writer()
    routes = {(method, route.path) for route in ROUTES if isinstance(route, Route) for method in route.methods or ()}
    numbers = {pair: metrics.series(*pair) for pair in routes}
    assert all(numbers.values())
    assert len({number for (method, _), number in numbers.items() if method != "HEAD"}) == len(metrics.board.names) - 1
    assert metrics.series("HEAD", PAGE) == metrics.series("GET", PAGE) != metrics.series("GET", CONFIG)
    assert metrics.series("PUT", CONFIG) != metrics.series("DELETE", CONFIG)
    assert metrics.board.names[metrics.series("PATCH", PAGE)] == metrics.board.names[metrics.series("GET", "/no")] == UNMATCHED


@QUICK
@given(
    requests=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(100, 599), st.floats(0, 20)), max_size=40),
    counts=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(COUNTERS[:-1]), st.sampled_from(["", "a", "b/é", LONGEST]), st.integers(1, 9)),
        max_size=40,
    ),
)
def test_counts_add_up(requests: list[tuple[int, int, int, float]], counts: list[tuple[int, str, str, int]]) -> None:
    """Whoever counted, whoever is asked: nothing is lost, counted twice, or another's; each writes its own part alone."""
    board = Board(ROUTES, 3)
    writers = [board.writer(number) for number in range(3)]
    for process, series, status, seconds in requests:
        writers[process].observe(series, status, seconds)
    for process, name, company, n in counts:
        writers[process].count(name, company, n)
    told = {(board.names.index((row.method, row.route)), row.status): (sum(row.n), row.seconds) for row in board.requests()}
    assert told.keys() == {(series, CLASSES[status // 100 - 1]) for _, series, status, _ in requests}
    for place, (n, seconds) in told.items():
        same = [each for each in requests if (each[1], CLASSES[each[2] // 100 - 1]) == place]
        assert n == len(same)
        assert seconds == pytest.approx(sum(each[3] for each in same))
    expected = dict.fromkeys(((name, "") for name in COUNTERS), 0)
    for _, name, company, n in counts:
        expected[name, company] = expected.get((name, company), 0) + n
    assert board.counts() == expected


def test_one_that_replaces_another_goes_on() -> None:
    """The counts of a process that died stay, those of its successor come on top, and its companies keep their rows."""
    board = Board(ROUTES, 2)
    for n_lost in (3.0, 2.0):
        # as after a fork: what the process before it knew is in the shared memory alone
        metrics = board.writer(1)
        metrics.observe(1, 200, 0.1)
        metrics.count("views", "a")
        metrics.count("views", f"only {n_lost}")
        metrics.gauge(100, 5, n_lost)
    counted = {company: n for (name, company), n in board.counts().items() if name == "views" and company}
    assert counted == {"a": 2, "only 3.0": 1, "only 2.0": 1}
    assert [sum(row.n) for row in board.requests()] == [2]
    # what is held is what is held now; what was lost stays lost
    assert board.gauges() == {"cache_bytes": 100, "cache_entries": 5, "lost_writes": 5}
    board.writer(0).gauge(1, 1, 1)
    assert board.gauges() == {"cache_bytes": 101, "cache_entries": 6, "lost_writes": 6}


def test_more_companies_than_there_are_rows() -> None:
    """Those beyond, and names beyond all length, are counted without a company; nothing is left out."""
    board = Board([])
    metrics = board.writer()
    for number in range(MOST_COMPANIES + 5):
        metrics.count("clicks", f"c{number}")
    metrics.count("clicks", "c0")
    metrics.count("clicks", "x" * 801)
    found = board.counts()
    assert (found["clicks", "c0"], found["clicks", ""]) == (2, 6)
    assert sum(n for (name, _), n in found.items() if name == "clicks") == MOST_COMPANIES + 7


def test_refusals_take_no_rows() -> None:
    """Whoever is refused can name what companies it likes: a company that nothing else was counted of gets no row by it."""
    board = Board([])
    metrics = board.writer()
    metrics.count("views", "known")
    for company in ("known", "invented", "invented too"):
        metrics.count("limited_requests", company)
    found = board.counts()
    assert (found["limited_requests", "known"], found["limited_requests", ""]) == (1, 2)
    assert {company for _, company in found} == {"", "known"}


def test_forked_processes_share_it() -> None:
    """What children count is read in their parent, while they live and after they were killed."""
    board = Board(ROUTES, 2)
    for number in (0, 1, 1):
        pid = os.fork()
        if not pid:
            try:
                _count_a_thousand(board.writer(number))
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert board.counts()["accepts", "shop"] == 3000
    assert sum(row.n[0] for row in board.requests()) == 3000


def _count_a_thousand(metrics: Metrics) -> None:
    for _ in range(1000):
        metrics.observe(1, 200, 0.001)
        metrics.count("accepts", "shop")
