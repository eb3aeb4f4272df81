"""The user's ``--data``: arrays, images or ``tf.data``, checked against the model."""

from __future__ import annotations

import importlib
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from edgeprune import graph
from edgeprune.artifacts import Array, Dataset
from edgeprune.errors import ConfigError, ModelError

TEST_SHARE = 0.2
"""Share of the images that is kept for testing where the folder does not say which."""

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif")

_KEYS = ("x_train", "y_train", "x_test", "y_test")
_FORMS = "an .npz file, a folder of images by class, or package.module:function"


@dataclass(frozen=True)
class _Wanted:
    """What the model takes and gives.

    Attributes:
        shape: Of one input, without the batch.
        outputs: Number of values that the first output has.
    """

    shape: tuple[int, ...]
    outputs: int


def load_data(spec: str, tflite: bytes, seed: int = 0) -> Dataset:
    """Reads the data and checks it against the model.

    Inputs become float32 as they are: pixels stay in 0 to 255, because only the model knows its
    own scaling. A missing last axis of size 1 is added.

    Args:
        spec: An ``.npz`` with ``x_test``, ``y_test`` and optionally ``x_train``, ``y_train``; a
            folder of images by class, below ``train`` and ``test`` if there are such; or
            ``package.module:function``, which returns a train and a test ``tf.data.Dataset`` as
            a pair or as a dictionary.
        tflite: The model, for the shape of its input and the number of its outputs.
        seed: Of the split of a folder without ``train`` and ``test``.

    Returns:
        ``x_train`` and ``x_test`` as float32; integer labels as int64, other targets as float32.

    Raises:
        ModelError: The data is missing, damaged, or does not fit the model.
    """
    wanted = _wanted(tflite)
    path = Path(spec)
    if path.is_dir():
        arrays = _read_images(path, wanted.shape, seed)
    elif path.is_file():
        arrays = _read_npz(path)
    elif re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", spec):
        arrays = _read_function(spec)
    else:
        raise ModelError(f"{spec}: no such file; expected {_FORMS}")
    return _checked(spec, arrays, wanted)


def _wanted(tflite: bytes) -> _Wanted:
    model = graph.read(tflite)
    inputs, outputs = graph.io_tensors(model)
    if len(inputs) != 1:
        raise ModelError(f"--data needs a model with one input, this one has {len(inputs)}")
    tensors = model.subgraphs[0].tensors
    size = math.prod(graph.shape_of(tensors[outputs[0]])[1:])
    return _Wanted(graph.shape_of(tensors[inputs[0]])[1:], size)


def _read_npz(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not hasattr(archive, "files"):
                raise ModelError(f"{path}: holds one array, expected an .npz with {_KEYS}")
            return {key: archive[key] for key in _KEYS if key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: cannot be read as .npz: {reason}; expected {_FORMS}") from error


def _read_images(folder: Path, shape: tuple[int, ...], seed: int) -> dict[str, Array]:
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise ModelError(f"{folder}: images do not fit an input of shape {shape}")
    parts = {name: folder / name for name in ("train", "test")}
    if parts["test"].is_dir():
        classes = _classes(parts["test"])
        arrays = {}
        for name, part in parts.items():
            if part.is_dir():
                if _classes(part) != classes:
                    raise ModelError(f"{folder}: train and test have different classes")
                arrays[f"x_{name}"], arrays[f"y_{name}"] = _images(part, classes, shape)
        return arrays
    x, y = _images(folder, _classes(folder), shape)
    order = np.random.default_rng(seed).permutation(len(x))
    cut = max(1, round(TEST_SHARE * len(x)))
    if cut == len(x):
        raise ModelError(f"{folder}: one image cannot be split into train and test")
    test, train = order[:cut], order[cut:]
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}


def _classes(folder: Path) -> list[str]:
    names = sorted(item.name for item in folder.iterdir() if item.is_dir())
    if not names:
        raise ModelError(f"{folder}: holds no folders: expected one per class, with its images")
    return names


def _images(folder: Path, classes: list[str], shape: tuple[int, ...]) -> tuple[Array, Array]:
    """All images, resized to the model's height and width, and their class numbers."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise ConfigError("images need pillow: pip install 'edgeprune[keras]'") from error
    mode = "RGB" if len(shape) == 3 and shape[2] == 3 else "L"
    images, labels = [], []
    for label, name in enumerate(classes):
        for file in sorted((folder / name).rglob("*")):
            if file.suffix.lower() not in IMAGE_ENDINGS:
                continue
            try:
                with Image.open(file) as image:
                    small = image.convert(mode).resize((shape[1], shape[0]))
            except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
                raise ModelError(f"{file}: not a readable image") from error
            images.append(np.asarray(small, np.uint8).reshape(shape))
            labels.append(label)
    if not images:
        raise ModelError(f"{folder}: holds no images ({', '.join(IMAGE_ENDINGS)})")
    return np.stack(images), np.array(labels, np.int64)


def _read_function(spec: str) -> dict[str, Array]:
    module_name, _, name = spec.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # the user's own module lies where they stand
    try:
        function: Callable[[], Any] = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"{spec}: {error}") from error
    if not callable(function):
        raise ModelError(f"{spec}: not a function")
    made = function()
    if isinstance(made, dict):
        made = (made.get("train"), made.get("test"))
    if not isinstance(made, (tuple, list)) or len(made) != 2 or made[1] is None:
        raise ModelError(f"{spec}: expected (train, test) or {{'train': ..., 'test': ...}}")
    arrays = {}
    for part, dataset in zip(("train", "test"), made, strict=True):
        if dataset is not None:
            arrays.update(_collected(spec, dataset, part))
    return arrays


def _collected(spec: str, dataset: Iterable[Any], part: str) -> dict[str, Array]:
    """All elements of a dataset as two arrays; batched ones are laid end to end."""
    rank = _rank(dataset)
    xs, ys = [], []
    try:
        for element in dataset:
            x, y = element if isinstance(element, tuple) else (element, None)
            xs.append(np.asarray(x) if rank.batched else np.asarray(x)[None])
            if y is not None:
                ys.append(np.asarray(y) if rank.batched else np.asarray(y)[None])
        found = {f"x_{part}": np.concatenate(xs)}
        if ys:
            found[f"y_{part}"] = np.concatenate(ys)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{spec}: {part} is no dataset of (input, label): {reason}") from error
    return found


def _refuse(source: str, what: str) -> NoReturn:
    raise ModelError(f"{source}: {what}")
