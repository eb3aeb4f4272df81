"""By how much two runs of one file differ on one device, minutes or nights apart.

The sessions of one run share what changes slowly: temperature, neighbours, where the system put
things in memory. So they scatter less than runs do, and a comparison of two runs that asks their
sessions alone takes the weather for a change. How far runs lie apart is told by files that were
measured several times on the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from edgeprune.significance.student import student_p, student_t

MIN_DEGREES = 4
"""Fewest degrees of freedom for a verdict: five runs of one file, or two of each of four. With
fewer, Student's quantiles would hide a difference of 10 % even on a quiet device. Source: ours."""

ACROSS_RUNS_P = 0.015
"""Largest p-value of a difference across runs. Source: ours; at most 2 % of the pairs of runs of
one file are to be called different, and the noise is an estimate itself
(``benchmarks/run_trials.py`` measures it)."""


@dataclass(frozen=True)
class RunNoise:
    """How far runs of one file lie apart on a device.

    Attributes:
        scale: Standard deviation of the logarithm of one run's median, so a share.
        degrees: Degrees of freedom of ``scale``: runs less files.
        runs: Runs that it comes from.
        files: Different files, or files in different conditions, among them.
        control: Name of the file in whose times the runs were counted, so that what changes both
            is no noise; empty where they are times.
    """

    scale: float
    degrees: int
    runs: int
    files: int
    control: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there are enough runs for a verdict."""
        return self.degrees >= MIN_DEGREES

    def as_dict(self) -> dict[str, float | int | str | None]:
        """For JSON."""
        return {
            "is_known": self.is_known,
            "scale": self.scale,
            "least_effect": self.least_effect if self.is_known else None,
            "runs": self.runs,
            "files": self.files,
            "control": self.control or None,
        }

    def p_value(self, factor: float) -> float:
        """Probability of a factor at least as far from 1 between two runs of one file.

        Args:
            factor: Of two runs' medians, above 0.
        """
        if not self.scale:
            return 1.0 if factor == 1 else 0.0
        return student_p(math.log(factor) / self._between_two, self.degrees)

    def interval(self, factor: float) -> tuple[float, float]:
        """The 95 % interval of a factor between two runs."""
        reach = math.exp(student_t(self.degrees, 0.95) * self._between_two)
        return factor / reach, factor * reach

    @property
    def least_effect(self) -> float:
        """Smallest difference between two runs that counts, as a share."""
        quantile = student_t(self.degrees, 1 - ACROSS_RUNS_P)
        return math.exp(quantile * self._between_two) - 1

    @property
    def _between_two(self) -> float:
        """Standard deviation of the logarithm of a factor of two runs."""
        return math.sqrt(2) * self.scale


def run_noise(groups: Iterable[Sequence[float]]) -> RunNoise:
    """The noise from run to run of one device.

    Args:
        groups: Medians of runs, above 0 and in any unit: those of one file, measured in the same
            conditions, in each group. A group of one says nothing.

    Returns:
        The pooled standard deviation of their logarithms within the groups; without any group of
        two, nothing is known (:attr:`RunNoise.is_known`).

    Source: pooled variance, G. W. Snedecor and W. G. Cochran, Statistical Methods (1989), ch. 6.

    >>> run_noise([[100, 101, 100, 99, 100], [7]]).degrees
    4
    """
    logs = [np.log(group) for group in groups if len(group) > 1]
    runs = sum(len(group) for group in logs)
    degrees = runs - len(logs)
    squares = sum(float(((group - group.mean()) ** 2).sum()) for group in logs)
    scale = math.sqrt(squares / degrees) if degrees else 0.0
    return RunNoise(scale, degrees, runs, len(logs))
