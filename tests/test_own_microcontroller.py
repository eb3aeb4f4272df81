"""A microcontroller board from scratch, in a folder of the user's own, as the ports' README says.

QEMU emulates it as a machine that no shipped board is.
"""

import json
import re

import pytest
from int8_layers import random_layer

from edgeprune import cli
from edgeprune.devices.boards import board_names, load_board
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.firmware.build import built, ports

BOARD = "mps2-an385"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's own folder with what the README shows."""
    text = (paths.shipped("firmware") / "ports" / "README.md").read_text()
    port = tmp_path / "my boards" / "ports" / BOARD
    port.mkdir(parents=True)
    files = {"make": port / "build.mk", "ld": port / "link.ld", "c": port / "port.c"}
    files["toml"] = port.parents[1] / f"{BOARD}.toml"
    for language, file in files.items():
        (code,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        file.write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPRUNE_BOARDS", "my boards")
    return port.parents[1]


def test_edgeprune_knows_the_board_and_its_port(own):
    assert BOARD in board_names() and BOARD in ports()
    assert load_board(BOARD).cpu.core == "cortex-m3"
    assert built(BOARD).is_file()


@pytest.mark.device
@pytest.mark.usefixtures("few_inputs")
def test_a_network_is_deployed_on_it_and_equals_the_reference(own, tmp_path, capsys):
    file = tmp_path / "layer.tflite"
    file.write_bytes(random_layer(11, "CONV_2D").tflite)
    with pytest.raises(SystemExit) as ended:
        cli.main(["deploy", str(file), "--board", BOARD, "--output", str(tmp_path / "o"), "--json"])
    shown = capsys.readouterr()
    assert not ended.value.code, shown.err
    (variant,) = json.loads(shown.out)["variants"]
    assert variant["parity"]["max_abs_diff"] == 0.0
    assert variant["instructions"]["per_inference"] > 0
    (layer,) = variant["layers"]
    assert layer["kernel"] == "ep_s8_conv_2d_dense__scalar"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda port: (port / "link.ld").unlink(), "link.ld: cannot be read"),
        (
            lambda port: (port / "build.mk").write_text("CPU = cortex-m3\n"),
            "missing ZIG_CPU, FLOAT",
        ),
        (lambda port: change_text(port / "build.mk", "soft", "wet"), "FLOAT must be one of soft"),
        (lambda port: change_text(port / "build.mk", "cortex_m\n", "cortex_n\n"), "no folder .*_n"),
    ],
)
def test_a_port_that_is_not_whole_says_what_is_missing(own, change, words):
    change(own / "ports" / BOARD)
    with pytest.raises(ConfigError, match=words):
        built(BOARD)


def change_text(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
