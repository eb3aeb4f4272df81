"""Runs are taken out of a history and into another one, and old ones removed, on both engines."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from history_results import result
from sqlalchemy import insert, update

from edgeprune import cli, history
from edgeprune.errors import ConfigError
from edgeprune.history import database, queries
from edgeprune.history.farm_tables import JOBS, RESULTS
from edgeprune.history.place import place
from edgeprune.history.retention import Pruned, prune
from edgeprune.history.tables import RUNS
from edgeprune.history.transfer import export_runs, import_runs

pytestmark = pytest.mark.usefixtures("engine")


def exported():
    file = io.BytesIO()
    export_runs(file)
    return file.getvalue()


def emptied():
    with database.writing(place()) as connection:
        connection.exec_driver_sql("DELETE FROM figures")
        connection.exec_driver_sql("DELETE FROM runs")


def test_what_was_exported_comes_back_exactly_and_once():
    for board in ("rpi4", "rpi5"):
        history.record(result(board))
    lines, runs = exported(), history.runs()
    assert lines.count(b"\n") == 2 and "größer".encode() in lines
    assert import_runs(lines.splitlines(), "f") == (0, 2)
    emptied()
    assert import_runs(lines.splitlines(), "f") == (2, 0)
    assert exported() == lines
    assert [(r.time_utc, r.result) for r in history.runs()] == [
        (r.time_utc, r.result) for r in runs
    ]
    assert [len(history.repeats(board, "desk-pi", "bytes")) for board in ("rpi4", "rpi5")] == [0, 0]


def test_two_histories_are_merged_without_doubles():
    history.record(result("rpi4"))
    common = exported()
    history.record(result("rpi5"))
    first = exported()
    emptied()
    history.record(result("local"))
    assert import_runs(first.splitlines(), "f") == (2, 0)
    assert import_runs((first + common).splitlines(), "f") == (0, 3)
    assert sorted(run.board for run in history.runs()) == ["local", "rpi4", "rpi5"]


def test_figures_come_with_the_runs():
    history.record(result())
    before = history.repeats("rpi4", "desk-pi", "bytes")
    lines = exported()
    emptied()
    import_runs(lines.splitlines(), "f")
    with database.reading(place()) as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM figures").scalar_one()
    assert count == 1 and len(before) == len(history.repeats("rpi4", "desk-pi", "bytes"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: line[:-5], "line 2"),
        (
            lambda line: line.replace(b'"schema": 1, "time', b'"schema": 2, "time'),
            "schema must be 1",
        ),
        (lambda line: line.replace(b"+00:00", b""), "time_utc must be ISO 8601"),
        (lambda line: line.replace(b'"bytes": 8', b'"bytes": -8'), "variants"),
        (lambda line: b"[1]", "expected an object of"),
        (lambda line: b"\xff", "not UTF-8"),
    ],
)
def test_a_line_that_is_no_run_is_named_and_nothing_is_added(change, said):
    history.record(result())
    good = exported()
    emptied()
    with pytest.raises(ConfigError, match=r"^f: line 2") as caught:
        import_runs([good, change(good.strip())], "f")
    assert said in str(caught.value) and history.runs() == []


def aged(number, days):
    time_utc = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    with database.writing(place()) as connection:
        connection.execute(update(RUNS).where(RUNS.c.id == number).values(time_utc=time_utc))


def test_old_runs_go_but_for_those_that_others_stand_on():
    numbers = [history.record(result()) for _ in range(5)]
    other = history.record(result("rpi5"))
    for number, days in zip([*numbers, other], (400, 300, 200, 100, 10, 500), strict=True):
        aged(number, days)
    golden = numbers[1]
    job = dict.fromkeys((column.name for column in JOBS.columns), None) | {
        "job": "j", "night": "n", "number": 0, "kind": "golden", "model_path": "g.tflite",
        "model_sha256": "a" * 64, "recipe": "as-is", "board": "rpi4", "tags": "[]", "priority": 0,
        "time_budget_s": 1, "options": "{}", "state": "done", "retries": 0, "not_before_ms": 0,
    }  # fmt: skip
    with database.writing(place()) as connection:
        connection.execute(insert(JOBS).values(job))
        row = {"job": "j", "night": "n", "device": "desk-pi", "epoch": 1, "run": golden}
        connection.execute(insert(RESULTS).values(row))
    named = frozenset({numbers[2]})
    assert prune(90, named, dry_run=True) == Pruned(2, 3)
    assert len(history.runs()) == 6
    assert prune(90, named) == Pruned(2, 3)
    kept = {numbers[1], numbers[2], numbers[4], other}
    assert {run.id for run in history.runs()} == kept
    assert prune(90, named) == Pruned(0, 3)
    with pytest.raises(ConfigError, match="1 day or more"):
        prune(0)


def said(capsys, *argv):
    with pytest.raises(SystemExit) as done:
        cli.main(["history", *argv])
    return done.value.code, *capsys.readouterr()


def test_the_command_takes_runs_out_and_in(tmp_path, capsys):
    queries.record(result())
    file = tmp_path / "runs.jsonl"
    assert said(capsys, "export", str(file))[1] == f"1 runs are in {file}\n"
    assert said(capsys, "import", str(file))[1] == "0 runs were added, 1 were there already\n"
    found = said(capsys, "import", str(file), "--json")[1]
    assert json.loads(found) == {"file": str(file), "added": 0, "there": 1}
    code, _out, err = said(capsys, "export", str(file))
    assert code == 2 and "exists already" in err
    assert said(capsys, "import", str(tmp_path / "none"))[0] == 2
    assert said(capsys, "prune", "--keep", "1y")[1].startswith("0 runs were removed")
    assert said(capsys, "prune", "--keep", "soon")[0] == 2
    assert said(capsys, "export", "-")[1].encode() == file.read_bytes()
