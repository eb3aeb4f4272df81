"""What a training of a model as it is hands on."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.artifacts.model import Loaded


@dataclass(frozen=True)
class Tuned:
    """A model after the step ``tune``.

    Attributes:
        model: The trained copy; the model that came in where nothing was trained.
        fine_tuned: Whether something was trained.
        notes: Lines for the report.
    """

    model: Loaded
    fine_tuned: bool = False
    notes: tuple[str, ...] = ()
