"""What a night prints: a figure with its unit, or why there is none, on one clean line."""

import json

import pytest

from edgeprune.farm.executor import Assignment, Ending, Lease, Run
from edgeprune.farm.job import ErrorKind, Job, Kind
from edgeprune.farm.lines import Lines
from edgeprune.history.figures import Figure


def line_of(ending, **changes):
    said = []
    given = {"kind": Kind.MEASURE, "model_path": "/m/kws.h5", "recipe": "r/int8.toml"} | changes
    job = Job(number=0, model_sha256="", board="rpi4", device=None, **given)
    Lines(said.append).ended(Assignment("1", "n", job, Lease("pi", 1, "me"), 9.0), ending)
    (line,) = said
    return line


def run(metric=None, value=0.0, reasons=()):
    result = json.dumps({"validity": {"verdict": "insufficient", "reasons": list(reasons)}})
    figures = () if metric is None else (Figure("deployed", metric, value, "", ""),)
    return Ending(Run("pi", result, figures))


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        (run("latency_us", 2345.6), "measured, 2.346 ms"),
        (run("instructions", 98_151), "measured, 98.15 k instructions"),
        (
            run("bytes", 5, ["0 sessions", "it was\n\x1b[2Jbusy"]),
            "measured, but no figure can be relied on: 0 sessions; it was??[2Jbusy",
        ),
        (run(), "measured, but no figure can be relied on: the result says more"),
        (Ending(None, ErrorKind.JOB, "no\rmodel"), "job error: no?model"),
        (Ending(message="the farm was stopped"), "called off: the farm was stopped"),
    ],
)
def test_a_line_says_what_came_of_an_attempt(ending, told):
    assert line_of(ending) == f"pi: kws.h5, int8.toml: {told}"


def test_a_golden_run_is_called_so():
    assert line_of(run("latency_us", 1.0), kind=Kind.GOLDEN).startswith("pi: kws.h5, golden: ")
