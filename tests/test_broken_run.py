"""A device that fails in the middle: what was whole is in the folder and in the history."""

import json
import os
import signal
from pathlib import Path

import nets
import pytest

from edgeprune import cli
from edgeprune.agents.conversation import Conversation
from edgeprune.report.history import runs
from edgeprune.report.result import validate


def kill_agents():
    """Every agent that this process started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition(" (")[2].rpartition(") ")
        except OSError:
            continue
        if name.startswith("edgeprune-agent") and int(rest.split()[1]) == os.getpid():
            os.kill(int(stat.parent.name), signal.SIGKILL)


@pytest.fixture
def pulled_at(monkeypatch, home, tmp_path):
    """Kills the agents right before the ``nth`` question of a kind, in a folder with a model."""
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(nets.eligible())
    ask, asked = Conversation.ask, []

    def at(command, nth):
        def counting(self, name, *rest):
            asked.append(name)
            if name == command and asked.count(command) == nth:
                kill_agents()
            return ask(self, name, *rest)

        monkeypatch.setattr(Conversation, "ask", counting)

    return at


def test_whole_sessions_are_written_and_recorded_and_the_exit_code_is_3(pulled_at, capsys):
    pulled_at("load", 4)
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", "local", "--output", "out"])
    assert done.value.code == 3
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("edgeprune: local: load: edgeprune-agent was ended by SIGKILL; ")
    where = "(while timing `deployed`, session 4 of 5); 3 whole sessions are kept"
    assert line.endswith(f"{where}; what was measured before is in out")
    result = json.loads(Path("out/result.json").read_text())
    validate(result)
    assert runs()[0].result == result
    assert [len(variant["sessions"]) for variant in result["variants"]] == [3]
    assert result["validity"]["verdict"] != "valid"
    assert any("incomplete: " in reason for reason in result["validity"]["reasons"])
    assert result["comparison"]["verdict"] == "not measurable"


def test_a_run_without_a_whole_session_leaves_nothing(pulled_at, capsys):
    pulled_at("load", 1)
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "net.tflite", "--board", "local", "--output", "out"])
    assert done.value.code == 3
    assert capsys.readouterr().err.splitlines()[-1].endswith("session 1 of 5)")
    assert not Path("out").exists() and runs() == []
