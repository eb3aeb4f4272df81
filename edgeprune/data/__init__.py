"""The user's ``--data``: arrays, images or ``tf.data``, checked against the model."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.data.labels import Answers, known, with_task
from edgeprune.data.outputs import outputs_of
from edgeprune.data.raw import RawData
from edgeprune.data.read import read
from edgeprune.data.scale import Scale, held_range, scaler
from edgeprune.errors import ModelError
from edgeprune.models.tflite import graph
from edgeprune.tasks import Output, Said

__all__ = ["known", "load_data"]

_CHUNK = 4096


@dataclass(frozen=True)
class _Wanted:
    """What the model takes and gives.

    Attributes:
        shape: Of one input, without the batch.
        outputs: Its outputs.
        whole: The type of integers that the input takes as they are, as numbers of words; None
            where it takes any numbers, or integers that stand for such.
    """

    shape: tuple[int, ...]
    outputs: tuple[Output, ...]
    whole: np.dtype[Any] | None = None


def load_data(
    spec: str,
    tflite: bytes,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
    said: Said | None = None,
    answers: Answers | None = None,
    scale: Scale | None = None,
) -> Dataset:
    """Reads the data and checks it against the model.

    Inputs become float32 as they are: pixels stay in 0 to 255, unless ``scale`` says another range,
    because only the model knows its own scaling. A missing last axis of size 1 is added.

    Args:
        spec: An ``.npz`` with ``x_test``, ``y_test`` and optionally ``x_train``, ``y_train``; a
            folder of images by class, below ``train`` and ``validation`` or ``test`` if there are
            such; or
            ``package.module:function``, which returns a train and a test ``tf.data.Dataset`` as
            a pair or as a dictionary. Of several outputs each may have its own targets:
            ``y_test_NAME`` or ``y_test/NAME``, and from a function dictionaries or tuples.
        tflite: The model, for the shape of its input, and for its outputs.
        seed: Of the split of a folder without such.
        say: Told how far reading is.
        said: What the user says of the task.
        answers: The dense model's; without, its last operators alone tell what outputs are.
        scale: What inputs are mapped onto, or None.

    Returns:
        ``x_train`` and ``x_test`` as float32, targets in the form of their ``task``. Targets may be
        absent only where the model gives as many values as it takes: it is then scored by how well
        it reproduces its input.

    Raises:
        ModelError: The data is missing, damaged, or does not fit the model.
    """
    wanted = _wanted(tflite)
    raw_data = read(spec, wanted.shape, seed, say)

    def made(raw: RawData) -> Dataset:
        try:
            data, targets = _checked(spec, raw, wanted)
            if scale is not None:
                data = _scaled(data, scale)
            return with_task(data, targets, wanted.outputs, said, answers)
        except ModelError as error:
            raise ModelError(f"{spec}: {error}") from error

    data, anew = made(raw_data), raw_data.fresh
    if anew is None:
        return data

    def fresh(epoch: int) -> Dataset:
        again = made(dataclasses.replace(raw_data, arrays=raw_data.arrays | anew(epoch)))
        if _form(again) != _form(data):
            raise ModelError(
                f"{spec}: gives samples of other shapes or types in epoch {epoch + 1} than in "
                "the first"
            )
        return again

    return dataclasses.replace(data, fresh=fresh)


def _form(data: Dataset) -> tuple[Any, ...]:
    """What training samples must have in common in every epoch."""
    shape = None if data.y_train is None else (data.y_train.shape[1:], data.y_train.dtype)
    heads = () if data.task is None else [(head.task, head.gives) for head in data.task.heads]
    return shape, heads


def _wanted(tflite: bytes) -> _Wanted:
    model = graph.view(tflite)
    inputs, _ = graph.io_tensors(model)
    if len(inputs) != 1:
        raise ModelError(f"--data needs a model with one input, this one has {len(inputs)}")
    entry = model.subgraphs[0].tensors[inputs[0]]
    dtype, scales = graph.dtype_of(entry), getattr(entry.quantization, "scale", None)
    is_whole = dtype is not None and dtype.kind in "iu" and (scales is None or not len(scales))
    return _Wanted(graph.shape_of(entry)[1:], tuple(outputs_of(model)), dtype if is_whole else None)


def _checked(
    source: str, raw: RawData, wanted: _Wanted
) -> tuple[Dataset, dict[str, dict[str, Array]]]:
    """Inputs of both parts, and targets by part and output, each checked.

    Raises:
        ModelError: As said there, without the source's name.
    """
    arrays = raw.arrays
    if "x_test" not in arrays:
        names = ", ".join(arrays) or "none of x_train, y_train, x_test, y_test"
        raise ModelError(f"has no x_test to score with; found {names}")
    x_test = _inputs("x_test", arrays["x_test"], wanted)
    x_train = _inputs("x_train", arrays["x_train"], wanted) if "x_train" in arrays else None
    targets: dict[str, dict[str, Array]] = {"train": {}, "test": {}}
    for part, x in (("train", x_train), ("test", x_test)):
        for key, y in arrays.items():
            head = _head(key, part)
            if head is None:
                continue
            if x is None:
                raise ModelError(f"has {key} but no x_{part}")
            targets[part][head] = _targets(key, y)
            if len(x) != len(y):
                raise ModelError(f"x_{part} has {len(x)} samples, {key} has {len(y)}")
    data = Dataset(x_train, None, x_test, None, source)
    data = dataclasses.replace(
        data, classes=raw.classes, notes=raw.notes, held=raw.held, held_out=raw.held_out
    )
    return data, targets


def _scaled(data: Dataset, scale: Scale) -> Dataset:
    """The data with inputs mapped onto another range, which is told.

    Raises:
        ModelError: The range of the inputs is unknown, or they are no images where they must be.
    """
    parts = [part for part in (data.x_train, data.x_test) if part is not None]
    held = data.held or held_range(*parts)
    mapped = scaler(scale, data.x_test.shape, held, *parts)
    line = f"inputs are {scale.done(held)} (--scale {scale.name}): do the same on the board"
    return dataclasses.replace(
        data,
        x_train=None if data.x_train is None else mapped(data.x_train),
        x_test=mapped(data.x_test),
        notes=(*data.notes, line),
        held=scale.onto if scale.onto is not None else None,
    )


def _head(key: str, part: str) -> str | None:
    """The output that an array's targets are for, empty for unnamed ones; None for inputs."""
    match = re.fullmatch(rf"y_{part}(?:[/_](.+))?", key)
    return None if match is None else match.group(1) or ""


def _inputs(name: str, x: Array, wanted: _Wanted) -> Array:
    """Inputs as float32 of the model's shape."""
    _check_numbers(name, x)
    if (*x.shape[1:], 1) == wanted.shape:
        x = x[..., None]
    if x.shape[1:] != wanted.shape:
        raise ModelError(
            f"{name} has samples of shape {x.shape[1:]}, the model takes {wanted.shape}"
            f"{_fitting(name, x.shape[1:], wanted.shape)}"
        )
    x = _finite(name, x)
    if wanted.whole is not None:
        _check_whole(name, x, wanted.whole)
    return x


def _check_whole(name: str, x: Array, dtype: np.dtype[Any]) -> None:
    """Checks that nothing is cut off where inputs become integers.

    Raises:
        ModelError: It would be.
    """
    low, high = float(x.min()), float(x.max())
    limits = np.iinfo(dtype)
    parts = (x[start : start + _CHUNK] for start in range(0, len(x), _CHUNK))
    if (
        low < limits.min
        or high > limits.max
        or any((part != np.rint(part)).any() for part in parts)
    ):
        raise ModelError(
            f"{name} holds values from {low:.4g} to {high:.4g}, and the model takes whole numbers "
            f"({dtype}, {limits.min:,} to {limits.max:,}): give them as they were in training"
        )


def _fitting(name: str, given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """How such inputs can be made to fit; empty where they cannot."""
    if len(given) > 1 and (*given[1:], given[0]) == wanted:
        return f"; np.moveaxis({name}, 1, -1) puts the channels last"
    if len(given) > 1 and (given[-1], *given[:-1]) == wanted:
        return f"; np.moveaxis({name}, -1, 1) puts the channels first"
    if math.prod(given) == math.prod(wanted):
        sizes = ", ".join(map(str, wanted))
        return f"; {name}.reshape(-1, {sizes}) fits, if their order is the model's"
    return ""


def _targets(name: str, y: Array) -> Array:
    """Targets as they are, if they are finite numbers."""
    _check_numbers(name, y)
    return _finite(name, y) if y.dtype.kind == "f" else y


def _check_numbers(name: str, values: Array) -> None:
    if values.dtype.kind not in "iufb":
        raise ModelError(f"{name} holds {values.dtype}, expected numbers")
    if values.ndim == 0 or len(values) == 0 or not values.size:
        raise ModelError(f"{name} holds no samples")


def _finite(name: str, values: Array) -> Array:
    """``values`` as float32, checked a piece at a time to save memory."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
        values = values.astype(np.float32, copy=False)
    for start in range(0, len(values), _CHUNK):
        wrong = ~np.isfinite(values[start : start + _CHUNK])
        if wrong.any():
            sample = start + int(np.argwhere(wrong)[0][0])
            raise ModelError(f"{name} holds NaN or infinity in sample {sample}")
    return values
