"""How good a file is: its score on the user's test samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from edgeprune import data as user_data
from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.artifacts.measurement import Accuracy, HeadScore
from edgeprune.errors import ModelError
from edgeprune.progress import counted
from edgeprune.tasks import METRICS, Scorer, Task
from edgeprune.verify.host import HostModel
from edgeprune.verify.inputs import as_inputs
from edgeprune.verify.parity import real_values

_BATCH = 64
"""Samples whose answers are kept at a time."""


def accuracy(tflite: bytes, data: Dataset, dense: bytes | None = None) -> Accuracy | None:
    """Scores a file on the test samples, on the host, by the metrics of the data's task.

    Args:
        tflite: The file.
        data: With targets; the task is found out from the file where the data has none.
        dense: The dense network, whose answers stand for the targets of outputs without labels;
            without it those are not scored.

    Returns:
        The score of the first output that has labels, and those of all outputs where there are
        several; None where there is nothing to score.

    Raises:
        ModelError: The host cannot run the model, or its answers give no number.
    """
    try:
        data = user_data.known(data, tflite)
    except ModelError:
        if data.task is None and data.is_reproduced:
            return None
        raise
    task, targets = data.task, data.targets_test
    if task is None or targets is None or not len(data.x_test):
        return None
    scorer = Scorer(task)
    for _, answers, wanted in _answered(tflite, data, task, dense):
        scorer.add(answers, wanted)
    scores = scorer.scores()
    for head in task.judged:
        if not np.isfinite(scores.get(head.name, 0.0)):
            raise ModelError(
                f"the {METRICS[head.metric].words} of output {head.name!r} is "
                f"{scores[head.name]} on the test samples: either the model answers NaN or "
                "infinity there, or they hold nothing to score"
            )
    rows = tuple(
        HeadScore(head.name, head.metric, scores[head.name])
        for head in task.judged
        if head.name in scores
    )
    main = task.main
    several = rows if len(task.judged) > 1 else ()
    return Accuracy(main.metric, scores[main.name], len(data.x_test), several)


def scores_by_part(
    tflite: bytes, data: Dataset, parts: int, dense: bytes | None = None
) -> list[dict[str, float]]:
    """Scores a file on all test samples, and on each of several parts of them.

    Args:
        tflite: The file.
        data: With a task and targets.
        parts: How many; samples take turns, so that each part is like the whole.
        dense: As in :func:`accuracy`.

    Returns:
        Scores by head of all samples, and then of each part; not finite where there is nothing to
        score, or where the model answers NaN.

    Raises:
        ModelError: The host cannot run the model, or the data has no task.
    """
    if data.task is None:
        raise ModelError("the data gives nothing to score the model with")
    whole, scorers = Scorer(data.task), [Scorer(data.task) for _ in range(parts)]
    for start, answers, wanted in _answered(tflite, data, data.task, dense):
        whole.add(answers, wanted)
        numbers = start + np.arange(len(answers[0]))
        for k, scorer in enumerate(scorers):
            mine = numbers % parts == k
            if mine.any():
                targets = [None if one is None else one[mine] for one in wanted]
                scorer.add([one[mine] for one in answers], targets)
    return [scorer.scores() for scorer in (whole, *scorers)]


def _answered(
    tflite: bytes, data: Dataset, task: Task, dense: bytes | None
) -> Iterator[tuple[int, Sequence[Array], Sequence[Array | None]]]:
    """A file's answers and their targets, by pieces: number of the first sample, and both."""
    targets = data.targets_test
    if targets is None:
        return
    answer = answers_of(tflite)
    taught = None
    if dense is not None and task.has_unlabelled:
        taught = answer if dense == tflite else answers_of(dense)
    for start in range(0, len(data.x_test), _BATCH):
        counted(start, len(data.x_test), f"scored {start:,} of {len(data.x_test):,} samples")
        x = data.x_test[start : start + _BATCH]
        wanted = task.split(targets[start : start + _BATCH])
        if taught is not None:
            pairs = zip(wanted, taught(x), strict=True)
            wanted = [theirs if own is None else own for own, theirs in pairs]
        yield start, answer(x), wanted


def answers_of(tflite: bytes) -> Callable[[Array], Sequence[Array]]:
    """A function from inputs ``(n, ...)`` to what a file answers, in the units of its outputs.

    It gives one float64 array ``(n, ...)`` per output, in the file's order.

    Raises:
        ModelError: The host cannot run the model, or it has several inputs.
    """
    model = HostModel(tflite, reference=False)
    if len(model.input_tensors) != 1:
        raise ModelError(f"a model with {len(model.input_tensors)} inputs cannot be scored")
    entry = model.input_tensors[0]

    def answer(x: Array) -> list[Array]:
        rows = [model([sample]) for sample in as_inputs(x, entry)]
        return [
            real_values(np.concatenate([row[k] for row in rows]), tensor).reshape(len(x), -1)
            for k, tensor in enumerate(model.output_tensors)
        ]

    return answer
