"""Whether the dense model and the user's data belong together, asked before anything is trained.

A trained model is far better than chance on the data that it is for. Where it is not, something is
wrong that no training should paper over: inputs in another range, classes in another order, labels
of something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeprune.artifacts.arrays import Array
from edgeprune.artifacts.dataset import Dataset
from edgeprune.data.fit.class_order import class_order
from edgeprune.data.fit.other_scales import better_scale, some_of
from edgeprune.data.fit.skill import Skill, skill_of
from edgeprune.data.fit.views import views
from edgeprune.data.scale import held_range, range_text
from edgeprune.tasks import Task, classes_of

__all__ = ["misfit", "some_of", "views"]

Answer = Callable[[Array], Sequence[Array]]
"""Gives one array ``(k, ...)`` per output for inputs ``(k, ...)``."""

MAX_SAMPLES = 512
"""Test samples that are looked at, at most. Source: ours; a share is then known to 4 points."""

MIN_SAMPLES = 50
"""Fewer tell nothing about chance. Source: ours."""

GOOD = 0.97
"""Skill from which on nothing is doubted: not even a better scale could gain much."""

WEAK = 0.1
"""Skill of which chance may be the reason. Source: ours."""


def misfit(data: Dataset, answer: Answer) -> str:
    """Why model and data hardly belong together, in one line with what to do; empty if they may.

    Args:
        data: With its task.
        answer: The dense model's answers.
    """
    task, targets = data.task, data.targets_test
    if task is None or targets is None:
        return ""
    chosen = some_of(len(data.x_test), MAX_SAMPLES)
    x, wanted = data.x_test[chosen], task.split(targets[chosen])
    outputs = answer(x)
    if task.is_taught:
        return _one_class(data, task, outputs)
    found = {
        k: skill_of(task.heads[k], outputs[k], labels)
        for k, labels in enumerate(wanted)
        if labels is not None
    }
    worst = min(found, key=lambda k: found[k].value)
    head, skill, labels = task.heads[worst], found[worst], wanted[worst]
    if skill.value >= GOOD or labels is None:
        return ""

    def skill_with(inputs: Array, few: Array) -> Skill:
        kept = wanted[worst]
        targets_now = inputs if data.is_reproduced or kept is None else kept[few]
        return skill_of(head, answer(inputs)[worst], targets_now)

    held = data.held or held_range(data.x_test)
    order, right = class_order(head, outputs[worst], labels, data.classes)
    better, right_then = better_scale(x, held, skill, skill_with, data.x_train)
    if line := order if order and right > right_then else better or order:
        return f"{data.source}: {line}"
    if 0 < len(data.classes) < head.classes and head.task == "classification":
        return f"{data.source}: {_too_few(len(data.classes), head.classes, skill)}"
    if len(x) >= MIN_SAMPLES and skill.value < WEAK and skill.may_be_chance:
        inside = range_text(held) if held else f"{float(x.min()):g} to {float(x.max()):g}"
        return f"{data.source}: {_by_chance(head.name, len(task.heads), skill, data, inside)}"
    return ""


def _one_class(data: Dataset, task: Task, outputs: Sequence[Array]) -> str:
    """What is doubtful of data without labels: that the model tells nothing apart in it."""
    for head, rows in zip(task.heads, outputs, strict=True):
        classes = classes_of(head, rows)
        if head.is_taught and len(classes) >= MIN_SAMPLES and (classes == classes[0]).all():
            return (
                f"{data.source}: the model answers class {classes[0]} to each of {len(classes):,} "
                "samples: likely causes are inputs in another range than in training (see "
                "--scale), or samples of one class alone"
            )
    return ""


def _too_few(folders: int, classes: int, skill: Skill) -> str:
    return (
        f"holds {folders} classes, and the model tells {classes} apart: folders are numbered in "
        "alphabetical order, so that one that is missing gives the later ones wrong numbers (the "
        f"model {skill.words}): add what is missing, or give an .npz file with the model's numbers"
    )


def _by_chance(name: str, heads: int, skill: Skill, data: Dataset, inside: str) -> str:
    of_head = f"output {name!r} of the model" if heads > 1 else "the model"
    order = f"class 0 = {data.classes[0]}" if data.classes else "which class is 0"
    causes = [f"inputs in another range than in training (they lie in {inside}; see --scale)"]
    if skill.has_classes:
        causes.append(f"classes in another order ({order})")
    causes.append("labels of something else")
    causes.append("channels as BGR (--scale bgr)" if data.x_test.ndim == 4 else "other features")
    return (
        f"{of_head} {skill.words}, no better than {skill.chance_words}: likely causes are "
        f"{', '.join(causes)}"
    )
