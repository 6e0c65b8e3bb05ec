"""Progress: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from flows import progress
from flows.progress import Reporter, silent

CHECKOUT = Path(__file__).parents[2]
WORK = """
from flows.progress import Reporter
with Reporter() as report:
    for done in range(1, 4):
        report("extract shop", done, 3)
"""


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """The first step and the last are told, on stderr alone; what comes in quick succession is not."""
    with Reporter() as report:
        for done in range(1, 1001):
            report("extract shop", done, 1000)
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert (lines[0], lines[-1]) == ("extract shop 1/1,000", "extract shop 1,000/1,000")
    assert len(lines) < 1000


def test_each_label_has_its_own_pace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A second label is told at once, the first one again after a while."""
    clock = iter(range(0, 100))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock) * 1.2)
    with Reporter() as report:
        for label, done in [("a", 1), ("a", 2), ("b", 1), ("a", 3)]:
            report(label, done, 9)
    assert capsys.readouterr().err.splitlines() == ["a 1/9", "b 1/9", "a 3/9"]


def test_nothing_to_do_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    """Work of no steps is told as done."""
    with Reporter() as report:
        report("extract shop", 0, 0)
    assert capsys.readouterr().err == "extract shop 0/0\n"


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A quiet reporter, and progress that nobody watches, print nothing."""
    with Reporter(quiet=True) as report:
        report("extract shop", 1, 1)
    silent("extract shop", 1, 1)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal() -> None:
    """On a terminal the label and the numbers are redrawn in place."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", WORK], stderr=theirs, stdout=subprocess.PIPE, cwd=CHECKOUT, env=environ)
    os.close(theirs)
    # a pseudo-terminal whose other end is closed answers with an error in place of an end of file
    shown = b""
    while True:
        try:
            shown += (chunk := os.read(ours, 65536))
        except OSError:
            break
        if not chunk:
            break
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout == b""
    assert b"extract shop" in shown
    assert b"3/3" in shown
    assert b"\x1b[" in shown
