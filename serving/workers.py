"""Several serving processes on one socket: forked, watched, replaced when one dies, stopped together."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger("serving.workers")
WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
# a worker that cannot live is not replaced more often than this
SHORTEST_LIFE_SECONDS = 1.0

# run(ready, parent, number): serve, call ready() once, return when told to stop or when the pipe `parent` reads as ended; number,
# from 0, is the worker's own, and of the one that replaces it
Run = Callable[[Callable[[], None], int, int], None]


@dataclass
class Workers:
    """The parent's view; it serves nothing itself and so cannot be brought down by a request."""

    n: int
    run: Run
    stop_seconds: float
    # pid -> when it began, its number
    started: dict[int, tuple[float, int]] = field(default_factory=dict)

    def supervise(self, ready: Callable[[], None]) -> None:
        """Fork, call `ready` when every worker serves, replace the dead until SIGTERM or SIGINT, then stop all."""
        # signals are waited for, never delivered in between: no moment at which a fork could be missed
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        self._alive, self._lifeline = os.pipe()
        self._said_ready, self._say_ready = os.pipe()
        for number in range(self.n):
            self._fork(number)
        os.set_blocking(self._said_ready, False)
        n_ready = 0
        while True:
            given = signal.sigtimedwait(WATCHED, 0.02 if n_ready < self.n else 1.0)
            if given is not None and given.si_signo != signal.SIGCHLD:
                break
            self._replace_dead()
            if n_ready < self.n:
                n_ready += self._count_ready()
                if n_ready >= self.n:
                    ready()
        self._stop()

    def _fork(self, number: int) -> None:
        pid = os.fork()
        if pid:
            self.started[pid] = time.monotonic(), number
            return
        code = 1
        try:
            os.close(self._lifeline)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
            self.run(lambda: (os.write(self._say_ready, b"."), None)[1], self._alive, number)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            log.exception("A worker failed")
        finally:
            os._exit(code)

    def _count_ready(self) -> int:
        try:
            return len(os.read(self._said_ready, self.n))
        except BlockingIOError:
            return 0

    def _replace_dead(self) -> None:
        while self.started:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid not in self.started:
                # a child of somebody else's making, inherited with this process
                continue
            began, number = self.started.pop(pid)
            log.error("A worker died and is replaced", extra={"pid": pid, "status": os.waitstatus_to_exitcode(status)})
            time.sleep(max(0.0, SHORTEST_LIFE_SECONDS - (time.monotonic() - began)))
            self._fork(number)

    def _stop(self) -> None:
        for pid in self.started:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + self.stop_seconds
        while self.started:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            self.started.pop(pid, None)
            if pid == 0:
                if time.monotonic() > deadline:
                    for left in self.started:
                        os.kill(left, signal.SIGKILL)
                time.sleep(0.02)
