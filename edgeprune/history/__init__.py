"""Every run ever made, in one SQLite file of the user's, or in a PostgreSQL database.

``EDGEPRUNE_HISTORY`` names a database by URL; without it the file lies in the user's data folder.
Whoever needs earlier runs asks here; SQLAlchemy is imported where something is read or written.
"""

from __future__ import annotations

from edgeprune.errors import ConfigError
from edgeprune.history.figures import Repeat
from edgeprune.history.result import Result
from edgeprune.history.run import Run

__all__ = [
    "Repeat",
    "Run",
    "alike",
    "ratios",
    "record",
    "record_once",
    "repeats",
    "run",
    "runs",
    "trouble",
]


def record(result: Result) -> int:
    """Adds a run.

    Args:
        result: As from :func:`edgeprune.report.result.build_result`.

    Returns:
        The run's id.

    Raises:
        ConfigError: The result is not valid, or the history cannot be written.
    """
    from edgeprune.history import queries

    return queries.record(result)


def record_once(result: Result) -> tuple[int, bool]:
    """Adds a run, unless exactly this result is there already.

    Returns:
        The run's id, and whether it is new.

    Raises:
        ConfigError: As for :func:`record`.
    """
    from edgeprune.history import queries

    return queries.record_once(result)


def trouble() -> str:
    """Why a run could not be recorded now, in one line; empty if it could be.

    To be asked before anything is measured. No run is added, and no file is made.
    """
    from edgeprune.history import queries

    return queries.trouble()


def runs(limit: int = 20) -> list[Run]:
    """The newest runs, newest first.

    Args:
        limit: How many at most, 1 or more.

    Raises:
        ConfigError: ``limit`` is below 1, or the history cannot be read.
    """
    if limit < 1:
        raise ConfigError(f"limit must be 1 or more, got {limit}")
    from edgeprune.history import queries

    return queries.runs(limit)


def alike(result: Result, limit: int = 50) -> list[Run]:
    """The newest runs of a result's model on its device, newest first.

    Args:
        result: A valid result.
        limit: How many at most.

    Raises:
        ConfigError: The history cannot be read.
    """
    from edgeprune.history import queries

    return queries.alike(result, limit)


def repeats(board: str, device: str, metric: str) -> list[Repeat]:
    """One figure of all files that were measured on a device, oldest first.

    Args:
        board: Name of the board.
        device: Id of the device.
        metric: Key of the figure, as ``latency_us``.

    Raises:
        ConfigError: The history cannot be read.
    """
    from edgeprune.history import queries

    return queries.repeats(board, device, metric)


def ratios(board: str, device: str) -> list[Repeat]:
    """Times of deployed files over those of the files timed in turns with them, oldest first.

    Args:
        board: Name of the board.
        device: Id of the device.

    Returns:
        A figure a run that had a control or a dense variant; its ``file_sha256`` holds both
        digests, with a space between.

    Raises:
        ConfigError: The history cannot be read.
    """
    from edgeprune.history import queries

    return queries.ratios(board, device)


def run(number: int) -> Run:
    """The run with the id ``number``.

    Raises:
        ConfigError: There is no such run, or the history cannot be read.
    """
    from edgeprune.history import queries

    return queries.run(number)
