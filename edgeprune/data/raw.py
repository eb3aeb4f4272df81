"""What a reader of ``--data`` hands on, before it is checked against the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgeprune.artifacts.arrays import Array


@dataclass(frozen=True)
class RawData:
    """The user's data as read.

    Attributes:
        arrays: Of ``x_train``, ``y_train``, ``x_test`` and ``y_test`` those that there are.
        classes: Names of the classes by number; empty where the data has none.
        notes: What the user should know about the reading, one line each.
        held: Range that inputs are meant to lie in; None where nobody knows.
        held_out: How many of the training samples, the last ones, are to be held out in training; 0
            leaves that to the training.
        fresh: Gives the arrays of the training part for an epoch, by its number; None where every
            epoch has the same.
    """

    arrays: dict[str, Array]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    held: tuple[float, float] | None = None
    held_out: int = 0
    fresh: Callable[[int], dict[str, Array]] | None = None
