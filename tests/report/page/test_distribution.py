import re

from results import changed, counted, processes, result_of, variant

from edgeprune.report.page.distribution import distribution


def test_every_run_is_a_dot_and_every_process_a_row():
    found = distribution(
        result_of(variant("dense", processes(200)), variant("deployed", processes(100)))
    )
    drawn = str(found.svg)
    dots = re.findall(r'class="dots (\w+)" d="([^"]*)"', drawn)
    assert [kind for kind, _ in dots] == ["dense"] * 10 + ["deployed"] * 10
    assert sum(path.count("M") for _, path in dots) == 100
    assert drawn.count('class="median') == 20 and drawn.count('class="band') == 2


def test_far_runs_do_not_squeeze_the_others_and_are_counted():
    runs = [*processes(100, count=9), (100.0, 100.1, 100.2, 100.3, 28_000.0)]
    found = distribution(result_of(variant("dense", runs)))
    assert "1 of 50 runs took longer than the axis shows; the slowest 28.00 ms" in found.remarks
    paths = re.findall(r' d="([^"]*)"', str(found.svg))
    assert sum(path.count("M") for path in paths) == 49


def test_a_disturbed_process_stays_on_the_picture():
    runs = [*processes(100, count=9), (500.0,) * 5]
    found = distribution(result_of(variant("dense", runs)))
    assert len(found.remarks) == 1
    assert float(re.findall(r"M([\d.]+)", str(found.svg))[-1]) <= 480


def test_rejected_processes_are_pale_and_said_to_be():
    sessions = variant("dense", processes(100))["sessions"]
    noisy = sessions[3] | {"verdict": "noisy", "reason": "it was"}
    result = result_of(variant("dense", processes(100)))
    found = distribution(changed(result, {"variants.0.sessions.3": noisy}))
    assert str(found.svg).count("dense rejected") == 3, "its dots, its half and its median"
    assert "pale rows are rejected processes" in found.remarks[-1]


def test_counts_are_bars_from_0_and_no_distribution():
    found = distribution(result_of(counted("dense", 300), counted("deployed", 100)))
    widths = [float(w) for w in re.findall(r'width="([\d.]+)" height="16', str(found.svg))]
    assert widths[0] / widths[1] == 3 or abs(widths[0] / widths[1] - 3) < 0.01
    assert "emulated" in str(found.svg) and "no distribution" in found.remarks[0]


def test_what_was_not_measured_is_said():
    assert distribution(result_of(variant("dense"))).remarks == ("latency: not measured",)
