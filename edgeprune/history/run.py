"""One recorded run."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.history.result import Result


@dataclass(frozen=True)
class Run:
    """One recorded run.

    Attributes:
        id: Its number, counted up from 1 and never used again.
        time_utc: When it was recorded, ISO 8601 with ``+00:00``.
        edgeprune_version: Which edgeprune recorded it.
        board: Name of the board.
        device: Id of the device.
        model_sha256: Digest of the user's model.
        model_path: The model as the user named it.
        result: What ``result.json`` holds.
    """

    id: int
    time_utc: str
    edgeprune_version: str
    board: str
    device: str
    model_sha256: str
    model_path: str
    result: Result
