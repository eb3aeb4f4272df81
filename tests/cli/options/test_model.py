import os

import click
import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.cli.options.model import sandbox_option
from edgeprune.sandbox.switch import SANDBOX_SWITCH, is_on


def test_no_sandbox_holds_for_its_own_command_alone(monkeypatch):
    seen = []

    @click.command()
    @sandbox_option
    def command():
        seen.append(is_on())

    monkeypatch.delenv(SANDBOX_SWITCH, raising=False)
    for argv in (["--no-sandbox"], []):
        assert CliRunner().invoke(command, argv).exit_code == 0
    assert seen == [False, True] and SANDBOX_SWITCH not in os.environ
    monkeypatch.setenv(SANDBOX_SWITCH, "off")
    CliRunner().invoke(command, ["--no-sandbox"])
    assert os.environ[SANDBOX_SWITCH] == "off"


@pytest.mark.parametrize("name", ["deploy", "compress", "explain", "run"])
def test_every_command_that_reads_a_model_can_do_without_walls(name):
    found = CliRunner().invoke(cli.edgeprune, [name, "--help"])
    assert "--no-sandbox" in found.output
