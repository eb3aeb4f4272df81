"""Whether the model would do clearly better on the same inputs, scaled in another usual way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from edgeprune.artifacts.arrays import Array
from edgeprune.data.fit.skill import Skill
from edgeprune.data.scale import WORDS, Range, Scale, range_text, scaled

USUAL: tuple[Range, ...] = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))

FIRST = 96
"""Samples on which a scale must do better at all, before the others are asked. Source: ours."""

GAIN = 0.03
"""Least gain of skill that counts. Source: ours."""

LEAST_SKILL = 0.3
"""A scale is the right one only if the model knows something with it. Source: ours."""

SIGMAS = 3.0
"""By how many standard errors more samples must be answered better than worse. Source: ours; chance
alone does so for one scale in 700.
"""


def better_scale(
    x: Array,
    held: Range | None,
    now: Skill,
    skill_with: Callable[[Array, Array], Skill],
    x_train: Array | None = None,
) -> tuple[str, float]:
    """Names the scale that the model was clearly made for, in one line; empty if there is none.

    Args:
        x: Test inputs ``(n, ...)``.
        held: The range that they are meant to lie in, or None.
        now: The skill on them as they are.
        skill_with: The skill on other inputs in place of those with the given indices.
        x_train: Where means and deviations of features are taken from, or None.

    Returns:
        A line, and how well the samples are then answered, on average.
    """
    best, best_skill = "", now
    everything, few = np.arange(len(x)), some_of(len(x), FIRST)
    for typed, where, make in _ways(x, held, x_train):
        first = skill_with(make(x[few]), few)
        if _lead(now.each[few], first.each) < SIGMAS / 3:
            continue
        after = skill_with(make(x), everything)
        if after.value > max(best_skill.value, now.value + GAIN, LEAST_SKILL) and (
            _lead(now.each, after.each) > SIGMAS
        ):
            best, best_skill = f"{where}: {typed}", after
    if not best:
        return "", 0.0
    inside = range_text(held) if held else f"{float(x.min()):g} to {float(x.max()):g}"
    line = f"the model {now.words} as they are ({inside}), but {best_skill.words} {best}"
    return line, float(best_skill.each.mean())


def some_of(count: int, most: int) -> Array:
    """Indices of up to ``most`` samples, drawn always alike, in rising order.

    Every so-manieth one would not do: labels often come in turns.
    """
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def _ways(
    x: Array, held: Range | None, x_train: Array | None
) -> Iterator[tuple[str, str, Callable[[Array], Array]]]:
    """What the user is to do, where the samples are then, and how it is tried."""
    if held is not None:
        for onto in USUAL:
            if onto != held:
                scale = Scale(f"{onto[0]:g}..{onto[1]:g}", onto)
                yield f"give --scale {scale.name}", f"in {range_text(onto)}", _way(scale, held)
        if x.ndim == 4 and 3 in (x.shape[1], x.shape[3]):
            for word in WORDS:
                scale = Scale(word)
                yield f"give --scale {word}", scale.done(held), _way(scale, held)
    if x.ndim == 2 and len(x) > 1:
        source = x if x_train is None else x_train
        mean, deviation = source.mean(axis=0), source.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1).astype(np.float32)
        yield (
            "scale them in the data as they were in training",
            "with each feature scaled to mean 0 and deviation 1",
            lambda values: np.asarray((values - mean) / deviation, np.float32),
        )


def _way(scale: Scale, held: Range) -> Callable[[Array], Array]:
    return lambda values: scaled(values, scale, held)


def _lead(now: Array, after: Array) -> float:
    """By how many standard errors more samples are answered better than worse: the sign test."""
    changed = int((after != now).sum())
    return float(((after > now).sum() - (after < now).sum()) / math.sqrt(changed or 1))
