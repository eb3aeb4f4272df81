"""How one array of targets may be read beside one output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.errors import ModelError
from edgeprune.tasks.head import Array, Kind
from edgeprune.tasks.output import Output

NO_CLASS = 255
"""What masks hold where a pixel has no class. Source: Pascal VOC's masks of 8 bits."""

_TOLERANCE = 1e-4
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Reading:
    """The readings that one part's targets allow, the likeliest first.

    Attributes:
        kinds: Tasks.
        labels: The form of the labels, in words.
        targets: In the output's layout: ``(n, *places)`` numbers, or ``(n, *places, classes)``.
        low: Lowest value.
        high: Highest value.
    """

    kinds: tuple[Kind, ...]
    labels: str
    targets: Array
    low: float
    high: float


def read(name: str, y: Array, output: Output) -> Reading:
    """All readings of some targets beside an output.

    Args:
        name: Of the array, for messages.
        y: Targets ``(n, ...)`` of numbers, finite.
        output: The output that they are for.

    Raises:
        ModelError: There is none.
    """
    shape = output.head_shape
    places, channels = shape[:-1], shape[-1]
    size, kept = math.prod(y.shape[1:]), tuple(axis for axis in y.shape[1:] if axis != 1)
    low, high = float(y.min()), float(y.max())
    is_placed = len(kept) < 2 or len(places) < 2 or kept[: len(places)] == places
    if channels == 1 and size == math.prod(places) and is_placed:
        return _single(y.reshape(len(y), *places), places, low, high)
    if channels > 1 and size == math.prod(places) and is_placed:
        return _numbers(name, y.reshape(len(y), *places), channels, low, high)
    if size == math.prod(shape) and (is_placed or not places):
        is_exclusive = output.activation == "softmax"
        return _full(y.reshape(len(y), *shape), places, (low, high), is_exclusive)
    if size == 1:
        raise ModelError(
            f"{name} has one label a sample, and output {output.name!r} gives {shape}: expected "
            f"masks of shape {places} or values of shape {shape}"
        )
    gives = f"{channels}" if not places else f"{shape}"
    found = f"{size} values a sample" if len(y.shape) < 3 else f"targets of shape {y.shape[1:]}"
    hint = "; sequences of labels of another length than the outputs (CTC) are not supported"
    raise ModelError(
        f"{name} has {found}, the model gives {gives}" + (hint if len(places) == 1 else "")
    )


def _single(y: Array, places: tuple[int, ...], low: float, high: float) -> Reading:
    """Targets of an output that has one value at each place."""
    word: Kind = "segmentation" if places else "classification"
    if _among(y, (0, 1)):
        return Reading((word, "multilabel", "regression"), "0 and 1", y, low, high)
    if places and _among(y, (0, 255)):
        return Reading((word, "regression"), "0 and 255", y, low, high)
    if _among(y, (-1, 1)):
        return Reading((word, "regression"), "-1 and 1", y, low, high)
    if _are_two_shares(y, low, high):
        return Reading((word, "multilabel", "regression"), "smoothed", y, low, high)
    if places and _has_class_or_none(y):
        return Reading((word, "regression"), "0 and 1", y, low, high)
    return Reading(("regression",), _values(y), y, low, high)


def _numbers(name: str, y: Array, classes: int, low: float, high: float) -> Reading:
    """Class numbers of an output that has several values at each place."""
    places = y.shape[1:]
    if not _is_whole(y):
        raise ModelError(
            f"{name} has one value a sample that is no class number, and the model gives {classes}"
        )
    if places and classes == 2 and high == NO_CLASS and _among(y, (0, NO_CLASS)):
        return Reading(("segmentation",), "0 and 255", y, low, high)
    if not places and classes == 2 and _among(y, (-1, 1)):
        return Reading(("classification",), "-1 and 1", y, low, high)
    known = y[(y != -1) & (y != NO_CLASS)]
    first, last = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    is_known = 0 <= first and last < classes
    may_lack = bool(places) and classes <= NO_CLASS
    if not is_known or not (may_lack or (low >= 0 and high < classes)):
        hint = ": count classes from 0" if first >= 1 and last == classes else ""
        if is_known:
            none = low if low < 0 else high
            hint = f": leave out the samples that have no class ({none:g})"
        first, last = (low, high) if not may_lack else (first, last)
        raise ModelError(
            f"{name} has labels from {first:g} to {last:g}, the model tells "
            f"classes 0 to {classes - 1} apart{hint}"
        )
    word: Kind = "segmentation" if places else "classification"
    return Reading((word,), "class-number", y, low, high)


def _full(
    y: Array, places: tuple[int, ...], bounds: tuple[float, float], is_exclusive: bool
) -> Reading:
    """A value for each class or output, whose classes may exclude one another."""
    low, high = bounds
    word: Kind = "segmentation" if places else "classification"
    is_summed = low >= 0 and high <= 1 and _sums_to_one(y)
    if _among(y, (0, 1)) or _among(y, (-1, 1)):
        most, least = _ones_a_row(y)
        form = "0 or 1" if low >= 0 else "-1 or 1"
        if most == least == 1:
            return Reading((word, "multilabel", "regression"), "one-hot", y, low, high)
        if places and most == 1:  # some places have no class, if classes exclude one another
            either: tuple[Kind, ...] = ("multilabel", "segmentation")
            either = either[::-1] if is_exclusive else either
            return Reading((*either, "regression"), "one-hot" if is_exclusive else form, y, *bounds)
        return Reading(("multilabel", "regression"), form, y, low, high)
    if is_summed:
        kinds: tuple[Kind, ...] = (word, "regression")
        return Reading(kinds if _is_smoothed(y) else kinds[::-1], "soft", y, low, high)
    if _are_two_shares(y, low, high):
        return Reading(("multilabel", "regression"), "0 or 1", y, low, high)
    return Reading(("regression",), "values", y, low, high)


def _chunks(y: Array) -> Sequence[Array]:
    flat = y.reshape(-1)
    return [flat[k : k + _CHUNK] for k in range(0, len(flat), _CHUNK)]


def _among(y: Array, values: tuple[float, float]) -> bool:
    return all(bool(((c == values[0]) | (c == values[1])).all()) for c in _chunks(y))


def _has_class_or_none(y: Array) -> bool:
    """Whether all are class 0, class 1, or no class."""
    return all(bool(np.isin(c, (0, 1, -1, NO_CLASS)).all()) for c in _chunks(y))


def _are_two_shares(y: Array, low: float, high: float) -> bool:
    """Whether there are two values that lie alike around one half, as of smoothed labels."""
    is_around = 0 < low < 0.5 < high < 1 and abs(low + high - 1) < _TOLERANCE
    return is_around and _among(y, (low, high))


def _ones_a_row(y: Array) -> tuple[int, int]:
    """How many ones rows hold, at most and at least."""
    rows = y.reshape(-1, y.shape[-1])
    step = max(1, _CHUNK // rows.shape[1])
    counts = [(rows[k : k + step] == 1).sum(axis=1) for k in range(0, len(rows), step)]
    return max(int(one.max()) for one in counts), min(int(one.min()) for one in counts)


def _is_whole(y: Array) -> bool:
    return y.dtype.kind in "iub" or all(bool((c == np.rint(c)).all()) for c in _chunks(y))


def _sums_to_one(y: Array) -> bool:
    rows = y.reshape(-1, y.shape[-1])
    step = max(1, _CHUNK // rows.shape[1])
    return all(
        bool((np.abs(rows[k : k + step].sum(axis=1, dtype=np.float64) - 1) < _TOLERANCE).all())
        for k in range(0, len(rows), step)
    )


def _is_smoothed(y: Array) -> bool:
    """Whether each row has one high value and the same low one for every other class."""
    rows = np.sort(y.reshape(-1, y.shape[-1]).astype(np.float64), axis=1)
    has_one_peak = (rows[:, -1] - rows[:, -2] > _TOLERANCE).all() if rows.shape[1] > 2 else True
    return bool(has_one_peak and (np.abs(rows[:, 0] - rows[:, -2]) < _TOLERANCE).all())


def _values(y: Array) -> str:
    whole = "whole numbers" if _is_whole(y) else "values"
    return f"{whole} {float(y.min()):.4g} to {float(y.max()):.4g}"
