"""Detectors that vote on whether the last nights of a series stand apart from those before.

Each sees the logarithms of one figure, a value a night, and asks its own question: how far the last
nights lie from the level before, in units of the scatter; whether their ranks are extreme; whether
a model of constant stretches needs a break before them. They are set to be easily alarmed, since a
re-run has the last word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import ruptures
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

MIN_BEFORE = 5
"""Nights of a series before anything is compared with them: fewer tell no scatter. Source: ours."""

MIN_LEVEL = 2
"""Nights of a new level before anything is compared with it: the scatter is known from before."""

MAX_AFTER = 3
"""Last nights among which a change is looked for; an older one was found or denied before."""

WINDOW = 40
"""Nights before that count; older ones say nothing about a device of today. Source: ours."""

SMALLEST = 0.012
"""Smallest change that is looked at, as a share: two fifths of the 3 % that must be found, whose
first nights may seem smaller. Source: ours, by ``benchmarks/change_points.py``."""

SMALLEST_SCALE = 0.001
"""Scatter that is believed at least: equal values on five nights are luck. Source: ours."""

SHIFT_SCORES = {1: 1.9, 2: 1.6, 3: 1.6}
"""Distance from which on the last one, two or three nights are called shifted, in standard errors.
Source: ours, by ``benchmarks/change_points.py``."""

CLIP = 3.5
"""One wild night counts as so many standard deviations at most. Source: ours."""

WILD = 8.0
"""The same where the place of a change is looked for: a large one shows it well. Source: ours."""

AGREEMENT = 1.5
"""By how many standard deviations a night may count for more than the one beside it that lies
nearest the old level: one wild night makes no level. Source: ours."""

MAX_P = 0.06
"""Of the rank test. Source: ours; two nights beside 20 cannot come below 0.0087, beside 7 below
0.056."""

PENALTY = 2.5
"""What a break costs the model of constant stretches, in variances. Source: ours; Schwarz's
criterion takes the logarithm of the nights, 3 for 20, and is meant for single breaks."""

MIN_VOTES = 2


@dataclass(frozen=True)
class Evidence:
    """The last nights and those before.

    Attributes:
        before: Logarithms of the level before, oldest first.
        after: Logarithms of the nights that may stand apart.
        scale: Standard deviation of one night's logarithm.
    """

    before: Floats
    after: Floats
    scale: float

    @property
    def effect(self) -> float:
        """By how much the nights lie above the level before, as a logarithm."""
        return float(np.median(self.after) - np.median(self.before))

    @property
    def away(self) -> float:
        """Mean distance of the nights from the level before, in standard deviations.

        No night counts for much more than the one that lies nearest the old level does.
        """
        each = (self.after - np.median(self.before)) / self.scale
        most = min(CLIP, float(np.abs(each).min()) + AGREEMENT)
        return float(np.clip(each, -most, most).mean())

    @property
    def score(self) -> float:
        """The same in standard errors."""
        error = math.sqrt(1 / len(self.after) + math.pi / 2 / len(self.before))
        return abs(self.away) / error

    @property
    def gain(self) -> float:
        """How much a break here explains: the sum of squares between both sides, in variances."""
        nights = len(self.before), len(self.after)
        each = np.clip((self.after - np.median(self.before)) / self.scale, -WILD, WILD)
        return float(each.mean() ** 2 * nights[0] * nights[1] / sum(nights))


Detector = Callable[[Evidence], bool]


def shifted(evidence: Evidence) -> bool:
    """Whether the mean of the last nights lies far from the median before.

    Source: robust z-score, B. Iglewicz and D. Hoaglin, How to Detect and Handle Outliers (1993);
    the median's variance is pi / 2 times that of a mean.
    """
    return evidence.score >= SHIFT_SCORES[len(evidence.after)]


def outranked(evidence: Evidence) -> bool:
    """Whether the last nights have extreme ranks; one night alone never has.

    Source: Mann-Whitney test, :func:`scipy.stats.mannwhitneyu`, exact for few nights.
    """
    if len(evidence.after) < 2:
        return False
    test = stats.mannwhitneyu(evidence.before, evidence.after, alternative="two-sided")
    return float(test.pvalue) <= MAX_P


def broken(evidence: Evidence) -> bool:
    """Whether the best model of constant stretches breaks right before the last nights.

    Source: penalized change points, R. Killick et al., Optimal Detection of Changepoints With a
    Linear Computational Cost (2012), as ``ruptures.KernelCPD`` with a linear kernel solves them.
    """
    signal = np.concatenate([evidence.before, evidence.after])
    away = (signal - np.median(evidence.before)) / evidence.scale
    clipped = np.clip(away, -CLIP, CLIP).reshape(-1, 1)
    breaks = ruptures.KernelCPD(kernel="linear", min_size=1).fit(clipped).predict(pen=PENALTY)
    return len(evidence.before) in breaks


DETECTORS: dict[str, Detector] = {"shift": shifted, "ranks": outranked, "segments": broken}


@dataclass(frozen=True)
class Suspicion:
    """A change that enough detectors see.

    Attributes:
        nights: How many of the last nights are after it.
        effect: By how much they lie above the level before, as a logarithm.
        votes: Names of the detectors that see it.
    """

    nights: int
    effect: float
    votes: tuple[str, ...]


def scale_of(stretches: Sequence[Floats]) -> float:
    """Scatter of one night from the levels of all stretches, robust against single wild nights.

    Args:
        stretches: Logarithms between two changes each.

    Returns:
        1.4826 times the median distance from the stretch's median, never below
        :data:`SMALLEST_SCALE`.

    Source: F. R. Hampel, The Influence Curve and its Role in Robust Estimation (1974).
    """
    away = [np.abs(one - np.median(one)) for one in stretches if len(one)]
    scale = 1.4826 * float(np.median(np.concatenate(away))) if away else 0.0
    return max(scale, SMALLEST_SCALE)


def suspicion(stretches: Sequence[Floats]) -> Suspicion | None:
    """What the detectors make of the newest nights.

    Args:
        stretches: Logarithms between two changes each, oldest first; the last one ends tonight.

    Returns:
        The likeliest place of a change, where at least two detectors see one; None where they do
        not, or where the level before is not known yet.
    """
    current = stretches[-1]
    least = MIN_BEFORE if len(stretches) == 1 else MIN_LEVEL
    splits = [
        _split(stretches, nights) for nights in range(1, min(MAX_AFTER, len(current) - least) + 1)
    ]
    seen = [
        votes
        for votes in (_votes(one) for one in splits if abs(one.effect) >= SMALLEST)
        if len(votes) >= MIN_VOTES
    ]
    if not seen:
        return None
    likeliest = max(splits, key=lambda one: one.gain)
    return Suspicion(len(likeliest.after), likeliest.effect, max(seen, key=len))


def suspicion_at(stretches: Sequence[Floats], nights: int) -> Suspicion | None:
    """What the detectors make of a place where a change is to be expected, since the file changed.

    Args:
        stretches: As for :func:`suspicion`.
        nights: How many of the last nights are behind that place.

    Returns:
        None where no detector sees a change there, or the level before is not known yet: one is
        enough here.
    """
    least = MIN_BEFORE if len(stretches) == 1 else MIN_LEVEL
    if not 0 < nights <= min(MAX_AFTER, len(stretches[-1]) - least):
        return None
    evidence = _split(stretches, nights)
    votes = _votes(evidence)
    if not votes or abs(evidence.effect) < SMALLEST:
        return None
    return Suspicion(nights, evidence.effect, votes)


def _split(stretches: Sequence[Floats], nights: int) -> Evidence:
    before = stretches[-1][:-nights][-WINDOW:]
    return Evidence(before, stretches[-1][-nights:], scale_of([*stretches[:-1], before]))


def _votes(evidence: Evidence) -> tuple[str, ...]:
    return tuple(name for name, sees in DETECTORS.items() if sees(evidence))
