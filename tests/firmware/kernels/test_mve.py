"""What kernels for Cortex-M55 stand on: their rounding, and both compilers."""

import struct
import subprocess
import sys

import firmware_rig
import pytest
from firmware_rig import C99, FIRMWARE, TEST
from int8_operators import random_operator
from plan_bytes import PlanBytes

from edgeprune.firmware.kernels import ISAS
from edgeprune.firmware.plan import compiled

BAD_OP, ISA_IN_OP, OUT_SHIFT_IN_ADD = 6, 2, 84
KERNELS = sorted((FIRMWARE / "kernels").glob("*__mve.c"))


@pytest.mark.device
def test_sums_at_every_border_of_rounding_become_what_plain_c_makes_of_them(tmp_path):
    files = [TEST / "requantize_mve.c"]
    core = firmware_rig.Core(tmp_path, "mve", name="requantize_mve", files=files)
    core.start(tmp_path / "in", tmp_path / "out", timeout_s=120)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.stem)
def test_clang_compiles_it(kernel, tmp_path):
    target = ["-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m55+mve"]
    made = tmp_path / "kernel.o"
    argv = [sys.executable, "-m", "ziglang", "cc", *target, *C99, "-O2", "-c", kernel, "-o", made]
    subprocess.run(argv, check=True, timeout=120)
    assert kernel.stem.encode() in made.read_bytes(), "the file is empty for this target"


@pytest.mark.device
def test_an_addition_whose_output_is_shifted_to_the_left_is_refused(tmp_path):
    drawn = [random_operator("ADD", seed) for seed in range(20)]
    plans = [(PlanBytes(compiled(case.tflite, "mve").data), case.runs) for case in drawn]
    plan, runs = next(
        (plan, runs) for plan, runs in plans if plan.data[plan.ops_at + ISA_IN_OP] == ISAS["mve"]
    )
    jobs = [(plan.checked(), b"".join(runs))]
    struct.pack_into("<i", plan.data, plan.args_at + OUT_SHIFT_IN_ADD, -1)
    jobs.append((plan.checked(), b""))
    core = firmware_rig.Core(tmp_path, "mve")
    assert [ran.status for ran in core.run(jobs)] == [0, BAD_OP]
