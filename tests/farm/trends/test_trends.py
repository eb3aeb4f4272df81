"""Changes over nights: what detectors see, what re-runs confirm, and what is told."""

import json

import numpy as np
import pytest
from farm_series import KINDS, NIGHTS, Score, series

from edgeprune.farm.trends import watch
from edgeprune.farm.trends.confirmation import Rerun, judged
from edgeprune.farm.trends.detectors import DETECTORS, Evidence, scale_of, suspicion
from edgeprune.farm.trends.reasons import Night, reasons
from edgeprune.farm.trends.repeats import judged_repeats
from edgeprune.farm.trends.series import followed, suspected_tonight
from edgeprune.significance.run_noise import run_noise

RNG = np.random.default_rng(5)
QUIET = np.exp(np.random.default_rng(3).normal(5, 0.004, 30))


def truly(steps):
    """A re-run that shows what truly changed; ``steps``: factor by first night."""

    def rerun(old, new):
        factor = float(np.prod([size for first, size in steps.items() if old < first <= new]))
        return Rerun(factor, 1e-6, factor != 1)

    return rerun


def no(old, new):
    return Rerun(1.0, 0.5, False)


def test_nearly_all_true_changes_are_told_within_two_nights_and_hardly_any_false_one():
    rng, score = np.random.default_rng(0), Score()
    for number in range(24):
        score.add(series(KINDS[number % 6], number // 6 % 2 == 0, rng), rng)
    assert score.missed <= 1 and score.false <= 1
    assert score.reruns <= 0.2 * 24 * NIGHTS


@pytest.mark.parametrize("sign", [-1, 1])
def test_each_detector_sees_a_clear_step_and_none_a_level(sign):
    logs = np.log(QUIET)
    stepped = Evidence(logs[:-2], logs[-2:] + sign * 0.05, 0.004)
    assert all(sees(stepped) for sees in DETECTORS.values())
    flat = Evidence(np.zeros(20), np.zeros(2), 0.004)
    assert not any(sees(flat) for sees in DETECTORS.values())


def test_one_wild_night_makes_no_level():
    logs = np.log(QUIET)
    wild = Evidence(logs[:-2], np.median(logs[:-2]) + np.array([0.3, 0.001]), 0.004)
    assert not DETECTORS["shift"](wild) and not DETECTORS["ranks"](wild)


def test_too_few_nights_make_nobody_suspicious():
    assert suspected_tonight([100.0] * 4 + [150.0]) is None
    assert suspected_tonight([100.0] * 5 + [150.0]) is not None
    assert suspicion([np.zeros(0)]) is None


def test_a_confirmed_change_is_told_once_at_its_place():
    values = np.concatenate([QUIET[:20], QUIET[20:] * 1.05])
    told = [one for one in followed(values, truly({20: 1.05})) if one.is_confirmed]
    assert [(one.night, one.first) for one in told] == [(20, 20)]
    assert told[0].effect == pytest.approx(0.05, abs=0.015)
    assert len(told[0].votes) >= 2


def test_a_re_run_gets_nights_on_either_side():
    asked = []

    def rerun(old, new):
        asked.append((old, new))
        return no(old, new)

    followed(np.concatenate([QUIET[:20], QUIET[20:] * 1.05]), rerun)
    assert all(0 <= old < new for old, new in asked)
    assert any(old <= 17 and new == 20 for old, new in asked)


def test_a_device_that_stays_elsewhere_is_asked_a_few_times_and_then_has_a_new_level():
    decisions = followed(np.concatenate([QUIET[:15], QUIET[15:] * 1.05]), no)
    nights = [one.night for one in decisions]
    assert 15 in nights and len(nights) <= 9


def test_a_step_back_is_a_change_of_its_own():
    values = np.concatenate([QUIET[:12], QUIET[12:20] * 1.08, QUIET[20:]])
    decisions = followed(values, truly({12: 1.08, 20: 1 / 1.08}))
    assert [one.first for one in decisions if one.is_confirmed] == [12, 20]


def test_exact_repetition_of_a_figure_is_not_taken_for_endless_certainty():
    assert scale_of([np.zeros(9)]) == 0.001
    assert suspected_tonight([100.0] * 20 + [100.5]) is None


def test_sessions_in_turns_confirm_what_differs_either_way_and_no_copy():
    old = 100 * np.exp(RNG.normal(0, 0.01, 40))
    for factor in (1.03, 1 / 1.03):
        rerun = judged(old, factor * 100 * np.exp(RNG.normal(0, 0.01, 40)))
        assert rerun.is_confirmed and rerun.factor == pytest.approx(factor, abs=0.01)
    assert not judged(old, 100 * np.exp(RNG.normal(0, 0.01, 40))).is_confirmed
    assert not judged(old, old * 1.01).is_confirmed


def night(number, runtime="LiteRT 2.3.0", digest="a", **rest):
    conditions = json.dumps({"runtime": runtime, "os": "Linux", **rest})
    return Night(number, "2026-11-29T03:00:00+00:00", 100.0, digest, conditions)


def test_a_night_with_another_file_needs_one_detector_alone():
    values = [*np.exp(np.random.default_rng(3).normal(5, 0.012, 20))]
    values.append(float(np.median(values)) * 1.02)
    files = ["a"] * 20
    alike, other = (
        [
            Night(n, "", value, digest, "{}")
            for n, (value, digest) in enumerate(zip(values, [*files, new], strict=True))
        ]
        for new in ("a", "b")
    )
    assert watch._suspected(alike, ()) is None
    asked = watch._suspected(other, ())
    assert (asked.first, asked.old, asked.votes) == (20, 19, ("shift",))


def test_repeated_runs_show_a_change_where_all_of_them_do_and_one_wild_run_none():
    noise = run_noise([100 * np.exp(RNG.normal(0, 0.003, 20))])
    before = 100 * np.exp(RNG.normal(0, 0.003, 12))
    found = judged_repeats(before, [105.2, 104.8, 105.0], noise)
    assert found.is_confirmed and found.factor == pytest.approx(1.048, abs=0.004)
    for repeats in ([130, 100.1, 99.9], [105, 105, 100.2], [105, 95, 105], [100.3, 100.2, 100.4]):
        assert not judged_repeats(before, repeats, noise).is_confirmed
    assert not judged_repeats(before, [105] * 3, run_noise([[100, 103, 97, 104, 96]])).is_confirmed


def test_what_changed_on_the_night_of_a_change_is_its_reason():
    nights = [night(1), night(2), night(3, "LiteRT 2.4.0", "b", governor="performance")]
    assert reasons(nights, 1) == []
    assert reasons(nights, 2) == [
        "the model's file changed",
        "runtime: LiteRT 2.3.0 to LiteRT 2.4.0",
        "governor: not known to performance",
    ]
    assert reasons(nights, 0) == reasons(nights, 3) == []
    assert reasons([night(1), Night(2, "", 1.0, "a", "{")], 1)
