"""Example models with their data, made on the spot: nothing is downloaded."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.data.tiny import tiny_data, tiny_model
from edgeprune.errors import ConfigError, from_extra
from edgeprune.files.whole_file import Reserved, shown

NAMES = ("tiny", "digits")
"""``tiny`` needs nothing but the core, ``digits`` needs Keras and scikit-learn."""

_EPOCHS = 12
_TEST_SHARE = 0.2


def digits_data(seed: int = 0) -> dict[str, Array]:
    """scikit-learn's handwritten digits, enlarged from 8 x 8 to 32 x 32 and given three channels.

    Args:
        seed: Of the split.

    Returns:
        ``x_train`` (1438, 32, 32, 3) and ``x_test`` (359, 32, 32, 3), float32 in [0, 1], with
        ``y_train`` and ``y_test``, integer labels 0 to 9.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    with from_extra("all", "the example digits"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    enlarged = np.repeat(np.repeat(digits.images / 16.0, 4, axis=1), 4, axis=2)
    images = np.repeat(enlarged[..., None], 3, axis=3).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(images))
    cut = int(len(images) * (1 - _TEST_SHARE)) + 1
    train, test = order[:cut], order[cut:]
    labels = digits.target.astype(np.int64)
    return {
        "x_train": images[train],
        "y_train": labels[train],
        "x_test": images[test],
        "y_test": labels[test],
    }


def digits_model(keras: Any) -> Any:
    """A small separable network that XNNPACK can run sparse as it is.

    Its stem is a 3x3 convolution of stride 2 on three channels behind an explicit padding of 1,
    every depthwise layer is padded alike on all sides, and it ends in a global average.

    Args:
        keras: The module ``keras`` or ``tf_keras``.
    """
    layers = keras.layers
    x = inputs = layers.Input((32, 32, 3), name="image")

    def block(x: Any, filters: int, stride: int) -> Any:
        if stride == 2:
            x = layers.ZeroPadding2D(1)(x)
        padding = "valid" if stride == 2 else "same"
        x = layers.DepthwiseConv2D(3, stride, padding, use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
        return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))

    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(16, 3, 2, "valid", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.9)(x))
    for filters, stride in [(64, 1), (64, 1), (128, 2), (128, 1), (128, 1)]:
        x = block(x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(inputs, outputs, name="digits")


def write_tiny(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """Fits the tiny model and writes ``tiny.tflite`` and ``tiny.npz`` into ``folder``.

    Returns:
        Path of the model, path of the data.

    Raises:
        ConfigError: The folder cannot be written, or has such a file.
    """
    with _reserved(folder, "tiny.tflite", "tiny.npz") as (model_file, data_file):
        data = tiny_data(seed)
        model_file.write(tiny_model(data, seed))
        data_file.write(lambda file: np.savez_compressed(file, allow_pickle=False, **data))
    return folder / "tiny.tflite", folder / "tiny.npz"


def write_digits(folder: Path, seed: int = 0) -> tuple[Path, Path, float]:
    """Trains the digits model and writes ``digits.h5`` and ``digits.npz`` into ``folder``.

    Returns:
        Path of the model, path of the data, and the top-1 accuracy on the test samples.

    Raises:
        ConfigError: The folder cannot be written, has such a file, or a library is missing.
    """
    with (
        _reserved(folder, "digits.h5", "digits.npz") as (model_file, data_file),
        tempfile.TemporaryDirectory(prefix="edgeprune-") as passing,
    ):
        data = digits_data(seed)
        score = _trained(data, Path(passing) / "digits.h5", seed)
        data_file.write(lambda file: np.savez_compressed(file, allow_pickle=False, **data))
        model_file.write((Path(passing) / "digits.h5").read_bytes())
    return folder / "digits.h5", folder / "digits.npz", score


@contextlib.contextmanager
def _reserved(folder: Path, *names: str) -> Iterator[list[Reserved]]:
    """Files of a folder, which is made if need be, kept for us until they are written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{shown(folder)}: cannot be written: {error.strerror}") from error
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Reserved(folder / name)) for name in names]


def _trained(data: Mapping[str, Array], model_path: Path, seed: int) -> float:
    """Trains the digits model, writes it, and scores it on the test samples."""
    from edgeprune.console.quiet import quiet
    from edgeprune.models.keras.flavours import import_keras

    keras = import_keras("keras")
    keras.utils.set_random_seed(seed)
    model = digits_model(keras)
    model.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    with quiet():
        model.fit(data["x_train"], data["y_train"], batch_size=64, epochs=_EPOCHS, verbose=0)
        score = model.evaluate(data["x_test"], data["y_test"], verbose=0)[1]
        model.save(model_path)
    return float(score)
