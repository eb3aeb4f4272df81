"""Whether a re-run of old and new side by side confirms a change before anyone is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from edgeprune.significance.rank_test import hodges_lehmann

MIN_EFFECT = 0.015
"""Smallest change side by side that confirms one, as a share: half of the 3 % that must be found,
so that noise in either direction does not decide. Source: ours."""

MAX_P = 0.002
"""Of the sessions' rank test. Source: ours; five sessions a side cannot come below 0.0079, seven
below 0.0006, so a re-run takes more than a quick effort's."""

SESSIONS = 40
"""Fresh processes of each file in a re-run. Source: ours; twice those of the effort ``standard``,
so that two levels 5 % apart do not hide 3 % (``benchmarks/change_points.py``)."""


@dataclass(frozen=True)
class Rerun:
    """What a re-run side by side brought.

    Attributes:
        factor: New over old.
        p_value: Of the sessions' rank test.
        is_confirmed: Whether it shows a change.
    """

    factor: float
    p_value: float
    is_confirmed: bool


def judged(old: Sequence[float], new: Sequence[float]) -> Rerun:
    """Whether sessions that were timed in turns show that new differs from old.

    The direction need not be the one that was suspected: one wild night may have been the reason to
    look, and what takes turns is right.

    Args:
        old: One median a session of the old file, above 0, in any unit.
        new: The same of the new file.
    """
    factor = hodges_lehmann(old, new)
    p_value = float(stats.mannwhitneyu(old, new, alternative="two-sided").pvalue)
    is_large = abs(math.log(factor)) >= math.log1p(MIN_EFFECT)
    return Rerun(factor, p_value, is_large and p_value <= MAX_P)
