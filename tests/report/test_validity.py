"""Rejected sessions: left out, marked, and told."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from edgeprune.artifacts.measurement import (
    DeviceFacts,
    Measured,
    Parity,
    RunResult,
    Session,
    Timed,
)
from edgeprune.history.result import Validity
from edgeprune.report.statistics import compare_latency, latency_summary
from edgeprune.report.validity import scatter_of, validity_of

DEVICE = DeviceFacts("pi", "Cortex-A72", "Linux", "1", "2.3.0")


def session(median_us=100, verdict="valid", runs=20):
    reason = None if verdict == "valid" else f"it was {verdict}"
    return Session((median_us * 1000,) * runs, 1, 1, None, verdict=verdict, reason=reason)


def sessions(valid, rejected=0, verdict="throttled", median_us=100, rejected_us=500):
    good = [session(median_us + k) for k in range(valid)]
    return (*good, *(session(rejected_us, verdict) for _ in range(rejected)))


def run_of(**variants):
    measured = tuple(
        Measured(name, found, None, None, (), None, None) for name, found in variants.items()
    )
    timed = Timed("quick", 5, 20, 0.0, ())
    return RunResult(DEVICE, False, measured, timed=timed)


def test_rejected_sessions_are_in_no_figure_where_enough_are_valid():
    summary = latency_summary(sessions(5, rejected=9))
    assert (summary.median, summary.sessions, summary.runs) == (102, 5, 100)
    assert summary.rejected == 0 and summary.ci95[1] < 105
    found = compare_latency(sessions(5, 4), sessions(5, 4, median_us=50))
    assert found.verdict == "faster" and found.speedup == pytest.approx(102 / 52, rel=0.01)
    assert validity_of(run_of(dense=sessions(5, 4))).verdict == "valid"


@given(st.integers(0, 4), st.integers(1, 9), st.sampled_from(["throttled", "contaminated"]))
def test_too_few_valid_sessions_show_all_times_marked_and_no_verdict(valid, rejected, verdict):
    found = sessions(valid, rejected, verdict)
    summary = latency_summary(found)
    assert (summary.sessions, summary.rejected) == (valid + rejected, rejected)
    assert summary.ci95 is None
    for pair in ((found, sessions(6)), (sessions(6), found)):
        compared = compare_latency(*pair)
        assert compared.verdict == "not measurable"
        assert compared.speedup is not None and compared.ci95 is None
    said = validity_of(run_of(dense=sessions(6), deployed=found))
    assert said.verdict == (verdict if valid + rejected >= 5 else "insufficient")
    if valid + rejected >= 5:
        advice = {
            "throttled": "cool the device or its supply",
            "contaminated": "close other programs",
        }
        advice = f"{advice[verdict]}, and run again"
        assert said.reasons == (
            f"deployed: {valid} of {valid + rejected} sessions are valid, 5 are needed; "
            f"it was {verdict}: {advice}",
        )


def test_the_gravest_kind_is_the_results():
    mixed = (*sessions(1, 3, "noisy"), *sessions(0, 1, "throttled"))
    said = validity_of(run_of(dense=sessions(2, 4, "contaminated"), deployed=mixed))
    assert said.verdict == "throttled" and len(said.reasons) == 2


@pytest.mark.parametrize(
    "effort, advice",
    [
        ("quick", "run again with --effort standard"),
        ("standard", "close other programs, and run again"),
    ],
)
def test_a_longer_effort_is_advised_where_there_is_one(effort, advice):
    wide = run_of(dense=tuple(session(us) for us in (80, 90, 100, 110, 120)))
    few = run_of(dense=sessions(1, 5, "noisy"))
    for run in (wide, few):
        run = dataclasses.replace(run, timed=dataclasses.replace(run.timed, effort=effort))
        (reason,) = validity_of(run).reasons
        assert reason.endswith(advice)


def test_medians_that_scatter_widely_are_noisy_and_still_compared():
    wide = tuple(session(us) for us in (80, 90, 100, 110, 120))
    said = validity_of(run_of(dense=wide))
    assert said.verdict == "noisy" and "scatter by 15%" in said.reasons[0]
    slow = tuple(dataclasses.replace(one, latency_ns=(10**6,) * 20) for one in wide)
    assert compare_latency(slow, wide).verdict == "faster"


def test_fewer_runs_than_planned_are_insufficient():
    said = validity_of(run_of(dense=tuple(session(runs=19) for _ in range(5))))
    assert said.verdict == "insufficient"
    assert "95 runs, 100 were planned: raise max_s" in said.reasons[0]


def measured(name="dense", found=(), instructions=None, parity=None):
    return Measured(name, found, instructions, None, (), parity, None)


def counted_run(*variants, reasons=()):
    return RunResult(DEVICE, True, variants, reasons)


def test_outputs_beyond_their_limit_are_invalid_and_outweigh_all_else():
    wrong = Parity("host kernels", 0.51234, 0.5, 16, "pi", 0.00125, False)
    right = dataclasses.replace(wrong, passed=True)
    run = counted_run(measured("dense", (), None, wrong), measured("deployed", (), 7, right))
    assert validity_of(run) == Validity(
        verdict="invalid",
        reasons=(
            "dense: outputs on the board differ from host kernels by 0.512, limit 0.00125",
            "dense: instructions were not counted",
        ),
    )


def test_an_emulated_run_needs_counts_and_no_sessions():
    assert validity_of(counted_run(measured(instructions=7))) == Validity(
        verdict="valid", reasons=()
    )
    said = validity_of(counted_run(measured(), reasons=("deployed: the outputs hardly vary",)))
    assert said == Validity(
        verdict="insufficient",
        reasons=("deployed: the outputs hardly vary", "dense: instructions were not counted"),
    )


@pytest.mark.parametrize("emulated", [True, False])
def test_a_run_that_measured_nothing_is_insufficient(emulated):
    said = validity_of(RunResult(DEVICE, emulated, ()))
    assert said == Validity(verdict="insufficient", reasons=("nothing was measured",))


def test_counts_are_not_missed_on_a_real_device():
    assert validity_of(run_of(dense=sessions(5))) == Validity(verdict="valid", reasons=())


def test_a_run_without_a_plan_lacks_no_runs_and_no_longer_effort():
    run = dataclasses.replace(run_of(dense=sessions(5)), timed=None)
    assert validity_of(run).verdict == "valid"
    run = dataclasses.replace(run_of(dense=sessions(1, 5, "noisy")), timed=None)
    assert validity_of(run).reasons[0].endswith("close other programs, and run again")


@pytest.mark.parametrize(("valid", "rejected"), [(3, 0), (3, 1), (0, 4), (4, 0)])
def test_fewer_sessions_than_an_interval_needs_are_told_as_that(valid, rejected):
    said = validity_of(run_of(dense=sessions(valid, rejected)))
    assert said == Validity(
        verdict="insufficient",
        reasons=(f"dense: {valid} sessions, a confidence interval needs 5",),
    )


def test_the_gravest_rejection_of_a_variant_is_told():
    found = (
        *sessions(1), session(verdict="noisy"), session(verdict="contaminated"),
        session(verdict="throttled"), session(verdict="contaminated"),
    )  # fmt: skip
    said = validity_of(run_of(dense=found))
    assert said == Validity(
        verdict="throttled",
        reasons=(
            "dense: 1 of 5 sessions are valid, 5 are needed; it was throttled: cool the device or "
            "its supply, and run again",
        ),
    )


def test_a_longer_effort_helps_against_noise_and_not_against_heat():
    hot = validity_of(run_of(dense=sessions(1, 5, "throttled")))
    assert "--effort" not in hot.reasons[0]


def test_both_doubts_of_a_variant_are_told_the_graver_first():
    wide = tuple(session(us, runs=19) for us in (80, 90, 100, 110, 120))
    assert validity_of(run_of(dense=wide)) == Validity(
        verdict="noisy",
        reasons=(
            "dense: the medians of 5 sessions scatter by 15%; at most 10% is expected: close "
            "other programs, and run again with --effort standard",
            "dense: 95 runs, 100 were planned: raise max_s in [run]",
        ),
    )


def test_scatter_is_the_standard_deviation_of_normal_medians():
    medians = np.random.default_rng(1).normal(1000, 50, 4001)
    found = scatter_of([session(int(median)) for median in medians])
    assert found == pytest.approx(0.05, rel=0.05)
    assert scatter_of([session(us) for us in (80, 90, 100, 110, 500)]) == pytest.approx(
        median_abs_deviation([80, 90, 100, 110, 500], scale="normal") / 100, rel=1e-4
    )
