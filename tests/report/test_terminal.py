import io

import pytest
from results import changed, document
from rich.console import Console

from edgeprune.artifacts.stored import EncodedTensor
from edgeprune.history.result import Comparison
from edgeprune.history.result_file import parse_result
from edgeprune.report import terminal
from edgeprune.report.figures import bytes_text, figures, time_text
from edgeprune.report.verdict import comparison_line

LAYER = {
    "name": "conv1", "op": "CONV_2D", "kernel": "Convolution (NCHW, F32) SPMM", "sparse": True,
    "latency_us": 12.5, "instructions": None,
}  # fmt: skip


def variant(name, **figures):
    return {
        "name": name, "file": f"{name}.tflite", "bytes": 16_900_000, "sparsity": 0.9,
        "profiling_only": False, "accuracy": None, "parity": None, "latency_us": None,
        "instructions": None, "energy_uj": None, "peak_memory_bytes": None, "layers": [],
        "sparse_layers_expected": 0, "sparse_layers_run": None,
    } | figures  # fmt: skip


def report_of(variants, **comparison):
    result = {
        "schema": 1,
        "model": {"path": "net.h5", "sha256": "ab" * 32, "format": "keras2-h5"},
        "board": "rpi4",
        "device": {
            "id": "desk-pi", "cpu": "Cortex-A72", "os": "Linux 6.6", "agent_version": "1.0",
            "runtime_version": "LiteRT 2.3.0",
        },
        "recipe": {},
        "variants": variants,
        "comparison": {"metric": "latency_us", "speedup": None, "ci95": None,
                       "verdict": "not measurable"} | comparison,
        "validity": {"verdict": "valid", "reasons": []},
    }  # fmt: skip
    return parse_result(result)


def latency(median, **rest):
    return {
        "median": median, "p90": median * 1.1, "p99": median * 1.2, "min": median * 0.9,
        "runs": 700, "sessions": 7, "ci95": [median * 0.99, median * 1.01],
    } | rest  # fmt: skip


def timed():
    parity = {
        "reference": "host", "max_abs_diff": 3.2e-7, "argmax_agreement": 0.99, "samples": 16,
        "where": "desk-pi",
    }  # fmt: skip
    dense = variant(
        "dense", latency_us=latency(30_000.0), parity=parity, peak_memory_bytes=5 * 10**7
    )
    deployed = variant(
        "deployed",
        latency_us=latency(8_670.0),
        accuracy={"metric": "top1", "value": 0.912, "samples": 500},
        layers=[LAYER],
        sparse_layers_run=1,
        sparse_layers_expected=1,
    )
    return report_of([dense, deployed], speedup=3.46, ci95=[3.4, 3.52], verdict="faster")


def counted():
    def count(value):
        return {"per_inference": value, "source": "QEMU plugin"}

    return report_of(
        [
            variant("dense", instructions=count(210_412_345)),
            variant("deployed", instructions=count(60_812_345), profiling_only=True),
        ],
        metric="instructions",
        speedup=3.46,
        verdict="faster",
    )


def printed(show, *arguments, width=80, **named) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    show(*arguments, console, **named)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("result", [timed(), counted()])
def test_no_line_is_wider_than_the_console_and_no_figure_is_cut(result, width):
    text = printed(terminal.print_report, result, width=width, reasons=["conv2: " + "why " * 40])
    assert max(len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for _, cells in figures(result)[0]:
        for cell in cells:
            assert any(cell in line for line in text.splitlines()), cell


def test_a_report_says_what_was_held_fixed_and_how_a_variant_starts():
    start = {
        "load_us": 8_500.0, "first_us": 950.0, "model_memory_bytes": 12_300_000,
        "packed_bytes": 4_400_000,
        "processes": [
            {"load_ns": 1, "first_ns": 1, "peak_memory_bytes": None, "agent_memory_bytes": None}
        ],
    }  # fmt: skip
    pinning = {
        "cpus": [4, 5], "asked": "performance", "governors": ["schedutil"],
        "governors_before": ["schedutil"], "fixed_performance_mode": True, "restored": True,
        "reason": "governor not set: permission denied",
    }  # fmt: skip
    result = changed(timed(), {"variants.1.start": start, "pinning": pinning})
    text = printed(terminal.print_report, result)
    for expected in (
        "4, 5", "schedutil; in Android's fixed performance mode", "8.500 ms", "950.0 us",
        "12.30 MB", "4.400 MB", "- governor not set: permission denied",
    ):  # fmt: skip
        assert expected in text
    older = printed(terminal.print_report, timed())
    assert "time to load" not in older and "governor" not in older


def test_a_timed_report_says_what_ran_and_how_fast():
    text = printed(terminal.print_report, timed())
    for expected in (
        "net.h5 (keras2-h5, sha256 abababababab)", "rpi4", "desk-pi: Cortex-A72, Linux 6.6",
        "LiteRT 2.3.0, agent 1.0", "16.90 MB", "90.0%", "top1 91.20% of 500", "30.00 ms",
        "29.70 ms to 30.30 ms", "8.670 ms", "50.00 MB", "1 of 1 expected", "3.2e-07", "99.0% of 16",
        "deployed is 3.46x faster than dense (95% confidence: 3.40x to 3.52x)",
    ):  # fmt: skip
        assert expected in text, expected
    assert "profiling_only" not in text


def test_an_emulated_report_speaks_of_instructions_and_never_of_time():
    text = printed(terminal.print_report, counted())
    assert "instructions per inference (emulated)" in text
    assert "210.4 M" in text
    assert "deployed executes 3.46x fewer instructions than dense" in text
    assert "counted by QEMU plugin" in text
    assert "deployed is profiling_only" in text
    assert "latency" not in text
    assert " ms" not in text


def test_a_variant_alone_is_compared_with_nothing():
    text = printed(terminal.print_report, report_of([variant("deployed")]))
    assert "nothing to compare with: deployed is the only variant" in text
    assert "not measurable" not in text


def test_what_was_not_measured_says_so_and_is_never_zero():
    text = printed(terminal.print_report, report_of([variant("dense"), variant("deployed")]))
    assert "not measurable: there is no figure for both dense and deployed" in text
    missing = next(line for line in text.splitlines() if line.startswith("not measured: "))
    assert "latency, median" in missing
    assert "energy per inference" in text
    assert "sparse layers" in text
    assert "accuracy was not measured: it needs --data with labels" in text
    figure_lines = [line for line in text.splitlines() if line.startswith("  ")]
    assert not any(cell in ("0", "0.0") for line in figure_lines for cell in line.split())


def test_a_figure_that_only_one_variant_has_is_not_measured_for_the_other():
    text = printed(terminal.print_report, timed())
    row = next(line for line in text.splitlines() if "peak memory" in line)
    assert row.split() == ["peak", "memory", "50.00", "MB", "not", "measured"]


def test_a_note_on_accuracy_takes_the_place_of_our_own():
    note = "accuracy was not measured: no --data"
    text = printed(terminal.print_report, report_of([variant("dense")]), notes=[note])
    assert text.count("accuracy was not measured") == 1


def test_reasons_and_notes_and_doubts_are_all_printed():
    validity = {"verdict": "noisy", "reasons": ["clock fell to 600 MHz"]}
    result = changed(timed(), {"validity": validity, "variants.1.sparse_layers_expected": 13})
    text = printed(
        terminal.print_report, result, reasons=["dw1: depthwise"], notes=["masks were kept"]
    )
    assert "these figures are noisy: clock fell to 600 MHz" in text
    assert "deployed: only 1 of 13 layers that were expected to run sparse did" in text
    assert "- dw1: depthwise" in text
    assert "- masks were kept" in text


def test_too_few_runs_for_a_percentile_are_explained():
    few = latency(100.0, runs=30, sessions=3, p90=None, p99=None, ci95=None)
    pair = [variant("dense", latency_us=few), variant("deployed", latency_us=few)]
    text = printed(terminal.print_report, report_of(pair, speedup=1.0))
    assert "30 runs in all; a p99 needs 662 runs and a p90 64" in text
    assert "fewer than 5 valid sessions of each give no confidence interval" in " ".join(
        text.split()
    )


@pytest.mark.parametrize(
    ("comparison", "line"),
    [
        (
            ("instructions", 0.8, None, "slower"),
            "deployed executes 1.25x more instructions than dense",
        ),
        (
            ("latency_us", 0.5, [0.4, 0.625], "slower"),
            "deployed is 2.00x slower than dense (95% confidence: 1.60x to 2.50x)",
        ),
        (
            ("latency_us", 1.004, [0.99, 1.02], "no difference shown"),
            "no difference shown: dense takes 1.004x the time of deployed "
            "(95% confidence: 0.99x to 1.02x)",
        ),
        (
            ("instructions", 1.004, None, "no difference shown"),
            "no difference shown: dense executes 1.004x the instructions of deployed",
        ),
    ],
)
def test_the_verdict_is_one_plain_sentence(comparison, line):
    keys = ("metric", "speedup", "ci95", "verdict")
    assert comparison_line(Comparison(**dict(zip(keys, comparison, strict=True)))) == line


@pytest.mark.parametrize("show", [terminal.print_report, terminal.print_layers])
def test_names_cannot_colour_hide_or_move_anything(show):
    hostile = "[bold]x[/bold] [/] :smile: \x1b[2J\n\x07"
    places = ("model.path", "device.id", "variants.1.layers.0.name", "variants.2.name")
    three = changed(
        timed(), {"variants": [*document(timed())["variants"], variant("other", layers=[LAYER])]}
    )
    result = changed(three, dict.fromkeys(places, hostile))
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    show(result, console)
    text = console.file.getvalue()
    assert "[bold]x[/bold] [/] :smile: ?[2J??" in text
    assert "\x1b[2J" not in text
    assert "\x07" not in text


def test_layers_name_kernel_and_time_and_count_the_sparse_ones():
    text = printed(terminal.print_layers, timed())
    assert "dense: kernels were not measured" in text
    row = next(line for line in text.splitlines() if "conv1" in line)
    assert row.split() == [
        "conv1", "CONV_2D", "Convolution", "(NCHW,", "F32)", "SPMM", "yes", "12.50", "us",
    ]  # fmt: skip
    assert "layers that ran sparse: 1; expected: 1" in text


def test_layers_of_an_emulated_board_have_no_time_column():
    result = changed(timed(), {"variants.1.layers.0.latency_us": None})
    assert "time" not in printed(terminal.print_layers, result)


def test_tensors_say_how_each_is_stored_and_why():
    tensor = EncodedTensor(
        "conv1/kernel", "CONV_2D", (8, 1, 1, 4), 100, 90, 40_000, 5_000, True, "pointwise"
    )
    console = Console(file=io.StringIO(), width=80)
    terminal.print_tensors([tensor], ["a note"], console)
    text = console.file.getvalue()
    row = next(line for line in text.splitlines() if "conv1/kernel" in line)
    assert row.split() == [
        "conv1/kernel", "CONV_2D", "90%", "40.00", "kB", "5.000", "kB", "sparse", "pointwise",
    ]  # fmt: skip
    assert "- a note" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.94, "999.9 us"), (999.96, "1.000 ms"), (9.9996, "10.00 us"), (3e6, "3.000 s"),
     (99.996, "100.0 us"), (7e9, "7000.0 s")],
)  # fmt: skip
def test_times_change_unit_without_gaining_or_losing_digits(value, text):
    assert time_text(value) == text


def test_nothing_is_not_measured_and_not_zero():
    assert bytes_text(None) == time_text(None) == "not measured"
    assert time_text(0.0) == "0.000 us"  # a kernel below the profiler's clock: measured, and zero
