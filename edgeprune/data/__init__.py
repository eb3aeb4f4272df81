"""The user's ``--data``: arrays, images or ``tf.data``, checked against the model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import Array, Dataset
from edgeprune.data.read import read
from edgeprune.errors import ModelError

__all__ = ["load_data"]

_CHUNK = 4096


@dataclass(frozen=True)
class _Wanted:
    """What the model takes and gives.

    Attributes:
        shape: Of one input, without the batch.
        outputs: Number of values that the first output has.
    """

    shape: tuple[int, ...]
    outputs: int


def load_data(
    spec: str, tflite: bytes, seed: int = 0, say: Callable[[str], None] = lambda line: None
) -> Dataset:
    """Reads the data and checks it against the model.

    Inputs become float32 as they are: pixels stay in 0 to 255, because only the model knows its
    own scaling. A missing last axis of size 1 is added.

    Args:
        spec: An ``.npz`` with ``x_test``, ``y_test`` and optionally ``x_train``, ``y_train``; a
            folder of images by class, below ``train`` and ``validation`` or ``test`` if there are
            such; or
            ``package.module:function``, which returns a train and a test ``tf.data.Dataset`` as
            a pair or as a dictionary.
        tflite: The model, for the shape of its input and the number of its outputs.
        seed: Of the split of a folder without such.
        say: Told how far reading is.

    Returns:
        ``x_train`` and ``x_test`` as float32; integer labels as int64, other targets as float32.
        Targets may be absent only where the model gives as many values as it takes: it is then
        scored by how well it reproduces its input.

    Raises:
        ModelError: The data is missing, damaged, or does not fit the model.
    """
    wanted = _wanted(tflite)
    found = read(spec, wanted.shape, seed, say)
    checked = _checked(spec, found.arrays, wanted)
    return dataclasses.replace(checked, classes=found.classes, notes=found.notes)


def _wanted(tflite: bytes) -> _Wanted:
    model = graph.read(tflite)
    inputs, outputs = graph.io_tensors(model)
    if len(inputs) != 1:
        raise ModelError(f"--data needs a model with one input, this one has {len(inputs)}")
    tensors = model.subgraphs[0].tensors
    size = math.prod(graph.shape_of(tensors[outputs[0]])[1:])
    return _Wanted(graph.shape_of(tensors[inputs[0]])[1:], size)


def _checked(source: str, arrays: dict[str, Array], wanted: _Wanted) -> Dataset:
    """Both parts of the data, each checked.

    Raises:
        ModelError: As said there.
    """
    if "x_test" not in arrays:
        found = ", ".join(arrays) or "none of x_train, y_train, x_test, y_test"
        raise ModelError(f"{source}: has no x_test to score with; found {found}")
    x_test = _inputs(source, "x_test", arrays["x_test"], wanted)
    x_train = _inputs(source, "x_train", arrays["x_train"], wanted) if "x_train" in arrays else None
    targets: dict[str, Array | None] = {}
    for part, x in (("train", x_train), ("test", x_test)):
        y = arrays.get(f"y_{part}")
        if y is not None and x is None:
            raise ModelError(f"{source}: has y_{part} but no x_{part}")
        targets[part] = None if y is None else _targets(source, f"y_{part}", y, wanted)
        if y is not None and x is not None and len(x) != len(y):
            raise ModelError(f"{source}: x_{part} has {len(x)} samples, y_{part} has {len(y)}")
    is_autoencoder = wanted.outputs == math.prod(wanted.shape)
    if targets["test"] is None and (targets["train"] is not None or not is_autoencoder):
        raise ModelError(f"{source}: has no y_test: the labels of x_test are needed to score")
    return Dataset(x_train, targets["train"], x_test, targets["test"], source)


def _inputs(source: str, name: str, x: Array, wanted: _Wanted) -> Array:
    """Inputs as float32 of the model's shape."""
    if x.dtype.kind not in "iufb":
        raise ModelError(f"{source}: {name} holds {x.dtype}, expected numbers")
    if x.ndim == 0 or len(x) == 0:
        raise ModelError(f"{source}: {name} holds no samples")
    if (*x.shape[1:], 1) == wanted.shape:
        x = x[..., None]
    if x.shape[1:] != wanted.shape:
        raise ModelError(
            f"{source}: {name} has samples of shape {x.shape[1:]}, the model takes {wanted.shape}"
        )
    return _finite(source, name, x)


def _targets(source: str, name: str, y: Array, wanted: _Wanted) -> Array:
    """Labels as int64 of shape ``(n,)``, or regression targets as float32."""
    if y.dtype.kind not in "iufb":
        raise ModelError(f"{source}: {name} holds {y.dtype}, expected numbers")
    if y.ndim == 0 or len(y) == 0:
        raise ModelError(f"{source}: {name} holds no samples")
    size = math.prod(y.shape[1:])
    if y.dtype.kind == "f":
        if size != wanted.outputs:
            raise ModelError(
                f"{source}: {name} has {size} values a sample, the model gives {wanted.outputs}"
            )
        return _finite(source, name, y)
    if size != 1:
        raise ModelError(f"{source}: {name} has {size} labels a sample, expected one")
    labels = y.reshape(-1).astype(np.int64)
    classes = max(wanted.outputs, 2)  # a single output tells two classes apart
    if labels.min() < 0 or labels.max() >= classes:
        raise ModelError(
            f"{source}: {name} has labels from {labels.min()} to {labels.max()}, the model tells "
            f"classes 0 to {classes - 1} apart"
        )
    return labels


def _finite(source: str, name: str, values: Array) -> Array:
    """``values`` as float32, checked a piece at a time to save memory."""
    values = values.astype(np.float32, copy=False)
    for start in range(0, len(values), _CHUNK):
        wrong = ~np.isfinite(values[start : start + _CHUNK])
        if wrong.any():
            sample = start + int(np.argwhere(wrong)[0][0])
            raise ModelError(f"{source}: {name} holds NaN or infinity in sample {sample}")
    return values
