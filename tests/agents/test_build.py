import multiprocessing
import os
import re
import shutil
import subprocess

import agent_rig
import pytest

import edgeprune
from edgeprune.agents import build
from edgeprune.devices.toolchain import zig
from edgeprune.errors import DeviceError
from edgeprune.files import paths

SOURCES = paths.shipped("device_agents")


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A small C program in a folder of its own, and the usual zig cache with a fresh agents one."""
    compiler_cache = str(paths.cache_folder() / "zig")
    variables = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
    monkeypatch.setattr(zig, "_environment", lambda: dict.fromkeys(variables, compiler_cache))
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "main.c").write_text("int main(void) { return 7; }\n")
    return [tmp_path / "main.c"]


def test_a_program_for_the_host_runs_here(sources):
    built = zig.compile_c("seven", sources, (), "host")
    assert subprocess.run([built], check=False).returncode == 7
    assert {path.name for path in built.parent.iterdir()} == {"seven", "seven.sha256"}
    before = built.read_bytes()
    for damaged in (b"", before[:-1], b"#!/bin/sh\nexit 7\n"):  # also by somebody else
        built.write_bytes(damaged)
        assert zig.compile_c("seven", sources, (), "host") == built
        assert subprocess.run([built], check=False).returncode == 7
        assert built.read_bytes()[:4] == b"\x7fELF"


def test_it_is_compiled_once_and_anew_when_a_source_or_header_changes(sources):
    built = zig.compile_c("seven", sources, (), "host")
    first = built.stat().st_mtime_ns
    assert zig.compile_c("seven", sources, (), "host") == built
    assert built.stat().st_mtime_ns == first
    (sources[0].parent / "new.h").write_text("#define X 1\n")
    assert zig.compile_c("seven", sources, (), "host") != built


def test_the_agent_is_built_for_both_architectures():
    for target, machine in (("aarch64-linux-gnu", 183), ("x86_64-linux-gnu", 62)):
        head = build.agent(target).read_bytes()[:20]
        assert head[:4] == b"\x7fELF" and head[18] == machine  # e_machine, ELF specification


def test_a_program_has_the_same_bytes_wherever_its_sources_lie(sources, tmp_path):
    code = "const char *place = __FILE__;\nint main(void) { return place[0]; }\n"
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.c").write_text(code)
        built = zig.compile_c("seven", [tmp_path / name / "main.c"], (), "host")
        found.append(built.read_bytes())
        shutil.rmtree(built.parent)
    assert found[0] == found[1]


@pytest.mark.full_range
def test_the_agent_has_the_same_bytes_when_its_sources_lie_elsewhere(
    sources, tmp_path, monkeypatch
):
    first = build.agent("host").read_bytes()
    elsewhere = tmp_path / "another" / "folder"
    shutil.copytree(paths.shipped("device_agents"), elsewhere)
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "another cache"))
    monkeypatch.setattr(paths, "shipped", lambda name: elsewhere)
    assert build.agent("host").read_bytes() == first


def test_a_program_of_the_wheel_is_taken_before_any_is_compiled(sources, tmp_path, monkeypatch):
    built = zig.compile_c("seven", sources, (), "host")
    shutil.copytree(built.parents[1], tmp_path / "wheel")
    monkeypatch.setattr(
        paths, "built_with_wheel", lambda *parts: tmp_path.joinpath("wheel", *parts)
    )
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "empty"))
    monkeypatch.setattr(zig.importlib.util, "find_spec", lambda name: None)
    shipped = zig.compile_c("seven", sources, (), "host")
    assert shipped.is_relative_to(tmp_path / "wheel") and not (tmp_path / "empty").exists()
    shipped.chmod(0o644)  # an installer that marks no programs
    copied = zig.compile_c("seven", sources, (), "host")
    assert copied.is_relative_to(tmp_path / "empty")
    assert subprocess.run([copied], check=False).returncode == 7
    shipped.write_bytes(b"damaged")
    copied.unlink()
    with pytest.raises(DeviceError, match="cannot be compiled"):
        zig.compile_c("seven", sources, (), "host")


def test_code_that_does_not_compile_is_one_line_and_leaves_nothing(sources):
    sources[0].write_text("int main(void) { return nothing; }\n")
    with pytest.raises(DeviceError, match=r"cannot be compiled for .*nothing") as caught:
        zig.compile_c("seven", sources, (), "host")
    assert "\n" not in str(caught.value)
    assert not [path for path in paths.cache_folder().rglob("*") if path.is_file()]


def test_an_unknown_target_is_a_device_error(sources):
    with pytest.raises(DeviceError, match="cannot be compiled for abacus-linux-gnu"):
        zig.compile_c("seven", sources, (), "abacus-linux-gnu")


def test_without_ziglang_the_message_says_what_to_install(sources, monkeypatch):
    monkeypatch.setattr(zig.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match=r"pip install 'edgeprune\[build\]'"):
        zig.compile_c("seven", sources, (), "host")


def test_missing_sources_are_a_device_error(tmp_path):
    with pytest.raises(DeviceError, match="reinstall edgeprune"):
        zig.compile_c("seven", [tmp_path / "gone.c"], (), "host")


def _compile(sources):
    return str(zig.compile_c("seven", sources, (), "host"))


def test_two_processes_at_once_both_get_a_whole_program(sources):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        one, two = pool.map(_compile, [sources, sources])
    assert one == two and subprocess.run([one], check=False).returncode == 7


def test_gcc_accepts_the_agent_without_a_warning(tmp_path):
    """A second compiler's eye; zig's is clang."""
    assert shutil.which("gcc"), "gcc is needed to test the agent"
    for source in build.agent_sources():
        agent_rig.object_of(source, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(sources, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DeviceError, match=r"cannot be written \(.*\): set EDGEPRUNE_CACHE"):
        zig.compile_c("seven", sources, (), "host")


def test_the_agent_in_python_is_one_program_whose_bytes_repeat(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path))
    built = build.python_agent()
    first = built.read_bytes()
    assert first.startswith(b"#!/usr/bin/env python3\n") and os.access(built, os.X_OK)
    assert build.python_agent() == built
    assert {built.name, f"{built.name}.sha256"} == set(os.listdir(built.parent))
    built.write_bytes(b"junk")
    assert build.python_agent().read_bytes() == first
    built.unlink()
    assert build.python_agent().read_bytes() == first


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """Makes copies of the agents' sources, at another place each, that are built from then on."""

    def copy(name):
        folder = tmp_path / name
        shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(paths, "shipped", {"device_agents": folder}.__getitem__)
        return folder

    return copy


def version_of(agent):
    with agent_rig.session(agent) as session:
        return session.hello().agent_version


def python_version():
    return version_of(build.python_agent()).partition(", on Python ")[0]


def native_version():
    return build.version_flag().partition("=")[2].strip('"')


def test_an_agent_says_which_release_and_sources_it_was_made_of():
    assert version_of(build.agent("host")) == native_version()
    for version in (native_version(), python_version()):
        assert re.fullmatch(re.escape(edgeprune.__version__) + r"\+[0-9a-f]{12}", version)


@pytest.mark.parametrize(
    ("file", "version"),
    [
        ("native/commands.c", native_version),
        ("native/frame.h", native_version),
        ("portable/crc32.h", native_version),
        ("python/edgeprune_agent/lock.py", python_version),
    ],
)
def test_an_agents_version_changes_with_its_sources_and_not_with_their_place(copied, file, version):
    shipped = version()
    changed = copied("one")
    assert version() == shipped
    (changed / file).write_text((changed / file).read_text() + "\n")
    other = version()
    assert other != shipped
    copied("two")
    assert version() == shipped
