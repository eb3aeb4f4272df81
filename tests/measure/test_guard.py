"""The rules of the guard, on readings as devices give them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.artifacts.measurement import Session, SessionState
from edgeprune.measure.guard import UsedCores, judged
from edgeprune.measure.trend import percent_per_minute

QUIET = SessionState(
    temperature_before_c=50.0, temperature_highest_c=55.0, frequency_hz=1.8e9,
    frequency_lowest_hz=1.8e9, throttle_bits_before=0, throttle_bits_seen=0,
    thermal_status_before=0, thermal_status_highest=0, wait_share=0.0, other_share=0.02,
    stolen_share=0.0, readings=4,
)  # fmt: skip


def session(latency_ns=(1000,) * 30, seconds=1.0, trend=None, **state):
    return Session(
        tuple(latency_ns), 1, 1, None, begin_s=10.0, end_s=10.0 + seconds, trend=trend,
        state=dataclasses.replace(QUIET, **state),
    )  # fmt: skip


def verdict_of(one, *others, used=UsedCores(4)):  # noqa: B008
    found = judged({"dense": [one, *others]}, used)["dense"][0]
    assert (found.reason is None) == (found.verdict == "valid")
    return found.verdict, found.reason or ""


def test_a_quiet_session_is_valid_and_so_is_one_of_a_device_that_tells_nothing():
    assert verdict_of(session()) == ("valid", "")
    assert verdict_of(Session((1000,) * 30, 1, 1, None)) == ("valid", "")
    assert verdict_of(Session((1000,) * 30, 1, 1, None, state=SessionState())) == ("valid", "")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"thermal_status_highest": 1}, "thermal status rose from 0 to 1"),
        ({"throttle_bits_seen": 0x4}, "get_throttled is 0x4"),
        ({"throttle_bits_seen": 0x50005}, "get_throttled is 0x50005"),
        ({"throttle_bits_seen": 0x40000}, "new bits 0x40000"),
        ({"throttle_bits_before": 0x10000, "throttle_bits_seen": 0x50000}, "new bits 0x40000"),
        ({"pinned_hz": 1.8e9, "frequency_lowest_hz": 1.7e9}, "94% of the pinned 1800 MHz"),
    ],
)
def test_what_throttles_is_named(state, words):
    verdict, reason = verdict_of(session(**state))
    assert verdict == "throttled" and words in reason


@pytest.mark.parametrize(
    "state",
    [
        {"thermal_status_before": 2, "thermal_status_highest": 2},
        {"throttle_bits_before": 0x50000, "throttle_bits_seen": 0x50000},
        {"throttle_bits_before": None, "throttle_bits_seen": 0x50000},
        {"pinned_hz": 1.8e9, "frequency_lowest_hz": 1.72e9},
        {"frequency_lowest_hz": 0.6e9},  # a clock that floats may dip
    ],
)
def test_what_was_so_before_or_may_be_so_does_not_throttle(state):
    assert verdict_of(session(**state)) == ("valid", "")


def test_a_clock_that_fell_is_found_beside_the_other_sessions_of_the_run():
    others = [session() for _ in range(4)]
    verdict, reason = verdict_of(session(frequency_hz=1.5e9), *others)
    assert verdict == "throttled" and "83% of the usual 1800 MHz" in reason
    assert verdict_of(session(frequency_hz=1.75e9), *others) == ("valid", "")


def rising(percent_a_minute, minutes=2.0, points=30, noise=0.0):
    step = minutes / points
    errors = noise * np.random.default_rng(0).standard_normal(points)
    return [
        (60 * k * step, 1000 * (1 + percent_a_minute / 100 * k * step) + errors[k])
        for k in range(points)
    ]


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        (rising(5), "throttled"),
        (rising(5, noise=10), "throttled"),
        (rising(1), "valid"),
        (rising(-5), "valid"),
        (rising(5, minutes=0.1, noise=10), "valid"),  # too noisy for so few seconds
        (rising(5, points=9), "valid"),
    ],
)
def test_latency_that_rises_surely_by_over_2_percent_a_minute_is_throttling(points, verdict):
    trend = percent_per_minute(points)
    assert verdict_of(session(seconds=61.0, trend=trend))[0] == verdict
    assert verdict_of(session(seconds=59.0, trend=trend))[0] == "valid", "too short to judge"
    busy = session(seconds=61.0, trend=trend, wait_share=0.5)
    assert verdict_of(busy)[0] == "contaminated", "a neighbour explains a trend as well"


def test_a_neighbour_counts_where_it_had_the_agents_core():
    verdict, reason = verdict_of(session(wait_share=0.5))
    assert verdict == "contaminated" and "the core for 50% of the session" in reason
    # Others may use other cores as they like, where the kernel tells how long the agent waited.
    assert verdict_of(session(other_share=0.75)) == ("valid", "")
    assert verdict_of(session(wait_share=0.5, seconds=0.01)) == ("valid", "")


@pytest.mark.parametrize(
    ("used", "share", "verdict"),
    [
        (UsedCores(4, 1, is_pinned=True), 0.2, "contaminated"),
        (UsedCores(4, 1, is_pinned=True), 0.05, "valid"),
        (UsedCores(4, 1), 0.7, "valid"),  # one core of four was left
        (UsedCores(4, 1), 0.8, "contaminated"),
        (UsedCores(4, 4), 0.2, "contaminated"),
        (UsedCores(None, 1), 0.2, "contaminated"),
    ],
)
def test_without_waits_the_cpu_time_of_others_on_the_used_cores_counts(used, share, verdict):
    one = session(wait_share=None, other_share=share)
    assert verdict_of(one, used=used)[0] == verdict
    short = session(wait_share=None, other_share=share, seconds=0.2)
    assert verdict_of(short, used=used)[0] == "valid", "ticks are too coarse for it"


def test_other_guests_of_the_machine_count_as_others():
    verdict, reason = verdict_of(session(stolen_share=0.3))
    assert verdict == "contaminated" and "other guests" in reason


def test_runs_that_lie_far_apart_are_noisy():
    verdict, reason = verdict_of(session([1000, 2000] * 20))
    assert verdict == "noisy" and "at most 50%" in reason
    assert verdict_of(session([1000, 1300] * 20))[0] == "valid"
    assert verdict_of(session([1000, 2000] * 5))[0] == "valid", "too few to judge"


@given(
    st.floats(0.0, 2.0), st.floats(0.0, 2.0), st.integers(0, 0xFFFFF), st.integers(0, 0xFFFFF),
    st.integers(0, 6), st.integers(0, 6),
)  # fmt: skip
def test_every_session_gets_one_verdict_and_a_worse_reading_never_a_better_one(
    wait, clock, bits_before, bits_seen, status_before, status_highest
):
    state = {
        "wait_share": wait, "throttle_bits_before": bits_before, "throttle_bits_seen": bits_seen,
        "thermal_status_before": status_before, "thermal_status_highest": status_highest,
        "pinned_hz": 1e9, "frequency_lowest_hz": clock * 1e9,
    }  # fmt: skip
    verdict, reason = verdict_of(session(**state))
    should_throttle = (
        bits_seen & 0xF or (bits_seen & ~bits_before & 0xF0000)
        or status_highest > status_before or clock < 0.95
    )  # fmt: skip
    assert (verdict == "throttled") == bool(should_throttle)
    if verdict == "valid":
        assert wait <= 0.25
        assert verdict_of(session(**state | {"throttle_bits_seen": 0x1}))[0] == "throttled"
    assert "\n" not in reason


@given(st.lists(st.floats(0.5, 2.0), min_size=10, max_size=30), st.floats(-3, 3))
def test_a_trend_lies_in_its_interval_and_a_steeper_line_has_a_steeper_trend(values, slope):
    points = [(float(k), value) for k, value in enumerate(values)]
    found = percent_per_minute(points)
    assert found[1] <= found[0] <= found[2]
    straight = percent_per_minute([(float(k), 100 + slope * k / 60) for k in range(20)])
    assert straight[0] == pytest.approx(slope, rel=0.02, abs=1e-6)
