import json
import subprocess
import sys

import command_lines
import nets
import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.files import paths


def test_help_imports_nothing_heavy():
    program = (
        "import sys\n"
        "from edgeprune import cli\n"
        "cli.edgeprune.main(['--help'], standalone_mode=False)\n"
        "heavy = {'numpy', 'rich', 'tensorflow', 'paramiko', 'ai_edge_litert'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for name in cli.COMMANDS:
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_an_example(name):
    found = CliRunner().invoke(cli.edgeprune, [name, "--help"])
    assert found.exit_code == 0
    assert f"edgeprune {name}" in " ".join(found.output.split())
    assert "Example:" in found.output


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_prints_json(name):
    found = CliRunner().invoke(cli.edgeprune, [name, "--help"])
    inner = {"devices": "list", "farm": "run", "firmware": "export", "history": "export"}
    if name in inner:
        found = CliRunner().invoke(cli.edgeprune, [name, inner[name], "--help"])
    assert "--json" in found.output


WRONG = [
    (["deplyo"], "No such command 'deplyo'"),
    (["deploy"], "Missing argument 'MODEL'"),
    (["deploy", "x.h5"], "x.h5: no such file"),
    (["deploy", "../m.tflite"], "Missing option '--board'"),
    (["deploy", "../m.tflite", "--board", "rpi9"], "no board is called 'rpi9'"),
    (
        ["deploy", "../m.tflite", "--board", "local", "--recipe", "fast"],
        "no recipe is called 'fast'",
    ),
    (
        ["deploy", "../m.tflite", "--board", "local", "--sparsity", "1.0"],
        "is a share, and below 1: write 1% or 0.01",
    ),
    (
        ["deploy", "../m.tflite", "--board", "local", "--sparsity", "-0.1"],
        "sparsity must be in [0, 1)",
    ),
    (
        ["deploy", "../m.tflite", "--board", "local", "--quantize", "int7"],
        "'int7' is not one of",
    ),
    (["deploy", "x.h5", "--board", "local"], "x.h5"),
    (["deploy", "../m.tflite", "--board", "rpi4"], "no device on this desk is a rpi4"),
    (["deploy", "../m.tflite", "--board", "local", "--bench", "no.toml"], "no.toml"),
    (
        ["deploy", "../m.tflite", "--board", "local", "--max-accuracy-drop", "0.1"],
        "needs --data",
    ),
    (["report", "nowhere"], "nowhere"),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What edgeprune answers to each of them, by the words."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "m.tflite").write_bytes(nets.eligible())
    (folder / "here").mkdir()
    argvs = [argv for argv, _ in WRONG]
    return dict(zip(map(tuple, argvs), command_lines.answers(argvs, folder / "here"), strict=True))


@pytest.mark.parametrize("argv, message", WRONG)
def test_wrong_usage_is_one_line_and_exit_code_2_and_leaves_nothing(said, argv, message):
    done = said[tuple(argv)]
    assert done.code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    last = [line for line in done.stderr.splitlines() if line.startswith(("edgeprune:", "Error:"))]
    assert len(last) == 1
    assert done.stdout == ""
    assert done.files == []


def test_a_board_names_the_recipe_that_is_used_without_one(tmp_path, monkeypatch, capsys):
    text = (paths.shipped("boards") / "local.toml").read_text()
    text = text.replace('name   = "local"', 'name = "mine"').replace('"auto"', '"as-is"')
    (tmp_path / "mine.toml").write_text(text)
    (tmp_path / "net.tflite").write_bytes(nets.eligible(0.0))
    monkeypatch.setenv("EDGEPRUNE_BOARDS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["deploy", "net.tflite", "--board", "mine", "--json"])
    assert json.loads(capsys.readouterr().out)["recipe"]["name"] == "as-is"
