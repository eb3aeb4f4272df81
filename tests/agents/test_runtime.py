import hashlib
import os
import sys
import zipfile

import pytest
from full_range import TIMES

from edgeprune.agents import pinned, runtime
from edgeprune.devices.boards import board_names, load_board
from edgeprune.devices.toolchain import zig
from edgeprune.errors import DeviceError
from edgeprune.prediction.xnnpack.releases import RELEASES

INSIDE = "ai_edge_litert/libLiteRt.so"
OTHER = "aarch64" if zig.host_isa() == "x86_64" else "x86_64"


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder of wheels that pip looks into instead of any index; each is pinned as it is."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(pinned, "HASHES", tmp_path / "hashes.toml")

    def add(version, members):
        name = f"ai_edge_litert-{version}-cp311-cp311-manylinux_2_27_{OTHER}.whl"
        info = f"ai_edge_litert-{version}.dist-info"
        with zipfile.ZipFile(folder / name, "w") as archive:
            metadata = f"Metadata-Version: 2.1\nName: ai-edge-litert\nVersion: {version}\n"
            archive.writestr(f"{info}/METADATA", metadata)
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\n")
            archive.writestr(f"{info}/RECORD", "")
            for member, data in members.items():
                archive.writestr(member, data)
        digest = hashlib.sha256(members.get(INSIDE, b"")).hexdigest()
        whole = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        pinned.HASHES.write_text(
            f'[library]\n"{version} {OTHER}" = "{digest}"\n'
            f'[wheel]\n"{version} {OTHER}" = "{whole}"\n'
        )
        return folder / name

    return add


def test_the_installed_library_serves_this_machine(empty_cache):
    found = runtime.library("host", "2.3.0")
    assert found == runtime.library(zig.host_isa(), "2.3.0")
    assert found.path.name == "libLiteRt.so" and "ai_edge_litert" in found.path.parts
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert not empty_cache.exists()


def test_a_library_is_fetched_once_and_kept(empty_cache, wheels, monkeypatch):
    wheels("9.9.9", {INSIDE: b"\x7fELF", "ai_edge_litert/other": b"x"})
    found = runtime.library(OTHER, "9.9.9")
    assert found.path.read_bytes() == b"\x7fELF" and found.version == "9.9.9"
    assert [path.name for path in found.path.parent.iterdir()] == ["libLiteRt.so"]
    monkeypatch.setattr(sys, "executable", "/no/python")  # a second fetch would fail
    assert runtime.library(OTHER, "9.9.9") == found


def test_a_cached_library_that_is_damaged_mends_itself_and_says_so(empty_cache, wheels, capsys):
    wheels("9.9.9", {INSIDE: b"\x7fELF"})
    found = runtime.library(OTHER, "9.9.9")
    kinds = (b"\x7fELG", b"", b"\x7fELF and more")
    for damaged in kinds if TIMES else kinds[:1]:
        found.path.write_bytes(damaged)
        assert runtime.library(OTHER, "9.9.9") == found
        assert found.path.read_bytes() == b"\x7fELF"
        assert capsys.readouterr().err.endswith("libLiteRt.so was damaged: it is fetched again\n")


def test_a_damaged_library_that_cannot_be_fetched_again_is_not_used(empty_cache, wheels):
    wheel = wheels("9.9.9", {INSIDE: b"\x7fELF"})
    found = runtime.library(OTHER, "9.9.9")
    found.path.write_bytes(b"evil")
    wheel.unlink()
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"ai-edge-litert 9\.9\.9 .* cannot be fetched"):
            runtime.library(OTHER, "9.9.9")
    assert not [name for name in os.listdir(found.path.parent) if name != "libLiteRt.so"]


def test_whatever_lies_in_the_place_of_a_cached_library_is_replaced(empty_cache, wheels, tmp_path):
    wheels("9.9.9", {INSIDE: b"\x7fELF"})
    found = runtime.library(OTHER, "9.9.9")
    others = (tmp_path / "of_the_user", tmp_path / "nowhere", found.path)
    others[0].write_bytes(b"mine")
    places = [lambda one=one: found.path.symlink_to(one) for one in others]
    for place in (places if TIMES else places[:1]) + [lambda: os.mkfifo(found.path)]:
        found.path.unlink()
        place()
        assert runtime.library(OTHER, "9.9.9") == found
        assert found.path.read_bytes() == b"\x7fELF" and not found.path.is_symlink()
    assert others[0].read_bytes() == b"mine" and not others[1].exists()
    found.path.unlink()
    found.path.mkdir()
    with pytest.raises(DeviceError, match="cannot be written"):
        runtime.library(OTHER, "9.9.9")


def test_a_wheel_that_is_none_is_refused_in_one_line(empty_cache, wheels):
    wheel = wheels("9.9.9", {INSIDE: bytes(1000)})
    pinned.HASHES.write_text("[library]\n[wheel]\n")
    content = bytearray(wheel.read_bytes())
    content[content.index(b"ai_edge_litert/libLiteRt.so") + 40] ^= 0xFF
    wheel.write_bytes(content)
    with pytest.raises(DeviceError) as caught:
        runtime.library(OTHER, "9.9.9", "0" * 64)
    assert "\n" not in str(caught.value)


def test_a_wheel_or_a_library_that_was_tampered_with_is_refused_and_leaves_nothing(
    empty_cache, wheels
):
    wheel = wheels("9.9.9", {INSIDE: b"\x7fELF"})
    hashes = pinned.HASHES.read_text()
    wheels("9.9.9", {INSIDE: b"evil"})
    for kept in (hashes, hashes.partition("[wheel]")[0] + "[wheel]\n"):  # of the wheel, the library
        pinned.HASHES.write_text(kept)
        with pytest.raises(DeviceError, match=r"9\.9\.9.* not what was published: its sha256 is"):
            runtime.library(OTHER, "9.9.9")
    assert wheel.exists() and not [name for _, _, files in os.walk(empty_cache) for name in files]


def test_a_release_that_nobody_pinned_is_refused_until_the_board_file_pins_it(empty_cache, wheels):
    wheels("9.9.9", {INSIDE: b"\x7fELF"})
    pinned.HASHES.write_text('[library]\n"2.3.0 aarch64" = "0"\n[wheel]\n')
    with pytest.raises(DeviceError, match=r"sha256 of LiteRT 9\.9\.9 for .* is not known"):
        runtime.library(OTHER, "9.9.9")
    own = hashlib.sha256(b"\x7fELF").hexdigest()
    assert runtime.library(OTHER, "9.9.9", own).sha256 == own
    with pytest.raises(DeviceError, match="not what was published"):
        runtime.library(OTHER, "9.9.9", "1" * 64)


def test_an_installed_library_that_differs_is_left_alone_and_told(
    empty_cache, wheels, monkeypatch, capsys
):
    isa = zig.host_isa()
    pinned.HASHES.write_text(f'[library]\n"2.3.0 {isa}" = "{"1" * 64}"\n[wheel]\n')
    with pytest.raises(DeviceError, match="cannot be fetched"):
        runtime.library(isa, "2.3.0")
    assert "is not LiteRT 2.3.0 as it was published: it is not used" in capsys.readouterr().err


def test_every_release_that_is_known_is_pinned_for_both_processors():
    versions = [one.first for one in RELEASES.values()] + [one.last for one in RELEASES.values()]
    for version in versions:
        for isa in ("aarch64", "x86_64"):
            assert len(pinned.library_sha256(isa, version)) == 64
            assert len(pinned.wheel_sha256(isa, version) or "") == 64
    for name in board_names():
        board = load_board(name)
        if board.agent.use == "native" and board.cpu.isa != "host":
            assert pinned.library_sha256(board.cpu.isa, board.runtime.version)


def test_a_version_that_does_not_exist_is_one_line_and_leaves_nothing(empty_cache, wheels):
    pinned.HASHES.write_text("[library]\n[wheel]\n")
    with pytest.raises(DeviceError, match=r"0\.0\.1 for manylinux_2_27_.* cannot be fetched"):
        runtime.library(OTHER, "0.0.1", "0" * 64)
    assert not [name for _, _, files in os.walk(empty_cache) for name in files]


def test_a_wheel_without_the_library_is_refused_and_leaves_nothing(empty_cache, wheels):
    wheels("9.9.8", {"ai_edge_litert/other": b"x"})
    with pytest.raises(DeviceError, match=r"the wheel holds no libLiteRt\.so"):
        runtime.library(OTHER, "9.9.8")
    assert not [name for _, _, files in os.walk(empty_cache) for name in files]
