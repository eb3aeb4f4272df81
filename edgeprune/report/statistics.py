"""What a set of timings allows us to say: medians, percentiles, intervals and verdicts.

The statistical unit is a session: one fresh agent process. Iterations of one process share its
memory layout, its core and its clock, so treating them as independent finds differences between
two copies of the same model in most runs; medians of sessions keep that rate near 5 %
(``tests/report/test_statistics.py`` simulates it).
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

from edgeprune.errors import DeviceError
from edgeprune.run_artifacts import Session

Verdict = Literal["faster", "slower", "no difference shown", "not measurable"]
Interval = tuple[float, float]
Medians = NDArray[np.float64]

#: With n sessions, the widest interval that resampling can give runs from the smallest to the
#: largest of the n medians, and covers the true median with a probability of 1 - 2**(1 - n):
#: 87.5 % for 4 sessions, 93.75 % for 5, 98.4 % for 7. Fewer than 5 cannot give 95 %, however noisy.
MIN_SESSIONS = 5

RESAMPLES = 10_000
SEED = 0

#: Smaller differences in instruction counts say nothing about time; see compare_instructions.
#: In thousandths, so that the comparison stays one of whole numbers.
SAME_INSTRUCTIONS_PER_MILLE = 5

MIN_EFFECT = 0.03
"""Smallest difference of latencies that is called one, as a share.

Where a file's buffers happen to lie moves its latency in every process alike, which no number of
sessions shows. Source: ours; two files of the same operators differed by 0.6 %, with an interval
that left 1 outside.
"""


@dataclass(frozen=True)
class LatencySummary:
    """The timings of one variant, over all of its sessions.

    Attributes:
        median: Median of the sessions' medians, microseconds.
        p90: 90th percentile of all runs, microseconds; None below 64 runs.
        p99: 99th percentile of all runs, microseconds; None below 662 runs.
        min: Fastest run, microseconds.
        runs: Timed inferences in all sessions.
        sessions: Fresh processes.
        ci95: 95 % confidence interval of ``median``, microseconds; None below 5 sessions.
    """

    median: float
    p90: float | None
    p99: float | None
    min: float
    runs: int
    sessions: int
    ci95: Interval | None


@dataclass(frozen=True)
class Comparison:
    """The deployed variant beside the dense one.

    Attributes:
        metric: ``latency_us`` or ``instructions``.
        speedup: Dense divided by deployed: above 1 is faster; None if either was not measured.
        ci95: 95 % confidence interval of ``speedup``; None for exact counts and for few sessions.
        verdict: What the figures show.
    """

    metric: Literal["latency_us", "instructions"]
    speedup: float | None
    ci95: Interval | None
    verdict: Verdict


@functools.cache
def minimum_runs(q: float) -> int:
    """Runs from which on a percentile is worth printing: 64 for 0.90, 662 for 0.99.

    The smallest n for which at most one of n runs lies above the true percentile in no more than
    1 % of all experiments, so that the second-largest run still bounds it.

    Args:
        q: The percentile as a share, in (0, 1).

    Source: MLPerf LoadGen, early stopping for single stream, tolerance d = 0, confidence c = 0.99.
    """
    low, high = 1, 2
    while _at_most_one_above(high, q) > 0.01:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if _at_most_one_above(middle, q) > 0.01:
            low = middle
        else:
            high = middle
    return high


def _at_most_one_above(runs: int, q: float) -> float:
    """Probability that no more than one of ``runs`` independent runs exceeds the percentile."""
    return float(q**runs + runs * (1 - q) * q ** (runs - 1))


def percentile(samples: Sequence[float], q: float) -> float | None:
    """The nearest-rank percentile: the smallest sample that at least a share q does not exceed.

    It is always one of the samples, never an interpolation between two.

    Args:
        samples: In any order and any unit.
        q: Share in (0, 1).

    Returns:
        The percentile in the samples' unit, or None below :func:`minimum_runs` samples.

    >>> percentile(range(1, 101), 0.9)
    90
    >>> percentile(range(1, 64), 0.9) is None
    True
    """
    if len(samples) < minimum_runs(q):
        return None
    # 1e-9: q * n may come out a rounding error above a whole number, which would take a rank more.
    rank = math.ceil(q * len(samples) - 1e-9)
    return sorted(samples)[rank - 1]


def latency_summary(sessions: Sequence[Session]) -> LatencySummary | None:
    """Summarises all timings of one variant.

    Args:
        sessions: Fresh processes; each has at least one timed inference.

    Returns:
        The summary, or None if there are no sessions: nothing was timed. In simulation ``ci95``
        covers the true median in 90 to 95 % of experiments for 5 to 20 sessions.

    Raises:
        DeviceError: A session has no run, or a run took no time.
    """
    if not sessions:
        return None
    medians = _medians_us(sessions)
    runs_us = [ns / 1000 for session in sessions for ns in session.latency_ns]
    return LatencySummary(
        median=float(np.median(medians)),
        p90=percentile(runs_us, 0.90),
        p99=percentile(runs_us, 0.99),
        min=min(runs_us),
        runs=len(runs_us),
        sessions=len(sessions),
        ci95=None if len(sessions) < MIN_SESSIONS else _interval(_resampled(medians, SEED)),
    )


def compare_latency(dense: Sequence[Session], deployed: Sequence[Session]) -> Comparison:
    """Says whether the deployed variant is faster than the dense one, and by how much.

    The speedup is the ratio of the medians of session medians. Its interval comes from resampling
    the sessions of both variants. A difference counts if the interval leaves 1 outside and the
    speedup is at least :data:`MIN_EFFECT` away from 1.

    Returns:
        ``not measurable``, with no interval, if either variant has fewer than 5 sessions; the
        speedup is still given if both were timed.

    Raises:
        DeviceError: A session has no run, or a run took no time.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), ch. 13, the percentile
    interval; processes as the unit: Kalibera and Jones, Rigorous Benchmarking in Reasonable Time
    (ISMM 2013).
    """
    if not dense or not deployed:
        return Comparison("latency_us", None, None, "not measurable")
    dense_us, deployed_us = _medians_us(dense), _medians_us(deployed)
    speedup = float(np.median(dense_us) / np.median(deployed_us))
    if min(len(dense), len(deployed)) < MIN_SESSIONS:
        return Comparison("latency_us", speedup, None, "not measurable")
    # Different seeds: with one, sessions of equal numbers would be drawn in step.
    interval = _interval(_resampled(dense_us, SEED) / _resampled(deployed_us, SEED + 1))
    verdict: Verdict = "no difference shown"
    if interval[0] > 1 and speedup >= 1 + MIN_EFFECT:
        verdict = "faster"
    elif interval[1] < 1 and speedup <= 1 / (1 + MIN_EFFECT):
        verdict = "slower"
    return Comparison("latency_us", speedup, interval, verdict)


def compare_instructions(dense: int | None, deployed: int | None) -> Comparison:
    """Compares exact instruction counts.

    A count repeats, so it has no interval and the verdict follows from the two numbers. Counts
    within 0.5 % of each other are ``no difference shown`` all the same: the two programs mix
    loads, multiplications and branches differently, and these differ in time by far more than
    that, so such a difference could have either sign on the board. The limit is our choice.

    Args:
        dense: Instructions per inference of the dense variant; None if not counted.
        deployed: The same of the deployed variant.

    Raises:
        DeviceError: A count is not above zero: the counter is dead.
    """
    if dense is None or deployed is None:
        return Comparison("instructions", None, None, "not measurable")
    if min(dense, deployed) <= 0:
        raise DeviceError(
            f"instructions per inference came back as {dense} (dense) and {deployed} (deployed), "
            "expected more than 0: the counter is dead; run `edgeprune doctor`"
        )
    speedup = dense / deployed
    if abs(dense - deployed) * 1000 <= SAME_INSTRUCTIONS_PER_MILLE * max(dense, deployed):
        return Comparison("instructions", speedup, None, "no difference shown")
    return Comparison("instructions", speedup, None, "faster" if speedup > 1 else "slower")


def _medians_us(sessions: Sequence[Session]) -> Medians:
    """One median per session, microseconds, shape ``(sessions,)``."""
    for number, session in enumerate(sessions, start=1):
        if not session.latency_ns or min(session.latency_ns) <= 0:
            fastest = f"a run of {min(session.latency_ns)} ns" if session.latency_ns else "no run"
            raise DeviceError(
                f"session {number} of {len(sessions)} brought back {fastest}, expected runs above "
                "0 ns: the agent or the device's clock is broken; run it again"
            )
    return np.array([statistics.median(session.latency_ns) / 1000 for session in sessions])


def _resampled(medians: Medians, seed: int) -> Medians:
    """Medians of ``RESAMPLES`` draws with replacement, shape ``(RESAMPLES,)``."""
    draws = np.random.default_rng(seed).integers(0, len(medians), (RESAMPLES, len(medians)))
    return np.asarray(np.median(medians[draws], axis=1))


def _interval(estimates: Medians) -> Interval:
    """The middle 95 % of resampled estimates."""
    low, high = np.quantile(estimates, [0.025, 0.975])
    return float(low), float(high)
