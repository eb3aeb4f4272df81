"""What of the user's data a model is trained with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset, TrainingData
from edgeprune.artifacts.model import Loaded
from edgeprune.console.quiet import quiet
from edgeprune.errors import ModelError
from edgeprune.models.keras.flavours import (
    call,
    flat_outputs,
    import_tensorflow,
    library_errors,
    names_of_outputs,
)
from edgeprune.models.keras.weights import check_one_input, fixed_batch
from edgeprune.tasks import Dense, Output, Said, recognise
from edgeprune.text.untrusted import reason_of
from edgeprune.training.distillation import outputs_at


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
    y = _targets(data)
    if y is None:
        return None
    if data.task is None:
        known = known_data(model, data.x_train, y)
    else:
        known = TrainingData(data.x_train, y, data.task)
    return dataclasses.replace(
        known,
        held_out=data.held_out,
        is_watched=data.is_watched,
        augment=data.augment,
        fresh=_fresh(data.fresh),
    )


def why_untrained(model: Loaded, data: Dataset | None) -> str:
    """Why :func:`training_data` has nothing for a model, in words."""
    is_file = model.keras is None and data is not None and data.x_train is not None
    return "a .tflite file cannot be trained" if is_file else "there is no training data"


def _targets(data: Dataset) -> Array | None:
    return data.x_train if data.is_reproduced else data.y_train


def _fresh(
    anew: Callable[[int], Dataset] | None,
) -> Callable[[int], tuple[Array, Array]] | None:
    if anew is None:
        return None

    def pair(epoch: int) -> tuple[Array, Array]:
        data = anew(epoch)
        y = _targets(data)
        if data.x_train is None or y is None:
            raise ModelError(f"{data.source}: has no training samples for epoch {epoch + 1}")
        return data.x_train, y

    return pair


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
            chosen = np.arange(fixed_batch(model) or 1) % len(x)
            first = call(model, [import_tensorflow().constant(x[chosen])], training=False)
    except library_errors() as error:
        raise ModelError(f"the model cannot be run on the data: {reason_of(error)}") from error
    named = zip(names_of_outputs(first, model), flat_outputs(first), strict=True)
    outputs = [Output(name, tuple(int(s) for s in one.shape[1:])) for name, one in named]
    dense = Dense(lambda rows: outputs_at(model, rows), x)
    try:
        task, kept = recognise(outputs, {"test": {"": y}}, Said(), dense)
    except ModelError as error:
        raise ModelError(str(error).replace("y_test", "y")) from error
    wanted = kept["test"]
    if wanted is None:
        raise ModelError("the data has no targets for any output of the model")
    return TrainingData(x, wanted, task)
