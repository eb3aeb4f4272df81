"""What is said of the sessions, and their table."""

import dataclasses

from results import changed, counted, processes, result_of, variant

from edgeprune.artifacts.measurement import SessionState
from edgeprune.report.figures import figures
from edgeprune.report.sessions import session_remarks, session_table

STATE = dataclasses.asdict(SessionState(not_read=("clock: no cpufreq", "throttling bits: no tool")))
STATE["not_read"] = list(STATE["not_read"])
TIMED = {
    "effort": "quick", "sessions": 5, "runs": 13, "timed_s": 0.2, "repeats": 1,
    "order": ["dense", "deployed", "deployed", "dense"] * 3,
    "notes": ["cooled for 12 s, to 50.0 C"],
}  # fmt: skip


def timed(rejected=(), trend=None, **state):
    made = [variant(name, processes(100, count=6)) for name in ("dense", "deployed")]
    for one in made:
        one["latency_us"]["rejected"] = 0
        for session in one["sessions"]:
            session |= {"runs": 24_344, "begin_s": 1.0, "end_s": 601.0, "over_time": []}
            session |= {"trend": trend, "state": STATE | state, "verdict": "valid", "reason": None}
    for number in rejected:
        bad = {"verdict": "contaminated", "reason": "another process had the core"}
        made[1]["sessions"][number] |= bad
    return result_of(*made, timed=TIMED)


def test_effort_order_waits_and_what_was_not_told_are_said():
    lines = session_remarks(timed())
    assert lines == [
        "effort quick: 5 fresh processes a variant, in the order A B B A A B B A ...",
        "cooled for 12 s, to 50.0 C",
        "not told by this device, so not checked: clock, throttling bits",
    ]


def test_rejected_sessions_and_trends_are_said_with_numbers():
    lines = session_remarks(timed(rejected=(1,)))
    assert lines[1] == (
        "deployed: 1 of 6 sessions were rejected (1 contaminated) and are left out of the "
        "figures; another process had the core"
    )
    assert session_remarks(timed(trend=[1.5, 0.5, 2.5]))[1] == (
        "dense: over 600 s latency changed by +1.50% a minute (95% confidence: +0.50 to +2.50)"
    )


def test_times_of_rejected_sessions_are_marked_where_they_are_shown():
    changes = {"variants.1.latency_us.rejected": 6, "variants.1.latency_us.ci95": None}
    result = changed(timed(rejected=range(6)), changes)
    shown = dict(figures(result)[0])
    assert shown["latency, median"] == ["100.1 us", "100.1 us (6 of 6 rejected)"]
    assert session_remarks(result)[1] == (
        "deployed: 6 of 6 sessions were rejected (6 contaminated); too few are valid, so the times "
        "shown are of all"
    )


def test_the_table_has_a_row_a_session_and_only_readings_that_there_are():
    state = {"temperature_before_c": 50.0, "temperature_highest_c": 61.0, "wait_share": 0.034}
    headings, rows = session_table(timed(rejected=(0,), **state))
    assert headings == ["session", "median", "runs", "temperature", "waited for a core", "verdict"]
    assert len(rows) == 12 and all(len(row) == len(headings) for row in rows)
    assert rows[0][2:] == ["24,344", "50 to 61 C", "3.4%", "valid"]
    assert rows[6][0] == "deployed 1"
    assert rows[6][-1] == "contaminated: another process had the core"


def test_older_and_emulated_results_have_no_table_and_no_remark():
    old = result_of(variant("dense", processes(100)), variant("deployed", processes(100)))
    emulated = result_of(counted("dense", 10), counted("deployed", 10))
    for result in (old, emulated):
        assert session_table(result) == ([], []) and session_remarks(result) == []
