"""What reports say of estimated times: never without that word, and never as measured."""

import io
import json

import pytest
from measured_runs import build, emulated, on_a_board
from results import ESTIMATE, compared, counted, document, layer, processes, result_of, variant
from rich.console import Console

from edgeprune.report.compare import compare
from edgeprune.report.compare_markdown import headline, markdown
from edgeprune.report.figures import figures
from edgeprune.report.page import render
from edgeprune.report.regressions import Limits, regressions, unchecked
from edgeprune.report.summary import LINES, print_summary
from edgeprune.report.terminal import print_layers
from edgeprune.report.verdict import remarks

FASTER = ESTIMATE | {"cycles": 1_800_000, "latency_us": 1000.0}


def estimated(dense=ESTIMATE, deployed=FASTER, **rest):
    return result_of(
        counted("dense", 300, estimated=dense), counted("deployed", 100, estimated=deployed),
        verdict="faster", speedup=3.0, **rest,
    )  # fmt: skip


def printed(result):
    text = io.StringIO()
    print_summary(result, "out", "out", Console(file=text, width=120))
    return text.getvalue()


def test_what_was_estimated_goes_into_the_result_and_a_timed_board_has_none(tmp_path):
    dense, deployed = build(tmp_path / "a", emulated())["variants"]
    assert dense["estimated"] == {
        "cycles": 3_600_000, "latency_us": pytest.approx(2000), "clock_hz": 1_800_000_000,
        "core": "cortex-a72", "error": 0.3, "unknown_share": 0.002,
    }  # fmt: skip
    assert deployed["estimated"] is None
    assert deployed["estimated_reason"] == "the counter is broken"
    assert "estimated_reason" not in dense
    for each in build(tmp_path / "b", on_a_board())["variants"]:
        assert "estimated" not in each and "estimated_reason" not in each


def test_the_summary_has_a_row_with_clock_and_error():
    row = next(line for line in printed(estimated()).splitlines() if "estimated" in line)
    assert row.split("  ")[0] == "time (estimated)"
    assert row.endswith("2.000 ms       1.000 ms   2.00x less, 1.80 GHz, error not known yet")
    fitted = {"error": 0.28}
    assert "within 28% in 9 of 10 cases" in printed(estimated(ESTIMATE | fitted, FASTER | fitted))
    assert "estimated" not in printed(result_of(counted("dense", 300)))


def test_one_estimate_of_two_compares_nothing():
    row = next(
        line for line in printed(estimated(deployed=None)).splitlines() if "estimated" in line
    )
    assert "2.000 ms" in row and "not measured" in row and "less" not in row


def test_the_summary_stays_within_its_lines_with_an_estimate():
    heads = [{"name": f"head{n}", "metric": "top1", "value": 0.9} for n in range(3)]
    score = {"metric": "top1", "value": 0.9, "samples": 9, "heads": heads}
    both = [
        counted(name, 300, estimated=ESTIMATE, accuracy=score, profiling_only=name == "deployed")
        for name in ("dense", "deployed")
    ]
    assert len(printed(result_of(*both)).splitlines()) <= LINES


def test_figures_and_remarks_call_it_estimated():
    shown = dict(figures(estimated())[0])
    assert shown["time (estimated)"] == ["2.000 ms", "1.000 ms"]
    assert shown["cycles (estimated)"] == ["3.600 M", "1.800 M"]
    said = " ".join(remarks(estimated(ESTIMATE | {"unknown_share": 0.02})))
    assert "estimated, not measured: cortex-a72 at 1.80 GHz" in said
    assert "2.0% of the instructions are in code whose cycles nobody knows" in said
    reason = result_of(counted("dense", 3, estimated=None, estimated_reason="no LLVM"))
    assert "dense: no estimated time: no LLVM" in remarks(reason)


def test_compare_shows_it_and_judges_nothing_by_it():
    before, after = estimated(), estimated(deployed=ESTIMATE)
    change = next(one for one in compared(before, after) if one.metric == "estimated_us")
    assert (change.base, change.new, change.percent) == (1000.0, 2000.0, 100.0)
    assert (change.verdict, change.why) == ("not tested", "estimated, not measured")
    changes = compare(before, after, None)
    assert regressions(changes, Limits(1)) == [] == unchecked(changes, Limits(1))
    assert "instructions" in headline([one for one in changes if one.variant == "deployed"])
    assert "| deployed: time (estimated) | 1.000 ms | 2.000 ms | +100.0% |" in markdown(
        ("a", "b"), before, after, changes
    )
    only = compare(before, estimated(deployed=None), None)
    assert [one.why for one in only if one.metric == "estimated_us"] == [
        "only one of them was estimated",
        "estimated, not measured",
    ]


def test_an_estimate_is_never_compared_with_a_measured_time():
    timed = result_of(variant("deployed", processes(100)))
    for pair in ((estimated(), timed), (timed, estimated())):
        for change in compare(*pair, None):
            if change.metric in ("latency_us", "estimated_us"):
                assert change.percent is None and change.verdict == "not measurable"


def test_layers_have_their_cycles():
    one = layer("conv") | {"instructions": 1000, "cycles": 700}
    result = result_of(counted("dense", 3, layers=[one, layer("mean") | {"cycles": None}]))
    text = io.StringIO()
    print_layers(result, Console(file=text, width=150))
    assert "cycles (estimated)" in text.getvalue() and "700" in text.getvalue()
    narrow = io.StringIO()
    print_layers(result, Console(file=narrow, width=80))
    assert "700" not in narrow.getvalue()
    assert "cycles (estimated) are shown from 100 columns on" in narrow.getvalue()
    page = render(result)
    assert "1,000 instructions, 700 cycles (estimated)" in page
    assert json.dumps(document(result))
