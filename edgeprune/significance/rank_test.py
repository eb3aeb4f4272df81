"""Whether two sets of session medians differ, and by which factor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p-value of the Mann-Whitney test, exact, ties included.

    Args:
        first: One number per session, in any unit.
        second: The same of the other side.

    Returns:
        Probability of ranks at least as far apart if both sides were alike. It cannot fall below
        2 / binomial(len(first) + len(second), len(first)).

    Source: H. B. Mann and D. R. Whitney, On a Test of Whether one of Two Random Variables is
    Stochastically Larger than the Other (1947); ties by midranks and the counting of rank sums:
    B. Streitberg and J. Roehmel, Exact Distributions for Permutation and Rank Tests (1986).

    >>> round(mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 4)
    0.0079
    >>> mann_whitney([1, 1], [1, 1])
    1.0
    """
    ranks = _doubled_ranks(np.array([*first, *second]))
    shares = _rank_sums(ranks, len(first))
    expected = ranks.sum() * len(first) / len(ranks)
    seen = abs(ranks[: len(first)].sum() - expected)
    distances = np.abs(np.arange(len(shares)) - expected)
    return min(1.0, float(shares[distances >= seen - 1e-9].sum()))


def hodges_lehmann(base: Sequence[float], new: Sequence[float]) -> float:
    """The factor from ``base`` to ``new``: the median of all ratios new / base.

    Args:
        base: One positive number per session.
        new: The same of the other side.

    Source: J. L. Hodges and E. L. Lehmann, Estimates of Location Based on Rank Tests (1963), for
    shifts; the logarithm makes a factor a shift.

    >>> hodges_lehmann([10, 10, 10], [20, 20, 20])
    2.0
    """
    shifts = np.subtract.outer(np.log(new), np.log(base))
    # Without the last digits, which came in by the logarithm.
    return float(f"{math.exp(float(np.median(shifts))):.12g}")


def fisher(hits: tuple[int, int], samples: tuple[int, int]) -> float:
    """Two-sided p-value of Fisher's exact test for two shares.

    Args:
        hits: Right answers of both sides.
        samples: Answers of both sides.

    Source: R. A. Fisher, The Design of Experiments (1935), ch. 2; two-sided by the tables that are
    no more probable than the one seen.

    >>> fisher((90, 90), (100, 100))
    1.0
    >>> fisher((90, 60), (100, 100)) < 1e-5
    True
    """
    total = sum(hits)
    low, high = max(0, total - samples[1]), min(total, samples[0])
    logs = np.array(
        [
            _log_choose(samples[0], k) + _log_choose(samples[1], total - k)
            for k in range(low, high + 1)
        ]
    )
    shares = np.exp(logs - logs.max())
    seen = shares[hits[0] - low]
    # 1e-7: equal shares differ by rounding.
    return min(1.0, float(shares[shares <= seen * (1 + 1e-7)].sum() / shares.sum()))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _doubled_ranks(values: Floats) -> NDArray[np.int64]:
    """Twice each value's rank from 1, the mean rank for equal ones: whole numbers."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    return np.asarray(below + up_to + 1, dtype=np.int64)


def _rank_sums(ranks: NDArray[np.int64], chosen: int) -> Floats:
    """Share of all choices of ``chosen`` ranks by their sum, shape ``(sum(ranks) + 1,)``."""
    counts = np.zeros((chosen + 1, int(ranks.sum()) + 1))
    counts[0, 0] = 1.0
    for rank in ranks:
        for k in range(chosen, 0, -1):
            counts[k, rank:] += counts[k - 1, :-rank]
    return np.asarray(counts[chosen] / counts[chosen].sum())
