"""Gives a dataset its task, and its labels the form that everybody wants."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.data.outputs import outputs_of
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.tasks import (
    AGREEMENT,
    TAUGHT,
    Dense,
    Output,
    Said,
    Task,
    classes_of,
    gives_of,
    recognise,
)

Answers = Callable[[Array], Sequence[Array]]
"""Gives one array ``(k, ...)`` per output for inputs ``(k, ...)``, as the dense model answers."""

UNLABELLED = "there is no y_train: nothing is trained, and x_train serves to calibrate alone"

REPRODUCED = "the values are the inputs"

OWN_ANSWERS = (
    "there are no labels: the dense network's own answers stand for them, so that scores say how "
    "often a network agrees with it, not how often it is right; y_test would tell that"
)


def with_task(
    data: Dataset,
    targets: Mapping[str, Mapping[str, Array]],
    outputs: Sequence[Output],
    said: Said | None = None,
    answers: Answers | None = None,
) -> Dataset:
    """The dataset with its task, and with targets in the form of :func:`recognise`.

    Args:
        data: Inputs, without targets.
        targets: By part and by output's name, as in :func:`recognise`.
        outputs: The model's.
        said: What the user says of the task.
        answers: The dense model's; without, its last operators alone tell what outputs are.

    Raises:
        ModelError: Labels and outputs do not belong together.
    """
    given = {part: dict(found) for part, found in targets.items() if found}
    dense = Dense(answers, data.x_test)
    if not given and answers is not None and (names := _classifiers(outputs, said, dense)):
        return _taught(data, outputs, names, said or Said(), answers)
    if not given:
        return dataclasses.replace(data, task=_autoencoder(data, outputs, said or Said(), dense))
    if "test" not in given:
        raise ModelError("has no y_test: the labels of x_test are needed to score")
    task, kept = recognise(outputs, given, said or Said(), dense)
    if data.x_train is not None and "train" not in given:
        data = dataclasses.replace(data, notes=(*data.notes, UNLABELLED))
    return dataclasses.replace(data, y_train=kept.get("train"), y_test=kept["test"], task=task)


def known(data: Dataset, tflite: bytes) -> Dataset:
    """The dataset itself, or with the task that a file tells where it has none yet."""
    if data.task is not None:
        return data
    parts = {"train": data.y_train, "test": data.y_test}
    targets = {part: {"": y} for part, y in parts.items() if y is not None}
    return with_task(data, targets, outputs_of(graph.view(tflite)))


def _classifiers(outputs: Sequence[Output], said: Said | None, dense: Dense) -> list[str]:
    """Names of outputs that tell classes apart, one for a whole sample."""
    word, names = said or Said(), []
    for index, output in enumerate(outputs):
        is_vector = len(output.head_shape) == 1
        asked = word.task_of(output.name)
        compiled = word.compiled_loss(output.name) == "categorical_crossentropy"
        gives = gives_of(output, dense.of(index)) == "softmax"
        tells = asked == "classification" if asked else compiled or gives
        if is_vector and tells and output.head_shape[-1] > 1:
            names.append(output.name)
    return names


def _taught(
    data: Dataset, outputs: Sequence[Output], names: Sequence[str], said: Said, answers: Answers
) -> Dataset:
    """The dataset whose test samples are labelled as the dense network answers them.

    Raises:
        ModelError: It answers what is no number.
    """
    answered = answers(data.x_test)
    labels = {}
    for output, rows in zip(outputs, answered, strict=True):
        if not np.isfinite(rows).all():
            raise ModelError(
                f"the dense model's answers to x_test are no finite numbers at {output.name!r}: "
                "check the range of the inputs (--scale)"
            )
        if output.name in names:
            labels[output.name] = rows.reshape(len(rows), -1).argmax(axis=1)
    asked = dataclasses.replace(said, metric="")
    task, kept = recognise(outputs, {"test": labels}, asked, Dense(answers, data.x_test))
    heads = [
        dataclasses.replace(head, labels=TAUGHT, metric=AGREEMENT) if head.name in labels else head
        for head in task.heads
    ]
    notes = (*data.notes, OWN_ANSWERS)
    return dataclasses.replace(data, y_test=kept["test"], task=Task(tuple(heads)), notes=notes)


def taught(data: Dataset, answers: Answers) -> Dataset:
    """The same with training samples that are labelled as the dense network answers them.

    Args:
        data: Its task is taught: see :attr:`Task.is_taught`.
        answers: The dense network's.
    """
    if data.task is None or data.x_train is None:
        return data
    outputs = answers(data.x_train)
    own = [
        classes_of(head, rows)
        for head, rows in zip(data.task.heads, outputs, strict=True)
        if head.is_taught
    ]
    return dataclasses.replace(data, y_train=data.task.join(own))


def _autoencoder(data: Dataset, outputs: Sequence[Output], said: Said, dense: Dense) -> Task:
    """The task of a model that gives as many values as it takes: to reproduce its input."""
    size = math.prod(data.x_test.shape[1:])
    fits = [output for output in outputs if math.prod(output.shape) == size]
    if not fits:
        raise ModelError(
            "has no y_test: the labels of x_test are needed to score; without any labels only "
            "networks that tell classes apart are held to their own answers: --task classification "
            "says that this one does"
        )
    asked = dataclasses.replace(said, task=said.task or "regression")
    inputs = data.x_test.reshape(len(data.x_test), *fits[0].shape)
    try:
        task, _ = recognise(outputs, {"test": {fits[0].name: inputs}}, asked, dense)
    except ModelError as error:
        raise ModelError(str(error).replace(f"y_test/{fits[0].name}", "x_test")) from error
    heads = [
        dataclasses.replace(head, labels=REPRODUCED) if head.task == "regression" else head
        for head in task.heads
    ]
    return Task(tuple(heads))
