"""SIGKILL of the real farm at work: nothing goes on without it, and the next one goes on."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from nets import Net
from waits import until

CHECKOUT = Path(__file__).resolve().parents[2]
PLAN = """
[[jobs]]
models = ["net.tflite"]
boards = ["{board}"]
recipes = ["as-is"]
sessions = 2
[[jobs]]
models = ["net.tflite"]
boards = ["{board}"]
recipes = ["as-is"]
sessions = 1
[morning]
site = "site"
"""


@pytest.fixture
def farm(tmp_path):
    """Starts the farm, whose plan and home are in a folder of the test."""
    started = []

    def start():
        environment = os.environ | {"EDGEPRUNE_HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
        argv = [sys.executable, "-m", "edgeprune", "farm", "run", str(tmp_path / "p.toml")]
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen(argv, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(30)


def asked(home, question):
    with contextlib.closing(sqlite3.connect(home / "history.sqlite", timeout=30)) as connection:
        with contextlib.suppress(sqlite3.OperationalError):
            return connection.execute(question).fetchall()
    return []


def children_of(pid):
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


BOARDS = [
    "local",
    pytest.param("rpi4-emulated", marks=[pytest.mark.device, pytest.mark.full_range]),
]


@pytest.mark.parametrize("board", BOARDS)
def test_a_killed_farm_goes_on_and_measures_each_job_once(farm, tmp_path, board):
    net = Net()
    (tmp_path / "net.tflite").write_bytes(net.build(net.dense(net.input(1, 8), 4)))
    (tmp_path / "p.toml").write_text(PLAN.format(board=board))
    first = farm()
    until(lambda: asked(tmp_path, "SELECT 1 FROM farm_attempts"))
    until(lambda: children_of(first.pid))
    orphans = children_of(first.pid)
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    until(lambda: not any(Path(f"/proc/{child}/stat").exists() for child in orphans))
    second = farm()
    assert second.wait(580) == 0, (tmp_path / "log").read_text()
    assert asked(tmp_path, "SELECT state, count(*) FROM farm_jobs GROUP BY 1") == [("done", 2)]
    assert "jobs: 2 done" in (tmp_path / "site" / "index.html").read_text()
    assert asked(tmp_path, "SELECT count(*), count(DISTINCT job) FROM farm_results") == [(2, 2)]
    assert asked(tmp_path, "SELECT count(*) FROM runs") == [(2,)]
    died = "SELECT message FROM farm_attempts WHERE outcome <> 'done'"
    assert asked(tmp_path, died) == [("its scheduler died",)]
