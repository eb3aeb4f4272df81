"""With ``--json`` standard output holds one JSON document, whatever happens."""

import json
import os
import signal
import subprocess
import sys

import pytest
from nets import Net

from edgeprune import cli
from edgeprune.errors import DeviceTimeout


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = Net()
    (tmp_path / "model.tflite").write_bytes(net.build(net.dense(net.input(1, 4), 3)))
    (tmp_path / "bad.toml").write_text("[prune]\nsparsty = 0.5\n")


def failed(capsys, *argv):
    """The exit code and the error of a command, and what stood on standard error."""
    with pytest.raises(SystemExit) as done:
        cli.main(argv)
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert list(document) == ["error"]
    assert list(document["error"]) == ["kind", "message", "exit_code"]
    assert document["error"]["exit_code"] == done.value.code != 0
    assert "\n" not in document["error"]["message"]
    return document["error"], err


@pytest.mark.parametrize(
    ("argv", "kind", "message"),
    [
        (["deplyo", "--json"], "UsageError", "did you mean deploy?"),
        (["deploy", "--json"], "UsageError", "Missing argument 'MODEL'"),
        (["run", "model.tflite", "--json"], "UsageError", "Missing option '--board'"),
        (["boards", "--jsno", "--json"], "UsageError", "No such option"),
        (["--json"], "UsageError", "No such option"),
        (["devices", "lst", "--json"], "UsageError", "No such command"),
        (["devices", "list", "--bench", "no.toml", "--json"], "ConfigError", "no.toml"),
        (["boards", "rpi44", "--json"], "ConfigError", "did you mean rpi4?"),
        (["report", "nowhere", "--json"], "ConfigError", "nowhere"),
        (["report", "--json"], "UsageError", "RESULT"),
        (["report", "--limit", "x", "--history", "--json"], "UsageError", "--limit"),
        (["compare", "987654", "no", "--json"], "ConfigError", "no run has the number 9876"),
        (["compare", "--max-regression", "nan", "--json", "1", "2"], "ConfigError", "nan"),
        (["example", "digit", "--json"], "UsageError", "did you mean digits?"),
        (["explain", "modle.tflite", "--board", "rpi4", "--json"], "ModelError", "did you mean"),
        (
            ["compress", "model.tflite", "-o", "/dev/stdout", "--json"],
            "UsageError",
            "standard output",
        ),
        (["compress", "model.tflite", "-o", "no/x.tflite", "--json"], "ConfigError", "no such fol"),
        (["deploy", "model.tflite", "--board", "rpi4", "--json"], "ConfigError", "no device on th"),
        (
            ["deploy", "model.tflite", "--board", "local", "--recipe", "bad.toml", "--json"],
            "ConfigError",
            "did you mean 'prune.sparsity'?",
        ),
        (
            ["deploy", "model.tflite", "--board", "local", "--quantize", "int_8", "--json"],
            "UsageError",
            "did you mean int8?",
        ),
    ],
)
def test_every_failing_command_says_why_as_json(argv, kind, message, capsys):
    error, stderr = failed(capsys, *argv)
    assert error["kind"] == kind and error["exit_code"] == 2
    assert message in error["message"]
    assert message in stderr  # people read the same


def test_the_kind_is_the_errors_class_and_the_exit_code_its_own(capsys, monkeypatch):
    def late(name):
        raise DeviceTimeout("nothing came back\nin 5 s")

    monkeypatch.setattr("edgeprune.cli.boards.load_board", late)
    error, _ = failed(capsys, "boards", "rpi4", "--json")
    assert error == {
        "kind": "DeviceTimeout",
        "message": "nothing came back in 5 s",
        "exit_code": 3,
    }


def test_a_fault_of_ours_is_json_too(capsys, monkeypatch):
    monkeypatch.setattr("edgeprune.cli.boards.load_board", lambda name: 1 / 0)
    error, _ = failed(capsys, "boards", "rpi4", "--json")
    assert error["kind"] == "InternalError" and error["exit_code"] == 70
    assert "ZeroDivisionError" in error["message"]


def test_no_second_document_follows_the_first(capsys, monkeypatch):
    from edgeprune.errors import ConfigError

    def printed_and_failed(value):
        cli.json_output.print_json({"a": 1})
        raise ConfigError("the limit could not be checked")

    monkeypatch.setattr("edgeprune.cli.boards.print_json", printed_and_failed)
    with pytest.raises(SystemExit) as done:
        cli.main(["boards", "rpi4", "--json"])
    out, err = capsys.readouterr()
    assert done.value.code == 2 and json.loads(out) == {"a": 1}
    assert "could not be checked" in err


def test_without_json_standard_output_stays_empty(capsys):
    with pytest.raises(SystemExit):
        cli.main(["boards", "rpi44"])
    assert capsys.readouterr().out == ""


def test_an_argument_that_looks_like_the_option_is_none(capsys):
    with pytest.raises(SystemExit):
        cli.main(["report", "--", "--json"])
    assert capsys.readouterr().out == ""


def test_ctrl_c_is_json_too():
    program = (
        "import time\n"
        "from edgeprune import cli\n"
        "import edgeprune.cli.boards as boards\n"
        "def slow(name):\n"
        "    print('waiting', file=__import__('sys').stderr, flush=True)\n"
        "    time.sleep(3000)\n"
        "boards.load_board = slow\n"
        "cli.main(['boards', 'rpi4', '--json'])\n"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    with started:
        assert started.stderr.readline() == "waiting\n"
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=300)
    error = json.loads(out)["error"]
    assert started.returncode == error["exit_code"] == 130
    assert error["kind"] == "Interrupted" and error["message"] in err
