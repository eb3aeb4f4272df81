"""What a reader of ``--data`` hands on, before it is checked against the model."""

from __future__ import annotations

from dataclasses import dataclass

from edgeprune.artifacts import Array


@dataclass(frozen=True)
class RawData:
    """The user's data as read.

    Attributes:
        arrays: Of ``x_train``, ``y_train``, ``x_test`` and ``y_test`` those that there are.
        classes: Names of the classes by number; empty where the data has none.
        notes: What the user should know about the reading, one line each.
    """

    arrays: dict[str, Array]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
