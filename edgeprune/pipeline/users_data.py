"""The user's data: read with the dense model's help, tried on it, and set against its scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from edgeprune import verify
from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy
from edgeprune.artifacts.model import Loaded
from edgeprune.data import load_data
from edgeprune.data.fit import misfit, some_of, views
from edgeprune.data.labels import taught
from edgeprune.data.scale import parse_scale
from edgeprune.errors import ModelError
from edgeprune.pipeline.request import Request
from edgeprune.progress import Progress
from edgeprune.tasks import Said, check_limit, limit_text
from edgeprune.training.distillation import outputs_at


def users_data(
    spec: str, request: Request, loaded: Loaded, dense: bytes, progress: Progress
) -> Dataset:
    """The user's data with its task, which the recipe may say and the dense model helps to find.

    Raises:
        ModelError: As :func:`load_data`; or model and data hardly belong together.
    """
    table, compiled = request.recipe.task, loaded.compiled
    said = Said(table.kind, table.loss, table.metric, compiled.losses, compiled.metrics)

    def answers(x: Array) -> Sequence[Array]:
        return verify.answers_of(dense)(x)

    scale = None if request.scale is None else parse_scale(request.scale)
    data = load_data(spec, dense, say=progress.say, said=said, answers=answers, scale=scale)
    for line in data_lines(data):
        progress.note(line)
    progress.say("trying the dense model on the data")
    fault, lines = misfit(data, answers), []
    if fault and not request.allow_weak:
        raise ModelError(f"{fault}; --allow-weak uses the data all the same")
    if fault:
        lines.append(f"doubtful, but used because of --allow-weak: {fault}")
    if data.x_train is not None and loaded.keras is not None:
        if data.task is not None and data.task.is_taught:
            data = taught(data, lambda x: outputs_at(loaded.keras, x))
        kinds, said_of_them = views(data, answers, request.augment)
        data = dataclasses.replace(data, augment=kinds)
        lines += said_of_them
    for line in lines:
        progress.note(f"data: {line}")
    return dataclasses.replace(data, notes=(*data.notes, *lines))


def data_lines(data: Dataset | None) -> list[str]:
    """What the user should know about the data, for the report."""
    return [] if data is None else [f"data: {line}" for line in data.notes]


def sizes_of(data: Dataset) -> tuple[int, int]:
    """Samples to train with, and samples to score with."""
    is_labelled = data.y_train is not None or data.is_reproduced
    count = 0 if data.x_train is None or not is_labelled else len(data.x_train)
    return count, len(data.x_test)


def limit_lines(data: Dataset | None, score: Accuracy | None, limit: float) -> list[str]:
    """What an accepted drop means beside the dense model's scores, a line a head.

    Raises:
        ModelError: It means nothing, because there is no score, or none of which a share is left.
    """
    if data is None or data.task is None or score is None:
        raise ModelError("--max-accuracy-drop: the data gives nothing to score the model with")
    scores = score.by_head(data.task)
    check_limit(data.task, scores)
    is_single = len(data.task.judged) == 1
    return [
        f"limit: {'' if is_single else head.name + ': '}"
        + limit_text(head, scores[head.name], limit)
        for head in data.task.judged
    ]


def calibration_samples(data: Dataset | None, count: int) -> list[list[Array]] | None:
    """Some training samples, or test samples where there are no others.

    They are spread over all, because files often hold one class after the other.
    """
    if data is None:
        return None
    source = data.x_test if data.x_train is None else data.x_train
    return [[source[i : i + 1]] for i in some_of(len(source), count)]
