"""Whether latency rises over time: the Theil-Sen slope with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95


def theil_sen(
    time_s: Sequence[float], values: Sequence[float]
) -> tuple[float, float, float] | None:
    """The median slope of all pairs of points, with the 95 % interval of Kendall's test.

    Args:
        time_s: Rising.
        values: One a time, in any unit.

    Returns:
        Slope and the ends of its interval, in units per second; None below 10 points, where the
        normal approximation of the interval does not hold.

    Source: P. K. Sen, Estimates of the Regression Coefficient Based on Kendall's Tau (1968); the
    variance of Kendall's score and the 10 points: M. G. Kendall, Rank Correlation Methods (1975),
    ch. 4.

    >>> theil_sen(range(10), range(0, 20, 2))
    (2.0, 2.0, 2.0)
    """
    count = len(time_s)
    if count < 10:
        return None
    first, second = np.triu_indices(count, 1)
    x, y = np.asarray(time_s, dtype=float), np.asarray(values, dtype=float)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    deviation = (count * (count - 1) * (2 * count + 5) / 18) ** 0.5
    reach = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation
    low = max(0, round((len(slopes) - reach) / 2))
    high = min(len(slopes) - 1, round((len(slopes) + reach) / 2))
    return float(np.median(slopes)), float(slopes[low]), float(slopes[high])


def percent_per_minute(
    over_time: Sequence[tuple[float, float]],
) -> tuple[float, float, float] | None:
    """The trend of a session's latency, in percent of its median a minute, with its interval.

    Args:
        over_time: Seconds and latencies in any unit, of equal stretches.
    """
    slope = theil_sen([at for at, _ in over_time], [value for _, value in over_time])
    if slope is None:
        return None
    scale = 100 * 60 / float(np.median([value for _, value in over_time]))
    return slope[0] * scale, slope[1] * scale, slope[2] * scale
