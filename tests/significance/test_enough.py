"""Sessions until the interval is narrow: power and false alarms, on simulated medians."""

import numpy as np
import pytest

from edgeprune.measure.interleave import SESSIONS_ADDED
from edgeprune.recipe.efforts import EFFORTS
from edgeprune.significance import shift
from edgeprune.significance.enough import TARGET_EFFECT, is_enough
from edgeprune.significance.shift import latency_shift, least_effect_of

STANDARD = EFFORTS["standard"]


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    monkeypatch.setattr(shift, "RESAMPLES", 100)


def compared(rng, factor, scatter, most):
    """Sessions of two sides until they are enough, as a run at effort standard makes them."""
    sides = [np.zeros(0), np.zeros(0)]
    count = STANDARD.sessions
    while True:
        missing = count - len(sides[0])
        sides = [
            np.concatenate([side, scale * rng.lognormal(6, scatter, missing)])
            for side, scale in zip(sides, (1.0, factor), strict=True)
        ]
        if count >= most or is_enough(*sides):
            return latency_shift(*sides, least_effect_of(sides[0])[0]).verdict, count
        count += SESSIONS_ADDED


def called(factor, verdict, trials, most=STANDARD.most_sessions):
    """How many of ``trials`` comparisons end with ``verdict``."""
    rng = np.random.default_rng(7)
    found = [compared(rng, factor, 0.05, most)[0] for _ in range(trials)]
    return found.count(verdict)


# benchmarks/significance_trials.py runs the same function with many more trials and the shares
# themselves as bounds; here a bound lies 3 standard deviations beyond the share.


def test_added_sessions_find_5_percent_on_a_machine_that_scatters_as_much():
    assert called(1 + TARGET_EFFECT, "slower", trials=20) >= 16
    assert called(1 / (1 + TARGET_EFFECT), "faster", trials=20) >= 16
    assert called(1 + TARGET_EFFECT, "slower", trials=100, most=STANDARD.sessions) < 85, (
        "the added ones are needed"
    )


def test_added_sessions_do_not_call_two_copies_different():
    assert called(1.0, "no difference shown", trials=30) >= 25


def is_enough_between(low, high, monkeypatch):
    """Whether the interval from ``low`` to ``high`` is; 13 sessions end at their 3rd and 11th."""
    monkeypatch.setattr(shift, "RESAMPLES", 5000)
    middle = (low * high) ** 0.5
    new = [low / 2] * 2 + [low] + [middle] * 7 + [high] + [high * 2] * 2
    found = latency_shift([1.0] * 13, new)
    assert found.ci95 == pytest.approx((low, high))
    return is_enough([1.0] * 13, new)


@pytest.mark.parametrize(
    ("half_width", "is_narrow"), [(0.0249, True), (0.0251, False), (0.04, False)]
)
def test_an_interval_of_2_5_percent_either_side_is_narrow(half_width, is_narrow, monkeypatch):
    low, high = np.exp(-half_width), np.exp(half_width)
    assert is_enough_between(low, high, monkeypatch) is is_narrow
    assert is_enough_between(1.04 * low, 1.04 * high, monkeypatch) is is_narrow


@pytest.mark.parametrize(
    ("nearest", "is_clear"), [(1.051, True), (1.049, False), (1.0, False), (0.97, False)]
)
def test_a_wide_interval_is_enough_only_beyond_5_percent_as_a_whole(nearest, is_clear, monkeypatch):
    assert is_enough_between(nearest, 2.0, monkeypatch) is is_clear
    assert is_enough_between(0.5, 1 / nearest, monkeypatch) is is_clear


def test_a_quiet_device_needs_no_more_sessions():
    rng = np.random.default_rng(8)
    assert {compared(rng, f, 0.01, 60)[1] for f in (1.0, 1.05, 2.0)} == {STANDARD.sessions}


def test_a_clear_difference_needs_no_more_sessions_however_noisy():
    rng = np.random.default_rng(9)
    assert {compared(rng, f, 0.08, 60)[1] for f in (0.4, 3.0)} == {STANDARD.sessions}
