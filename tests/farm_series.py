"""Series of nights as devices make them: a level, its noise, and perhaps one true step."""

from dataclasses import dataclass

import numpy as np

from edgeprune.farm.trends.confirmation import SESSIONS, judged
from edgeprune.farm.trends.series import SAME_PLACE, followed

NIGHTS, EARLIEST = 45, 12
"""Nights of a series, and the first on which a true step may lie."""

SCALES = (0.003, 0.015)
"""Standard deviation from run to run: of a quiet board, and what `edgeprune run` showed on a shared
machine whose two cores seven others used (benchmarks/run_trials.py: 1.4 %)."""

STEPS = (0.03, 0.10)

KINDS = ("steady", "heavy tails", "outliers", "two levels", "drift", "season")


@dataclass(frozen=True)
class Series:
    """One series.

    Attributes:
        kind: Which noise it has.
        values: Microseconds, one a night.
        step: First night after the true step; None where there is none.
        size: Of the step, as a logarithm.
        scale: Standard deviation of one night.
        upper: How often it is on the upper one of two levels, and how far that lies above.
    """

    kind: str
    values: np.ndarray
    step: int | None
    size: float
    scale: float
    upper: tuple[float, float]


def noise(kind, count, scale, upper, rng):
    """Logarithms of noise around the level, shape ``(count,)``."""
    logs = rng.normal(0, scale, count)
    if kind == "heavy tails":
        logs = scale * np.clip(rng.standard_t(3, count), -12, 12) / np.sqrt(3)
    elif kind == "outliers":
        logs += (rng.random(count) < 0.04) * rng.uniform(0.04, 0.4, count)
    elif kind == "two levels":
        logs += (rng.random(count) < upper[0]) * upper[1]
    elif kind == "drift":
        logs += np.cumsum(rng.normal(0, scale / 6, count))
    elif kind == "season":
        logs += 0.01 * np.sin(np.arange(count) / rng.uniform(2, 10) + rng.uniform(0, 6))
    return logs


def series(kind, has_step, rng):
    """A series of a kind."""
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    upper = rng.uniform(0.1, 0.5), rng.uniform(0.01, 0.05)
    logs = np.log(rng.uniform(100, 1e5)) + noise(kind, NIGHTS, scale, upper, rng)
    step, size = None, 0.0
    if has_step:
        step = int(rng.integers(EARLIEST, NIGHTS - 2))
        size = float(np.log1p(rng.uniform(*STEPS)) * rng.choice([-1, 1]))
        logs[step:] += size
    return Series(kind, np.exp(logs), step, size, scale, upper)


def rerun_of(one, rng):
    """A re-run of old and new side by side, drawn from the series' own noise."""

    kind = "steady" if one.kind in ("drift", "season") else one.kind  # those take many nights

    def rerun(old, new):
        is_there = one.step is not None and old < one.step <= new
        sides = [
            np.exp(noise(kind, SESSIONS, one.scale, one.upper, rng) + shift)
            for shift in (0.0, one.size if is_there else 0.0)
        ]
        return judged(*sides)

    return rerun


@dataclass
class Score:
    """What became of many series.

    Attributes:
        series: How many.
        steps: True steps among them.
        delays: Nights measured after each true step until it was told, 1 for the first.
        false: Changes that were told and are none.
        reruns: Suspicions that were re-run.
    """

    series: int = 0
    steps: int = 0
    delays: tuple[int, ...] = ()
    false: int = 0
    reruns: int = 0

    @property
    def missed(self):
        """Steps that were not told within two nights."""
        return self.steps - sum(delay <= 2 for delay in self.delays)

    def add(self, one, rng):
        """Follows one series."""
        decisions = followed(one.values, rerun_of(one, rng))
        told = [decision for decision in decisions if decision.is_confirmed]
        right = [d for d in told if one.step is not None and abs(d.first - one.step) <= SAME_PLACE]
        self.series += 1
        self.steps += one.step is not None
        self.reruns += len(decisions)
        self.false += len(told) - len(right[:1])
        if right:
            self.delays += (right[0].night - one.step + 1,)
