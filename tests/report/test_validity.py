"""Rejected sessions: left out, marked, and told."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeprune.artifacts.measurement import DeviceFacts, Measured, RunResult, Session, Timed
from edgeprune.report.statistics import compare_latency, latency_summary
from edgeprune.report.validity import validity_of

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
