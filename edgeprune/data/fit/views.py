"""Which other views of its images a model may be trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.data.augment import KINDS, SHIFT, augmented, kinds_of
from edgeprune.data.fit.other_scales import some_of
from edgeprune.data.fit.skill import skill_of
from edgeprune.errors import ModelError

MAX_SAMPLES = 256
"""Training samples whose other views are tried. Source: ours."""

LOSS = 0.05
"""Share of right answers that other views may cost the dense model. Source: ours."""

_DONE = {
    "flips": "mirrored left to right",
    "shifts": f"moved by up to {SHIFT:.0%}",
}


def views(
    data: Dataset, answer: Callable[[Array], Sequence[Array]], word: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Other views to train on, and what is to be said of them.

    Where nobody says which, folders of images have those that the dense model bears: a model that
    tells left from right, or a 6 from a mirrored one, is right on fewer of its training images
    when they are mirrored, and must not be trained so.

    Args:
        data: With its task.
        answer: The dense model's answers.
        word: Of :data:`edgeprune.data.augment.CHOICES`.

    Raises:
        ModelError: Views are asked for, and the data are no images of classes.
    """
    if word == "auto":
        return _borne(data, answer) if data.classes and data.x_train is not None else ((), ())
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


def _borne(
    data: Dataset, answer: Callable[[Array], Sequence[Array]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if data.x_train is None or data.y_train is None or data.task is None or not _are_images(data):
        return (), ()
    chosen = some_of(len(data.x_train), MAX_SAMPLES)
    head, x, y = data.task.heads[0], data.x_train[chosen], data.y_train[chosen]

    def right(images: Array) -> float:
        return float(skill_of(head, answer(images)[0], y).each.mean())

    before = right(x)
    kept, lines = [], []
    for kind in KINDS:
        after = right(augmented(x, [kind], np.random.default_rng(0), always=True))
        if after >= before - LOSS:
            kept.append(kind)
        else:
            lines.append(
                f"images are not {_DONE[kind]} in training: the dense model is right on "
                f"{after:.1%} of such views, and on {before:.1%} as they are"
            )
    return tuple(kept), (*([_line(kept)] if kept else []), *lines)


def _line(kinds: Sequence[str]) -> str:
    changes = " and ".join(_DONE[kind] for kind in kinds)
    return f"images are {changes} in training (--augment none leaves them as they are)"
