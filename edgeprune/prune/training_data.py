"""What of the user's data a model is trained with."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeprune.artifacts import Array, Dataset, TrainingData
from edgeprune.errors import ModelError
from edgeprune.keras_flavours import library_errors, one_line, quiet
from edgeprune.prune.distillation import outputs_at
from edgeprune.prune.keras_model import check_one_input
from edgeprune.tasks import Dense, Output, Said, recognise


def training_data(data: Dataset | None, model: Any) -> TrainingData | None:
    """Inputs and targets; inputs are their own targets where there are no labels at all.

    Args:
        data: The user's; its task is found out from the model's answers where it has none.
        model: A Keras model, as it is before anything was done to it.

    Returns:
        None where there is nothing to train with.

    Raises:
        ModelError: Labels and outputs do not belong together.
    """
    if data is None or data.x_train is None or not len(data.x_train):
        return None
    y = data.x_train if data.is_reproduced else data.y_train
    if y is None:
        return None
    if data.task is not None:
        return TrainingData(data.x_train, y, data.task)
    return known_data(model, data.x_train, y)


def known_data(model: Any, x: Array, y: Array) -> TrainingData:
    """Inputs and targets with their task, which the model's answers tell.

    Args:
        model: A built model of either Keras, with one input.
        x: Inputs ``(n, ...)``.
        y: Targets ``(n, ...)`` of any form.

    Raises:
        ModelError: Labels and outputs do not belong together.
    """
    check_one_input(model)
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y):
        raise ModelError(f"there are {len(x)} inputs and {len(y)} targets")
    try:
        with quiet():
            first = outputs_at(model, x[:1])
    except library_errors() as error:
        raise ModelError(f"the model cannot be run on the data: {one_line(error)}") from error
    names = getattr(model, "output_names", None) or []
    if len(names) != len(first):
        names = [f"output_{k}" for k in range(len(first))]
    outputs = [Output(str(n), one.shape[1:]) for n, one in zip(names, first, strict=True)]
    dense = Dense(lambda rows: outputs_at(model, rows), x)
    try:
        task, kept = recognise(outputs, {"test": {"": y}}, Said(), dense)
    except ModelError as error:
        raise ModelError(str(error).replace("y_test", "y")) from error
    wanted = kept["test"]
    if wanted is None:
        raise ModelError("the data has no targets for any output of the model")
    return TrainingData(x, wanted, task)
