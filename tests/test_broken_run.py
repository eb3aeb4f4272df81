"""A device that fails in the middle, or a user who interrupts: what was whole is kept."""

import json
import os
import shutil
import signal
import threading
from pathlib import Path

import nets
import pytest
import waits
from agent_processes import kill_agents

from edgeprune import cli
from edgeprune.agents.conversation import Conversation
from edgeprune.errors import DeviceError
from edgeprune.history import runs
from edgeprune.history.result_file import read_result
from edgeprune.measure import emulated
from edgeprune.measure.device_lock import DeviceLock


@pytest.fixture
def does_at(monkeypatch, home, tmp_path):
    """Does something right before the ``nth`` question of a kind, in a folder with a model."""
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(nets.eligible())
    ask, asked = Conversation.ask, []

    def at(command, nth, do):
        def counting(self, name, *rest):
            asked.append(name)
            if name == command and asked.count(command) == nth:
                do()
            return ask(self, name, *rest)

        monkeypatch.setattr(Conversation, "ask", counting)

    return at


def test_whole_sessions_are_written_and_recorded_and_the_exit_code_is_3(does_at, capsys):
    does_at("load", 4, kill_agents)
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", "local", "--output", "out", "--runs", "2"])
    assert done.value.code == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("edgeprune: local: load: edgeprune-agent was ended by SIGKILL; ")
    where = "(while timing `deployed`, session 4 of 5); 3 whole sessions are kept"
    assert line.endswith(f"{where}; what was measured before is in out")
    result = read_result(Path("out"))
    assert runs()[0].result == result
    assert [len(variant.sessions) for variant in result.variants] == [3]
    assert result.validity.verdict != "valid"
    assert any("incomplete: " in reason for reason in result.validity.reasons)
    assert result.comparison.verdict == "not measurable"


def test_a_run_without_a_whole_session_leaves_nothing(does_at, capsys):
    does_at("load", 1, kill_agents)
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", "local", "--output", "out", "--runs", "2"])
    assert done.value.code == 3
    assert capsys.readouterr().err.splitlines()[-1].endswith("session 1 of 5)")
    assert not Path("out").exists() and runs() == []


def interrupt(number=signal.SIGINT):
    os.kill(os.getpid(), number)


def ended(capsys, board="local"):
    """Exit code and last line of a run."""
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", board, "--output", "out", "--runs", "2"])
    lines = capsys.readouterr().err.splitlines()
    return done.value.code, lines[-1] if lines else ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_keeps_whole_sessions_as_a_pulled_plug_does(does_at, handlers, capsys, number):
    does_at("load", 4, lambda: interrupt(number))
    code, line = ended(capsys)
    assert code == 130
    assert line == (
        "edgeprune: interrupted while timing `deployed`, session 4 of 5; 3 whole sessions are "
        "kept; what was measured before is in out"
    )
    result = read_result(Path("out"))
    assert runs()[0].result == result
    assert [len(variant.sessions) for variant in result.variants] == [3]
    assert result.validity.verdict != "valid"
    assert any("incomplete: interrupted while" in line for line in result.validity.reasons)


def test_an_interrupt_before_every_variant_was_measured_keeps_nothing(does_at, handlers, capsys):
    does_at("load", 1, interrupt)
    code, line = ended(capsys)
    where = "while timing `deployed`, session 1 of 5"
    assert (code, line) == (130, f"edgeprune: interrupted {where}; nothing was measured")
    assert not Path("out").exists() and runs() == []


def test_an_interrupt_while_outputs_are_compared_keeps_all_times(
    does_at, handlers, capsys, monkeypatch
):
    monkeypatch.setattr("edgeprune.verify.with_parity", lambda *_: interrupt())
    code, line = ended(capsys)
    assert code == 130 and line.startswith("edgeprune: interrupted while comparing outputs; ")
    (variant,) = json.loads(Path("out/result.json").read_text())["variants"]
    assert len(variant["sessions"]) >= 5 and variant["layers"] and variant["parity"] is None


def test_an_interrupt_after_the_last_figure_waits_until_the_whole_result_is_written(
    does_at, handlers, capsys, monkeypatch
):
    real = DeviceLock.__exit__

    def late(self, *error):
        interrupt()
        real(self, *error)

    monkeypatch.setattr(DeviceLock, "__exit__", late)
    assert ended(capsys) == (130, "edgeprune: interrupted; the result is in out")
    (variant,) = json.loads(Path("out/result.json").read_text())["variants"]
    assert variant["parity"] is not None and Path("out/report.txt").exists()


@pytest.mark.device
def test_an_interrupt_keeps_instructions_that_were_counted(does_at, handlers, capsys, monkeypatch):
    count, is_counted = emulated._Run.count, threading.Event()

    def counting(self, crew):
        count(self, crew)
        is_counted.set()

    def interrupt_then():
        assert is_counted.wait(waits.HANG_S)
        interrupt()

    monkeypatch.setattr(emulated._Run, "count", counting)
    does_at("profile", 1, interrupt_then)
    code, line = ended(capsys, "rpi4-emulated")
    assert code == 130 and "the instructions of 1 of 1 variants are kept" in line
    (variant,) = json.loads(Path("out/result.json").read_text())["variants"]
    assert variant["instructions"]["per_inference"] > 0


def test_a_device_that_fails_while_outputs_are_compared_leaves_what_was_timed(
    does_at, capsys, monkeypatch
):
    def broken(*_):
        raise DeviceError("pi-01: the connection broke")

    monkeypatch.setattr("edgeprune.verify.with_parity", broken)
    code, line = ended(capsys)
    assert code == 3 and line.endswith("what was measured before is in out")
    assert "the connection broke (while comparing outputs); what was timed" in line
    (variant,) = json.loads(Path("out/result.json").read_text())["variants"]
    assert len(variant["sessions"]) >= 5


def test_a_run_that_is_killed_at_once_leaves_what_was_whole(does_at, home, monkeypatch, capsys):
    for name in ("KEPT_EVERY_S", "_REST"):
        monkeypatch.setattr(f"edgeprune.pipeline.on_device.{name}", 0)
    left = []
    does_at("load", 4, lambda: left.append(shutil.copytree("out", "killed")))
    assert ended(capsys)[0] == 0
    result = read_result(Path("killed"))
    assert [len(variant.sessions) for variant in result.variants] == [3]
    (why,) = (line for line in result.validity.reasons if "incomplete" in line)
    assert why == "incomplete: killed while it measured; 3 whole sessions are kept"
    assert not any("incomplete" in line for line in read_result(Path("out")).validity.reasons)
    with pytest.raises(SystemExit):
        cli.main(["run", "net.tflite", "--board", "local", "--output", "next"])
    assert "killed: the result of a run that was killed is now recorded" in capsys.readouterr().err
    assert result in [run.result for run in runs()]
