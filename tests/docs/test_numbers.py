"""Examples in docs/ run, and print what stands beside them."""

import re
from pathlib import Path

import pytest

from edgeprune.measure import cooling, guard, session, standing_agent, start, watch
from edgeprune.recipe.efforts import DEFAULT_EFFORT, EFFORTS
from edgeprune.recipe.run_table import GOVERNORS, RunTable
from edgeprune.report import validity
from edgeprune.significance import shift

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["channels.md"])
def test_the_example_runs_and_prints_what_is_written(name, capsys, monkeypatch, tmp_path):
    text = (DOCS / name).read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    shown = re.search(r"It prints:\n```\n(.*?)```", text, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    # Keras's own way of saving warns under numpy 2.
    exec(compile(code.replace("done.keras.save", "str"), name, "exec"), {})
    assert capsys.readouterr().out == shown


def rows_of(name, heading):
    """Cells of the table below a heading, a list a row."""
    part = (DOCS / name).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_the_efforts_are_those_of_the_table_and_the_default_is_named():
    written = {row[0]: row[1:] for row in rows_of("measuring.md", "Efforts")}
    assert written == {
        name: [
            str(e.sessions),
            str(e.most_sessions),
            str(e.runs),
            f"{e.timed_s:g}",
            f"{e.max_s:g} s",
            str(e.repeats),
        ]
        for name, e in EFFORTS.items()
    }
    assert f"The default is `{DEFAULT_EFFORT}`." in (DOCS / "measuring.md").read_text()


def test_the_rules_have_the_limits_of_the_guard():
    rules = " ".join(cell for row in rows_of("measuring.md", "What makes a session valid")
                     for cell in row)  # fmt: skip
    for limit in (
        f"below {guard.SLOWEST_CLOCK:.0%} of the pinned".replace("%", " %"),
        f"more than {guard.STEEPEST_PERCENT:g} % a minute",
        f"more than {100 * guard.MAX_WAIT_SHARE:g} % of the session",
        f"more than {100 * guard.MAX_OTHERS:g} % of pinned cores",
        f"more than {100 * guard.MAX_OTHERS:g} % of the used cores",
        f"at least {guard.LEAST_RUNS} runs spreads over more than {100 * guard.WIDEST_HALF:g} %",
        f"from {guard.SHORTEST_FOR_TICKS_S:g} s on",
        f"in sessions of {guard.SHORTEST_FOR_TREND_S:g} s and more",
    ):
        assert limit in rules, limit


def test_the_waits_the_verdict_and_the_repeats_are_those_of_the_code():
    text = " ".join((DOCS / "measuring.md").read_text().split())
    table = RunTable()
    for words in (
        f"makes {table.warmup} inferences that do not count",
        f"at least {table.cooldown_min_s:g} s (`cooldown_min_s`)",
        f"within {cooling.NEAR_C:g} C of its temperature",
        f"most {table.cooldown_max_s:g} s (`cooldown_max_s`)",
        f"more than {session.MAX_KEPT} runs",
        f"fewer than {shift.MIN_SESSIONS} valid sessions",
        f"resampling sessions ({shift.RESAMPLES} times",
        f"never below {100 * shift.MIN_EFFECT:g} %",
        f"scatter by more than {100 * validity.WIDEST_SCATTER:g} %",
        f"at most {1 / watch.FASTEST_S:g} times a second",
        f"less than {2 * watch.SLOWEST_S:g} s without commands",
    ):
        assert words in text, words


def test_what_holds_the_device_still_has_the_numbers_of_the_code():
    text = " ".join((DOCS / "pinning.md").read_text().split())
    for words in (
        f"every {standing_agent.PING_S:g} s that it is there",
        f"after {standing_agent.IDLE_S} s of silence",
        f"in {start.PROCESSES} fresh processes",
    ):
        assert words in text, words
    assert {row[0].split()[0] for row in rows_of("pinning.md", "The clock")} == set(GOVERNORS)
