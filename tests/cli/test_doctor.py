import json

import pytest
from click.testing import CliRunner

from edgeprune.cli.doctor import doctor
from edgeprune.files import paths


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(paths.cache_folder()))
    monkeypatch.setenv("EDGEPRUNE_HOME", str(tmp_path / "home"))
    return tmp_path


def invoke(*arguments: str):
    return CliRunner().invoke(
        doctor, list(arguments), standalone_mode=False, catch_exceptions=False
    )


def test_a_healthy_machine_exits_with_0_and_says_ready():
    result = invoke()
    assert result.return_value == 0
    assert "  local: ready\n" in result.stdout
    assert "for every board:\n  ok      python: 3." in result.stdout


def test_a_machine_that_cannot_serve_local_exits_with_3_and_says_what_to_do(home):
    (home / "home").write_text("a file, where a folder is wanted")
    result = invoke()
    assert result.return_value == 3
    assert "  broken  data folder: " in result.stdout
    assert "-> make room, or set EDGEPRUNE_HOME to another folder" in result.stdout
    assert "  local: needs make room" in result.stdout


def test_json_is_alone_on_stdout_and_agrees_with_the_exit_code(home):
    healthy = invoke("--json")
    found = json.loads(healthy.stdout)
    assert found["ok"] is True
    assert {"name": "python", "state": "ok"}.items() <= found["checks"][0].items()
    assert {board["board"] for board in found["boards"]} >= {"local", "rpi4-emulated"}
    (home / "home" / "bench.toml").write_text("wrong")
    with_fault = json.loads(invoke("--json").stdout)
    assert next(c for c in with_fault["checks"] if c["name"] == "bench.toml")["state"] == "broken"
    assert with_fault["ok"] is True


def test_a_bench_file_may_be_named(home):
    (home / "other.toml").write_text("[devices.desk]\nboard = 'rpi9'\n")
    result = invoke("--bench", str(home / "other.toml"))
    assert "no board is 'rpi9'" in result.stdout


def test_help_shows_an_example():
    assert "Example: edgeprune doctor" in invoke("--help").stdout
