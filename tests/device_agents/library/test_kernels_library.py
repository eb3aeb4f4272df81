"""The library for apps: its examples run on the official runtime, and compute what XNNPACK does."""

import shutil
import subprocess
import sys
from pathlib import Path

import agent_rig
import numpy as np
import pytest
from int8_networks import Network

from edgeprune import cli
from edgeprune.agents import kernels_library
from edgeprune.agents.kernels_library import TARGETS
from edgeprune.cli.kernels import TARGETS as OFFERED
from edgeprune.devices.toolchain.zig import host_isa
from edgeprune.errors import ConfigError
from edgeprune.models.tflite import graph
from edgeprune.sparsify.own_kernels import with_own_kernels

HOST = f"{host_isa()}-linux-gnu"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The folder that a user gets, with an int8 network: with own kernels, and for any runtime."""
    folder = tmp_path_factory.mktemp("app") / "libs"
    kernels_library.write_library(HOST, folder)
    plain = _network()
    own, names = with_own_kernels(plain)
    (folder / "portable.tflite").write_bytes(plain)
    (folder / "own.tflite").write_bytes(own)
    (folder / "damaged.tflite").write_bytes(_damaged(own))
    source = graph.view(plain).subgraphs[0]
    shape = graph.shape_of(source.tensors[source.inputs[0]])
    values = np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)
    return folder, values.tobytes(), len(names)


def _network():
    """An int8 network of one input and one output."""
    net = Network(3)
    x = net.convolve(net.source((1, 24, 24, 3), 1 / 127, -1), 16, (3, 3), 2)
    x = net.convolve(net.separate(x), 40)
    x = net.convolve(net.convolve(x, 24, (3, 3)), 32, (1, 1), 2)
    return net.case("", [net.dense(net.mean_of_map(x, keep=False), 50)], 1).tflite


def _damaged(own):
    content = bytearray(own)
    content[content.index(b"EPKC") + 120] ^= 4
    return bytes(content)


def _in_c(folder, how):
    """The example, with the library linked in one of two ways."""
    program, litert = folder / f"app-{how}", agent_rig.library()
    library = {"shared": folder / kernels_library.NAME, "static": folder / "edgeprune_kernels.o"}
    where = f"-Wl,-rpath,{folder}:{Path(litert).parent}"
    argv = ["gcc", *agent_rig.C11, *agent_rig.WARNINGS, folder / "app.c", f"-I{folder}", where]
    libraries = [library[how], litert, "-lm", "-lpthread", "-ldl"]
    subprocess.run([*argv, *libraries, "-o", program], check=True, timeout=120)
    return [program]


def _in_python(folder, how):
    return [sys.executable, folder / "app.py", folder / kernels_library.NAME]


WAYS = [(_in_c, "shared"), (_in_c, "static"), (_in_python, "shared")]


@pytest.mark.parametrize(("start", "how"), WAYS, ids=["c", "c-static", "python"])
def test_the_examples_compute_bit_for_bit_what_the_portable_file_does(start, how, app):
    folder, values, layers = app
    argv, outputs = list(map(str, start(folder, how))), {}
    for name in ("portable", "own"):
        done = subprocess.run(
            [*argv, str(folder / f"{name}.tflite")], input=values, capture_output=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        outputs[name] = done.stdout
        count = layers if name == "own" else 0
        assert f"{count} layers ran in ".encode() in done.stderr
    assert outputs["own"] == outputs["portable"] and len(set(outputs["own"])) > 10
    refused = subprocess.run(
        [*argv, str(folder / "damaged.tflite")], input=values, capture_output=True, timeout=120
    )
    assert refused.returncode == 1 and b"refused: it is damaged" in refused.stderr


def _symbols(file, *options):
    argv = ["nm", *options, "--format=posix", str(file)]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout
    return {line.split()[0] for line in lines.splitlines()}


@pytest.mark.parametrize("target", TARGETS)
def test_an_app_sees_functions_of_our_name_alone(target):
    library = kernels_library.kernels_library(target)
    shown = _symbols(library.shared, "-D", "--defined-only")
    header = library.header.read_text()
    assert shown and all(name.startswith("edgeprune_kernels_") for name in shown)
    assert all(f"{name}(" in header for name in shown)
    linked = _symbols(library.code, "-g", "--defined-only")
    assert shown <= linked and all(name.startswith("edgeprune_") for name in linked)
    assert not _symbols(library.shared, "-D", "--undefined-only") & {"_exit", "exit", "abort"}


def test_a_phone_has_the_libraries_that_it_needs_and_may_have_large_pages():
    library = kernels_library.kernels_library("aarch64-linux-android").shared
    facts = subprocess.run(
        ["readelf", "-dW", "-lW", library], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    for name in ("libc.so", "libdl.so"):
        assert f"Shared library: [{name}]" in facts
    assert f"[{kernels_library.NAME}]" in facts
    loaded = [line.split() for line in facts.splitlines() if line.strip().startswith("LOAD")]
    assert loaded and all(int(row[-1], 16) == 16 << 10 for row in loaded)


@pytest.mark.full_range  # a smaller program shows it in tests/agents/test_build.py
def test_the_same_sources_make_the_same_library(tmp_path, monkeypatch):
    first = kernels_library.kernels_library(HOST)
    monkeypatch.setenv("EDGEPRUNE_CACHE", str(tmp_path / "cache"))
    again = kernels_library.kernels_library(HOST)
    assert again.shared != first.shared
    assert again.shared.read_bytes() == first.shared.read_bytes()
    assert again.code.read_bytes() == first.code.read_bytes()


def test_the_command_offers_all_targets_and_overwrites_nothing(tmp_path, capsys):
    assert OFFERED == TARGETS
    with pytest.raises(SystemExit) as done:
        cli.main(["kernels", str(tmp_path / "libs"), "--target", HOST])
    assert done.value.code in (0, None)
    assert "libedgeprune_kernels.so" in capsys.readouterr().out
    names = {file.name for file in (tmp_path / "libs").iterdir()}
    assert {"edgeprune_kernels.h", "edgeprune_kernels.o", "app.c", "app.py"} < names
    with pytest.raises(ConfigError, match="exists already"):
        kernels_library.write_library(HOST, tmp_path / "libs")
    shutil.rmtree(tmp_path / "libs")
