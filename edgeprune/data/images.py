"""Folders of images, one folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeprune.artifacts import Array
from edgeprune.errors import ConfigError, ModelError

TEST_SHARE = 0.2
"""Share of the images that is kept for testing where the folder does not say which."""

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif")


def read_images(folder: Path, shape: tuple[int, ...], seed: int) -> dict[str, Array]:
    """All images as uint8, resized, with the number of their class in alphabetical order.

    Args:
        folder: Holds a folder per class, or ``train`` and ``test`` that do.
        shape: What the model takes: ``(height, width, channels)`` of 1 or 3 channels, or
            ``(height, width)``.
        seed: Of the split where there is no folder ``test``.

    Raises:
        ModelError: No images, an unreadable one, or a model that takes no images.
        ConfigError: Pillow is not installed.
    """
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise ModelError(f"{folder}: images do not fit an input of shape {shape}")
    if not (folder / "test").is_dir():
        return _split(folder, *_images(folder, _classes(folder), shape), seed)
    classes = _classes(folder / "test")
    arrays: dict[str, Array] = {}
    for name in ("train", "test"):
        if (folder / name).is_dir():
            if _classes(folder / name) != classes:
                raise ModelError(f"{folder}: train and test have different classes")
            arrays[f"x_{name}"], arrays[f"y_{name}"] = _images(folder / name, classes, shape)
    return arrays


def _split(folder: Path, x: Array, y: Array, seed: int) -> dict[str, Array]:
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
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ConfigError("images need pillow: pip install 'edgeprune[keras]'") from error
    mode = "RGB" if len(shape) == 3 and shape[2] == 3 else "L"
    images, labels = [], []
    for label, name in enumerate(classes):
        for file in sorted((folder / name).rglob("*")):
            if file.suffix.lower() not in ENDINGS:
                continue
            try:
                with Image.open(file) as image:
                    small = image.convert(mode).resize((shape[1], shape[0]))
            # Pillow raises the last two for damaged headers, and for a picture that is a bomb.
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
                raise ModelError(f"{file}: not a readable image") from error
            images.append(np.asarray(small, np.uint8).reshape(shape))
            labels.append(label)
    if not images:
        raise ModelError(f"{folder}: holds no images ({', '.join(ENDINGS)})")
    return np.stack(images), np.array(labels, np.int64)
