"""How far runs of one file lie apart, and what that does to a comparison of two of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from edgeprune.significance.run_noise import ACROSS_RUNS_P, MIN_DEGREES, RunNoise, run_noise
from edgeprune.significance.student import student_p, student_t


def test_the_scatter_within_files_is_pooled_and_their_levels_do_not_count():
    logs = np.log([[100, 102, 101], [7.0, 7.1, 7.2]])
    expected = math.sqrt(sum(((one - one.mean()) ** 2).sum() for one in logs) / 4)
    noise = run_noise([[100, 102, 101], [7.0, 7.1, 7.2], [55.0]])
    assert noise.scale == pytest.approx(expected)
    assert (noise.degrees, noise.runs, noise.files) == (4, 6, 2)


@pytest.mark.parametrize("groups", [[], [[5.0]], [[1.0], [2.0], [3.0]]])
def test_files_that_were_measured_once_say_nothing(groups):
    noise = run_noise(groups)
    assert (noise.scale, noise.degrees, noise.runs, noise.files) == (0.0, 0, 0, 0)
    assert not noise.is_known


@pytest.mark.parametrize(("runs", "is_known"), [(MIN_DEGREES, False), (MIN_DEGREES + 1, True)])
def test_five_runs_of_one_file_are_enough(runs, is_known):
    assert run_noise([[100.0 + k for k in range(runs)]]).is_known is is_known


def test_p_value_and_interval_are_those_of_student():
    noise = RunNoise(scale=0.01, degrees=7, runs=8, files=1)
    p_value = 2 * student.sf(math.log(1.05) / (0.01 * math.sqrt(2)), 7)
    assert noise.p_value(1.05) == pytest.approx(p_value, abs=2e-5)
    assert noise.p_value(1 / 1.05) == pytest.approx(noise.p_value(1.05))
    reach = math.exp(student.ppf(0.975, 7) * 0.01 * math.sqrt(2))
    assert noise.interval(1.05) == pytest.approx((1.05 / reach, 1.05 * reach), rel=1e-5)


@given(st.integers(4, 60), st.floats(0.001, 0.05))
def test_the_least_effect_is_where_the_p_value_is_small_enough(degrees, scale):
    noise = RunNoise(scale=scale, degrees=degrees, runs=degrees + 1, files=1)
    least = noise.least_effect
    assert noise.p_value(1 + least * 1.01) <= ACROSS_RUNS_P <= noise.p_value(1 + least * 0.99)


def test_a_device_without_any_scatter_takes_every_change_for_one():
    noise = RunNoise(scale=0.0, degrees=9, runs=10, files=1)
    assert noise.p_value(1.0) == 1.0 and noise.p_value(1.001) == 0.0


@pytest.mark.parametrize("degrees", [4, 5, 9, 30, 200])
def test_student_agrees_with_scipy(degrees):
    for confidence in (0.5, 0.9, 0.95, 0.99, 0.999):
        exact = student.ppf((1 + confidence) / 2, degrees)
        assert 0 <= student_t(degrees, confidence) - exact <= 1.1e-4
    for t in (0.0, 0.5, 2.0, -2.0, 5.0, 39.0):
        assert student_p(t, degrees) == pytest.approx(2 * student.sf(abs(t), degrees), abs=5e-5)
    assert student_p(1e9, degrees) <= 1e-5


def called_different(noise_runs, trials, factor=1.0, seed=0):
    """How many pairs of runs on a device of 1 % noise are told apart by its history."""
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(trials):
        logs = rng.normal(0, 0.01, noise_runs + 2)
        noise = run_noise([np.exp(logs[2:])])
        found += noise.p_value(factor * math.exp(logs[1] - logs[0])) <= ACROSS_RUNS_P
    return found


@pytest.mark.parametrize("noise_runs", [5, 10, 40])
def test_runs_of_one_file_are_called_different_as_seldom_as_promised(noise_runs):
    assert called_different(noise_runs, 2000) <= 2000 * 0.02


def test_five_percent_is_found_with_ten_runs_of_history():
    assert called_different(12, 500, factor=1.05) >= 500 * 0.6
    assert called_different(40, 500, factor=1.05) >= 500 * 0.75
