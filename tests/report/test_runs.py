"""The list of recorded runs."""

import io

import pytest
from results import changed, counted, processes, result_of, top1, variant
from rich.console import Console

from edgeprune.history import Run
from edgeprune.report.runs import print_runs

COUNTED = result_of(
    counted("dense", 300), counted("deployed", 54_396_860, bytes=866_808, accuracy=top1(0.9012))
)
HEADINGS = (
    "run", "time (UTC)", "model", "board", "device", "recipe", "takes", "accuracy", "size",
    "verdict",
)  # fmt: skip
TIMED = result_of(variant("dense", processes(200)), variant("deployed", processes(100)))


def cells(result, width=300):
    """The one run's cells by their headings."""
    console = Console(file=io.StringIO(), width=width)
    run = Run(7, "2026-11-21T17:00:00+00:00", "0.1.0", "rpi4", "desk", "ab" * 32, "a/m.h5", result)
    print_runs([run], console)
    lines = [line for line in console.file.getvalue().splitlines() if line.strip()]
    starts = [0, *(lines[0].index(heading) for heading in HEADINGS[1:])]
    ends = [*starts[1:], None]
    row = [lines[2][start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return dict(zip(HEADINGS, row, strict=True))


def test_a_run_is_listed_with_recipe_cost_accuracy_and_size():
    assert cells(COUNTED) == {
        "run": "7", "time (UTC)": "2026-11-21 17:00", "model": "m.h5", "board": "rpi4",
        "device": "desk", "recipe": "auto", "takes": "54.40 M instr.",
        "accuracy": "top1 90.12%", "size": "866.8 kB", "verdict": "no difference",
    }  # fmt: skip
    assert cells(TIMED)["takes"] == "100.2 us"


def test_every_outputs_score_is_listed():
    heads = [
        {"name": "cls", "metric": "top1", "value": 0.9},
        {"name": "box", "metric": "mae", "value": 2.0},
    ]
    result = changed(COUNTED, {"variants.1.accuracy.heads": heads})
    assert cells(result)["accuracy"] == "cls top1 90.00%; box mae 2"


@pytest.mark.parametrize("recipe", [{}, {"name": ""}, {"name": None}])
def test_what_is_not_known_is_a_dash_and_never_0(recipe):
    nothing = changed(result_of(variant("deployed")), {"recipe": recipe})
    row = cells(nothing)
    assert [row[key] for key in ("recipe", "takes", "accuracy")] == ["-", "-", "-"]
    assert "0" not in row["takes"] + row["accuracy"]


def board_of(text):
    """Where the column of boards begins and ends."""
    head = next(line for line in text.splitlines() if "board" in line)
    return head.index("board"), head.index("device")


@pytest.mark.parametrize("width", [80, 100, 120])
def test_nothing_is_cut_in_a_narrow_window(width):
    console = Console(file=io.StringIO(), width=width)
    run = Run(7, "2026-11-21T17:00:00", "0.1.0", "rpi4-emulated", "desk", "", "net.h5", COUNTED)
    print_runs([run] * 3, console)
    text = console.file.getvalue()
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for word in "54.40 instr. 90.12% 866.8 difference 2026-11-21 verdict".split():
        assert word in text
    columns = [line[first:last] for line in text.splitlines() for first, last in [board_of(text)]]
    assert "rpi4-emulated" in "".join(part.strip() for part in columns)


@pytest.mark.parametrize(
    "verdict, validity, said",
    [
        ("faster", ("valid",), "faster"),
        ("slower", ("valid",), "slower"),
        ("faster", ("noisy", "a neighbour"), "noisy"),
        ("faster", ("invalid", "wrong outputs"), "invalid"),
    ],
)
def test_the_verdict_is_the_validity_where_the_figures_are_not_valid(verdict, validity, said):
    result = result_of(
        counted("dense", 300), counted("deployed", 100), verdict=verdict, validity=validity[:],
        speedup=3.0 if verdict == "faster" else 0.5,
    )  # fmt: skip
    assert cells(changed(result, {"validity.verdict": validity[0]}))["verdict"] == said
