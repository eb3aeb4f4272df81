"""Every port compiles, by ziglang and by gcc, and a new one is what ports/README.md says."""

import re
import struct
import subprocess

import numpy as np
import pytest
import serial_line
from full_range import also
from int8_layers import random_layer
from port_images import memories, segments

from edgeprune.devices.boards import load_board
from edgeprune.errors import ConfigError
from edgeprune.files import paths
from edgeprune.firmware import build
from edgeprune.firmware.plan import compiled

FIRMWARE = paths.shipped("firmware")
BY_GCC = ("nrf52840-dk",)
"""``firmware_rig.py`` compiles kernels of MVE by it; ziglang all ports, with the same warnings."""
SOLD = {"nucleo-l4r5zi", "nucleo-u575zi-q", "nrf52840-dk"}
EMULATED = {"mps2-an386", "mps3-an547"}


def check(board, elf):
    """Starts with a stack in RAM and code in code memory, where nothing lies outside."""
    places = {name: (first, end) for name, first, end in memories(board)}
    address, first = next(iter(segments(elf)))
    stack, start = struct.unpack_from("<II", first)
    assert address == places["code"][0]
    assert places["ram"][0] < stack <= places["ram"][1]
    assert start % 2 == 1 and places["code"][0] < start < places["code"][1]
    for at, data in segments(elf):
        assert places["code"][0] <= at <= at + len(data) <= places["code"][1]


def port_of(elf):
    """``struct ep_port`` (``port.h``) as it stands in an ELF file."""
    data = elf.read_bytes()
    sections_at, (entry, count) = (
        struct.unpack_from("<I", data, 32)[0],
        struct.unpack_from("<HH", data, 46),
    )
    sections = [struct.unpack_from("<10I", data, sections_at + k * entry) for k in range(count)]
    (table,) = [one for one in sections if one[1] == 2]  # SHT_SYMTAB
    names_at = sections[table[6]][4]
    symbols = struct.iter_unpack("<IIIBBH", data[table[4] : table[4] + table[5]])
    (value,) = [
        value
        for name_at, value, *_ in symbols
        if data[names_at + name_at :].startswith(b"ep_port\0")
    ]
    (at, bytes_) = next((at, b) for at, b in segments(elf) if at <= value < at + len(b))
    keys = ("tick_hz", "flags", "flash", "slot_bytes", "page_bytes", "unit_bytes", "arena_bytes")
    *first, _, arena_bytes = struct.unpack_from("<8xIIIIIIII", bytes_, value - at)
    return dict(zip(keys, (*first, arena_bytes), strict=True))


@pytest.mark.parametrize("name", build.ports())
def test_a_board_file_says_what_its_port_leaves_to_a_network(name):
    port, memory = port_of(build.built(name)), load_board(name).memory
    assert memory.plan_bytes == port["slot_bytes"] - port["page_bytes"]
    assert memory.arena_bytes == port["arena_bytes"]


def test_at_least_three_boards_as_sold_have_a_port():
    assert set(build.ports()) == SOLD | EMULATED


@pytest.mark.parametrize("board", build.ports())
def test_a_port_compiles_by_ziglang(board):
    check(board, build.built(board))


def made(board, folder, *settings):
    argv = ["make", "-C", FIRMWARE, f"BOARD={board}", f"BUILD={folder}", *settings]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / f"{board}.elf"


@pytest.mark.device
@pytest.mark.parametrize(
    "board", [name if name in BY_GCC else also(name) for name in build.ports()]
)
def test_a_port_compiles_by_gcc(board, tmp_path):
    check(board, made(board, tmp_path))


def test_an_unknown_board_is_refused():
    with pytest.raises(ConfigError, match="no port for abacus, only for: mps2-an386, "):
        build.built("abacus")


@pytest.mark.device
def test_the_port_that_the_readme_shows_runs(tmp_path):
    text = (FIRMWARE / "ports" / "README.md").read_text()
    port = tmp_path / "mps2-an385"
    port.mkdir()
    for language, name in (("make", "build.mk"), ("ld", "link.ld"), ("c", "port.c")):
        (code,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        (port / name).write_text(code)
    elf = made("mps2-an385", tmp_path, f"PORT={port}")
    layer = random_layer(1, "CONV_2D")
    with serial_line.emulated("mps2-an385", firmware=elf) as line:
        assert line.ask("hello")[0]["isas"] == ["scalar"]
        assert line.say("name") == ["e-[This firmware has no commands in text]"]
        line.store(compiled(layer.tflite, "scalar").data)
        line.load()
        got = b"".join(line.outputs_of(one.tobytes()) for one in layer.inputs)
    np.testing.assert_array_equal(np.frombuffer(got, np.int8), layer.outputs().ravel())
