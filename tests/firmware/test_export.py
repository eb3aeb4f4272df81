"""The exported folder compiles alone by three compilers, and computes what the reference does."""

import subprocess
import sys

import beside
import numpy as np
import pytest
from int8_layers import random_layer

from edgeprune import cli
from edgeprune.devices.boards import Cpu, load_board
from edgeprune.firmware.export import exported
from edgeprune.firmware.plan import compiled

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
HOST = Cpu("host", "x86_64", ())
ZIG = [sys.executable, "-m", "ziglang", "cc"]
COMPILERS = {
    "gcc-arm": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"],
    "zig": [*ZIG, "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"],
    "gcc": ["gcc"],
}
WEIGHTS_OF_KEYWORD_SPOTTING = 22_016
FEEDS = """
#include <stdio.h>
#include "edgeprune/engine.h"
#include "model.h"
static uint32_t arena[(MODEL_ARENA_BYTES + 3) / 4];
int main(void)
{
    struct ep_engine engine;
    if (ep_prepare(&engine, model_plan, MODEL_PLAN_BYTES, arena, sizeof arena) != EP_OK) return 1;
    const uint32_t bytes = ep_input_tensor(&engine, 0)->bytes;
    while (fread(ep_input(&engine, 0), 1, bytes, stdin) == bytes) {
        ep_run(&engine, NULL, NULL);
        fwrite(ep_output(&engine, 0), 1, ep_output_tensor(&engine, 0)->bytes, stdout);
    }
    return 0;
}
"""


def written(folder, plan, cpu):
    """The folder's C files."""
    for name, text in exported(plan, "net.tflite", cpu).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [*sorted((folder / "src").glob("*.c")), folder / "model.c", folder / "main.c"]


@pytest.mark.parametrize(
    "compiler", [pytest.param("gcc-arm", marks=pytest.mark.device), "zig", "gcc"]
)
@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_the_folder_compiles_without_a_warning(tmp_path, compiler, op):
    plan = compiled(random_layer(3, op).tflite, "dsp")
    sources = written(tmp_path, plan, load_board("mps2-an386").cpu)
    argv = [*COMPILERS[compiler], "-std=c99", "-O1", *WARNINGS, "-Iinclude", "-I.", "-Isrc", "-c"]
    if compiler == "zig":
        argv += ["-isystem", str(cli.__file__).replace("edgeprune/cli/__init__.py", LIBC)]
    done = subprocess.run(
        [*argv, *sources], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


LIBC = "firmware/ports/cortex_m/libc"
"""zig has no C library for bare metal: the declarations that kernels use are enough."""


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_the_folder_computes_what_the_reference_does(tmp_path, op):
    layer = random_layer(5, op)
    *sources, main = written(tmp_path, compiled(layer.tflite, "scalar"), HOST)
    main.write_text(FEEDS)
    argv = ["gcc", "-std=c99", "-O1", "-fsanitize=address,undefined", "-Iinclude", "-I.", "-Isrc"]
    program = tmp_path / "program"
    subprocess.run([*argv, *sources, main, "-o", program], cwd=tmp_path, check=True, timeout=300)
    fed = layer.inputs.tobytes()
    done = subprocess.run([program], input=fed, capture_output=True, check=True, timeout=60)
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.int8), layer.outputs())


@pytest.mark.device
def test_keyword_spotting_takes_at_most_16_kb_besides_its_weights(tmp_path):
    found = beside.shared_models("kws_ref_model.tflite")
    if not found:
        pytest.skip("the models are not beside the repository")
    plan = compiled(found[0].read_bytes(), "dsp")
    written(tmp_path, plan, load_board("mps2-an386").cpu)
    subprocess.run(["make", "-s", "-C", tmp_path], check=True, timeout=300)
    argv = ["arm-none-eabi-size", "-t", tmp_path / "libmodel.a"]
    sizes = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert int(sizes.splitlines()[-1].split()[0]) - WEIGHTS_OF_KEYWORD_SPOTTING <= 16_000


def test_only_the_kernels_that_the_plan_calls_are_there():
    plan = compiled(random_layer(3, "FULLY_CONNECTED").tflite, "scalar")
    files = exported(plan, "a */ name\n", load_board("mps2-an386").cpu)
    kernels = {name.split("/")[-1] for name in files if "/ep_s8_" in name}
    (kernel,) = kernels
    assert kernel.startswith("ep_s8_fully_connected_") and kernel.endswith("__scalar.c")
    assert files["model.h"].startswith("/* a name , by edgeprune ")
    assert "-mcpu=cortex-m4" in files["Makefile"]


def export(tmp_path, board):
    """The command's exit code, for a network of one layer."""
    model = tmp_path / "layer.tflite"
    model.write_bytes(random_layer(6, "CONV_2D").tflite)
    with pytest.raises(SystemExit) as ended:
        cli.main(["firmware", "export", str(model), "--board", board, "-o", str(tmp_path / "out")])
    return ended.value.code


@pytest.mark.device
def test_its_makefile_makes_a_library(tmp_path, capsys):
    assert not export(tmp_path, "mps2-an386")
    assert "next: make -C" in capsys.readouterr().out
    subprocess.run(["make", "-s", "-C", tmp_path / "out"], check=True, timeout=300)
    assert (tmp_path / "out" / "libmodel.a").stat().st_size


def test_a_folder_that_exists_is_not_written_to(tmp_path, capsys):
    assert not export(tmp_path, "mps2-an386")
    assert export(tmp_path, "mps2-an386") == 2
    assert "exists already" in capsys.readouterr().err


def test_a_board_that_runs_no_firmware_is_refused(tmp_path, capsys):
    assert export(tmp_path, "rpi4") == 2
    assert "rpi4 is no microcontroller" in capsys.readouterr().err
