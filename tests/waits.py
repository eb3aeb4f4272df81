"""Waits for something to happen, however long that takes on a machine that does much else."""

from __future__ import annotations

import time

HANG_S = 120.0
"""What has not happened by then does not happen."""


def until(condition):
    """What ``condition()`` gives once it is true."""
    end_s = time.monotonic() + HANG_S
    while not (found := condition()):
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.005)
    return found


def lines(path):
    """How many lines a file has by now; 0 where there is none yet."""
    return len(path.read_text().splitlines()) if path.exists() else 0
