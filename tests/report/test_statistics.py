import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from edgeprune.artifacts.measurement import Session
from edgeprune.errors import DeviceError
from edgeprune.report import statistics
from edgeprune.significance import shift
from edgeprune.significance.rank_test import mann_whitney

samples = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=800)
nanoseconds = st.lists(st.integers(1, 10**10), min_size=1, max_size=30)


def session(*latency_ns: int) -> Session:
    return Session(tuple(latency_ns), first_ns=1, load_ns=1, peak_memory_bytes=None)


def noisy_sessions(rng: np.random.Generator, count: int, median_us: float) -> list[Session]:
    """Sessions whose medians vary by 2 % and whose runs vary by 1 % around them."""
    centres_ns = median_us * 1000 * (1 + 0.02 * rng.standard_normal(count))
    return [
        session(*(int(ns) for ns in centre * (1 + 0.01 * rng.standard_normal(15))))
        for centre in centres_ns
    ]


@pytest.mark.parametrize(("q", "runs"), [(0.90, 64), (0.97, 219), (0.99, 662), (0.999, 6636)])
def test_minimum_runs_are_those_of_mlperf_early_stopping(q, runs):
    assert statistics.minimum_runs(q) == runs


@pytest.mark.parametrize(("q", "least"), [(0.90, 64), (0.99, 662)])
def test_a_percentile_needs_its_minimum_of_runs(q, least):
    assert statistics.percentile(range(least - 1), q) is None
    assert statistics.percentile(range(least), q) is not None


@given(samples, st.sampled_from([0.5, 0.9, 0.99]))
def test_a_percentile_is_the_smallest_sample_that_the_share_does_not_exceed(values, q):
    found = statistics.percentile(values, q)
    if found is None:
        assert len(values) < statistics.minimum_runs(q)
        return
    share = sum(value <= found for value in values) / len(values)
    below = sum(value < found for value in values) / len(values)
    assert found in values
    assert share >= q - 1e-9
    assert below < q


@given(samples, st.randoms())
def test_a_percentile_does_not_depend_on_the_order(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert statistics.percentile(values, 0.9) == statistics.percentile(shuffled, 0.9)


def test_a_whole_rank_is_not_rounded_up():
    # 0.9 * 70 is 63 exactly: the 63rd of 70, not the 64th.
    assert statistics.percentile(range(1, 71), 0.9) == 63
    assert statistics.percentile(range(1, 1001), 0.99) == 990
    # 0.55 * 100 is 55.00000000000001 in floating point.
    assert statistics.percentile(range(1, 101), 0.55) == 55


def test_nothing_timed_is_none_and_not_zero():
    assert statistics.latency_summary([]) is None


@given(st.lists(nanoseconds, min_size=1, max_size=8))
def test_a_summary_is_ordered_and_counts_every_run(latencies):
    summary = statistics.latency_summary([session(*runs) for runs in latencies])
    assert summary is not None
    everything_us = [ns / 1000 for runs in latencies for ns in runs]
    assert summary.runs == len(everything_us)
    assert summary.sessions == len(latencies)
    assert summary.min == min(everything_us) <= summary.median <= max(everything_us)
    assert (summary.p90 is None) == (summary.runs < 64)
    assert (summary.p99 is None) == (summary.runs < 662)
    assert (summary.ci95 is None) == (summary.sessions < 5)
    if summary.ci95 is not None:
        low, high = summary.ci95
        assert low <= summary.median <= high


def test_the_median_weighs_sessions_and_not_runs():
    # One long session of 100 runs at 9 us must not outvote two short ones at 1 us.
    sessions = [session(*[9000] * 100), session(1000), session(1000)]
    summary = statistics.latency_summary(sessions)
    assert summary is not None
    assert summary.median == 1.0


def test_the_interval_comes_from_sessions_and_not_from_runs():
    # Runs agree perfectly within a session, so only the spread of sessions can widen it.
    sessions = [session(*[level * 1000] * 500) for level in (10, 11, 12, 13, 14)]
    summary = statistics.latency_summary(sessions)
    assert summary is not None
    assert summary.ci95 == (10.0, 14.0)


def test_the_interval_ends_at_the_session_that_the_binomial_distribution_tells():
    # Of the medians of 13 draws, 1.57 % are at most the 3rd session and 7.1 % the 4th.
    tail = binom.sf(6, 13, [3 / 13, 4 / 13])
    assert tail[0] < 0.025 < tail[1]
    summary = statistics.latency_summary([session(1000 * level) for level in range(10, 23)])
    assert summary is not None
    assert (summary.median, summary.ci95) == (16.0, (13.0, 19.0))


def test_the_percentiles_and_the_fastest_are_those_of_all_runs():
    # 1 to 700 us in 7 sessions, which makes the 630th and the 693rd the percentiles.
    sessions = [session(*range(1000 * k, 700_001, 7000)) for k in range(1, 8)]
    summary = statistics.latency_summary(sessions)
    assert summary is not None
    assert (summary.p90, summary.p99, summary.min) == (630.0, 693.0, 1.0)
    assert (summary.runs, summary.sessions, summary.rejected) == (700, 7, 0)


def test_valid_sessions_alone_are_summed_up_unless_they_are_too_few():
    rejected = dataclasses.replace(session(9000), verdict="throttled", reason="hot")
    summary = statistics.latency_summary([session(1000)] * 5 + [rejected] * 6)
    assert summary is not None
    assert (summary.median, summary.sessions, summary.rejected) == (1.0, 5, 0)
    summary = statistics.latency_summary([session(1000)] * 4 + [rejected] * 6)
    assert summary is not None
    assert (summary.median, summary.sessions, summary.rejected) == (9.0, 10, 6)
    assert summary.ci95 is None


def test_a_comparison_says_what_the_test_of_significance_says():
    levels = [1000 * level for level in range(11, 24)]
    dense, deployed = [session(10_000)] * 13, [session(level) for level in levels]
    found = statistics.compare_latency(dense, deployed)
    # 13 sessions end at the 3rd and the 11th: see tests/significance/test_shift.py.
    assert found.ci95 == pytest.approx((10 / 21, 10 / 13))
    assert (found.verdict, found.speedup) == ("slower", pytest.approx(10 / 17))
    assert found.p_value == pytest.approx(mann_whitney([10.0] * 13, levels))
    assert (found.least_effect, found.noise) == (shift.MIN_EFFECT, 0.0)


def test_the_dense_variants_own_noise_is_the_smallest_effect():
    restless = [session(1000), session(1210)] * 4
    found = statistics.compare_latency(restless, [session(500)] * 8)
    noise = 1.21 ** (1 / 2**0.5) - 1
    assert (found.least_effect, found.noise) == (pytest.approx(noise), pytest.approx(noise))


def test_a_difference_within_the_dense_variants_own_noise_is_none():
    restless = [session(103_000), session(140_000)] * 5
    found = statistics.compare_latency(restless, [session(100_000)] * 10)
    assert found.p_value < 0.05 and found.ci95[0] > 1 and found.speedup > 1.2
    assert found.verdict == "no difference shown"


def test_a_summary_repeats_exactly(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 50)  # so few that other draws end elsewhere
    sessions = noisy_sessions(np.random.default_rng(3), 20, 1000)
    first = statistics.latency_summary(sessions)
    assert all(statistics.latency_summary(sessions) == first for _ in range(5))


@pytest.mark.parametrize(
    ("broken", "what"), [(session(), "no run"), (session(1000, 0), "a run of 0 ns")]
)
def test_a_session_without_time_is_an_error(broken, what):
    with pytest.raises(DeviceError, match=f"^session 2 of 2 brought back {what}, expected runs"):
        statistics.latency_summary([session(1000), broken])


def copies_compared(experiments):
    """How many intervals of ``experiments`` leave 1 outside, and how many verdicts are wrong."""
    rng = np.random.default_rng(20)
    found = [
        statistics.compare_latency(noisy_sessions(rng, 10, 1000), noisy_sessions(rng, 10, 1000))
        for _ in range(experiments)
    ]
    outside = sum(not one.ci95[0] <= 1 <= one.ci95[1] for one in found)
    return outside, sum(one.verdict != "no difference shown" for one in found)


def twentieths_found(experiments):
    """How many times a model that is slower by 5 % is called slower, and the other one faster."""
    rng = np.random.default_rng(21)
    verdicts = []
    for _ in range(experiments):
        slow, fast = noisy_sessions(rng, 10, 1050), noisy_sessions(rng, 10, 1000)
        verdicts.append(
            (
                statistics.compare_latency(slow, fast).verdict,
                statistics.compare_latency(fast, slow).verdict,
            )
        )
    return verdicts.count(("faster", "slower"))


# benchmarks/significance_trials.py runs both with many more experiments and narrower bounds.


def test_two_copies_of_one_model_differ_in_about_one_of_twenty_comparisons(monkeypatch):
    # The defect this guards against, runs instead of sessions as the unit, gives over 75 %.
    monkeypatch.setattr(shift, "RESAMPLES", 300)
    outside, wrong = copies_compared(100)
    assert 1 <= outside <= 11
    assert wrong <= outside


@pytest.mark.parametrize("share, verdict", [(1.02, "no difference shown"), (1.04, "faster")])
def test_a_difference_below_the_least_effect_is_not_called_one_however_sure(share, verdict):
    dense = [session(*[round(1_000_000 * share)] * 5)] * 10
    deployed = [session(*[1_000_000] * 5)] * 10
    assert statistics.compare_latency(dense, deployed).verdict == verdict
    reverse = statistics.compare_latency(deployed, dense).verdict
    assert reverse == ("slower" if verdict == "faster" else verdict)


def test_a_model_that_is_slower_by_a_twentieth_is_found_both_ways_round(monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 300)
    assert twentieths_found(30) > 24


def test_the_speedup_is_dense_over_deployed_and_its_interval_holds_it():
    rng = np.random.default_rng(22)
    result = statistics.compare_latency(noisy_sessions(rng, 8, 300), noisy_sessions(rng, 8, 100))
    assert result.speedup == pytest.approx(3, rel=0.05)
    assert result.ci95 is not None
    assert result.ci95[0] < result.speedup < result.ci95[1]
    assert result.metric == "latency_us"


def test_sessions_of_the_two_variants_are_drawn_independently():
    # Drawn in step, equal spreads would cancel and the interval would shrink to a point.
    levels = (10, 11, 12, 13, 14)
    dense = [session(3000 * level) for level in levels]
    deployed = [session(1000 * level) for level in levels]
    interval = statistics.compare_latency(dense, deployed).ci95
    assert interval is not None
    assert interval[0] < 2.7
    assert interval[1] > 3.3


def test_four_sessions_give_a_speedup_but_neither_interval_nor_verdict():
    few, many = [session(3000)] * 4, [session(1000)] * 9
    for pair in ((few, many), (many, few)):
        result = statistics.compare_latency(*pair)
        assert result.ci95 is None
        assert (result.metric, result.verdict) == ("latency_us", "not measurable")
        assert result.speedup is not None
    assert statistics.compare_latency(few, many).speedup == 3.0


def test_an_unmeasured_side_has_no_speedup():
    for pair in (([], [session(1)]), ([session(1)], [])):
        result = statistics.compare_latency(*pair)
        assert (result.speedup, result.verdict) == (None, "not measurable")
        assert result.metric == "latency_us"
    for counts in ((None, 5), (5, None), (None, None)):
        result = statistics.compare_instructions(*counts)
        assert (result.speedup, result.verdict) == (None, "not measurable")
        assert result.metric == "instructions"


@given(st.integers(1, 10**12), st.integers(1, 10**12))
def test_instruction_counts_decide_by_themselves_beyond_half_a_percent(dense, deployed):
    result = statistics.compare_instructions(dense, deployed)
    assert (result.ci95, result.metric) == (None, "instructions")
    assert result.speedup is not None
    assert math.isclose(result.speedup, dense / deployed)
    if abs(dense - deployed) * 200 <= max(dense, deployed):
        assert result.verdict == "no difference shown"
    else:
        assert result.verdict == ("faster" if dense > deployed else "slower")


@pytest.mark.parametrize(
    ("dense", "deployed", "verdict"),
    [
        (1000, 995, "no difference shown"),
        (1000, 994, "faster"),
        (994, 1000, "slower"),
        (995, 1000, "no difference shown"),
    ],
)
def test_the_half_percent_is_the_larger_counts(dense, deployed, verdict):
    assert statistics.compare_instructions(dense, deployed).verdict == verdict


@pytest.mark.parametrize(("dense", "deployed"), [(0, 5), (5, 0), (-1, 5)])
def test_a_dead_counter_is_an_error(dense, deployed):
    with pytest.raises(DeviceError, match="counter is dead"):
        statistics.compare_instructions(dense, deployed)
