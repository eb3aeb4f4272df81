import json
import re

import nets
import pytest
from click.testing import CliRunner

from edgeprune import cli
from edgeprune.cli.boards import boards
from edgeprune.devices.boards import board_names, load_board
from edgeprune.errors import ConfigError
from edgeprune.files import paths


def output(*arguments: str) -> str:
    result = CliRunner().invoke(
        boards, list(arguments), standalone_mode=False, catch_exceptions=False
    )
    assert result.stderr == ""
    return result.stdout


def test_the_list_has_every_board_with_what_sets_it_apart():
    text = output()
    for name in board_names():
        board = load_board(name)
        entry = text[text.index(f"{name} ") :].split("\n", 2)[:2]
        runtime = f"{board.runtime.use} {board.runtime.version}"
        for word in (board.vendor, board.cpu.core, runtime, board.transport.use, "recipe"):
            assert word in " ".join(entry), (name, word)
    assert "cortex-a76: SIMD, half precision, int8 dot product" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_one_board_is_shown_in_full_with_its_sources():
    text = " ".join(output("rpi4").split())
    assert "cpu.clock_hz 1,800,000,000 (Raspberry Pi 4 Model B product brief, Processor" in text
    assert "transport.folder .cache/edgeprune" in text
    assert "meters.use none" in text


def test_what_is_detected_is_left_out():
    assert "cpu.cores" not in output("local")


def test_json_is_alone_on_stdout_and_complete():
    listed = json.loads(output("--json"))
    assert [board["name"] for board in listed] == board_names()
    shown = json.loads(output("rpi4", "--json"))
    assert shown == next(board for board in listed if board["name"] == "rpi4")
    assert shown["cpu"]["core"] == "cortex-a72"
    assert shown["source"]["cpu.cores"].startswith("Raspberry Pi 4")


def test_an_unknown_board_is_our_own_error():
    with pytest.raises(ConfigError, match="no board is called 'rpi6'"):
        output("rpi6")


def test_help_shows_an_example():
    assert "Example: edgeprune boards rpi4" in output("--help")


COMMANDS = {
    "deploy": ["deploy", "m.tflite"],
    "run": ["run", "m.tflite"],
    "compress": ["compress", "m.tflite", "-o", "out.tflite"],
    "explain": ["explain", "m.tflite"],
    "boards": ["boards"],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    ("board", "says"),
    [
        ("rpi44", "no board is called 'rpi44'; there are: "),
        ("mien.toml", "--board mien.toml: no such file; did you mean mine.toml?"),
        ("bad.toml", "name 'mine' must equal the file's stem 'bad'"),
        ("a.toml", "recipe.default: no recipe is called 'fst'"),
        ("b.toml", "meters.use: no meter is called 'hwmo'; there are: "),
        ("c.toml", "transport.use: no transport is called 'sh'; there are: "),
    ],
)
def test_a_board_is_a_name_or_a_file_and_its_error_the_same_in_every_command(
    name, board, says, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.tflite").write_bytes(nets.eligible())
    text = (paths.shipped("boards") / "rpi4.toml").read_text()
    text = re.sub(r'name( *)= "rpi4"', 'name = "mine"', text)
    (tmp_path / "mine.toml").write_text(text)
    (tmp_path / "bad.toml").write_text(text)
    for file, old, new in (
        ("a", 'default = "auto"', 'default = "fst"'),
        ("b", "use = []", 'use = ["hwmo"]'),
        ("c", 'use = "ssh"', 'use = "sh"'),
    ):
        changed = re.sub(old.replace("[]", r"\[\]").replace(" ", " *"), new, text)
        assert changed != text, file
        (tmp_path / f"{file}.toml").write_text(changed.replace('"mine"', f'"{file}"'))
    argv = COMMANDS[name]
    with pytest.raises(SystemExit) as done:
        cli.main([*argv, board] if name == "boards" else [*argv, "--board", board])
    out, err = capsys.readouterr()
    assert (done.value.code, out) == (2, "")
    assert says in err and len(err.splitlines()) == 1


def test_a_board_file_is_as_good_as_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (paths.shipped("boards") / "rpi4.toml").read_text()
    (tmp_path / "mine.toml").write_text(re.sub(r'name( *)= "rpi4"', 'name = "mine"', text))
    (tmp_path / "m.tflite").write_bytes(nets.eligible())
    runner = CliRunner()
    shown = runner.invoke(cli.edgeprune, ["boards", "./mine.toml", "--json"])
    assert json.loads(shown.stdout)["name"] == "mine"
    explained = runner.invoke(cli.edgeprune, ["explain", "m.tflite", "--board", "./mine.toml"])
    assert explained.exit_code == 0 and "m.tflite on mine: " in explained.output
