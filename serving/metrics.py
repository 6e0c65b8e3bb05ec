"""What the serving processes count, in memory that they share, so that whichever of them is asked tells of all.

The memory is made before the processes are forked. Each has a part of its own, written by it alone: 8-byte numbers, so that no
reader meets half of one. A process that replaces a dead one goes on in the same part, so no count ever falls.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from starlette.routing import BaseRoute, Route

# upper ends in seconds; those of the alerts (0.3 and 0.5) among them, so that they are exact there
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
COUNTERS = (
    *("views", "upsell_impressions", "recommendation_impressions", "clicks", "accepts", "declines"),
    *("cache_hits", "cache_misses", "failed_writes", "deferred_writes", "rejected_events", "drained_rows"),
    "limited_requests",
)
GAUGES = ("cache_bytes", "cache_entries", "lost_writes")
# companies with counts of their own, in each process; those of all further ones are told without a company
MOST_COMPANIES = 100
CELL = 8
# the counts of a class of statuses of a route: its buckets, the one beyond the last, the sum of seconds
_CLASS_CELLS = len(BUCKETS) + 2
_ROUTE_CELLS = len(CLASSES) * _CLASS_CELLS
# a name's length, and its bytes: 200 characters at most
_NAME_CELLS = 1 + 800 // CELL
_AT = {name: number for number, name in enumerate(COUNTERS)}
UNMATCHED = ("", "unmatched")
Cells: TypeAlias = "memoryview[float]"


class Requests(NamedTuple):
    """A route's requests of one class of statuses, over all processes: how many ended in each bucket, and their seconds."""

    method: str
    route: str
    status: str
    n: list[int]
    seconds: float


class Board:
    """The shared memory, as its readers see it; made once, before processes are forked.

    names: the method and path of each route that is told apart, after UNMATCHED.
    """

    def __init__(self, routes: Iterable[BaseRoute], n_processes: int = 1) -> None:
        self.names = [UNMATCHED, *dict.fromkeys(_names(routes))]
        self.n_processes = n_processes
        self._counters_at = len(self.names) * _ROUTE_CELLS
        self._gauges_at = self._counters_at + (1 + MOST_COMPANIES) * len(COUNTERS)
        self._names_at = self._gauges_at + len(GAUGES)
        self.n_cells = self._names_at + MOST_COMPANIES * _NAME_CELLS
        self._memory = mmap.mmap(-1, n_processes * self.n_cells * CELL)

    def part(self, process: int) -> Cells:
        """The numbers of one process."""
        size = self.n_cells * CELL
        return memoryview(self._memory)[process * size : (process + 1) * size].cast("d")

    def writer(self, process: int = 0) -> Metrics:
        """What a process counts with; `process` is its number, from 0, which one that replaces it has too."""
        cells = self.part(process)
        companies = {name: (1 + at) * len(COUNTERS) for at, name in enumerate(self._companies(cells))}
        return Metrics(self, cells, companies)

    def requests(self) -> Iterator[Requests]:
        """Per route and class of statuses that has any."""
        parts = self._parts()
        for at, (method, route) in enumerate(self.names):
            for number, status in enumerate(CLASSES):
                start = at * _ROUTE_CELLS + number * _CLASS_CELLS
                *n, seconds = (sum(part[start + cell] for part in parts) for cell in range(_CLASS_CELLS))
                if any(n):
                    yield Requests(method, route, status, [int(each) for each in n], seconds)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """(counter, company) -> how many; "" is what belongs to no company, or to one beyond MOST_COMPANIES."""
        found = dict.fromkeys(((name, "") for name in COUNTERS), 0)
        for part in self._parts():
            for row, company in enumerate(["", *self._companies(part)]):
                start = self._counters_at + row * len(COUNTERS)
                for at, name in enumerate(COUNTERS):
                    n = int(part[start + at])
                    if n:
                        found[name, company] = found.get((name, company), 0) + n
        return found

    def gauges(self) -> Mapping[str, float]:
        """What each process set last, summed."""
        return {name: sum(part[self._gauges_at + at] for part in self._parts()) for at, name in enumerate(GAUGES)}

    def _parts(self) -> Sequence[Cells]:
        return [self.part(process) for process in range(self.n_processes)]

    def _companies(self, cells: Cells) -> list[str]:
        found = []
        for row in range(MOST_COMPANIES):
            start = self._names_at + row * _NAME_CELLS
            length = int(cells[start])
            if not length:
                break
            found.append(bytes(cells[start + 1 : start + _NAME_CELLS].cast("B")[:length]).decode())
        return found

    def add_company(self, cells: Cells, row: int, company: str) -> bool:
        """Give a company's counts a row of a process's part; False where its name or the table is too long."""
        name = company.encode()
        if row >= MOST_COMPANIES or not 0 < len(name) <= (_NAME_CELLS - 1) * CELL:
            return False
        start = self._names_at + row * _NAME_CELLS
        cells[start + 1 : start + _NAME_CELLS].cast("B")[: len(name)] = name
        # last, so that whoever reads meanwhile sees no row or a whole name
        cells[start] = len(name)
        return True

    @property
    def starts(self) -> tuple[int, int]:
        """Where in a part the counters and the gauges begin."""
        return self._counters_at, self._gauges_at


class Metrics:
    """One process's own counts."""

    def __init__(self, board: Board, cells: Cells, companies: dict[str, int]) -> None:
        self.board = board
        self._cells, self._companies = cells, companies
        self._counters_at, self._gauges_at = board.starts
        self._series = {name: at for at, name in enumerate(board.names)}
        self._lost_before = cells[self._gauges_at + GAUGES.index("lost_writes")]

    def series(self, method: str, route: str) -> int:
        """The number of a route for `observe`; HEAD counts as GET, what no route answers as UNMATCHED."""
        return self._series.get(("GET" if method == "HEAD" else method, route), 0)

    def observe(self, series: int, status: int, seconds: float) -> None:
        """One answered request."""
        cells = self._cells
        at = series * _ROUTE_CELLS + (status // 100 - 1) * _CLASS_CELLS
        cells[at + bisect_left(BUCKETS, seconds)] += 1
        cells[at + _CLASS_CELLS - 1] += seconds

    def count(self, name: str, company: str = "", n: int = 1) -> None:
        """`n` more of one of COUNTERS."""
        row = self._companies.get(company) if company else 0
        if row is None:
            # whoever is refused may name companies that there are none of: they take no rows from those that there are
            row = self._row(company) if name != "limited_requests" else 0
        self._cells[self._counters_at + row + _AT[name]] += n

    def gauge(self, cache_bytes: float, cache_entries: float, lost_writes: float) -> None:
        """What a process has now; lost_writes: since it started, to which those of the processes before it are added."""
        start = self._gauges_at
        for at, value in enumerate((cache_bytes, cache_entries, self._lost_before + lost_writes)):
            self._cells[start + at] = value

    def _row(self, company: str) -> int:
        row = len(self._companies)
        if not self.board.add_company(self._cells, row, company):
            return 0
        self._companies[company] = (1 + row) * len(COUNTERS)
        return self._companies[company]


def _names(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                yield method, route.path
