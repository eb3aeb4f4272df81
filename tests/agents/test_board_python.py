"""What a board's Python says of itself, and the wheel that fits it."""

import dataclasses
import json
import os
import re
import sys
import zipfile

import pytest
from full_range import also

from edgeprune.agents import pinned
from edgeprune.agents.board_python import BoardPython, ask_python, wheel
from edgeprune.devices.boards import load_board
from edgeprune.devices.device import Device
from edgeprune.devices.transports.base import TRANSPORTS
from edgeprune.errors import DeviceError

BOOKWORM = {"version": [3, 11], "numpy": "1.24.2", "glibc": "glibc 2.36", "bits": 32}
BOOKWORM["machine"] = "armv7l"


def ask(python):
    """Asks a program on this machine as if it were the board's python3."""
    board = load_board("rpi3-32")
    board = dataclasses.replace(board, agent=dataclasses.replace(board.agent, target=str(python)))
    with TRANSPORTS.get("local")(board, Device(board.name, "desk")) as transport:
        return ask_python(transport)


def saying(folder, **changes):
    """A program that says what a board's Python would."""
    program = folder / "python3"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(BOOKWORM | changes)}'\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("machine", ["armv7l", "armv8l", "aarch64"])
def test_a_32_bit_python_is_taken_whatever_kernel_is_below(tmp_path, machine):
    assert ask(saying(tmp_path, machine=machine)) == BoardPython((3, 11), 36, "1.24.2")


def test_a_real_python_answers_and_is_refused_where_it_is_for_another_machine():
    with pytest.raises(
        DeviceError, match=r"desk runs a 64-bit Python on .*, expected one for armv7l"
    ):
        ask(sys.executable)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bits": 64, "machine": "aarch64"}, r"64-bit Python on aarch64.*name the --board"),
        ({"machine": "armv6l"}, "expected one for armv7l"),
        ({"version": [3, 6]}, r"Python 3\.6, and .* wheels for Python 3\.7 to 3\.11"),
        ({"version": [3, 13]}, r"Python 3\.13, and .*: use an image"),
        ({"glibc": ""}, "no glibc 2"),
        ({"numpy": ""}, r"no numpy for its Python 3\.11: sudo apt install python3-numpy"),
        ({"numpy": "2.1.0"}, r"numpy 2\.1\.0, and tflite-runtime is built for numpy 1"),
        ({"numpy": "junk"}, "does not tell its version"),
        ({"version": None}, "version is None, expected a list of whole numbers"),
        ({"version": [True, 11]}, r"version\[0\] is True, expected a whole number"),
        ({"numpy": "1.2/../../x"}, "does not tell its version"),
        ({"machine": "\x1b[2J"}, r"64-bit|32-bit Python on \?\[2J, expected one for"),
    ],
)
def test_a_python_that_will_not_do_is_refused_in_one_line(tmp_path, changes, words):
    with pytest.raises(DeviceError, match=words) as caught:
        ask(saying(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_a_board_without_python_is_told_what_to_install(tmp_path):
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\nexit 127\n")
    program.chmod(0o755)
    with pytest.raises(DeviceError, match=r"has no .*python3.*: sudo apt install python3"):
        ask(program)


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder of wheels that pip looks into instead of any index; and an empty cache."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "cache"))
    for version, tag, numpy in (
        ("2.5.0", "cp311-cp311-linux_armv7l", ">=1.12.1"),
        ("2.11.0", "cp311-cp311-manylinux2014_armv7l", ">=1.19.2"),
        ("2.12.0", "cp311-cp311-manylinux2014_armv7l", ">=1.19.2"),
        ("2.13.0", "cp311-cp311-manylinux2014_armv7l", ">=1.21.2"),
        ("2.14.0", "cp311-cp311-manylinux_2_34_armv7l", ">=1.23.2"),
        ("2.15.0", "cp311-cp311-manylinux2014_armv7l", ">=1.23.2"),
        ("2.11.0", "cp37-cp37m-manylinux2014_armv7l", ">=1.16.0"),
    ):
        info = f"tflite_runtime-{version}.dist-info"
        with zipfile.ZipFile(folder / f"tflite_runtime-{version}-{tag}.whl", "w") as archive:
            metadata = f"Metadata-Version: 2.1\nName: tflite-runtime\nVersion: {version}\n"
            metadata += f"Requires-Dist: numpy ({numpy})\n"
            archive.writestr(f"{info}/METADATA", metadata)
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\n")
            archive.writestr(f"{info}/RECORD", "")
    pin(folder, tmp_path / "hashes.toml")
    monkeypatch.setattr(pinned, "HASHES", tmp_path / "hashes.toml")
    return tmp_path / "cache"


def pin(folder, hashes):
    """Takes all wheels of a folder for what was published."""
    lines = [f'"{file.name}" = "{pinned.sha256_of(file)}"' for file in folder.iterdir()]
    hashes.write_text("\n".join(["[board_wheel]", *lines, ""]))


def test_a_damaged_wheel_mends_itself_and_a_foreign_one_is_refused(wheels, tmp_path, capsys):
    board = BoardPython((3, 11), 36, "1.24.2")
    found = wheel("armv7l", "2.14.0", board)
    found.path.write_bytes(b"junk")
    assert wheel("armv7l", "2.14.0", board) == found
    assert "was damaged: it is fetched again" in capsys.readouterr().err
    found.path.unlink()
    source = tmp_path / "wheels" / found.path.name
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("evil", "")
    with pytest.raises(DeviceError, match="is not what was published"):
        wheel("armv7l", "2.14.0", board)
    own = pinned.sha256_of(source)
    assert wheel("armv7l", "2.14.0", board, own).sha256 == own


@pytest.mark.parametrize(
    ("glibc", "numpy", "version"),
    [
        (36, "1.24.2", "2.14.0"),
        also(34, "1.24.2", "2.14.0"),
        (31, "1.24.2", "2.13.0"),
        also(36, "1.21.5", "2.13.0"),
        (36, "1.19.5", "2.11.0"),  # 2.12.0 fits no board
    ],
)
def test_the_newest_wheel_that_glibc_and_numpy_will_do_for_is_fetched_once(
    wheels, monkeypatch, glibc, numpy, version
):
    board = BoardPython((3, 11), glibc, numpy)
    found = wheel("armv7l", "2.14.0", board)
    assert (found.name, found.version) == ("tflite-runtime", version)
    assert found.label == f"tflite-runtime {version} (sha256 {found.sha256[:12]})"
    assert zipfile.is_zipfile(found.path) and os.listdir(found.path.parent) == [found.path.name]
    monkeypatch.setattr(sys, "executable", "/no/python")  # a second fetch would fail
    assert wheel("armv7l", "2.14.0", board) == found


def test_the_oldest_python_gets_its_own_wheel(wheels):
    assert wheel("armv7l", "2.14.0", BoardPython((3, 7), 28, "1.16")).version == "2.11.0"


@pytest.mark.parametrize(
    ("board", "words"),
    [
        (
            BoardPython((3, 9), 31, "1.19"),
            r"at most 2\.14\.0, for Python 3\.9, glibc 2\.31 and numpy 1\.19 on armv7l cannot be",
        ),
        also(BoardPython((3, 11), 36, "1.18.0"), r"numpy 1\.18\.0 on armv7l cannot be fetched"),
    ],
)
def test_a_python_without_a_wheel_is_one_line_and_leaves_nothing(wheels, board, words):
    with pytest.raises(DeviceError, match=words) as caught:
        wheel("armv7l", "2.14.0", board)
    assert not re.search("\n", str(caught.value))
    assert not [name for _, _, files in os.walk(wheels) for name in files]
