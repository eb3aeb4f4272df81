"""What kernels for Cortex-M55 stand on: their rounding, and both compilers."""

import subprocess
import sys

import firmware_rig
import pytest
from firmware_rig import C99, FIRMWARE, TEST

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
