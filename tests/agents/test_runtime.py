import hashlib
import os
import sys
import zipfile

import pytest

from edgeprune import zig
from edgeprune.agents import runtime
from edgeprune.errors import DeviceError

OTHER = "aarch64" if zig.host_isa() == "x86_64" else "x86_64"


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder of wheels that pip looks into instead of any index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

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

    return add


def test_the_installed_library_serves_this_machine(empty_cache):
    found = runtime.library("host", "2.3.0")
    assert found == runtime.library(zig.host_isa(), "2.3.0")
    assert found.path.name == "libLiteRt.so" and "ai_edge_litert" in found.path.parts
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert not empty_cache.exists()


def test_a_library_is_fetched_once_and_kept(empty_cache, wheels, monkeypatch):
    wheels("9.9.9", {"ai_edge_litert/libLiteRt.so": b"\x7fELF", "ai_edge_litert/other": b"x"})
    found = runtime.library(OTHER, "9.9.9")
    assert found.path.read_bytes() == b"\x7fELF" and found.version == "9.9.9"
    assert [path.name for path in found.path.parent.iterdir()] == ["libLiteRt.so"]
    monkeypatch.setattr(sys, "executable", "/no/python")  # a second fetch would fail
    assert runtime.library(OTHER, "9.9.9") == found


def test_a_version_that_does_not_exist_is_one_line_and_leaves_nothing(empty_cache, wheels):
    with pytest.raises(DeviceError, match=r"0\.0\.1 for manylinux_2_27_.* cannot be fetched"):
        runtime.library(OTHER, "0.0.1")
    assert not [name for _, _, files in os.walk(empty_cache) for name in files]


def test_a_wheel_without_the_library_is_refused_and_leaves_nothing(empty_cache, wheels):
    wheels("9.9.8", {"ai_edge_litert/other": b"x"})
    with pytest.raises(DeviceError, match=r"the wheel holds no libLiteRt\.so"):
        runtime.library(OTHER, "9.9.8")
    assert not [name for _, _, files in os.walk(empty_cache) for name in files]
