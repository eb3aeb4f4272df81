"""One job of a night: one model with one recipe on one device, or on any of a board."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class State(enum.StrEnum):
    """How far a job is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    """It was measured; its result is in the history."""
    FAILED = "failed"
    """It ended without a result; the kind of its error says who must act."""
    MISSED = "missed"
    """The morning came first."""


class Kind(enum.StrEnum):
    """What a job is for."""

    MEASURE = "measure"
    GOLDEN = "golden"
    """The golden model, which shows each night that a device can be trusted."""
    CONFIRM = "confirm"
    """A change over nights that is suspected: measured again before anyone is told."""


class How(enum.StrEnum):
    """How a suspected change is measured again."""

    TURNS = "turns"
    """Old and new file side by side."""
    REPEAT = "repeat"
    """The same file by itself."""


class ErrorKind(enum.StrEnum):
    """Why an attempt brought no result, by who must act.

    Source: LAVA, lava_common/exceptions.py: InfrastructureError, JobError, TestError,
    ConfigurationError, LAVABug.
    """

    INFRASTRUCTURE = "infrastructure"
    """The device, the way to it, or the host failed; alone this kind is tried again."""
    JOB = "job"
    """The model or its data cannot be treated as asked, or the time budget is spent."""
    TEST = "test"
    """The device answered, and the answer is wrong or misses a limit."""
    CONFIGURATION = "configuration"
    """What a person wrote is wrong, or a host key is not trusted."""
    BUG = "bug"
    """Edgeprune itself failed."""


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        number: Its place in the plan, from 0.
        kind: What it is for.
        model_path: The model's file, absolute.
        model_sha256: Digest of its content.
        recipe: Name of a recipe or its file.
        board: Name of the board.
        device: Name of the device; None where any device of the board will do.
        tags: Words of the plan for who reads the results.
        priority: Higher ones run first.
        time_budget_s: It is ended after that many seconds on a device.
        options: Further options of the run by name, as ``data`` and ``sparsity``.
    """

    number: int
    kind: Kind
    model_path: str
    model_sha256: str
    recipe: str
    board: str
    device: str | None
    tags: tuple[str, ...] = ()
    priority: int = 0
    time_budget_s: int = 600
    options: Mapping[str, Any] = field(default_factory=dict)

    def id_in(self, night: str) -> str:
        """Its id in a night: the same for the same model, recipe, options, board and device.

        Args:
            night: The night's name.

        Returns:
            32 hex digits.
        """
        parts = [night, self.kind.value, self.model_sha256, self.recipe, self.board]
        parts += [self.device or "", json.dumps(dict(self.options), sort_keys=True)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
