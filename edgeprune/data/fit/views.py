"""Which other views of its images a model may be trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.data.augment import KINDS, SHIFT, augmented, kinds_of
from edgeprune.data.fit.other_scales import some_of
from edgeprune.data.fit.skill import skill_of
from edgeprune.errors import ModelError
from edgeprune.tasks.metrics import class_numbers

MAX_SAMPLES = 256
"""Training samples whose other views are tried. Source: ours."""

LOSS = 0.05
"""Share of right answers that other views may cost the dense model. Source: ours."""

LEAST_OF_CLASS = 0.5
"""Share of a class's right answers that other views must leave. Source: ours; a class that becomes
another one when it is mirrored, as a "b" does, keeps next to none.
"""

MIN_OF_CLASS = 8
"""Fewer samples of a class tell nothing about it. Source: ours."""

_DONE = {
    "flips": "mirrored left to right",
    "shifts": f"moved by up to {SHIFT:.0%}",
}


def views(
    data: Dataset, answer: Callable[[Array], Sequence[Array]], word: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Other views to train on, and what is to be said of them.

    Where nobody says which, colour images and folders of images have those that the dense model
    bears: a model that tells left from right, or a 6 from a mirrored one, is right on fewer
    of its training images when they are mirrored, and must not be trained so.

    Args:
        data: With its task.
        answer: The dense model's answers.
        word: Of :data:`edgeprune.data.augment.CHOICES`.

    Raises:
        ModelError: Views are asked for, and the data are no images of classes.
    """
    if word == "auto":
        return _borne(data, answer) if _may_be_seen_otherwise(data) else ((), ())
    kinds = kinds_of(word)
    if kinds and (data.x_train is None or not _are_images(data)):
        raise ModelError(
            f"{data.source}: --augment {word} needs images of classes to train on: leave it out"
        )
    return kinds, (_line(kinds),) if kinds else ()


def _are_images(data: Dataset) -> bool:
    task = data.task
    is_of_classes = task is not None and [head.task for head in task.heads] == ["classification"]
    return is_of_classes and data.x_test.ndim in (3, 4)


def _may_be_seen_otherwise(data: Dataset) -> bool:
    """Whether the samples are pictures of something, and not changed anew in each epoch already.

    Arrays of one channel may be spectrograms, which nobody mirrors.
    """
    if data.x_train is None or data.y_train is None or data.fresh or not _are_images(data):
        return False
    shape = data.x_test.shape
    return bool(data.classes) or (len(shape) == 4 and 3 in (shape[1], shape[3]))


@dataclass(frozen=True, eq=False)
class _Answered:
    """How a model answers some images: which of them rightly, and their classes' numbers."""

    right: Array
    labels: Array

    @property
    def share(self) -> float:
        return float(self.right.mean())


def _borne(
    data: Dataset, answer: Callable[[Array], Sequence[Array]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if data.x_train is None or data.y_train is None or data.task is None:
        return (), ()
    head = data.task.heads[0]

    def answered(images: Array, labels: Array) -> _Answered:
        each = skill_of(head, answer(images)[0], labels).each
        return _Answered(each, class_numbers(head, labels))

    chosen = some_of(len(data.x_train), MAX_SAMPLES)
    x, y = data.x_train[chosen], data.y_train[chosen]
    before = answered(x, y)
    if data.y_test is not None:
        # Of images that it was trained on it may know every pixel; other views are new to it.
        few = some_of(len(data.x_test), MAX_SAMPLES)
        unseen = answered(data.x_test[few], data.y_test[few])
        before = min(before, unseen, key=lambda one: one.share)
    kept, lines = [], []
    for kind in KINDS:
        after = answered(augmented(x, [kind], np.random.default_rng(0), always=True), y)
        lost = _lost_class(before, after)
        if after.share >= before.share - LOSS and lost is None:
            kept.append(kind)
        else:
            taken = (
                "" if lost is None else f"; it takes most of class {_name(data, lost)} for others"
            )
            lines.append(
                f"images are not {_DONE[kind]} in training: the dense model is right on "
                f"{after.share:.1%} of such views, and on {before.share:.1%} of images as they "
                f"are{taken}"
            )
    return tuple(kept), (*([_line(kept)] if kept else []), *lines)


def _lost_class(before: _Answered, after: _Answered) -> int | None:
    """The first class of which other views leave less than :data:`LEAST_OF_CLASS`, or None."""
    for number in np.unique(before.labels):
        one, other = (each.right[each.labels == number] for each in (before, after))
        is_known = min(len(one), len(other)) >= MIN_OF_CLASS
        if is_known and other.mean() < LEAST_OF_CLASS * one.mean():
            return int(number)
    return None


def _name(data: Dataset, number: int) -> str:
    return data.classes[number] if number < len(data.classes) else str(number)


def _line(kinds: Sequence[str]) -> str:
    changes = " and ".join(_DONE[kind] for kind in kinds)
    return f"images are {changes} in training (--augment none leaves them as they are)"
