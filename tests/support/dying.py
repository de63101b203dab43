"""`python -m support.dying MODULE POINT NTH ...`: a program of the server that kills itself (SIGKILL) at a named point.

MODULE is `dataos.server.main` or `dataos.server.care`, so that the command line names dataos.server, as a real one does.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys


def main(words: list[str]) -> int:
    """Run the program; die as it reaches the point for the nth time. Returns the exit code if it never does."""
    os.setsid()
    module, point, nth, *rest = words
    seen = 0

    def checkpoint(name: str) -> None:
        nonlocal seen
        if name == point:
            seen += 1
            if seen == int(nth):
                os.kill(os.getpid(), signal.SIGKILL)

    return int(importlib.import_module(module).main(rest, checkpoint))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
