from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeprune import cli


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch):
    """MODEL is looked at before any word."""
    monkeypatch.chdir(tmp_path)
    Path("model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


@pytest.mark.parametrize("command", ["deploy", "compress"])
def test_a_word_with_another_name_today_is_refused_with_that_name(command):
    found = CliRunner().invoke(cli.edgeprune, [command, "--layers", "paying", "model.h5"])
    assert found.exit_code == 2
    line = "Error: Invalid value for '--layers': 'paying' is called 'accelerated' now"
    assert found.output.splitlines()[-1] == line


def test_any_other_wrong_word_is_refused_with_those_that_there_are():
    found = CliRunner().invoke(cli.edgeprune, ["compress", "--layers", "most", "model.h5"])
    assert found.exit_code == 2
    assert "'most' is not one of accelerated, all" in found.output
