"""The one comparison of times, on simulated sessions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.significance import shift
from edgeprune.significance.rank_test import mann_whitney
from edgeprune.significance.shift import MIN_EFFECT, latency_shift, least_effect_of


def simulated(rng, sessions, factor=1.0):
    """Medians of sessions that vary by 2 %, as on a quiet board."""
    return factor * rng.lognormal(3, 0.02, sessions)


def called_different(sessions, least_effect, trials):
    """How many of ``trials`` pairs of copies are called different."""
    rng = np.random.default_rng(sessions)
    return sum(
        latency_shift(simulated(rng, sessions), simulated(rng, sessions), least_effect).verdict
        != "no difference shown"
        for _ in range(trials)
    )


def intervals_that_hold(sessions, trials):
    """How many intervals hold the true factor of 1.05, and the median of the factors."""
    rng = np.random.default_rng(4)
    shifts = [
        latency_shift(simulated(rng, sessions), simulated(rng, sessions, 1.05))
        for _ in range(trials)
    ]
    held = sum(one.ci95[0] <= 1.05 <= one.ci95[1] for one in shifts)
    return held, float(np.median([one.factor for one in shifts]))


def verdicts_both_ways(trials):
    """Of 5 % between ten sessions a side: each verdict, and that of the sides exchanged."""
    rng = np.random.default_rng(5)
    verdicts = []
    for _ in range(trials):
        slow, fast = simulated(rng, 10, 1.05), simulated(rng, 10)
        verdicts.append((latency_shift(fast, slow).verdict, latency_shift(slow, fast).verdict))
    return verdicts


# benchmarks/significance_trials.py runs the same functions with many more trials and the shares
# themselves as bounds; here a bound lies 3 standard deviations beyond the share.


@pytest.mark.parametrize("sessions", [5, 10])
@pytest.mark.parametrize("least_effect", [0.0, MIN_EFFECT])
def test_two_copies_are_called_different_in_5_of_100_at_most(sessions, least_effect, monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 300)
    called = called_different(sessions, least_effect, trials=150)
    assert called <= 15
    assert least_effect or called, "a test that never fires shows nothing"


def test_naive_testing_of_single_runs_would_call_most_copies_different():
    """What the session as the unit is for: runs of one process agree with each other."""
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(40):
        runs = [
            np.concatenate([m * rng.lognormal(0, 0.01, 6) for m in simulated(rng, 5)])
            for _ in range(2)
        ]
        called += mann_whitney(*runs) <= 0.05
    assert called > 10


@pytest.mark.parametrize("sessions", [5, 10])
def test_the_interval_holds_the_factor_as_often_as_promised(sessions, monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 500)
    held, factor = intervals_that_hold(sessions, trials=100)
    assert held >= 88
    assert factor == pytest.approx(1.05, rel=5e-3)


def test_a_slowdown_of_a_twentieth_is_found_by_ten_sessions_both_ways_round(monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 500)
    verdicts = verdicts_both_ways(trials=40)
    assert verdicts.count(("slower", "faster")) > 34
    assert "faster" not in {one for one, _ in verdicts}


@settings(max_examples=40)
@given(st.integers(5, 10), st.integers(5, 10), st.integers(0, 10**6), st.floats(0.8, 1.25))
def test_a_verdict_needs_the_test_the_interval_and_the_size(base, new, seed, factor):
    rng = np.random.default_rng(seed)
    first, second = simulated(rng, base), simulated(rng, new, factor)
    found = latency_shift(first, second)
    assert found.ci95[0] <= found.factor <= found.ci95[1]
    if found.verdict != "no difference shown":
        assert found.p_value <= 0.05
        assert found.ci95[0] > 1 or found.ci95[1] < 1
        assert max(found.factor, 1 / found.factor) >= 1 + MIN_EFFECT
        assert (found.verdict == "slower") == (found.factor > 1)


def test_the_smallest_effect_is_the_devices_own_noise_and_never_below_the_floor():
    assert least_effect_of([100.0] * 10) == (MIN_EFFECT, 0.0)
    least, noise = least_effect_of([100, 120, 100, 120, 100])
    assert least == noise == pytest.approx(1.2 ** (1 / 2**0.5) - 1)
    assert least_effect_of([100, 200, 100]) == (MIN_EFFECT, None)


def test_a_difference_within_the_devices_noise_is_none():
    base = [100, 101, 102, 103, 104]
    new = [110, 111, 112, 113, 114]
    assert latency_shift(base, new, 0.03).verdict == "slower"
    assert latency_shift(base, new, 0.15).verdict == "no difference shown"


def test_an_interval_that_leaves_1_outside_is_not_enough(monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 1000)  # few draws, and so a lucky interval
    base = [103.2, 95.8, 101.5, 104.7, 97.6]
    new = [106.6, 106.4, 116.5, 113.0, 101.0]
    found = latency_shift(base, new)
    assert found.ci95[0] > 1 and found.factor > 1.08
    assert found.p_value > 0.05 and found.verdict == "no difference shown"
