"""What of the user's data a model is trained with."""

from __future__ import annotations

from edgeprune.artifacts import Array, Dataset


def training_data(data: Dataset | None) -> tuple[Array, Array] | None:
    """Inputs and targets; inputs are their own targets where there are no labels at all."""
    if data is None or data.x_train is None:
        return None
    if data.y_train is not None:
        return data.x_train, data.y_train
    return (data.x_train, data.x_train) if data.y_test is None else None
