"""Progress of long work on stderr: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

LINE_SECONDS = 2.0


class Reporter:
    """Callable as `progress(label, done, total)`; one bar per label, or at most one line per label every two seconds."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self.bars: dict[str, TaskID] = {}
        self.told: dict[str, float] = {}
        self.quiet = quiet
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console, disable=quiet or not console.is_terminal)

    def __call__(self, label: str, done: int, total: int) -> None:
        if not self.progress.disable:
            if label not in self.bars:
                self.bars[label] = self.progress.add_task(label, total=total)
            self.progress.update(self.bars[label], completed=done, total=total)
        elif not self.quiet and (done >= total or time.monotonic() - self.told.get(label, -LINE_SECONDS) >= LINE_SECONDS):
            self.told[label] = time.monotonic()
            print(f"{label} {done:,}/{total:,}", file=sys.stderr, flush=True)

    def __enter__(self) -> Reporter:
        self.progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.progress.stop()


def silent(label: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
