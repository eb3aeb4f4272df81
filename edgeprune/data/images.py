"""Folders of images, one folder per class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.data.folder_listing import named
from edgeprune.data.image_layout import Layout, layout
from edgeprune.data.memory import check_fits
from edgeprune.data.picture import Unreadable, read_picture, white_of
from edgeprune.data.raw import RawData
from edgeprune.errors import ModelError

TEST_SHARE = 0.2
"""Share of the images that is kept for testing where the folder does not say which."""

_SAY_EVERY = 2000
"""Images after which progress is told. Source: ours."""

_FLOAT32_BYTES = 4

_Labelled = tuple[Path, int]
"""An image and the number of its class."""


def read_images(
    folder: Path, shape: tuple[int, ...], seed: int, say: Callable[[str], None] = lambda line: None
) -> RawData:
    """All images as float32 in 0 to 255, resized, with the number of their class.

    Classes are numbered in alphabetical order, as Keras's ``image_dataset_from_directory`` does.

    Args:
        folder: Holds a folder per class, or parts that do, see :mod:`.image_layout`.
        shape: What the model takes: ``(height, width, channels)`` of 1 or 3 channels,
            ``(channels, height, width)``, or ``(height, width)``.
        seed: Of the split where there is no folder for one of the parts.
        say: Told how far reading is.

    Raises:
        ModelError: No images, unreadable ones, or a model that takes no images.
        ConfigError: Pillow is not installed.
    """
    wanted = _Size.of(folder, shape)
    folders = layout(folder)
    parts, notes = _split(folders, seed)
    files = [*parts.train, *parts.val, *parts.test]
    count, trained_on = len(files), len(parts.train) + len(parts.val)
    what = f"{count:,} images of {wanted.height}x{wanted.width}x{wanted.channels}"
    check_fits(str(folder), what, count * wanted.values * _FLOAT32_BYTES)
    reading = _Reading(folder, wanted, say, np.empty((count, *wanted.full), np.float32))
    for file, _ in files:
        reading.add(file)
    x = reading.finish()
    x = np.moveaxis(x, -1, 1) if wanted.is_channels_first else x.reshape(count, *shape)
    y = np.array([label for _, label in files], np.int64)
    arrays: dict[str, Array] = {"x_test": x[trained_on:], "y_test": y[trained_on:]}
    if trained_on:
        arrays |= {"x_train": x[:trained_on], "y_train": y[:trained_on]}
    lines = (_line(folders, parts), *folders.notes, *notes, *reading.notes())
    return RawData(arrays, folders.classes, lines, (0.0, 255.0), held_out=len(parts.val))


@dataclass(frozen=True)
class _Size:
    """What the model takes."""

    height: int
    width: int
    channels: int
    is_channels_first: bool = False

    @classmethod
    def of(cls, folder: Path, shape: tuple[int, ...]) -> _Size:
        if len(shape) == 2:
            return cls(*shape, 1)
        if len(shape) == 3 and shape[2] in (1, 3):
            return cls(*shape)
        if len(shape) == 3 and shape[0] in (1, 3):
            return cls(shape[1], shape[2], shape[0], is_channels_first=True)
        raise ModelError(
            f"{folder}: images do not fit an input of shape {shape}: expected height, width, and 1 "
            "or 3 channels"
        )

    @property
    def full(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def values(self) -> int:
        return self.height * self.width * self.channels


@dataclass
class _Reading:
    """Images read so far, and what was odd about them."""

    folder: Path
    size: _Size
    say: Callable[[str], None]
    x: FloatArray
    count: int = 0
    broken: list[str] = field(default_factory=list)
    open_ended: dict[int, float] = field(default_factory=dict)
    transparent: int = 0
    animated: int = 0

    def add(self, file: Path) -> None:
        """Reads the next one."""
        try:
            picture = read_picture(file, *self.size.full)
        except Unreadable as error:
            self.broken.append(f"{file.relative_to(self.folder)} ({error})")
        else:
            self.x[self.count] = picture.pixels
            if picture.largest is not None:
                self.open_ended[self.count] = picture.largest
            self.transparent += picture.is_transparent
            self.animated += picture.is_animated
        self.count += 1
        if not self.count % _SAY_EVERY:
            self.say(f"image {self.count:,} of {len(self.x):,}")

    def finish(self) -> FloatArray:
        """All images, in 0 to 255.

        Raises:
            ModelError: Some were broken, or nobody knows what is white in them.
        """
        if self.broken:
            raise ModelError(
                f"{self.folder}: {len(self.broken):,} of {self.count:,} images cannot be read: "
                f"{named(self.broken)}; repair or remove them"
            )
        if self.open_ended:
            largest = max(self.open_ended.values())
            white = white_of(largest)
            if white is None:
                raise ModelError(
                    f"{self.folder}: images of 32 bits hold numbers up to {largest:g}, and nothing "
                    "says which one is white: save them with 8 or 16 bits"
                )
            for k in self.open_ended:
                self.x[k] *= np.float32(255 / white)
        return self.x

    def notes(self) -> list[str]:
        """What was odd, a line each."""
        odd = {"transparent": self.transparent, "animated": self.animated}
        how = {"transparent": "laid over white", "animated": "their first frame is taken"}
        return [f"{count:,} images are {name}: {how[name]}" for name, count in odd.items() if count]


@dataclass(frozen=True)
class _Parts:
    """Images with their classes: to train on, to hold out in training, and to score with."""

    train: list[_Labelled]
    val: list[_Labelled]
    test: list[_Labelled]


def _split(folders: Layout, seed: int) -> tuple[_Parts, list[str]]:
    """The parts, and what is to be said about them."""
    parts = _Parts(*(_labelled(part) for part in (folders.train, folders.val, folders.test)))
    if parts.test:
        no_training = ["no folder is called train: nothing can be trained"]
        return parts, [] if parts.train else no_training
    order = np.random.default_rng(seed).permutation(len(parts.train))
    cut = max(1, round(TEST_SHARE * len(order)))
    line = (
        f"no folder is called test or validation: {TEST_SHARE:.0%} of the images, drawn by the "
        "seed, are kept to score with"
    )
    test, train = ([parts.train[k] for k in chosen] for chosen in (order[:cut], order[cut:]))
    return _Parts(train, [], test), [line]


def _labelled(part: tuple[tuple[Path, ...], ...]) -> list[_Labelled]:
    return [(file, label) for label, files in enumerate(part) for file in files]


def _line(folders: Layout, parts: _Parts) -> str:
    """Classes with their numbers of images: to train on, to hold out, and to score with."""
    given = {"train": parts.train, "val": parts.val, "test": parts.test}
    given = {part: images for part, images in given.items() if images}
    count = len(folders.classes)
    numbers = [
        np.bincount([label for _, label in images], minlength=count) for images in given.values()
    ]
    texts = [
        f"{name} {'+'.join(map(str, row))}"
        for name, *row in zip(folders.classes, *numbers, strict=True)
    ]
    names = "+".join(getattr(folders, f"{part}_name") or part for part in given)
    last = "" if count < 3 else f" ... class {count - 1} = {folders.classes[-1]}"
    return f"{count} classes: {named(texts, 10)} ({names}); class 0 = {folders.classes[0]}{last}"
