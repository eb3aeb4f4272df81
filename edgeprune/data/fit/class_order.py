"""Whether the model's classes are those of the labels, in another order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.tasks import Head
from edgeprune.tasks.metrics import class_numbers, classes_of

MIN_OF_CLASS = 5
"""Fewer samples of a class tell nothing about it. Source: ours."""

GAIN = 0.2
"""Share of samples that must be right in the other order beside those in this one. Ours."""


def class_order(
    head: Head, outputs: Array, targets: Array, names: Sequence[str] = ()
) -> tuple[str, float]:
    """Names the order in which the model seems to have the classes; empty if it is the labels'.

    It is another one if most samples of a class are given the same wrong class, no two classes the
    same one, and clearly more samples are right that way.

    Args:
        head: One with labels.
        outputs: ``(n, ...)``.
        targets: ``(n, ...)``.
        names: Of the classes, by number; empty where they have none.

    Returns:
        A line, and the share of samples that are right in that order.
    """
    if head.task != "classification":
        return "", 0.0
    answers, labels = classes_of(head, outputs), class_numbers(head, targets)
    given: dict[int, int] = {}
    gained = 0
    for label in np.unique(labels):
        here = answers[labels == label]
        counts = np.bincount(here[here >= 0])
        if len(here) < MIN_OF_CLASS or not counts.size or 2 * counts.max() <= len(here):
            continue
        given[int(label)] = int(counts.argmax())
        gained += int(counts.max()) - int((here == label).sum())
    moved = {label: answer for label, answer in given.items() if label != answer}
    is_order = len(set(given.values())) == len(given) and len(moved) > 1
    if not is_order or gained < GAIN * len(labels):
        return "", 0.0
    right = (gained + int((answers == labels).sum())) / len(labels)
    line = (
        f"the model's classes seem to be in another order: {_listed(moved, names)}; so read, "
        f"{right:.1%} of {len(labels):,} test samples are right: "
        f"{_remedy(moved, len(given), names)}"
    )
    return line, right


def _listed(moved: dict[int, int], names: Sequence[str]) -> str:
    steps = {answer - label for label, answer in moved.items()}
    if len(steps) == 1 and len(moved) > 2:
        step = steps.pop()
        return f"it answers with numbers that are {abs(step)} {'higher' if step > 0 else 'lower'}"
    texts = [
        f"class {label}{f' ({names[label]})' if names else ''} is answered with {answer}"
        for label, answer in list(moved.items())[:3]
    ]
    more = len(moved) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


def _remedy(moved: dict[int, int], known: int, names: Sequence[str]) -> str:
    if not names:
        return "number the labels as in training"
    numbers = all(name.isdecimal() for name in names)
    why = " (10 comes before 2: call them 02 and so on)" if numbers and len(names) > 10 else ""
    return f"call the folders so that their alphabetical order is that of training{why}"
