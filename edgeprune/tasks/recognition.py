"""Finds out the task from the data and the network's outputs together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from edgeprune.errors import ModelError
from edgeprune.tasks.assign import assigned
from edgeprune.tasks.head import Array, Gives, Head, Kind, Task
from edgeprune.tasks.limit import EXACT
from edgeprune.tasks.output import SUM_TOLERANCE, Dense, Output, gives_of
from edgeprune.tasks.reading import NO_CLASS, Reading, read
from edgeprune.tasks.said import Said, head_words
from edgeprune.tasks.vocabulary import LOSSES, TASK_METRICS

UNLIKE = 10.0
"""Values of one output whose standard deviations differ by more are of unlike size. Ours."""

MAX_VALUES = 16
"""Values of one output that are told apart, at most. Source: ours; more are parts of a whole."""

Targets = Mapping[str, Mapping[str, Array]]
"""By part (``train``, ``test``) and by head; the name is empty where targets are for the only one
that they fit."""


def recognise(
    outputs: Sequence[Output], targets: Targets, said: Said, dense: Dense
) -> tuple[Task, dict[str, Array | None]]:
    """The task, and the targets as everybody wants them from then on.

    Args:
        outputs: The network's, in its order.
        targets: Numbers, finite, checked to be as many as inputs.
        said: What the user says of it; it wins over what the data looks like.
        dense: Answers where the data leaves several readings.

    Returns:
        The task; and by part the targets that :meth:`Task.split` takes apart, or None where a part
        has none: class numbers int64, masks int16 with -1 where nothing counts, all others float32.

    Raises:
        ModelError: Labels and outputs do not belong together, or what was said does not fit.
    """
    _check_names(outputs, said)
    dealt = assigned(outputs, targets, said, dense)
    heads: list[Head] = []
    kept: dict[str, list[Array]] = {part: [] for part in targets}
    for index, output in enumerate(outputs):
        if index not in dealt:
            heads.append(_unlabelled(output, dense.of(index)))
            continue
        head, parts = read_head(output, dealt[index], said, dense.of(index), dense.chosen)
        heads.append(head)
        for part, y in parts.items():
            kept[part].append(y)
    task = Task(tuple(heads))
    joined = {part: task.join(ys) if ys else None for part, ys in kept.items()}
    return task, joined


def _check_names(outputs: Sequence[Output], said: Said) -> None:
    names = [output.name for output in outputs]
    if unknown := sorted(said.heads() - set(names)):
        raise ModelError(
            f"the model has no output {unknown[0]!r}, of which something is said; it has: "
            + ", ".join(names)
        )


def _unlabelled(output: Output, answers: Array | None) -> Head:
    gives, metric = gives_of(output, answers), TASK_METRICS["none"][0]
    head = Head(output.name, output.head_shape, "none", "", gives, 0, "", metric)
    return _with_values(head, [answers]) if gives == "logits" and answers is not None else head


def read_head(
    output: Output,
    parts: Mapping[str, tuple[str, Array]],
    said: Said,
    answers: Array | None,
    chosen: Array,
) -> tuple[Head, dict[str, Array]]:
    """One head and its targets by part.

    Args:
        output: The output.
        parts: By part the array's name for messages, and the array.
        said: As in :func:`recognise`.
        answers: The dense network's answers to the samples ``chosen`` of the part ``test``.
        chosen: Indices of these.

    Raises:
        ModelError: As :func:`recognise`.
    """
    if said.task_of(output.name) == "segmentation":
        output = _with_channel(output, [y for _, y in parts.values()])
    readings = {part: read(name, y, output) for part, (name, y) in parts.items()}
    names = {part: name for part, (name, _) in parts.items()}
    kind = _kind(output, readings, names, said, answers)
    is_soft = kind == "classification" and any(one.labels == "soft" for one in readings.values())
    canonical = {part: _canonical(one, kind, output, is_soft) for part, one in readings.items()}
    test = next(readings[part] for part in ("test", "train") if part in readings)
    wanted = canonical["test"][chosen] if "test" in canonical and answers is not None else None
    gives = _gives(output, kind, test, answers, wanted)
    head = Head(
        output.name,
        output.head_shape,
        kind,
        _labels(test, kind, output),
        gives,
        _classes(output, kind),
        _loss(output, kind, gives, said),
        _metric(output, kind, said),
        target_shape=next(iter(canonical.values())).shape[1:],
        ignored=any(bool((y < 0).any()) for y in canonical.values() if kind == "segmentation"),
    )
    if kind == "regression":
        _check_range(output, readings, names)
        values = np.concatenate([y.reshape(-1) for y in canonical.values()])
        scale, spread = float(np.abs(values).max()), float(values.std(dtype=np.float64))
        head = dataclasses.replace(head, scale=scale, spread=spread or 1.0)
        head = _with_values(head, list(canonical.values()))
    return head, canonical


def _with_values(head: Head, targets: Sequence[Array]) -> Head:
    """A head of few values, with the size of each where they are of unlike size."""
    if not 1 < head.channels <= MAX_VALUES:
        return head
    rows = np.concatenate([y.reshape(-1, head.channels) for y in targets])
    spreads = rows.std(axis=0, dtype=np.float64)
    scales = np.abs(rows).max(axis=0)
    told = spreads[spreads > EXACT * scales]
    if not told.size or told.max() <= UNLIKE * told.min():
        return head
    spreads = np.where(spreads > EXACT * scales, spreads, np.where(scales > 0, scales, told.max()))
    return dataclasses.replace(
        head, value_scales=tuple(map(float, scales)), value_spreads=tuple(map(float, spreads))
    )


def _with_channel(output: Output, targets: Sequence[Array]) -> Output:
    """An output of one value for each pixel that leaves out the axis of length 1."""
    shape = output.head_shape
    if len(shape) == 2 and all(y.shape[1:] in (shape, (*shape, 1)) for y in targets):
        return dataclasses.replace(output, shape=(*shape, 1))
    return output


def _kind(
    output: Output,
    readings: Mapping[str, Reading],
    names: Mapping[str, str],
    said: Said,
    answers: Array | None,
) -> Kind:
    """The likeliest task that all parts allow."""
    first = next(iter(readings.values())).kinds
    fits = [kind for kind in first if all(kind in one.kinds for one in readings.values())]
    seen = " and ".join(
        f"{names[part]} looks like {one.kinds[0]}" for part, one in readings.items()
    )
    if not fits:
        raise ModelError(f"{seen}: expected labels of one form for training and for testing")
    asked = said.task_of(output.name)
    if not asked and (loss := said.loss_of(output.name)):
        fits = [kind for kind in fits if loss in LOSSES[kind]]
        asked = fits[0] if fits else f"with loss {loss}"
    if not asked and (said.metric_of(output.name, "")):
        fits = [kind for kind in fits if said.metric_of(output.name, kind) in TASK_METRICS[kind]]
        asked = fits[0] if fits else f"with metric {said.metric_of(output.name, '')}"
    if asked:
        if asked not in fits:
            raise ModelError(
                f"task {asked} does not fit: {seen}, beside an output of shape {output.shape}"
            )
        return next(kind for kind in fits if kind == asked)
    if fits[0] == "multilabel" and "segmentation" in fits:  # places without a class, or labels
        is_of_classes = said.compiled_loss(output.name) == "categorical_crossentropy"
        return "segmentation" if is_of_classes else "multilabel"
    is_open = any(one.labels == "soft" for one in readings.values()) and len(fits) > 1
    if is_open and fits[0] == "regression" and _are_shares(output, answers):
        return fits[1]
    return fits[0]


def _are_shares(output: Output, answers: Array | None) -> bool:
    """Whether soft labels are meant for a classifier: it gives probabilities, or plain logits."""
    if gives_of(output, answers) == "softmax":
        return True
    is_known = answers is not None and answers.size > 0
    return is_known and bool(np.abs(answers - 0.5).max() > 1)  # type: ignore[operator]


def _canonical(reading: Reading, kind: Kind, output: Output, is_soft: bool) -> Array:
    """The targets as everybody wants them."""
    y, channels = reading.targets, output.head_shape[-1]
    if kind == "classification":
        if is_soft:
            numbers = y.reshape(-1).astype(np.int64) if reading.labels == "class-number" else None
            soft = y if numbers is None else np.eye(channels)[numbers]
            return np.asarray(soft, np.float32)
        if reading.labels == "one-hot":
            return np.asarray(y.argmax(axis=-1), np.int64)
        return np.asarray(y > 0.5 if reading.labels in ("-1 and 1", "smoothed") else y, np.int64)
    if kind == "segmentation":
        return _mask(reading, channels)
    if kind == "multilabel" and reading.low < 0:
        return np.asarray(y > 0, np.float32)
    return np.asarray(y, np.float32)


def _mask(reading: Reading, channels: int) -> Array:
    """Class numbers of each place; -1 where there is no class."""
    y, form = reading.targets, reading.labels
    if form in ("one-hot", "soft", "0 or 1", "-1 or 1"):
        is_told = (y == 1).any(axis=-1) if form != "soft" else np.bool_(True)
        return np.where(is_told, y.argmax(axis=-1).astype(np.int16), np.int16(-1))
    if form in ("0 and 255", "-1 and 1", "smoothed"):
        return np.asarray(y > 0.5, np.int16)
    number = np.asarray(y, np.int16)
    return np.where(number == NO_CLASS, np.int16(-1), number) if channels <= NO_CLASS else number


def _gives(
    output: Output, kind: Kind, reading: Reading, answers: Array | None, wanted: Array | None
) -> Gives:
    """What the output's values are; where they may be logits or values, what scores better."""
    if kind == "regression":
        return "values"
    gives = gives_of(output, answers)
    is_thresholded = output.head_shape[-1] == 1 or kind == "multilabel"
    if gives == "softmax" and output.head_shape[-1] == 1:
        return "sigmoid"
    if gives not in ("logits", "tanh") or not is_thresholded:
        return gives
    if answers is None or wanted is None or (gives == "tanh" and reading.low < 0):
        return gives
    shares, raw = wanted.reshape(-1), answers.reshape(-1).astype(np.float64)
    ways = [raw, (raw + 1) / 2]  # trained to be 0 or 1, and to be -1 or 1
    if gives == "logits":
        ways.append(1 / (1 + np.exp(-np.clip(raw, -50, 50))))
    known = shares >= 0
    errors = [float(np.square(one - shares)[known].mean()) if known.any() else 0.0 for one in ways]
    return "values" if errors[0] < min(errors[1:]) else gives


def _labels(reading: Reading, kind: Kind, output: Output) -> str:
    if kind == "regression":
        count = int(np.prod(output.head_shape))
        if count == 1:
            return f"one value, {reading.labels}"
        return f"{count:,} values, {reading.low:.4g} to {reading.high:.4g}"
    return "smoothed" if reading.labels == "soft" else reading.labels


def _classes(output: Output, kind: Kind) -> int:
    channels = output.head_shape[-1]
    if kind == "regression":
        return 0
    return 2 if channels == 1 and kind != "multilabel" else channels


def _loss(output: Output, kind: Kind, gives: Gives, said: Said) -> str:
    """The loss that was said, that the model was compiled with, or that fits the head."""
    by_class = gives in ("softmax", "logits") and output.head_shape[-1] > 1
    if kind == "regression" or gives == "values":
        usual = "mse"
    else:
        usual = (
            "categorical_crossentropy"
            if by_class and kind != "multilabel"
            else ("binary_crossentropy")
        )
    asked = said.loss_of(output.name)
    if asked:
        if asked not in LOSSES[kind]:
            raise ModelError(f"loss {asked} does not fit task {kind}: {head_words(kind)}")
        if asked == "categorical_crossentropy" and not by_class:
            if output.head_shape[-1] > 1:
                raise ModelError(
                    "loss categorical_crossentropy does not fit a head whose classes have a "
                    "sigmoid each: use binary_crossentropy"
                )
            return usual
        return asked
    compiled = said.compiled_loss(output.name)
    if compiled in LOSSES[kind] and (kind == "regression" or (by_class and "entropy" in compiled)):
        return compiled
    return usual


def _metric(output: Output, kind: Kind, said: Said) -> str:
    asked = said.metric_of(output.name, kind)
    if asked:
        if asked not in TASK_METRICS[kind]:
            raise ModelError(f"metric {asked} does not fit task {kind}: {head_words(kind)}")
        return asked
    compiled = said.compiled_metrics_of(output.name, kind) if kind == "regression" else []
    known = [name for name in compiled if name in TASK_METRICS[kind]]
    if kind == "regression" and not known and said.compiled_loss(output.name) == "mae":
        known = ["mae"]
    return known[0] if known else TASK_METRICS[kind][0]


def _check_range(output: Output, readings: Mapping[str, Reading], names: Mapping[str, str]) -> None:
    """Checks that a head can reach its targets at all."""
    reach = {"softmax": (0, 1), "sigmoid": (0, 1), "tanh": (-1, 1)}.get(output.activation)
    if reach is None:
        return
    for part, one in readings.items():
        if one.low < reach[0] - 10 * SUM_TOLERANCE or one.high > reach[1] + 10 * SUM_TOLERANCE:
            is_from_one = (one.low, one.high) == (1, 2) and output.head_shape[-1] == 1
            advice = (
                "count classes from 0"
                if is_from_one
                else "scale the targets as they were in training"
            )
            raise ModelError(
                f"{names[part]} has values from {one.low:.4g} to {one.high:.4g}, and the model's "
                f"{output.activation} head gives {reach[0]} to {reach[1]} alone: {advice}"
            )
