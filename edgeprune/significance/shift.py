"""By which factor latency differs between two sets of sessions, and whether that is chance.

The one place where times are compared: the dense variant with the deployed one, and a result with
another one.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeprune.significance.rank_test import CONFIDENCE, hodges_lehmann, mann_whitney
from edgeprune.significance.student import student_t

#: Two sides of 4 can differ by p = 0.029 at best, yet 4 sessions resample to an interval that
#: covers the truth with 87.5 % at most, those of 5 with 93.75 %. Fewer cannot give 95 %, however
#: noisy.
MIN_SESSIONS = 5

MIN_EFFECT = 0.03
"""Smallest difference of latencies that is called one, as a share.

Where a file's buffers happen to lie moves its latency in every process alike, which no number of
sessions shows. Source: ours; two files of the same operators differed by 0.6 %, with an interval
that left 1 outside.
"""

RESAMPLES = 5_000
SEED = 0
_PART = 500
"""Resamples that are held in memory together."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """The factor from one set of session medians to another.

    Attributes:
        factor: ``new`` over ``base``, by Hodges and Lehmann.
        ci95: 95 % interval of ``factor``, by resampling sessions.
        p_value: Of the Mann-Whitney test.
        verdict: Of ``new``; a difference counts if the test shows it, the interval leaves 1 outside
            and it is at least the smallest effect.
    """

    factor: float
    ci95: tuple[float, float]
    p_value: float
    verdict: Literal["faster", "slower", "no difference shown"]


def latency_shift(
    base: Sequence[float], new: Sequence[float], least_effect: float = MIN_EFFECT
) -> Shift:
    """Compares session medians.

    Args:
        base: One median per session, in any unit, above 0; at least :data:`MIN_SESSIONS`.
        new: The same of the other side.
        least_effect: Smallest difference that counts, as a share: see :func:`least_effect_of`.

    Source: sessions as the unit, Mann-Whitney and Hodges-Lehmann: docs/measuring.md.
    """
    factor = hodges_lehmann(base, new)
    p_value = mann_whitney(base, new)
    low, high = _bootstrap(np.log(base), np.log(new))
    verdict: Literal["faster", "slower", "no difference shown"] = "no difference shown"
    # Smallest effects are told of the slower side, so that both ways round say the same.
    if p_value <= 1 - CONFIDENCE and max(factor, 1 / factor) >= 1 + least_effect:
        if low > 1:
            verdict = "slower"
        elif high < 1:
            verdict = "faster"
    return Shift(factor, (low, high), p_value, verdict)


def least_effect_of(medians: Sequence[float]) -> tuple[float, float | None]:
    """The smallest difference that counts on a device, from one variant beside itself.

    Every other session against the rest, in the order in which they ran: two interleaved halves of
    one variant, so that what they differ by is the device's own doing. A half has half the sessions
    and so differs by the square root of 2 more than two whole variants would.

    Args:
        medians: Of the dense variant's sessions, in the order in which they ran.

    Returns:
        The smallest effect as a share, never below :data:`MIN_EFFECT`; and the noise that two
        whole variants would show, as a share, None for fewer than 4 sessions.
    """
    if len(medians) < 4:
        return MIN_EFFECT, None
    halves = [statistics.median(medians[start::2]) for start in (0, 1)]
    noise = (max(halves) / min(halves)) ** math.sqrt(0.5) - 1
    return max(MIN_EFFECT, noise), noise


def _bootstrap(base: Floats, new: Floats) -> tuple[float, float]:
    """The interval of the factor from resampled sessions of both sides.

    A plain percentile interval is too narrow for few sessions; this one takes quantiles further
    out, by what Student's t demands beyond the normal distribution.

    Source: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), ch. 13; the
    quantiles: T. Hesterberg, What Teachers Should Know About the Bootstrap (2015), section 3.2,
    expanded percentile interval.
    """
    rng = np.random.default_rng(SEED)
    drawn = [
        values[rng.integers(0, len(values), (RESAMPLES, len(values)))] for values in (base, new)
    ]
    estimates = np.concatenate(
        [
            np.median((new_part[:, :, None] - base_part[:, None, :]).reshape(len(new_part), -1), 1)
            for base_part, new_part in zip(*(_parts(values) for values in drawn), strict=True)
        ]
    )
    tail = _expanded_tail(min(len(base), len(new)))
    low, high = np.quantile(estimates, [tail, 1 - tail])
    return float(math.exp(low)), float(math.exp(high))


def _parts(drawn: Floats) -> list[Floats]:
    """Rows in parts: the differences of all pairs of 60 sessions take 29 KB a resample."""
    return [drawn[start : start + _PART] for start in range(0, len(drawn), _PART)]


@functools.cache
def _expanded_tail(sessions: int) -> float:
    """Share of resamples below the interval: 0.025 for many sessions, less for few."""
    reach = math.sqrt(sessions / (sessions - 1)) * student_t(sessions - 1, CONFIDENCE)
    return statistics.NormalDist().cdf(-reach)
