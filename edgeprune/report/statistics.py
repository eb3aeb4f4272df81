"""What a set of timings allows us to say: medians, percentiles, intervals and verdicts.

The statistical unit is a session: one fresh agent process. Iterations of one process share its
memory layout, its core and its clock, so treating them as independent finds differences between
two copies of the same model in most runs; medians of sessions keep that rate near 5 %
(``benchmarks/significance_trials.py`` simulates it).
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeprune.artifacts.measurement import Session
from edgeprune.errors import DeviceError
from edgeprune.significance.rank_test import hodges_lehmann
from edgeprune.significance.shift import MIN_SESSIONS, latency_shift, least_effect_of

Verdict = Literal["faster", "slower", "no difference shown", "not measurable"]
Interval = tuple[float, float]
Medians = NDArray[np.float64]

RESAMPLES = 10_000
SEED = 0

#: Smaller differences in instruction counts say nothing about time; see compare_instructions.
#: In thousandths, so that the comparison stays one of whole numbers.
SAME_INSTRUCTIONS_PER_MILLE = 5


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
        ci95: 95 % confidence interval of ``median``, microseconds; None below 5 sessions, and where
            ``rejected`` is not 0.
        rejected: How many of ``sessions`` are not valid: 0, unless there are too few valid ones, so
            that all are shown.
    """

    median: float
    p90: float | None
    p99: float | None
    min: float
    runs: int
    sessions: int
    ci95: Interval | None
    rejected: int = 0


@dataclass(frozen=True)
class Comparison:
    """The deployed variant beside the dense one.

    Attributes:
        metric: ``latency_us`` or ``instructions``.
        speedup: Dense divided by deployed: above 1 is faster; None if either was not measured.
        ci95: 95 % confidence interval of ``speedup``; None for exact counts and for few sessions.
        verdict: What the figures show.
        p_value: Of the Mann-Whitney test; None for exact counts and for few sessions.
        least_effect: Smallest difference that counts, as a share; None likewise.
        noise: By what two halves of the dense variant's sessions differ, as a share; None likewise.
    """

    metric: Literal["latency_us", "instructions"]
    speedup: float | None
    ci95: Interval | None
    verdict: Verdict
    p_value: float | None = None
    least_effect: float | None = None
    noise: float | None = None


@functools.cache
def minimum_runs(q: float) -> int:
    """Runs from which on a percentile is worth printing: 64 for 0.90, 662 for 0.99.

    The smallest n for which at most one of n runs lies above the true percentile in no more than
    1 % of all experiments, so that the second-largest run still bounds it.

    Args:
        q: The percentile as a share, in (0, 1).

    Source: MLPerf LoadGen, early stopping for single stream, tolerance d = 0, confidence c = 0.99.
    """
    return next(runs for runs in itertools.count(1) if _at_most_one_above(runs, q) <= 0.01)


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
    counted = counted_sessions(sessions)
    rejected = sum(session.verdict != "valid" for session in counted)
    medians = medians_us(counted)
    runs_us = [ns / 1000 for session in counted for ns in session.latency_ns]
    has_interval = len(counted) >= MIN_SESSIONS and not rejected
    return LatencySummary(
        median=float(np.median(medians)),
        p90=percentile(runs_us, 0.90),
        p99=percentile(runs_us, 0.99),
        min=min(runs_us),
        runs=sum(session.timed_runs for session in counted),
        sessions=len(counted),
        ci95=_interval(_resampled(medians)) if has_interval else None,
        rejected=rejected,
    )


def counted_sessions(sessions: Sequence[Session]) -> Sequence[Session]:
    """The valid ones; all of them where the valid ones are too few and some were rejected.

    Times of a busy machine are still worth a look; who shows them must mark them.
    """
    valid = [session for session in sessions if session.verdict == "valid"]
    return valid if len(valid) >= MIN_SESSIONS else sessions


def compare_latency(dense: Sequence[Session], deployed: Sequence[Session]) -> Comparison:
    """Says whether the deployed variant is faster than the dense one, and by how much.

    By :func:`edgeprune.significance.shift.latency_shift` over the medians of the valid sessions;
    the smallest difference that counts comes from the dense variant beside itself.

    Returns:
        ``not measurable``, with no interval, if either variant has fewer than 5 valid sessions; the
        speedup is still given if both were timed.

    Raises:
        DeviceError: A session has no run, or a run took no time.
    """
    if not dense or not deployed:
        return Comparison("latency_us", None, None, "not measurable")
    sides = [counted_sessions(dense), counted_sessions(deployed)]
    dense_us, deployed_us = (medians_us(side).tolist() for side in sides)
    speedup = hodges_lehmann(deployed_us, dense_us)
    if any(len(side) < MIN_SESSIONS or _rejected(side) for side in sides):
        return Comparison("latency_us", speedup, None, "not measurable")
    least_effect, noise = least_effect_of(dense_us)
    shift = latency_shift(dense_us, deployed_us, least_effect)
    return Comparison(
        "latency_us",
        speedup=speedup,
        ci95=(1 / shift.ci95[1], 1 / shift.ci95[0]),
        verdict=shift.verdict,
        p_value=shift.p_value,
        least_effect=least_effect,
        noise=noise,
    )


def _rejected(sessions: Sequence[Session]) -> bool:
    return any(session.verdict != "valid" for session in sessions)


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


def medians_us(sessions: Sequence[Session]) -> Medians:
    """One median per session, microseconds, shape ``(sessions,)``."""
    for number, session in enumerate(sessions, start=1):
        if not session.latency_ns or min(session.latency_ns) <= 0:
            fastest = f"a run of {min(session.latency_ns)} ns" if session.latency_ns else "no run"
            raise DeviceError(
                f"session {number} of {len(sessions)} brought back {fastest}, expected runs above "
                "0 ns: the agent or the device's clock is broken; run it again"
            )
    return np.array([statistics.median(session.latency_ns) / 1000 for session in sessions])


def _resampled(medians: Medians) -> Medians:
    """Medians of ``RESAMPLES`` draws with replacement, shape ``(RESAMPLES,)``."""
    draws = np.random.default_rng(SEED).integers(0, len(medians), (RESAMPLES, len(medians)))
    return np.asarray(np.median(medians[draws], axis=1))


def _interval(estimates: Medians) -> Interval:
    """The middle 95 % of resampled estimates."""
    low, high = np.quantile(estimates, [0.025, 0.975])
    return float(low), float(high)
