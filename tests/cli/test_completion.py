"""The scripts of ``edgeprune completion``, run by the shells themselves."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from full_range import also

from edgeprune import cli
from edgeprune.cli.completion import FILES
from edgeprune.devices.boards import board_names
from edgeprune.recipe import recipe_names
from edgeprune.recipe.quantize_table import MODES

BENCH = """
[devices.desk-pi]
board = "rpi4"
host = "192.0.2.1"
[devices.desk-phone]
board = "pixel-8"
"""
BASH = """
source ./completing
COMP_WORDS=(edgeprune "$@")
COMP_CWORD=$#
compopt() { echo "compopt $*"; }
_edgeprune_completion edgeprune
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { }
compadd() { print -l -- ${(P)@[-1]} }
_describe() { print -l -- ${${(P)3}%%:*} }
_files() { print _files }
_path_files() { print _path_files }
source ./completing
words=(edgeprune "$@")
CURRENT=$#words
_edgeprune_completion
"""
FISH = 'source ./completing\ncomplete -C "edgeprune $argv" | string split -f1 \\t\n'


@pytest.fixture
def offered(tmp_path, monkeypatch):
    """Asks a shell what may stand in place of the last word."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "edgeprune"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgeprune "$@"\n')
    program.chmod(0o755)
    (tmp_path / "bench.toml").write_text(BENCH)
    path = os.environ.get("PYTHONPATH", "")
    root = str(Path(cli.__file__).parents[2])
    home = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    env = {**os.environ, **home, "PYTHONPATH": os.pathsep.join(filter(None, (root, path)))}
    env["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{env['PATH']}"

    def ask(shell, *words):
        if shutil.which(shell) is None:
            pytest.skip(f"{shell} is not installed")
        script = CliRunner().invoke(cli.edgeprune, ["completion", shell])
        assert script.exit_code == 0
        (tmp_path / "completing").write_text(script.output)
        run = {
            "bash": ["bash", "--norc", "-c", BASH, "bash", *words],
            "zsh": ["zsh", "-f", "-c", ZSH, "zsh", *words],
            "fish": ["fish", "--no-config", "-c", FISH, *words],
        }[shell]
        done = subprocess.run(
            run, capture_output=True, text=True, timeout=300, env=env, cwd=tmp_path, check=False
        )
        assert done.stderr == ""
        return done.stdout.split()

    return ask


BENCHED = ("run", "m.tflite", "--bench", "bench.toml")
OFFERED = [
    (("deploy", "m.h5", "--board", ""), set(board_names())),
    (("compress", "--recipe", ""), set(recipe_names())),
    (("compress", "--quantize", "int"), {mode for mode in MODES if "int" in mode}),
    ((*BENCHED, "--host", ""), {"desk-pi", "desk-phone"}),
    ((*BENCHED, "--board", "rpi4", "--host", ""), {"desk-pi"}),
]
"""Words, and all that may stand in place of the last one."""
FIRST = "bash"
"""The shell that is asked for everything in the suite: words are answered by the program."""


def by_each_shell(*cases):
    """The first case by every shell, the others by one; the full range asks each for all."""
    return [
        (shell, *case) if shell == FIRST or not k else also(shell, *case)
        for k, case in enumerate(cases)
        for shell in FILES
    ]


@pytest.mark.parametrize("shell", FILES)
def test_a_shell_offers_commands_and_options(offered, shell):
    found = offered(shell, "comp")
    assert found == ["compress", "compare", "completion"] or shell == "fish"
    assert set(found) == {"compress", "compare", "completion"}
    assert "--max-accuracy-drop" in offered(shell, "deploy", "--max")


@pytest.mark.parametrize(("shell", "words", "there_is"), by_each_shell(*OFFERED))
def test_a_shell_offers_what_there_is(offered, shell, words, there_is):
    assert set(offered(shell, *words)) == there_is


@pytest.mark.parametrize(
    ("shell", "words", "some"),
    by_each_shell(
        (("compress", "--pattern", "un"), {"unstructured"}), (("devices", ""), {"list", "trust"})
    ),
)
def test_a_shell_offers_among_others(offered, shell, words, some):
    assert some <= set(offered(shell, *words))


@pytest.mark.parametrize(
    ("shell", "words"),
    by_each_shell(
        (("deploy", "ben"),),
        (("deploy", "--data", "ben"),),
        (("run", "--bench", "ben"),),
        (("report", "ben"),),
    ),
)
def test_files_are_offered_where_files_are_due(offered, shell, words):
    found = offered(shell, *words)
    told = {"bash": "compopt -o default", "zsh": "_path_files", "fish": "bench.toml"}[shell]
    assert told.split()[0] in found


@pytest.mark.parametrize("shell", FILES)
def test_a_wrong_bench_file_is_no_error_of_the_shell(offered, shell, tmp_path):
    (tmp_path / "bench.toml").write_text("[devices\n")
    assert offered(shell, "run", "--bench", "bench.toml", "--host", "x") == []


def test_nothing_of_weight_is_imported_for_it():
    program = (
        "import sys\n"
        "import edgeprune.cli.deploy, edgeprune.cli.compress, edgeprune.cli.explain\n"
        "from edgeprune.cli import words\n"
        "import edgeprune.cli.run, edgeprune.cli.devices, click\n"
        "context = click.Context(click.Command('x'))\n"
        "for name in vars(words).values():\n"
        "    if isinstance(name, words.Name):\n"
        "        name.shell_complete(context, None, '')\n"
        "heavy = {'numpy', 'rich', 'tensorflow', 'paramiko', 'msgspec', 'jinja2'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.split() == []


def test_the_script_is_json_too():
    found = CliRunner().invoke(cli.edgeprune, ["completion", "fish", "--json"])
    document = json.loads(found.output)
    assert document["shell"] == "fish" and "complete" in document["script"]


def test_a_shell_that_is_unknown_is_asked_about():
    found = CliRunner().invoke(cli.edgeprune, ["completion", "zhs"])
    assert found.exit_code == 2 and "did you mean zsh?" in found.output
