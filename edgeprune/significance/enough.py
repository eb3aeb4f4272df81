"""Whether there are enough sessions of two variants to show a difference of 5 %."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeprune.significance.shift import latency_shift

TARGET_EFFECT = 0.05
"""Difference of latencies that is to be found, as a share. Source: ours."""

MAX_HALF_WIDTH = 0.025
"""Half the width of the factor's interval, as a share, at which it is found in 9 of 10 cases.

Source: ours. The verdict needs an interval that leaves 1 outside and a factor of 1.03
(:data:`edgeprune.significance.shift.MIN_EFFECT`); with a standard error of 1.3 %, about
half of this, a true 1.05 falls below that in 6 of 100 cases. Simulated by
``benchmarks/significance_trials.py``.
"""


def is_enough(base: Sequence[float], new: Sequence[float]) -> bool:
    """Whether more sessions would not change the verdict, or only for less than 5 %.

    The interval of the factor is narrow, or it lies beyond 5 % as a whole. To go on until it is
    narrow does not call copies different more often than a fixed number of sessions, because that
    depends on how much the medians scatter and not on how far the two sides lie apart; and a whole
    interval beyond 5 % is rare for copies. ``benchmarks/significance_trials.py`` simulates both
    together.

    Args:
        base: One median per session, in any unit, above 0; at least 5.
        new: The same of the other side.
    """
    low, high = latency_shift(base, new).ci95
    is_narrow = math.log(high / low) / 2 <= MAX_HALF_WIDTH
    is_clear = low > 1 + TARGET_EFFECT or high < 1 / (1 + TARGET_EFFECT)
    return is_narrow or is_clear
