"""The one comparison of times, on simulated sessions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeprune.significance import shift
from edgeprune.significance.shift import MIN_EFFECT, latency_shift, least_effect_of


def simulated(rng, sessions, factor=1.0):
    """Medians of sessions that vary by 2 %, as on a quiet board."""
    return factor * rng.lognormal(3, 0.02, sessions)


@pytest.mark.parametrize("sessions", [5, 10])
@pytest.mark.parametrize("least_effect", [0.0, MIN_EFFECT])
def test_two_copies_are_called_different_in_5_of_100_at_most(sessions, least_effect, monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 500)
    rng = np.random.default_rng(sessions)
    called = sum(
        latency_shift(simulated(rng, sessions), simulated(rng, sessions), least_effect).verdict
        != "no difference shown"
        for _ in range(1000)
    )
    assert called <= 50
    assert least_effect or called > 5, "a test that never fires shows nothing"


def test_naive_testing_of_single_runs_would_call_most_copies_different():
    """What the session as the unit is for: runs of one process agree with each other."""
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(100):
        runs = [
            np.concatenate([m * rng.lognormal(0, 0.01, 10) for m in simulated(rng, 5)])
            for _ in range(2)
        ]
        called += latency_shift(*runs, 0.0).p_value <= 0.05
    assert called > 40


@pytest.mark.parametrize("sessions", [5, 10])
def test_the_interval_holds_the_factor_as_often_as_promised(sessions, monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 1000)
    rng = np.random.default_rng(4)
    held, factors = 0, []
    for _ in range(300):
        found = latency_shift(simulated(rng, sessions), simulated(rng, sessions, 1.05))
        held += found.ci95[0] <= 1.05 <= found.ci95[1]
        factors.append(found.factor)
    assert held >= 277  # 285 expected; 2.1 standard deviations below
    assert np.median(factors) == pytest.approx(1.05, rel=3e-3)


def test_a_slowdown_of_a_twentieth_is_found_by_ten_sessions_both_ways_round(monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 1000)
    rng = np.random.default_rng(5)
    found = []
    for _ in range(100):
        slow, fast = simulated(rng, 10, 1.05), simulated(rng, 10)
        found.append((latency_shift(fast, slow).verdict, latency_shift(slow, fast).verdict))
    assert found.count(("slower", "faster")) > 90
    assert not {"faster", "slower"} & {one for one, _ in found if one == "faster"}


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
