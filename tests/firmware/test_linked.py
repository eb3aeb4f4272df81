"""A build for known plans has what they need of the engine, and nothing else takes flash."""

import subprocess

import firmware_rig
import pytest
from firmware_rig import FIRMWARE
from int8_layers import random_layer
from int8_networks import NETWORKS
from int8_operators import CASES, random_operator

from edgeprune.devices.boards import load_board
from edgeprune.firmware.export import exported
from edgeprune.firmware.linked import HELPERS, sources
from edgeprune.firmware.plan import compiled

MAX_ENGINE_BYTES = 12288
"""Of the engine with its kernels for a MobileNetV1 on a Cortex-M4, without the plan."""

BARE = """
extern int main(void);
void ep_start(void);
void ep_start(void) { (void)main(); for (;;) {} }
"""


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_operator_has_its_files(name):
    found = sources([compiled(random_operator(name, 0).tflite, "scalar").data])
    assert all((FIRMWARE / path).is_file() for path in found)
    assert {f"kernels/{helper}.c" for helper in HELPERS} <= set(found)


def test_plans_share_what_they_need():
    first, second = (
        compiled(random_layer(3, op).tflite, "scalar").data for op in ("CONV_2D", "FULLY_CONNECTED")
    )
    assert set(sources([first, second])) == {*sources([first]), *sources([second])}
    assert sources([first]) != sources([second])


@pytest.mark.device
def test_a_network_takes_little_flash_beside_its_plan(tmp_path):
    plan = compiled(NETWORKS["visual_wake_words"]().tflite, "dsp")
    files = exported(plan, "vww", load_board("mps2-an386").cpu)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    objects = [
        built(tmp_path, tmp_path / name, "-O3" if "/ep_" in name or "/dsp_" in name else "-Os")
        for name in files
        if name.endswith(".c") and name != "model.c"
    ]
    linked = tmp_path / "engine.elf"
    (tmp_path / "bare.c").write_text(BARE)
    objects.append(built(tmp_path, tmp_path / "bare.c", "-Os"))
    flags = ["-nostartfiles", "-Wl,--gc-sections", "-Wl,-e,ep_start", "--specs=nano.specs"]
    plan_at = "-Wl,--defsym=model_plan=0x100000"
    run("arm-none-eabi-gcc", *ARCH, *flags, plan_at, *objects, "-o", linked)
    text = run("arm-none-eabi-size", linked).splitlines()[1].split()[0]
    assert 4096 < int(text) <= MAX_ENGINE_BYTES


ARCH = firmware_rig._MACHINES["dsp"][1][1:4]


def built(folder, file, level):
    target = file.with_suffix(".o")
    flags = ["-std=c99", "-ffunction-sections", "-fdata-sections", "-Iinclude", "-I.", "-Isrc"]
    run("arm-none-eabi-gcc", *ARCH, level, *flags, "-c", file, "-o", target, cwd=folder)
    return target


def run(*argv, cwd=None):
    return subprocess.run(
        argv, cwd=cwd, check=True, capture_output=True, text=True, timeout=300
    ).stdout
