"""Other views of images for training: mirrored, and moved a little."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeprune.artifacts.arrays import Array

KINDS = ("flips", "shifts")

SHIFT = 0.1
"""Largest move, as a share of height or width. Source: ours, as common practice."""

CHOICES = ("auto", "none", *KINDS, "flips-and-shifts")
"""Words of ``--augment``."""


def kinds_of(word: str) -> tuple[str, ...]:
    """What a word of ``--augment`` other than ``auto`` asks for.

    >>> kinds_of("flips-and-shifts"), kinds_of("none")
    (('flips', 'shifts'), ())
    """
    return tuple(kind for kind in KINDS if kind in word.split("-and-"))


def augmented(
    x: Array, kinds: Sequence[str], rng: np.random.Generator, always: bool = False
) -> Array:
    """Other views of images; what leaves on one side is filled with the edge of the other.

    Args:
        x: Images ``(n, height, width)``, ``(n, height, width, channels)`` or ``(n, channels,
            height, width)`` of 1 or 3 channels.
        kinds: Of :data:`KINDS`: ``flips`` mirrors every second image left to right, ``shifts``
            moves each by up to :data:`SHIFT` of its height and width.
        rng: Draws them.
        always: Mirror every image.
    """
    is_first = is_channels_first(x.shape)
    images = np.moveaxis(x, 1, 3) if is_first else x
    count, height, width = images.shape[:3]
    rows: Array = np.broadcast_to(np.arange(height), (count, height))
    columns: Array = np.broadcast_to(np.arange(width), (count, width))
    if "flips" in kinds:
        is_flipped = np.less(rng.random(count), 1.0 if always else 0.5)
        columns = np.where(is_flipped[:, None], columns[:, ::-1], columns)
    if "shifts" in kinds:
        down, across = (_moves(rng, count, size) for size in (height, width))
        rows = np.clip(rows + down, 0, height - 1)
        places = np.clip(np.arange(width) + across, 0, width - 1)
        columns = np.take_along_axis(columns, places, axis=1)
    moved = images[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(np.moveaxis(moved, 3, 1)) if is_first else moved


def is_channels_first(shape: Sequence[int]) -> bool:
    """Whether images ``(n, ...)`` have their channels in front of height and width."""
    return len(shape) == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3)


def _moves(rng: np.random.Generator, count: int, size: int) -> Array:
    most = round(SHIFT * size)
    return rng.integers(-most, most + 1, (count, 1))
