"""Run `upsell` and die by SIGKILL at the n-th call of one function: python -m tests.flows.die MODULE:NAME N upsell-arguments."""

import importlib
import os
import signal
import sys
from typing import Any

from flows.__main__ import main


def die_at(where: str, nth: int) -> None:
    """Replace MODULE:NAME (NAME may be CLASS.METHOD) by itself, but that its n-th call kills this process first."""
    module, _, path = where.partition(":")
    holder: Any = importlib.import_module(module)
    *parents, name = path.split(".")
    for parent in parents:
        holder = getattr(holder, parent)
    alive, calls = getattr(holder, name), [0]

    def deadly(*arguments: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return alive(*arguments, **named)

    setattr(holder, name, deadly)


if __name__ == "__main__":
    die_at(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    main()
