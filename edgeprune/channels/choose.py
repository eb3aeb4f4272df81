"""Decides how many units of each group go, and which."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeprune.channels.criteria.base import Scorer
from edgeprune.channels.evidence import Scores
from edgeprune.channels.groups import Group
from edgeprune.channels.identities import Ids
from edgeprune.errors import ModelError

Scope = Literal["local", "global", "macs"]
Choice = Callable[[float], list[Ids]]
"""From a pruning ratio to the positions of the units to remove, for each group."""

Shares = NDArray[np.float64]

_HALVINGS = 50
"""Of an interval of multiply-accumulates: to less than one."""

_STEPS = 1024
"""Ratios are searched in steps of this fraction. Source: ours."""


MULTIPLES = 2
"""Of fewer multiples a group is small: nothing of it could go. Source: ours; with 3 a small ResNet
gained less at the same multiply-accumulates, since kernels take whole multiples."""

FINEST = 2
"""Channels to whose multiples a small group is rounded at least. Source: ours."""


@dataclass(frozen=True)
class Rounding:
    """How what stays of a group is rounded up.

    Attributes:
        to: To a multiple of so many channels.
        is_finer: Whether small groups, of less than :data:`MULTIPLES` such multiples, are rounded
            to half of it, a quarter and so on, as far as :data:`FINEST`.
    """

    to: int = 1
    is_finer: bool = False

    def step(self, group: Group) -> int:
        """Units of a group that are a multiple."""
        to = self.to
        while self.is_finer and to >= 2 * FINEST and MULTIPLES * to > group.channels:
            to //= 2
        return to // math.gcd(to, group.width)


def scores_of(groups: Sequence[Group], criterion: Scorer) -> list[Scores | None]:
    """The criterion's scores, checked.

    Raises:
        ModelError: They have another shape, or are not numbers.
    """
    by_group: list[Scores | None] = []
    for group in groups:
        scores = criterion(group)
        if scores is not None and (
            np.shape(scores) != (group.units,) or not np.isfinite(scores).all()
        ):
            raise ModelError(
                f"the criterion's scores for group {group.name} have the shape "
                f"{np.shape(scores)}, or are not finite: expected {group.units} numbers"
            )
        by_group.append(scores)
    return by_group


def local_choice(
    groups: Sequence[Group], scores: Sequence[Scores | None], rounding: Rounding
) -> Choice:
    """The same share of every group."""

    def choose(ratio: float) -> list[Ids]:
        counts = [math.floor(ratio * group.units + 1e-9) for group in groups]
        return _lowest(groups, scores, counts, rounding)

    return choose


def global_choice(
    groups: Sequence[Group], scores: Sequence[Scores | None], rounding: Rounding
) -> Choice:
    """The lowest scores of the whole model, counted in channels.

    What limits and rounding keep is not taken from other groups instead.
    """
    scored = [k for k, one in enumerate(scores) if one is not None]
    values = np.concatenate([np.zeros(0), *(scores[k] for k in scored if scores[k] is not None)])
    owners = np.repeat(scored, [groups[k].units for k in scored]).astype(np.intp)
    order = np.argsort(values, kind="stable")
    widths = np.array([groups[k].width for k in owners[order]])
    taken = np.cumsum(widths)

    def choose(ratio: float) -> list[Ids]:
        share = ratio * taken[-1] + 1e-9 if len(taken) else 0.0
        counts = np.bincount(owners[order[taken <= share]], minlength=len(groups))
        return _lowest(groups, scores, counts.tolist(), rounding)

    return choose


def macs_choice(
    groups: Sequence[Group],
    scores: Sequence[Scores | None],
    rounding: Rounding,
    macs: Sequence[float],
) -> Choice:
    """Groups on which more multiply-accumulates hang lose more.

    What stays of a group is a share in inverse proportion to its multiply-accumulates, or all of
    it. Of all ways to the same sum of multiply-accumulates, each counted in proportion to what
    stays of its group, this one has the largest product of the groups' shares: layers on large
    maps, which have few weights and cost most, give more.

    Source: the largest product is F. Kelly's proportional fairness (Charging and rate control for
    elastic traffic, 1997); to share channels by it is ours. benchmarks/resnet8.py shows what it
    gains.

    Args:
        groups: All that may lose units.
        scores: Which units of a group go first.
        rounding: As of the other choices.
        macs: What the model would save without each group.
    """
    sizes = np.array([float(group.channels) for group in groups])
    inverse = 1 / np.maximum(macs, 1.0)

    def kept(level: float) -> Shares:
        return np.minimum(1.0, level * inverse)

    def choose(ratio: float) -> list[Ids]:
        low, high = 0.0, 1 / float(inverse.min())
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            is_too_many = kept(middle) @ sizes > (1 - ratio) * sizes.sum()
            low, high = (low, middle) if is_too_many else (middle, high)
        shares = kept(high)
        counts = [
            math.floor((1 - share) * group.units + 1e-9)
            for share, group in zip(shares.tolist(), groups, strict=True)
        ]
        return _lowest(groups, scores, counts, rounding)

    return choose


def smallest_ratio(choose: Choice, cost: Callable[[list[Ids]], float], most: float) -> float:
    """The smallest ratio whose cost is at most ``most``; the cost must not grow with the ratio.

    Raises:
        ModelError: No ratio reaches it.
    """
    low, high = 0, _STEPS - 1
    least = cost(choose(high / _STEPS))
    if least > most:
        raise ModelError(
            f"at most {most:.0f} multiply-accumulates were asked for, and {least:.0f} are left "
            "when all that may go is removed: ask for fewer, or ignore fewer layers"
        )
    while low < high:
        middle = (low + high) // 2
        if cost(choose(middle / _STEPS)) <= most:
            high = middle
        else:
            low = middle + 1
    return high / _STEPS


def _lowest(
    groups: Sequence[Group],
    scores: Sequence[Scores | None],
    counts: Sequence[int],
    rounding: Rounding,
) -> list[Ids]:
    """Of each group the units of lowest score, earlier ones first where scores are equal."""
    chosen = []
    for group, values, count in zip(groups, scores, counts, strict=True):
        if values is None:
            chosen.append(np.zeros(0, np.intp))
            continue
        count = min(count, math.floor(group.max_ratio * group.units + 1e-9))
        count = group.units - _kept(group, group.units - count, rounding)
        chosen.append(np.sort(np.argsort(values, kind="stable")[:count]))
    return chosen


def _kept(group: Group, units: int, rounding: Rounding) -> int:
    """``units``, or as many more as make the channels a multiple; at least one."""
    units = max(units, 1)
    step = rounding.step(group)
    return min(-(-units // step) * step, group.units)
