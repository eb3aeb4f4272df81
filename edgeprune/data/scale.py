"""Maps inputs onto the range that a model was made for: ``--scale``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array, FloatArray
from edgeprune.errors import ConfigError, ModelError

Range = tuple[float, float]

NOMINAL: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (0.0, 65535.0))
"""Ranges that inputs may be meant to lie in, the narrowest first."""

CAFFE_MEANS_BGR = (103.939, 116.779, 123.68)
"""Subtracted from 0 to 255 in the order blue, green, red.

Source: ``keras.applications.imagenet_utils``, mode ``caffe``.
"""

TORCH_MEANS, TORCH_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in 0 to 1. Source: as above, mode ``torch``."""

WORDS = ("caffe", "torch", "bgr")

FORMS = "LOW..HIGH as -1..1, or " + ", ".join(WORDS)

_PIXEL: Range = (0.0, 255.0)


@dataclass(frozen=True)
class Scale:
    """What to do with inputs.

    Attributes:
        name: As the user types it.
        onto: The range wanted; None for one of :data:`WORDS`.
    """

    name: str
    onto: Range | None = None

    def done(self, held: Range | None) -> str:
        """What was done to inputs of a range, in words."""
        if self.onto is not None and held is not None:
            return f"scaled from {range_text(held)} onto {range_text(self.onto)}"
        way = {"bgr": "with their channels reversed"}
        return way.get(self.name, "scaled by ImageNet's means")


def parse_scale(text: str) -> Scale:
    """Reads ``--scale``.

    Raises:
        ConfigError: It has neither form.

    >>> parse_scale("-1..1").onto
    (-1.0, 1.0)
    """
    word = text.strip().casefold()
    if word in WORDS:
        return Scale(word)
    number = r"([+-]?\d+(?:\.\d+)?)"
    match = re.fullmatch(rf"{number}\s*\.\.\s*{number}", word)
    low, high = (float(one) for one in match.groups()) if match else (math.nan, math.nan)
    if not low < high:
        raise ConfigError(f"--scale must be {FORMS}, got {text!r}")
    return Scale(f"{low:g}..{high:g}", (low, high))


def held_range(*parts: Array) -> Range | None:
    """The narrowest range of :data:`NOMINAL` that holds all inputs, or None.

    >>> held_range(np.array([0.0, 200.0]))
    (0.0, 255.0)
    """
    low, high = _limits(parts)
    return next((one for one in NOMINAL if one[0] <= low and high <= one[1]), None)


def _limits(parts: Sequence[Array]) -> Range:
    return min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)


def range_text(held: Range) -> str:
    """A range in words.

    >>> range_text((-1.0, 1.0))
    '-1 to 1'
    """
    return f"{held[0]:g} to {held[1]:g}"


def scaled(x: Array, scale: Scale, held: Range) -> FloatArray:
    """Inputs as the model wants them; a new array.

    Args:
        x: Inputs ``(n, ...)``.
        scale: What is wanted.
        held: The range that ``x`` is meant to lie in.

    Raises:
        ModelError: Channels are to be changed, and there are not three.
    """
    if scale.onto is not None:
        return _mapped(x, held, scale.onto)
    axis = _channel_axis(x.shape, scale)
    if scale.name == "bgr":
        return np.ascontiguousarray(np.flip(x, axis), np.float32)
    if scale.name == "caffe":
        return _by_channel(np.flip(_mapped(x, held, _PIXEL), axis), axis, CAFFE_MEANS_BGR)
    return _by_channel(_mapped(x, held, (0.0, 1.0)), axis, TORCH_MEANS, TORCH_DEVIATIONS)


def scaler(
    scale: Scale, shape: tuple[int, ...], held: Range | None, *parts: Array
) -> Callable[[Array], FloatArray]:
    """What scales inputs of a data set.

    Args:
        scale: What is wanted.
        shape: Of inputs ``(n, ...)``.
        held: The range that they are meant to lie in, or None.
        parts: Inputs, for the message.

    Raises:
        ModelError: The range is not known, or there are no three channels.
    """
    if held is None and scale.name != "bgr":
        ranges = ", ".join(range_text(one) for one in NOMINAL)
        raise ModelError(
            f"--scale {scale.name} needs inputs in one of the ranges {ranges}; these lie in "
            f"{range_text(_limits(parts))}: scale them where they are made"
        )
    if scale.onto is None:
        _channel_axis(shape, scale)
    inside = held or _PIXEL
    return lambda values: scaled(values, scale, inside)


def _mapped(x: Array, held: Range, onto: Range) -> FloatArray:
    factor = (onto[1] - onto[0]) / (held[1] - held[0])
    return np.asarray(
        x * np.float32(factor) + np.float32(onto[0] - held[0] * factor), dtype=np.float32
    )


def _by_channel(
    x: FloatArray, axis: int, means: tuple[float, ...], deviations: tuple[float, ...] = (1, 1, 1)
) -> FloatArray:
    shape = [1] * x.ndim
    shape[axis] = 3
    middle, spread = (np.array(one, np.float32).reshape(shape) for one in (means, deviations))
    return np.asarray((x - middle) / spread, np.float32)


def _channel_axis(shape: tuple[int, ...], scale: Scale) -> int:
    if len(shape) == 4:
        for axis in (3, 1):
            if shape[axis] == 3:
                return axis
    raise ModelError(
        f"--scale {scale.name} needs images of three channels, and inputs have the shape "
        f"{shape[1:]}"
    )
