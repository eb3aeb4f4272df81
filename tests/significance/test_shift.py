"""The one comparison of times, on simulated sessions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm
from scipy.stats import t as student_t

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


def beside_equal_ones(new):
    """``new`` compared with as many sessions that agree: its resampled median alone decides."""
    return latency_shift([10.0] * len(new), new)


# The median of n draws from n sessions is at most the k-th of them with the probability that more
# than half of the draws are: P(binomial(n, k / n) > n / 2). Below the interval there may be 0.095 %
# of the resamples at 5 sessions, and 1.17 % at 13 (Hesterberg's quantiles, with Student's t).
# 5 sessions: the lowest alone has 5.8 %. 13: the 2nd has 0.15 %, the 3rd 1.57 %, the 4th 7.1 %; the
# plain percentile interval's 2.5 % would end at the 4th.


@pytest.mark.parametrize(("sessions", "rank"), [(5, 1), (13, 3)])
def test_the_interval_ends_at_the_session_that_the_binomial_distribution_tells(sessions, rank):
    tail = binom.sf(sessions // 2, sessions, [(rank - 1) / sessions, rank / sessions])
    reach = (sessions / (sessions - 1)) ** 0.5 * student_t.ppf(0.975, sessions - 1)
    assert tail[0] < norm.cdf(-reach) < tail[1]
    new = [10.0 + number for number in range(1, sessions + 1)]
    expected = pytest.approx((new[rank - 1] / 10, new[-rank] / 10))
    assert beside_equal_ones(new).ci95 == expected
    assert beside_equal_ones(new[::-1]).ci95 == expected


def test_the_side_with_fewer_sessions_decides_how_far_out_the_interval_ends():
    # Of 11 sessions the 2nd has 0.72 %: above the 0.095 % of 5 and below the 0.97 % of 11.
    new = [10.0 + number for number in range(1, 12)]
    assert latency_shift([10.0] * 5, new).ci95 == pytest.approx((1.2, 2.0))
    assert latency_shift(new, [10.0] * 5).ci95 == pytest.approx((1 / 2.0, 1 / 1.2))
    assert latency_shift([10.0] * 11, new).ci95 == pytest.approx((1.3, 1.9), rel=0.01)


def test_the_quantiles_are_those_of_students_distribution():
    for sessions in (5, 10, 60):
        reach = (sessions / (sessions - 1)) ** 0.5 * student_t.ppf(0.975, sessions - 1)
        assert shift._expanded_tail(sessions) == pytest.approx(norm.cdf(-reach), rel=1e-3)


def test_a_comparison_repeats_exactly(monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 50)  # so few that other draws end elsewhere
    base, new = np.random.default_rng(6).lognormal(3, 0.02, (2, 10))
    first = latency_shift(base, new)
    assert all(latency_shift(base, new) == first for _ in range(5))


def test_a_single_resample_is_an_interval_without_width(monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 1)
    low, high = latency_shift([10.0] * 5, [11.0, 12.0, 13.0, 14.0, 15.0]).ci95
    assert low == high


def test_an_interval_that_ends_at_1_does_not_leave_it_outside():
    slower = [10.0] * 3 + [11.0 + number for number in range(10)]
    found = beside_equal_ones(slower)
    assert found.p_value < 0.05 and found.factor > 1.3 and found.ci95[0] == 1
    assert found.verdict == "no difference shown"
    found = beside_equal_ones([100 / one for one in slower])
    assert found.p_value < 0.05 and found.factor < 0.77 and found.ci95[1] == 1
    assert found.verdict == "no difference shown"
    assert beside_equal_ones([10.0] * 2 + slower[3:] + [21.0]).verdict == "slower"


def test_the_smallest_effect_itself_counts():
    assert latency_shift([2.0] * 5, [4.0] * 5, 1.0).verdict == "slower"
    assert latency_shift([4.0] * 5, [2.0] * 5, 1.0).verdict == "faster"
    assert latency_shift([2.0] * 5, [4.0] * 5, 1.001).verdict == "no difference shown"


def test_four_sessions_tell_the_devices_noise_and_three_do_not():
    assert least_effect_of([100, 121, 100, 121])[1] == pytest.approx(1.21 ** (1 / 2**0.5) - 1)
    assert least_effect_of([121, 100, 121, 100]) == least_effect_of([100, 121, 100, 121])
