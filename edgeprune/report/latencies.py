"""``latencies.npz``: every time of sessions that are too long for ``result.json``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeprune.artifacts.measurement import Measured
from edgeprune.files.whole_file import write_whole

FILE_NAME = "latencies.npz"


def write_latencies(measured: Sequence[Measured], folder: Path) -> None:
    """Writes all sessions' times, if ``result.json`` leaves out any; else nothing.

    An array a session, nanoseconds in the order of the inferences, shape ``(runs,)``, under the
    variant's name and the session's number, as ``dense/1``. NumPy reads it without this package.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    numbered = [
        (f"{item.variant}/{number}", session)
        for item in measured
        for number, session in enumerate(item.sessions, start=1)
    ]
    if all(session.every_ns is None for _, session in numbered):
        return
    arrays = {
        name: np.array(session.latency_ns, np.int64)
        if session.every_ns is None
        else session.every_ns
        for name, session in numbered
    }
    write_whole(
        folder / FILE_NAME,
        lambda file: np.savez_compressed(file, allow_pickle=False, **arrays),
        replace=True,
    )
