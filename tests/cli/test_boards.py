import json

import pytest
from click.testing import CliRunner

from edgeprune.cli.boards import boards
from edgeprune.devices.boards import board_names, load_board
from edgeprune.errors import ConfigError


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
