"""A process beside ours that takes a core."""

from __future__ import annotations

import contextlib
import subprocess
import sys


@contextlib.contextmanager
def neighbour(cpu):
    """Computes all the time on one core; yields the process."""
    code = f"import os; os.sched_setaffinity(0, [{cpu}]); print(1, flush=True)\nwhile 1: pass"
    argv = [sys.executable, "-c", code]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            yield process
        finally:
            process.kill()
